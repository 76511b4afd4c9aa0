"""Maps of scores against scipy's fits, and what they are refused for."""

import numpy as np
import pytest
from scipy.optimize import isotonic_regression, minimize

from smiletrack.config import build_config
from smiletrack.errors import InputError
from smiletrack.tracking.score_map import ScoreMap, fit_isotonic, fit_logistic


def drawn(count: int = 400, slope: float = 3.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, whether each is a person (logit p = 2 + slope logit s), and weights."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.02, 0.9, count)
    person = rng.random(count) < 1 / (1 + np.exp(-2 - slope * np.log(scores / (1 - scores))))
    return scores, person, rng.uniform(0.5, 1.5, count)


def test_the_logistic_map_is_the_likeliest() -> None:
    scores, person, weights = drawn()
    odds = np.log(scores / (1 - scores))

    def loss(w: np.ndarray) -> float:
        margins = (2 * person - 1) * (w[0] + w[1] * odds)
        return float(weights @ np.logaddexp(0, -margins) + (w[0] ** 2 + (w[1] - 1) ** 2) / 200)

    a, b = minimize(loss, [0.0, 1.0]).x
    found = fit_logistic(scores, person, weights)
    knots = np.array(found.scores[1:-1])
    np.testing.assert_allclose(found.chances[1:-1], 1 / (1 + np.exp(-a - b * np.log(knots / (1 - knots)))), atol=1e-4)
    assert (found.method, found.boxes, found.people) == ("logistic", 400, person.sum())


def test_labels_that_scores_tell_apart_have_an_answer() -> None:
    found = fit_logistic(np.array([0.2, 0.3, 0.7, 0.8]), np.array([False, False, True, True]), np.ones(4))
    assert found.chance(np.array([0.1, 0.9])) == pytest.approx([0.1, 0.9], abs=0.1)


def test_the_isotonic_map_is_scipys_fit_of_the_groups() -> None:
    scores, person, _ = drawn(90)  # each a group of its own
    found = fit_isotonic(scores, person, np.ones(90))
    order = np.argsort(scores)
    expected = isotonic_regression((person[order] + 0.5) / 2).x
    np.testing.assert_allclose(found.scores, scores[order])
    np.testing.assert_allclose(found.chances, expected)
    many = fit_isotonic(*drawn(5000))
    assert len(many.scores) == 100 and many.chances[0] < 0.05 and many.chances[-1] > 0.95


def test_the_map_of_the_detector_that_thresholds_are_made_for_changes_nothing() -> None:
    scores = np.linspace(0.05, 0.95, 19)
    chances = 1 / (1 + np.exp(-(1.0 + 1.4 * np.log(scores / (1 - scores)))))
    np.testing.assert_allclose(ScoreMap(tuple(scores), tuple(chances)).common(scores), scores)


def test_common_scores_rise_and_what_is_not_finite_stays() -> None:
    found = fit_isotonic(*drawn())
    common = found.common(np.linspace(-1, 2, 301))
    assert (np.diff(common) >= 0).all() and common[0] >= 0 and common[-1] <= 1
    np.testing.assert_array_equal(found.common(np.array([np.nan, np.inf])), [np.nan, np.inf])


@pytest.mark.parametrize(
    ("scores", "message"),
    [([5.0, 90.0, 7.0], "method: logistic takes scores in"), ([0.1, 0.9, 0.2], "does not mean a person more often")],
)
def test_scores_that_no_logistic_map_fits_are_refused(scores: list[float], message: str) -> None:
    labels = np.array([True, False, True] * 20)
    with pytest.raises(InputError, match=message):
        fit_logistic(np.array(scores * 20), labels, np.ones(60))


def test_one_score_is_refused_and_two_are_enough() -> None:
    with pytest.raises(InputError, match="all boxes have one score"):
        fit_isotonic(np.full(9, 0.5), np.ones(9, bool), np.ones(9))
    found = fit_isotonic(np.array([0.5] * 500 + [0.6]), np.ones(501, bool), np.ones(501))
    assert len(found.scores) == 2


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"scores": [0.1, 0.2, 0.3], "chances": [0.1, 0.2]}, "chances must be one for each of the 3 scores"),
        ({"scores": [0.1], "chances": [0.1]}, "scores must"),
        ({"scores": [0.2, 0.1], "chances": [0.1, 0.2]}, "scores must be ascending"),
        ({"scores": [0.1, 0.2], "chances": [0.3, 0.2]}, "chances must not descend"),
        ({"scores": [0.1, 0.2], "chances": [0.3, 1.2]}, "chances.1 must be"),
        ({"scores": [0.1, float("nan")], "chances": [0.3, 0.4]}, "scores.1 must be"),
        ({"scores": [0.1, 0.2]}, "chances|missing|required"),
    ],
)
def test_maps_that_are_none_are_refused(tree: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_config(ScoreMap, tree)
