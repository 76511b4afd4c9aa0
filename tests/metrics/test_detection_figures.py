"""COCO's figures on cases small enough to work out by hand."""

import numpy as np
import pytest

from smiletrack.metrics.detection_figures import detection_figures
from smiletrack.types import Detections

BOXES = np.array([[0, 0, 40, 100], [100, 0, 140, 100], [200, 0, 240, 100]], np.float64)
TRUTH = (BOXES, np.ones(3, np.int64), np.zeros(3, bool))
NOTHING = (np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool))


def test_perfect_detections() -> None:
    figures = detection_figures(
        [TRUTH, NOTHING], [Detections(BOXES, np.full(3, 0.9)), Detections(np.zeros((0, 4)), [])]
    )
    assert figures["AP"] == figures["AP50"] == figures["AP_medium"] == pytest.approx(1.0)
    assert figures["AP_small"] == figures["AP_large"] == -1  # nothing of that size
    assert figures["precision"] == figures["recall"] == 1.0


def test_shifted_boxes_count_up_to_their_overlap() -> None:
    """IoU 0.82 by construction: right at 0.5 .. 0.8, wrong at 0.85 .. 0.95."""
    shifted = BOXES + np.array([0, 18 / 1.82, 0, 18 / 1.82])
    figures = detection_figures([TRUTH], [Detections(shifted, np.full(3, 0.9))])
    assert figures["AP50"] == figures["AP75"] == pytest.approx(1.0)
    assert figures["AP"] == pytest.approx(0.7)


def test_false_alarm_and_miss_by_hand() -> None:
    """Scores .9 right, .8 false, .7 right, one missed: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3."""
    boxes = np.array([BOXES[0], [400, 0, 440, 100], BOXES[1]])
    figures = detection_figures([TRUTH], [Detections(boxes, np.array([0.9, 0.8, 0.7]))], operating_score=0.75)
    # 101 points: 34 (0 .. 0.33) at precision 1, 33 (0.34 .. 0.66) at 2/3, the rest 0
    assert figures["AP50"] == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert figures["precision"] == pytest.approx(1 / 2) and figures["recall"] == pytest.approx(1 / 3)


def test_ignored_boxes_count_neither_way() -> None:
    truth = (BOXES, np.ones(3, np.int64), np.array([False, False, True]))
    found = Detections(BOXES, np.array([0.9, 0.8, 0.95]))
    figures = detection_figures([truth], [found])
    assert figures["AP"] == pytest.approx(1.0) and figures["precision"] == figures["recall"] == 1.0
    missed = detection_figures([truth], [found[np.array([0, 1])]])
    assert missed["AP"] == pytest.approx(1.0) and missed["recall"] == 1.0


def test_nothing_found_and_nothing_there() -> None:
    assert detection_figures([TRUTH], [Detections(np.zeros((0, 4)), [])])["AP"] == 0
    assert detection_figures([TRUTH], [Detections(np.zeros((0, 4)), [])])["precision"] == -1
    alone = detection_figures([NOTHING], [Detections(BOXES, np.full(3, 0.9))])
    assert alone["AP"] == -1 and alone["precision"] == 0 and alone["recall"] == -1
