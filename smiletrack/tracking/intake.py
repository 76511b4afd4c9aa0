"""A frame's detections made ready: what cannot be used left out, high and low told apart, embeddings of unit length."""

from math import sqrt
from typing import NamedTuple

import numpy as np

from smiletrack.compiled import inner
from smiletrack.tracking.evidence import nearer_cover
from smiletrack.tracking.ordering import sort_places
from smiletrack.tracking.settings import HIGH, LOW, NOISE, TIES_HIGH, TIES_LOW, Rules
from smiletrack.tracking.state import BAD_DETECTIONS, BAD_EMBEDDINGS, USED, Workspace
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
    cover (M,): share that a nearer high box covers, where a stage asks for evidence (`tracking.evidence`).
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


@inner
def frame_of(
    work: Workspace, boxes: Floats, scores: Floats, classes: Ints, embeddings: Floats, used: int
) -> FrameDetections:
    """Return the detections of a frame with what the workspace says of them."""
    count, rows, figures = len(scores), work.by_detection, work.detection_figures
    units = work.units[:count] if work.units.shape[1] else embeddings
    return FrameDetections(
        boxes,
        scores,
        classes,
        rows[0, :count],
        rows[1, :count],
        units,
        rows[2, :count],
        figures[4, :count],
        rows[3, :used],
        figures[0, :used],
        figures[1, :used],
    )


@inner
def take_in(rules: Rules, counters: Ints, scene: FrameDetections, embeddings: Floats, work: Workspace) -> None:
    """Fill in what `scene` says of detections; what cannot be used is counted, and so is what is high or low."""
    set_levels(rules, scene.boxes, scene.scores, scene.levels, work)
    used = 0
    for row in range(len(scene.scores)):
        scene.known[row], scene.owners[row] = 0, FREE
        used += scene.levels[row] > NOISE
        counters[BAD_DETECTIONS] += scene.levels[row] == UNUSED
    counters[USED] = used
    _sort_by_left_border(scene, used, work)
    if rules.appearance and embeddings.shape[1] > 0:
        counters[BAD_EMBEDDINGS] += _unit_rows(embeddings, scene)
        if rules.weighs:
            order, lefts, reaches = (
                work.by_detection[3, :used],
                work.detection_figures[0, :used],
                work.detection_figures[1, :used],
            )
            nearer_cover(scene.boxes, scene.levels, order, lefts, reaches, scene.cover)


@inner
def set_levels(rules: Rules, boxes: Floats, scores: Floats, levels: Ints, work: Workspace) -> None:
    """Set the level of each detection."""
    for row in range(len(scores)):
        levels[row] = NOISE if is_usable(boxes[row], scores[row]) else UNUSED
    high = _median_above(scores, levels, rules.low, work) if rules.median else rules.high
    for row in range(len(scores)):
        score = scores[row]
        if levels[row] == UNUSED or score <= rules.low:
            continue
        if score > high or (score == high and rules.ties == TIES_HIGH):
            levels[row] = HIGH
        elif score < high or rules.ties == TIES_LOW:
            levels[row] = LOW


@inner
def is_usable(box: Floats, score: float) -> bool:
    """Tell whether a detection, of (4,) corners, has an area and its numbers are finite."""
    # a NaN or an infinite corner fails one of these comparisons
    return 0 < box[2] - box[0] < np.inf and 0 < box[3] - box[1] < np.inf and -np.inf < score < np.inf


@inner
def _median_above(scores: Floats, levels: Ints, low: float, work: Workspace) -> float:
    """Return the median of the usable scores above `low`, 1 where there are none: the paper's mu."""
    above, order = work.detection_figures[2], work.by_detection[4]
    count = 0
    for row in range(len(scores)):
        if levels[row] != UNUSED and scores[row] > low:
            above[count] = scores[row]
            count += 1
    if not count:
        return 1.0
    sort_places(above[:count], order, work.by_detection[5])
    return (above[order[(count - 1) // 2]] + above[order[count // 2]]) / 2


@inner
def _sort_by_left_border(scene: FrameDetections, used: int, work: Workspace) -> None:
    """Fill `order`, `lefts` and `reaches`."""
    rows, places = work.by_detection[4], work.by_detection[5]
    borders, lefts, reaches = work.detection_figures[2], work.detection_figures[0], work.detection_figures[1]
    order = work.by_detection[3]
    end = 0
    for row in range(len(scene.levels)):
        if scene.levels[row] > NOISE:
            rows[end], borders[end] = row, scene.boxes[row, 0]
            end += 1
    sort_places(borders[:used], places, work.by_detection[6])
    reach = -np.inf
    for place in range(used):
        lefts[place], order[place] = borders[places[place]], rows[places[place]]
        reach = max(reach, scene.boxes[order[place], 2])
        reaches[place] = reach


@inner
def _unit_rows(embeddings: Floats, scene: FrameDetections) -> int:
    """Fill `units` and `known`; return how many embeddings of high and low detections are none."""
    num_bad = 0
    for row in range(len(embeddings)):
        if scene.levels[row] <= NOISE:
            continue
        square = 0.0
        for d in range(embeddings.shape[1]):
            square += embeddings[row, d] * embeddings[row, d]
        norm = sqrt(square)
        if 0 < norm < np.inf:
            scene.known[row] = 1
            for d in range(embeddings.shape[1]):
                scene.units[row, d] = embeddings[row, d] / norm
        else:
            num_bad += 1
    return num_bad
