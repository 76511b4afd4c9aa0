"""Which truth box overlaps which result box, frame by frame.

The official evaluator fills one matrix a frame; nearly all of it is zero. Here only the pairs that overlap are made:
with the results of a frame sorted by their left sides, those that may overlap a box in x lie side by side.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smiletrack.types import Floats, Ints

EPS = float(np.finfo(np.float64).eps)
"""The official evaluator's tolerance in comparisons of overlaps."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a truth box and a result box of one frame with a positive overlap, sorted by truth row, then result row.

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


def overlapping_boxes(truth_starts: Ints, truth_boxes: Floats, result_starts: Ints, result_boxes: Floats) -> Pairs:
    """Return all pairs in the same frame with IoU > 0.

    starts (frames + 1,): the first row of each frame, and the end. boxes (N, 4) xyxy pixels. A box without area, or of
    infinite size, overlaps nothing.
    """
    size = 4 * len(truth_boxes)
    while True:
        rows, iou = np.empty((2, size), np.int64), np.empty(size)
        count = _search(truth_starts, truth_boxes, result_starts, result_boxes, rows, iou)
        if count <= size:
            return Pairs(rows[0, :count], rows[1, :count], iou[:count])
        size = count


@njit(cache=True)
def _search(
    truth_starts: Ints, truth_boxes: Floats, result_starts: Ints, result_boxes: Floats, rows: Ints, ious: Floats
) -> int:
    """Fill rows (2, size) and ious (size,) with the pairs as far as there is room; return their number."""
    size = len(ious)
    count = 0
    for frame in range(len(truth_starts) - 1):
        start, end = result_starts[frame], result_starts[frame + 1]
        order = np.argsort(result_boxes[start:end, 0]) + start
        x1, y1 = result_boxes[:, 0][order], result_boxes[:, 1][order]
        x2, y2 = result_boxes[:, 2][order], result_boxes[:, 3][order]
        reach = x2.copy()  # the rightmost side so far
        for place in range(1, len(order)):
            reach[place] = max(reach[place], reach[place - 1])
        near = np.empty_like(order)
        for truth_row in range(truth_starts[frame], truth_starts[frame + 1]):
            left, top = truth_boxes[truth_row, 0], truth_boxes[truth_row, 1]
            right, bottom = truth_boxes[truth_row, 2], truth_boxes[truth_row, 3]
            num_near = 0
            for place in range(np.searchsorted(reach, left, "right"), len(order)):
                if x1[place] >= right:
                    break
                near[num_near] = place
                num_near += (x2[place] > left) & (y1[place] < bottom) & (y2[place] > top)
            first = count
            area = (right - left) * (bottom - top)
            for place in near[:num_near]:
                width = min(right, x2[place]) - max(left, x1[place])
                intersection = width * (min(bottom, y2[place]) - max(top, y1[place]))
                other = (x2[place] - x1[place]) * (y2[place] - y1[place])
                union = area + other - intersection
                if min(area, other, union) > EPS and union < np.inf and width > 0 and intersection > 0:
                    if count < size:
                        # few boxes overlap one, so each goes to its place by steps
                        slot = count
                        while slot > first and rows[1, slot - 1] > order[place]:
                            rows[1, slot], ious[slot] = rows[1, slot - 1], ious[slot - 1]
                            slot -= 1
                        rows[0, count], rows[1, slot], ious[slot] = truth_row, order[place], intersection / union
                    count += 1
    return count
