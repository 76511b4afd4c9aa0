"""Boxes labelled by the truth: cases by hand, and a slow version."""

import numpy as np
import pytest

from smiletrack.boxes import iou_matrix
from smiletrack.metrics.box_labels import label_boxes
from smiletrack.types import TrackTable

HERE, BESIDE, FAR, SIGN = [0.0, 0, 40, 100], [4.0, 0, 44, 100], [200.0, 0, 240, 100], [400.0, 0, 440, 100]


def test_each_person_is_found_once_by_the_highest_score() -> None:
    truth = TrackTable(
        np.array([1, 1, 2]), np.array([1, 2, 1]), np.array([HERE, SIGN, HERE]), np.array([1.0, 0.0, 1.0])
    )
    frames = np.array([1, 1, 1, 1, 3])
    boxes = np.array([BESIDE, HERE, FAR, SIGN, HERE])
    scores = np.array([0.9, 0.4, 0.8, 0.7, 0.9])
    labels = label_boxes(frames, boxes, scores, truth, truth.counted)
    assert labels.tolist() == [1, 0, 0, -1, 0]  # a second box, background, not counted, nobody in frame 3
    assert not len(label_boxes(frames[:0], boxes[:0], scores[:0], truth, truth.counted))


@pytest.mark.parametrize("seed", range(3))
def test_labels_are_those_of_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        corner = rng.uniform(0, 60, (count, 2))
        return rng.integers(1, 4, count), np.hstack((corner, corner + 40))

    (frames, boxes), (true_frames, true_boxes) = drawn(30), drawn(20)
    scores, targets = rng.random(30), rng.random(20) < 0.7
    truth = TrackTable(true_frames, np.arange(20), true_boxes)
    expected, taken = np.zeros(30, int), set()
    for row in np.argsort(-scores):
        overlaps = iou_matrix(boxes[row : row + 1], true_boxes)[0] * (true_frames == frames[row])
        free = [k for k in range(20) if targets[k] and k not in taken and overlaps[k] >= 0.5]
        if free:
            taken.add(max(free, key=lambda k: overlaps[k]))
            expected[row] = 1
        elif (overlaps[~targets] >= 0.5).any():
            expected[row] = -1
    np.testing.assert_array_equal(label_boxes(frames, boxes, scores, truth, targets), expected)
