"""How alike tracks and detections are, computed only for the pairs that matter.

Pairs are two index arrays `rows` (tracks) and `columns` (detections) of equal length; a similarity or a distance is one
number a pair. So the cost of a frame follows the number of overlapping pairs, not tracks x detections. Boxes are (4, N)
corners, coordinate by coordinate, as the Kalman filter's.
"""

import numpy as np

from smiletrack.types import Floats, Ints

DENSE_PAIRS = 2000
"""Up to this many pairs, comparing all with all is faster than sorting first."""

Pairs = tuple[Ints, Ints]


def all_pairs(num_rows: int, num_columns: int) -> Pairs:
    """Return every pair, row by row."""
    return np.repeat(np.arange(num_rows), num_columns), np.tile(np.arange(num_columns), num_rows)


def overlapping_pairs(a: Floats, b: Floats, pixel: float = 0.0) -> Pairs:
    """(4, N), (4, M) boxes -> the pairs whose intersection has an area, sorted by row.

    `pixel` is added to the right and lower borders (see `pair_iou`).
    """
    if pixel:
        a, b = np.concatenate((a[:2], a[2:] + pixel)), np.concatenate((b[:2], b[2:] + pixel))
    if a.shape[1] * b.shape[1] <= DENSE_PAIRS:
        column = a[:, :, None]
        touching = column[0] < b[2]
        touching &= column[2] > b[0]
        touching &= column[1] < b[3]
        touching &= column[3] > b[1]
        rows, columns = touching.nonzero()
        return rows, columns
    return _swept_pairs(a, b)


def _swept_pairs(a: Floats, b: Floats) -> Pairs:
    """Sort `b` by its left border; for each of `a` look only at those that can reach it along x."""
    order = b[0].argsort()
    left = b[0].take(order)
    widest = float((b[2] - b[0]).max())
    first = left.searchsorted(a[0] - widest, side="right")
    count = left.searchsorted(a[2], side="left") - first
    np.maximum(count, 0, out=count)
    rows = np.repeat(np.arange(a.shape[1]), count)
    offsets = first - (count.cumsum() - count)
    columns = order.take(np.arange(len(rows)) + offsets.take(rows))
    top_left = np.maximum(a[:2].take(rows, 1), b[:2].take(columns, 1))
    bottom_right = np.minimum(a[2:].take(rows, 1), b[2:].take(columns, 1))
    touching = (top_left < bottom_right).all(axis=0).nonzero()[0]
    return rows.take(touching), columns.take(touching)


def pair_iou(a: Floats, b: Floats, pairs: Pairs, pixel: float = 0.0) -> Floats:
    """Return the intersection over union of each pair of (4, N), (4, M) boxes; 0 where a box has no area.

    `pixel` = 1 counts both border pixels, as PASCAL VOC's and ByteTrack's code does.
    """
    first, second = a.take(pairs[0], 1), b.take(pairs[1], 1)
    sides = np.minimum(first[2:], second[2:])
    sides -= np.maximum(first[:2], second[:2])
    sides += pixel
    np.maximum(sides, 0.0, out=sides)
    intersection = sides[0] * sides[1]
    union = _area(a, pixel).take(pairs[0])
    union += _area(b, pixel).take(pairs[1])
    union -= intersection
    np.divide(intersection, union, out=intersection, where=union > 0)
    return np.asarray(intersection)


def height_overlap(a: Floats, b: Floats, pairs: Pairs) -> Floats:
    """Return the intersection over union of the vertical extents of each pair of (4, N), (4, M) boxes, at least 0."""
    top_a, bottom_a = a[1].take(pairs[0]), a[3].take(pairs[0])
    top_b, bottom_b = b[1].take(pairs[1]), b[3].take(pairs[1])
    shared = np.minimum(bottom_a, bottom_b) - np.maximum(top_a, top_b)
    spanned = np.maximum(bottom_a, bottom_b) - np.minimum(top_a, top_b)
    return np.asarray(np.divide(np.maximum(shared, 0.0), spanned, out=np.zeros_like(shared), where=spanned > 0))


def _area(boxes: Floats, pixel: float) -> Floats:
    sides = boxes[2:] - boxes[:2]
    sides += pixel
    return np.asarray(sides[0] * sides[1])


def direction_agreement(origins: Floats, directions: Floats, boxes: Floats, pairs: Pairs) -> Floats:
    """Return in [-0.5, 0.5] how well each pair keeps a track's direction (OC-SORT, arXiv 2203.14360, section 4.2).

    `origins` (4, N): an earlier box of each track, `directions` (2, N): unit vectors of its motion, `boxes` (4, M).
    0.5 is straight on, -0.5 straight back, 0 for a track without a direction (zeros).
    """
    start = (origins[:2] + origins[2:]) / 2
    end = (boxes[:2] + boxes[2:]) / 2
    way = unit_vectors(end.take(pairs[1], 1) - start.take(pairs[0], 1))
    cosine = (way * directions.take(pairs[0], 1)).sum(axis=0)
    return np.asarray(0.5 - np.arccos(np.clip(cosine, -1.0, 1.0)) / np.pi)


def unit_vectors(steps: Floats) -> Floats:
    """(2, N) -> the same directions with length 1; a step of no length stays (nearly) zero."""
    return np.asarray(steps / (np.sqrt((steps * steps).sum(axis=0)) + 1e-6))
