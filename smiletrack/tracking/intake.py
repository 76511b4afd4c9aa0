"""A frame's detections made ready: what cannot be used left out, high and low told apart, embeddings of unit length."""

from math import sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from smiletrack.tracking.evidence import nearer_cover
from smiletrack.tracking.ordering import ascending
from smiletrack.tracking.settings import HIGH, LOW, NOISE, TIES_HIGH, TIES_LOW, Rules
from smiletrack.tracking.state import BAD_DETECTIONS, BAD_EMBEDDINGS
from smiletrack.types import Floats, Ints

UNUSED = -1
"""Level of a detection without an area, or with a number that is not finite."""
FREE = -1
"""Owner of a detection that no track has got."""


class FrameDetections(NamedTuple):
    """The detections of one frame, M rows as the user gave them.

    boxes (M, 4), scores, classes: as given. levels (M,): HIGH, LOW, NOISE or UNUSED. owners (M,): slot of the track
    that got the detection, or FREE. units (M, D): embeddings of length 1, where `known` (M,) says that there is one;
    D = 0 where the tracker does not look at them.
    cover (M,): share that a nearer high box covers, where a stage asks for evidence (`tracking.evidence`); else empty.
    order: rows that are high or low by their left border. lefts, reaches: beside it the left border, and the rightmost
    border up to there.
    """

    boxes: Floats
    scores: Floats
    classes: Ints
    levels: Ints
    owners: Ints
    units: Floats
    known: Ints
    cover: Floats
    order: Ints
    lefts: Floats
    reaches: Floats


@njit(error_model="numpy")
def take_in(
    rules: Rules, counters: Ints, boxes: Floats, scores: Floats, classes: Ints, embeddings: Floats
) -> FrameDetections:
    """Return the scene of a frame; what cannot be used is counted."""
    levels = levels_of(rules, boxes, scores)
    num_used = num_bad = 0
    for row in range(len(scores)):
        num_used += levels[row] > NOISE
        num_bad += levels[row] == UNUSED
    counters[BAD_DETECTIONS] += num_bad
    order, lefts, reaches = _by_left_border(boxes, levels, num_used)
    known, owners = np.empty(len(scores), np.int64), np.empty(len(scores), np.int64)
    for row in range(len(scores)):
        known[row], owners[row] = 0, FREE
    units, cover = embeddings, np.empty(0)
    if rules.appearance and embeddings.shape[1] > 0:
        units = np.empty(embeddings.shape)
        counters[BAD_EMBEDDINGS] += _unit_rows(embeddings, levels, units, known)
        if rules.weighs:
            cover = nearer_cover(boxes, levels == HIGH, order, lefts, reaches)
    return FrameDetections(boxes, scores, classes, levels, owners, units, known, cover, order, lefts, reaches)


@njit(error_model="numpy")
def levels_of(rules: Rules, boxes: Floats, scores: Floats) -> Ints:
    levels = np.empty(len(scores), np.int64)
    for row in range(len(scores)):
        levels[row] = NOISE
        x1, y1, x2, y2 = boxes[row, 0], boxes[row, 1], boxes[row, 2], boxes[row, 3]
        # a NaN or an infinite corner fails one of these comparisons
        if not (0 < x2 - x1 < np.inf and 0 < y2 - y1 < np.inf and -np.inf < scores[row] < np.inf):
            levels[row] = UNUSED
    high = _median_above(scores, levels, rules.low) if rules.median else rules.high
    for row in range(len(scores)):
        score = scores[row]
        if levels[row] == UNUSED or score <= rules.low:
            continue
        if score > high or (score == high and rules.ties == TIES_HIGH):
            levels[row] = HIGH
        elif score < high or rules.ties == TIES_LOW:
            levels[row] = LOW
    return levels


@njit(error_model="numpy")
def _median_above(scores: Floats, levels: Ints, low: float) -> float:
    """Return the median of the usable scores above `low`, 1 where there are none: the paper's mu."""
    above = np.empty(len(scores))
    count = 0
    for row in range(len(scores)):
        if levels[row] != UNUSED and scores[row] > low:
            above[count] = scores[row]
            count += 1
    if not count:
        return 1.0
    order = ascending(above[:count])
    return (above[order[(count - 1) // 2]] + above[order[count // 2]]) / 2


@njit(error_model="numpy")
def _by_left_border(boxes: Floats, levels: Ints, count: int) -> tuple[Ints, Floats, Floats]:
    """Return `order`, `lefts` and `reaches` of a `FrameDetections`."""
    rows, borders = np.empty(count, np.int64), np.empty(count)
    end = 0
    for row in range(len(levels)):
        if levels[row] > NOISE:
            rows[end], borders[end] = row, boxes[row, 0]
            end += 1
    order, lefts, reaches = ascending(borders), np.empty(count), np.empty(count)
    reach = -np.inf
    for place in range(count):
        lefts[place], order[place] = borders[order[place]], rows[order[place]]
        reach = max(reach, boxes[order[place], 2])
        reaches[place] = reach
    return order, lefts, reaches


@njit(error_model="numpy")
def _unit_rows(embeddings: Floats, levels: Ints, units: Floats, known: Ints) -> int:
    """Fill `units` and `known`; return how many embeddings of high and low detections are none."""
    num_bad = 0
    for row in range(len(embeddings)):
        if levels[row] <= NOISE:
            continue
        square = 0.0
        for d in range(embeddings.shape[1]):
            square += embeddings[row, d] * embeddings[row, d]
        norm = sqrt(square)
        if 0 < norm < np.inf:
            known[row] = 1
            for d in range(embeddings.shape[1]):
                units[row, d] = embeddings[row, d] / norm
        else:
            num_bad += 1
    return num_bad
