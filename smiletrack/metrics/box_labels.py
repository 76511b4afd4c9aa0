"""Which detections show a person: matched to the truth one to one, for fitting what scores mean."""

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import iou_matrix
from smiletrack.types import Floats, Ints, TrackTable

NO_PERSON, PERSON, NOT_COUNTED = 0, 1, -1


def label_boxes(
    frames: Ints, boxes: Floats, scores: Floats, truth: TrackTable, targets: NDArray[np.bool_], min_iou: float = 0.5
) -> Ints:
    """Return (N,) PERSON, NO_PERSON or NOT_COUNTED of each detection.

    targets: rows of the truth that count. In every frame the highest score takes the target that it overlaps most, if
    by `min_iou`, then the next of those that are left. What gets none is NOT_COUNTED if it overlaps another row of the
    truth by as much, such as a distractor, else NO_PERSON: also a second box on one person.
    """
    labels = np.full(len(frames), NO_PERSON)
    for frame in np.unique(frames):
        rows = np.flatnonzero(frames == frame)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        here = truth.frames == frame
        overlap = iou_matrix(boxes[rows], truth.boxes[here & targets])
        beside = iou_matrix(boxes[rows], truth.boxes[here & ~targets]).max(axis=1, initial=0.0)
        for place, row in enumerate(rows):
            if overlap.shape[1] and overlap[place].max() >= min_iou:
                labels[row] = PERSON
                overlap[:, overlap[place].argmax()] = 0.0
            elif beside[place] >= min_iou:
                labels[row] = NOT_COUNTED
    return labels
