"""Calibrated appearance: evidence is the log-likelihood ratio, and nothing where embeddings say nothing."""

import numpy as np
from scipy.stats import norm

from smiletrack.tracking.calibration import Calibration


def test_evidence_is_scipys_log_likelihood_ratio_once_enough_was_seen() -> None:
    rng = np.random.default_rng(0)
    calibration = Calibration(prior=1e-9)
    for _ in range(50):
        calibration.learn(rng.normal(0.8, 0.1, 20), rng.normal(0.3, 0.1, 20))
    x = np.linspace(0, 1, 9)
    expected = norm(0.8, 0.1).logpdf(x) - norm(0.3, 0.1).logpdf(x)
    np.testing.assert_allclose(calibration.evidence(x), expected, atol=0.12 * np.abs(expected).max())


def test_means_and_variances_are_those_of_all_values_before_anything_fades() -> None:
    rng = np.random.default_rng(1)
    batches = [rng.normal(0.5, 0.2, size) for size in (1, 7, 30)]
    calibration = Calibration()
    for batch in batches:
        calibration.learn(batch, batch[:0])
    everything = np.concatenate(batches)
    np.testing.assert_allclose([calibration.means[0], calibration.variances[0]], [everything.mean(), everything.var()])


def test_noise_is_no_evidence_and_neither_is_an_empty_memory() -> None:
    rng = np.random.default_rng(2)
    calibration = Calibration()
    assert not calibration.evidence(np.array([0.0, 1.0])).any()
    calibration.learn(np.array([0.9]), np.zeros(0))
    assert not calibration.evidence(np.array([0.0, 1.0])).any()
    for _ in range(100):
        calibration.learn(rng.normal(0, 0.09, 20), rng.normal(0, 0.09, 200))
    assert np.abs(calibration.evidence(rng.normal(0, 0.09, 1000))).max() < 0.5


def test_older_similarities_fade() -> None:
    calibration = Calibration()
    for mean in (0.2, 0.9):
        for _ in range(1000):
            calibration.learn(np.full(20, mean), np.full(20, 0.1))
    assert abs(calibration.means[0] - 0.9) < 0.01
