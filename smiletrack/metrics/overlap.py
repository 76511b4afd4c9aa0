"""Which truth box overlaps which result box, frame by frame.

The official evaluator fills one matrix a frame; nearly all of it is zero. Here only the pairs that overlap are made:
with the results of a frame sorted into strips by their left sides, those that may overlap a box in x lie side by side.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smiletrack.compiled import leaf
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


@njit(cache=True, error_model="numpy")
def _search(
    truth_starts: Ints, truth_boxes: Floats, result_starts: Ints, result_boxes: Floats, rows: Ints, ious: Floats
) -> int:
    """Fill rows (2, size) and ious (size,) with the pairs as far as there is room; return their number."""
    size = len(ious)
    count = most = 0
    for frame in range(len(result_starts) - 1):
        most = max(most, result_starts[frame + 1] - result_starts[frame])
    order, near, corners = np.empty(most, np.int64), np.empty(most, np.int64), np.empty((4, most))
    ends, firsts, notes = np.empty(most + 1, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    x1, y1, x2, y2 = corners
    for frame in range(len(truth_starts) - 1):
        start, strips = result_starts[frame], result_starts[frame + 1] - result_starts[frame]
        if not strips:
            continue
        lowest, scale = _lay_out(
            result_boxes[start : start + strips], order[:strips], ends[: strips + 1], firsts[:strips], notes[:strips]
        )
        for place in range(strips):
            for side in range(4):
                corners[side, place] = result_boxes[start + order[place], side]
        for truth_row in range(truth_starts[frame], truth_starts[frame + 1]):
            left, top = truth_boxes[truth_row, 0], truth_boxes[truth_row, 1]
            right, bottom = truth_boxes[truth_row, 2], truth_boxes[truth_row, 3]
            num_near = 0
            for place in range(firsts[_strip(left, lowest, scale, strips)], ends[_strip(right, lowest, scale, strips)]):
                near[num_near] = place
                num_near += (x2[place] > left) & (x1[place] < right) & (y1[place] < bottom) & (y2[place] > top)
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
                        slot, row = count, start + order[place]
                        while slot > first and rows[1, slot - 1] > row:
                            rows[1, slot], ious[slot] = rows[1, slot - 1], ious[slot - 1]
                            slot -= 1
                        rows[0, count], rows[1, slot], ious[slot] = truth_row, row, intersection / union
                    count += 1
    return count


@njit(cache=True, error_model="numpy")
def _lay_out(boxes: Floats, order: Ints, ends: Ints, firsts: Ints, notes: Ints) -> tuple[float, float]:
    """Sort the boxes of a frame into as many vertical strips, by the strip of their left side; return `_strip`'s scale.

    order: the rows, strip after strip. ends: where each strip ends in it. firsts: for each strip the first place in
    `order` from which boxes may reach it. notes: room to work in.
    """
    strips = len(boxes)
    lowest, highest = boxes[:, 0].min(), boxes[:, 0].max()
    scale = strips / (highest - lowest) if highest > lowest else 0.0
    ends[:] = 0
    firsts[:] = 0
    for row in range(strips):
        notes[row] = _strip(boxes[row, 0], lowest, scale, strips)
        ends[notes[row] + 1] += 1
    for strip in range(strips):
        ends[strip + 1] += ends[strip]  # where the next strip starts, until this one is filled
    for row in range(strips):
        strip = notes[row]
        order[ends[strip]] = row
        ends[strip] += 1
        firsts[strip] = max(firsts[strip], _strip(boxes[row, 2], lowest, scale, strips))
    reached = 0
    notes[:] = firsts  # the strip that the boxes of a strip reach
    for strip in range(strips):
        while reached <= notes[strip]:
            firsts[reached] = ends[strip - 1] if strip else 0
            reached += 1
    firsts[reached:] = strips
    return lowest, scale


@leaf
def _strip(x: float, lowest: float, scale: float, strips: int) -> int:
    """Return the strip that x lies in, the outermost for what lies beyond: never a lower one for a greater x."""
    place = (x - lowest) * scale
    if place >= strips:
        return strips - 1
    return int(place) if place > 0 else 0
