"""Which truth box overlaps which result box, over all frames at once.

The official evaluator fills one matrix a frame; nearly all of it is zero. Here only the pairs that overlap are made:
two intervals overlap where one starts inside the other, so a sorted search along x in both directions finds each pair
that overlaps in x once, and their number, not the square of the number of boxes, is the cost.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smiletrack.metrics.numbering import stable_order
from smiletrack.types import Floats, Ints

EPS = float(np.finfo(np.float64).eps)
"""The official evaluator's tolerance in comparisons of overlaps."""

_FAR = float(1 << 24)  # px; coordinates beyond it share one column of the search
_COLUMNS = 1 << 31  # columns that a frame is cut into for the search: 1/64 px each
_BLOCK = 1 << 13  # boxes searched at once, so that their candidates stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a truth box and a result box of one frame with a positive overlap, frame by frame.

    truth_rows, result_rows: (P,) rows of the two tables. iou: (P,) in (0, 1].
    """

    truth_rows: Ints
    result_rows: Ints
    iou: Floats

    def __len__(self) -> int:
        return len(self.iou)

    def __getitem__(self, chosen: NDArray[np.generic]) -> "Pairs":
        """Return the pairs that an index array or a boolean mask selects."""
        index = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return Pairs(self.truth_rows[index], self.result_rows[index], self.iou[index])


@dataclass(frozen=True, eq=False)
class _Sweep:
    """One table's boxes from left to right within each frame, and the columns of their two sides."""

    rows: Ints
    x1: Floats
    y1: Floats
    x2: Floats
    y2: Floats
    areas: Floats
    left: Ints
    right: Ints


def overlapping_boxes(truth_frames: Ints, truth_boxes: Floats, result_frames: Ints, result_boxes: Floats) -> Pairs:
    """Return all pairs in the same frame with IoU > 0, in the order of their frames.

    Frames (N,), boxes (N, 4) xyxy pixels. A box without area, or of infinite size, overlaps nothing.
    """
    truth, result = _sweep(truth_frames, truth_boxes), _sweep(result_frames, result_boxes)
    truth_rows, result_rows, iou = _starting_inside(truth, result, strictly=False)
    result_rows_2, truth_rows_2, iou_2 = _starting_inside(result, truth, strictly=True)
    pairs = Pairs(
        np.concatenate([truth_rows, truth_rows_2]),
        np.concatenate([result_rows, result_rows_2]),
        np.concatenate([iou, iou_2]),
    )
    return pairs[stable_order(truth_frames[pairs.truth_rows])]


def _sweep(frames: Ints, boxes: Floats) -> _Sweep:
    x1, y1, x2, y2 = np.ascontiguousarray(boxes.T)
    with np.errstate(invalid="ignore"):
        areas = (x2 - x1) * (y2 - y1)
        left, right = (
            frames * (2 * _COLUMNS) + ((np.clip(x, -_FAR, _FAR) + _FAR) * (_COLUMNS / (2 * _FAR))).astype(np.int64)
            for x in (x1, x2)
        )
        rows = np.argsort(left, kind="stable")
        rows = rows[((x2 > x1) & (y2 > y1) & (areas > EPS) & np.isfinite(areas))[rows]]
    return _Sweep(rows, x1[rows], y1[rows], x2[rows], y2[rows], areas[rows], left[rows], right[rows])


def _starting_inside(outer: _Sweep, inner: _Sweep, strictly: bool) -> tuple[Ints, Ints, Floats]:
    """Return rows of `outer`, rows of `inner` and IoU of pairs where the inner box starts inside the outer's x range.

    `strictly` leaves out equal starts, which the search in the other direction finds.
    """
    first = np.searchsorted(inner.left, outer.left, "left")
    count = np.searchsorted(inner.left, outer.right, "right") - first
    starts = range(0, len(count), _BLOCK)
    parts = [_search(outer, inner, first, count, slice(begin, begin + _BLOCK), strictly) for begin in starts]
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    a, b, iou = (np.concatenate(part) for part in zip(*parts, strict=True))
    return outer.rows[a], inner.rows[b], iou


def _search(
    outer: _Sweep, inner: _Sweep, first: Ints, count: Ints, block: slice, strictly: bool
) -> tuple[Ints, Ints, Floats]:
    """Return the overlapping pairs of a block of `outer` with the `count` boxes of `inner` from `first` on."""
    counts = count[block]
    b = np.repeat(first[block] - np.cumsum(counts) + counts, counts)
    b += np.arange(len(b))
    # most candidates fail in y, so that is tested first
    near = np.repeat(outer.y2[block], counts) > inner.y1[b]
    near &= np.repeat(outer.y1[block], counts) < inner.y2[b]
    index = np.flatnonzero(near)
    a, b = np.repeat(np.arange(block.start, block.start + len(counts)), counts)[index], b[index]
    x1, y1 = inner.x1[b], np.maximum(outer.y1[a], inner.y1[b])
    width = np.minimum(outer.x2[a], inner.x2[b]) - x1
    intersection = width * (np.minimum(outer.y2[a], inner.y2[b]) - y1)
    union = outer.areas[a] + inner.areas[b] - intersection
    # columns are coarser than pixels: the exact order of the left sides decides
    inside = x1 > outer.x1[a] if strictly else x1 >= outer.x1[a]
    kept = np.flatnonzero(inside & (width > 0) & (intersection > 0) & (union > EPS))
    return a[kept], b[kept], intersection[kept] / union[kept]
