"""Columns that cannot be what they are taken for: a word, or an error, before they become results."""

import numpy as np

from smiletrack.data.mot import DetectionTable
from smiletrack.metrics.preprocess import Source
from smiletrack.types import Floats, Ints

_FEW = 3
"""Detections below which nothing is concluded from their boxes."""


def check_frames(frames: Ints, length: int, source: Source) -> None:
    """Raise InputError, with a hint at what went wrong, for a row outside frames 1 .. `length` of its sequence."""
    outside = (frames < 1) | (frames > length)
    if outside.any():
        row = int(outside.argmax())
        raise source.error(row, f"frame {frames[row]} is outside the sequence, 1 .. {length}{_hint(frames, length)}")


def _hint(frames: Ints, length: int) -> str:
    first, last = int(frames.min()), int(frames.max())
    if first == 0 and last < length:
        return "; the file counts from 0, MOTChallenge from 1: add 1 to its first column"
    if first > 1 and last - first < length:
        return (
            f"; the file counts {first} .. {last}: take {first - 1} off its first column if those are the frames meant"
        )
    return ""


def doubts_of(table: DetectionTable, width: int, height: int, source: Source) -> list[str]:
    """Return one line for each column that hardly is what it is taken for. width, height: px, 0 where not known.

    Raises InputError where it certainly is not: shares of the image as boxes, no score at all, a column too few.
    """
    if not len(table):
        return []
    sides = table.boxes[:, 2:] - table.boxes[:, :2]
    if (table.boxes >= -0.01).all() and (table.boxes <= 1.01).all():
        raise source.error(0, "boxes are in pixels; these lie between 0 and 1 and look like shares of the image")
    if (table.scores == -1).all():
        raise source.error(0, "the score is -1 in every row, which is no score; write 1, or leave the column out")
    if (table.scores == 1).all() and ((sides[:, 1] > 0) & (sides[:, 1] <= 1)).all():
        raise source.error(
            0, "every box is at most 1 pixel high; the id column seems to be absent (frame,id,x,y,w,h,score)"
        )
    doubts = []
    low, high = float(table.scores.min()), float(table.scores.max())
    if high > 1 or low < 0:
        percent = " and look like percent: divide them by 100" if low >= 0 and 1 < high <= 100 else ""
        doubts.append(
            f"{source.name}: scores are from {low:g} to {high:g}{percent}; thresholds are made for scores from 0 to 1"
        )
    if look_like_corners(table.boxes[:, :2], sides, np.array([width, height], np.float64)):
        doubts.append(f"{source.name}: columns 5 and 6 look like a right and a bottom edge, not like width and height")
    return doubts


def look_like_corners(corners: Floats, sides: Floats, limits: Floats) -> bool:
    """Tell right and bottom edges from widths and heights.

    corners: (N, 2) left and top. sides: (N, 2) what should be width and height. limits: (N, 2) or (2,) size of the
    image, 0 where it is not known. All sides are longer than the corner is far, and some of the boxes that they would
    make leave an image that the edges are in.
    """
    if len(corners) < _FEW or not (limits > 0).all() or not (corners > 0).all() or not (sides > corners).all():
        return False
    return bool(((corners + sides > limits) & (sides <= limits)).any() and (sides <= limits).all())
