"""Calibrated appearance: evidence is the log-likelihood ratio, and nothing where embeddings say nothing."""

import numpy as np
from scipy.stats import norm

from smiletrack.tracking.calibration import DIFFERENT, SAME, add_similarities, evidence, evidence_line
from smiletrack.types import Floats


class Calibration:
    """The picture of one sequence."""

    def __init__(self) -> None:
        self.similarities = np.zeros((3, 2))

    def learn(self, same: Floats, different: Floats) -> None:
        add_similarities(self.similarities, SAME, same)
        add_similarities(self.similarities, DIFFERENT, different)

    def evidence(self, values: Floats) -> Floats:
        line = evidence_line(self.similarities)
        return np.array([evidence(*line, value) for value in values])


def test_evidence_is_scipys_log_likelihood_ratio_of_two_mixtures_once_enough_was_seen() -> None:
    rng = np.random.default_rng(0)
    calibration = Calibration()
    for _ in range(150):
        calibration.learn(rng.normal(0.8, 0.1, 20), rng.normal(0.3, 0.1, 20))
    x = np.linspace(0, 1, 9)
    ratio = norm(0.8, 0.1).logpdf(x) - norm(0.3, 0.1).logpdf(x)
    shrunk = np.exp(ratio * 25 / (25 + 4))  # five standard deviations apart
    expected = np.log((0.97 * shrunk + 0.03) / (0.97 + 0.03 * shrunk))
    np.testing.assert_allclose(calibration.evidence(x), expected, atol=0.3)
    assert np.abs(expected).max() > 3


def test_evidence_grows_with_the_separation_of_the_cases() -> None:
    rng = np.random.default_rng(3)
    spread = []
    for separation in (0.02, 0.1, 0.3):
        calibration = Calibration()
        for _ in range(50):
            calibration.learn(rng.normal(separation, 0.1, 20), rng.normal(0.0, 0.1, 20))
        spread.append(np.ptp(calibration.evidence(np.array([-0.1, separation + 0.1]))))
    assert spread[0] < 0.1 < spread[1] < 1.5 < 3 < spread[2]


def test_means_and_variances_are_those_of_all_values_before_anything_fades() -> None:
    rng = np.random.default_rng(1)
    batches = [rng.normal(0.5, 0.2, size) for size in (1, 7, 30)]
    calibration = Calibration()
    for batch in batches:
        calibration.learn(batch, batch[:0])
    everything = np.concatenate(batches)
    np.testing.assert_allclose(
        [calibration.similarities[1, SAME], calibration.similarities[2, SAME]], [everything.mean(), everything.var()]
    )


def test_noise_is_no_evidence_and_neither_is_an_empty_memory() -> None:
    rng = np.random.default_rng(2)
    calibration = Calibration()
    assert not calibration.evidence(np.array([0.0, 1.0])).any()
    calibration.learn(np.array([0.9]), np.zeros(0))
    assert not calibration.evidence(np.array([0.0, 1.0])).any()
    for _ in range(100):
        calibration.learn(rng.normal(0, 0.09, 20), rng.normal(0, 0.09, 200))
    assert not calibration.evidence(rng.normal(0, 0.09, 1000)).any()
    assert np.isnan(calibration.evidence(np.array([np.nan]))).all()


def test_older_similarities_fade() -> None:
    calibration = Calibration()
    for mean in (0.2, 0.9):
        for _ in range(1000):
            calibration.learn(np.full(20, mean), np.full(20, 0.1))
    assert abs(calibration.similarities[1, SAME] - 0.9) < 0.01
