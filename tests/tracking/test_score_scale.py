"""Scores of a detector that uses its scale differently: the weighted median typed again, and what it does to tracks."""

from dataclasses import replace

import numpy as np
import pytest

from smiletrack.config import load_config, preset_file
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.score_scale import SCORE_BINS, clear_score, rescale
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections, Floats


def slow_median(scores: list[float]) -> float:
    """The first score at which half of the third powers above the noise are reached."""
    counted = sorted(score for score in scores if score > 0.1)
    total, upto = sum(score**3 for score in counted), 0.0
    for score in counted:
        upto += score**3
        if upto >= total / 2:
            return score
    return 0.95


def rescaled(weights: Floats, scores: Floats) -> Floats:
    common = np.full(len(scores), np.nan)
    rescale(weights, scores, common)
    return common


def test_the_running_median_is_that_of_all_scores_so_far() -> None:
    rng, weights, seen = np.random.default_rng(0), np.zeros(SCORE_BINS), []
    for size in (0, 5, 40, 0, 200):
        scores = rng.beta(2, 3, size)
        seen += scores.tolist()
        clear = slow_median(seen)
        expected = np.minimum(scores * 0.95 / clear, 1) if clear < 0.8 else scores
        np.testing.assert_allclose(rescaled(weights, scores), expected, rtol=0.005)
        assert clear_score(weights) == pytest.approx(clear, abs=1e-3)


def test_a_detector_that_uses_the_whole_scale_is_left_alone() -> None:
    scores = np.array([0.05, 0.4, 0.85, 0.95, 0.93, 1.0])
    np.testing.assert_array_equal(rescaled(np.zeros(SCORE_BINS), scores), scores)
    assert not len(rescaled(np.zeros(SCORE_BINS), np.zeros(0)))
    odd = np.array([np.nan, -0.5, np.inf, 0.5])
    np.testing.assert_array_equal(rescaled(np.zeros(SCORE_BINS), odd)[:3], [np.nan, -0.5 * 0.95 / 0.5005, np.inf])


def test_a_timid_detector_gets_tracks() -> None:
    config = load_config(TrackerConfig, preset_file("tracker", "smiletrack-motion"))
    for common in (False, True):
        tracker = Tracker(replace(config, split=replace(config.split, rescale=common)))
        tracks = tracker.update(Detections([[100.0, 100, 140, 200], [300.0, 100, 340, 200]], [0.5, 0.12]))
        assert len(tracks) == common
