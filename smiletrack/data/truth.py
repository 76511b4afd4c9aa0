"""Ground truth as training wants it: who is a pedestrian, what is ignored, and no person twice in a frame."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from smiletrack.data.mot import read_truth
from smiletrack.types import TrackTable

PEDESTRIAN = 1
IGNORED_CLASSES = (2, 7, 8, 12)
"""Person on vehicle, static person, distractor, reflection: neither target nor background (MOT16, arXiv:1603.00831)."""


def read_training_truth(file: Path) -> TrackTable:
    """Read `gt.txt`; in MOT15's form (10 columns: world coordinates at the end) all are pedestrians in full view.

    The eighth and ninth column of MOT16 and later are class and visibility, of MOT15 and 3D sets a position on the
    ground or -1. Errors are those of `read_truth`.
    """
    truth = read_truth(file)
    with file.open(encoding="utf-8-sig", errors="replace") as stream:
        columns = len(stream.readline().replace(";", ",").split(","))
    if columns < 10:
        return truth
    return replace(truth, classes=np.full(len(truth), PEDESTRIAN), visibility=np.ones(len(truth)))


def duplicate_rows(truth: TrackTable) -> list[int]:
    """Return the rows whose identity was in their frame already, in file order; rows of score 0 do not count."""
    counted = np.flatnonzero(truth.scores > 0)
    _, first = np.unique(np.stack([truth.frames[counted], truth.ids[counted]]), axis=1, return_index=True)
    return sorted(set(counted.tolist()) - set(counted[first].tolist()))
