"""Every Nth frame of a sequence: the looks 1, 2, 3 ... are at the frames 1, 1 + N, 1 + 2 N ..., N being the stride."""

from typing import TypeVar

from smiletrack.data.mot import DetectionTable
from smiletrack.data.truth import Truth
from smiletrack.types import Ints, TrackTable

RowsT = TypeVar("RowsT", TrackTable, DetectionTable)


def num_looks(num_frames: int, stride: int) -> int:
    """Return how many of the frames are looked at."""
    return -(-num_frames // stride)


def frames_of(looks: Ints, stride: int) -> Ints:
    """Return the numbers of the frames that are looked at."""
    return 1 + (looks - 1) * stride


def looks_of(frames: Ints, stride: int) -> Ints:
    """Return the numbers of the looks at frames."""
    return 1 + (frames - 1) // stride


def every(table: RowsT, stride: int) -> RowsT:
    """Return the rows of the frames that are looked at, under their own numbers."""
    return table if stride == 1 else table[(table.frames - 1) % stride == 0]


def every_truth(truth: Truth, stride: int) -> Truth:
    """Return the annotations of the frames that are looked at, under their own numbers."""
    return truth if stride == 1 else truth[(truth.table.frames - 1) % stride == 0]
