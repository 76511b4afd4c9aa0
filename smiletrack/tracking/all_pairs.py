"""Assignment over all pairs first, after which matches that are too poor are dropped (SORT, OC-SORT and their kin)."""

from math import isnan

import numpy as np

from smiletrack.compiled import inner
from smiletrack.tracking.association import assign, settle
from smiletrack.tracking.boosting import (
    boosted_similarity,
    is_acceptable,
    own_distance,
    shape_similarity,
    slot_confidence,
    to_motion_similarities,
)
from smiletrack.tracking.costs import forget_ranks, rank
from smiletrack.tracking.intake import FREE, FrameDetections
from smiletrack.tracking.observations import corner_angle, direction_agreement
from smiletrack.tracking.overlap import EVERYTHING, Candidates, find_pairs, modulated_iou, reach_of
from smiletrack.tracking.perspectives import score_distance
from smiletrack.tracking.settings import ADAPTIVE, BOOST, Rules, StageRules
from smiletrack.tracking.state import TrackState, Workspace
from smiletrack.tracking.templates import fill_appearances
from smiletrack.types import Floats, Ints

_WHOLE = 10.0
"""Makes all pairs gains and outweighs what they differ by, so that as many pairs as there can be are matched."""
_MAX_LEAD = 0.5
"""Lead of the best cosine over the second best beyond which more does not count."""


@inner
def match_then_filter(
    state: TrackState,
    scene: FrameDetections,
    rules: Rules,
    stage: StageRules,
    slots: Ints,
    boxes: Floats,
    work: Workspace,
) -> None:
    """The best assignment over all pairs, afterwards those of too little IoU are dropped.

    Where nobody competes for near pairs, these are the answer of SORT and OC-SORT, as in the original. Pairs that do
    not overlap change the sum only if more than the IoU counts.
    """
    least = 1 - stage.max_cost
    everything = least <= 0 or stage.fusion == BOOST
    pairs = find_pairs(slots, boxes, state.classes, scene, stage.level, rules, reach_of(stage, everything), work)
    cosines, gains = work.pair_figures[1], work.pair_figures[3]
    if stage.fusion == BOOST:
        _fill_boosted(state, scene, rules, stage, boxes, pairs, work)
    else:
        modulate(stage, boxes, scene, pairs)
        clear = _nobody_competes(pairs, least, len(scene.scores), work.by_detection[4])
        if not clear and (stage.direction > 0 or stage.perspectives):
            pairs = find_pairs(slots, boxes, state.classes, scene, stage.level, rules, EVERYTHING, work)
            modulate(stage, boxes, scene, pairs)
        _fill_overlaps(state, scene, stage, pairs, least, clear, gains)
        if not clear and stage.fusion == ADAPTIVE:
            _add_adaptive(state, scene, rules, stage, pairs, work)
    assign(pairs.starts, pairs.rows, gains, len(scene.scores), work)
    found = work.by_track[4]
    for index in range(len(slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            if pairs.rows[pair] == found[index]:
                alike = cosines[pair] if stage.fusion == BOOST else np.nan
                if not is_acceptable(pairs.ious[pair], alike, least):
                    found[index] = FREE
                break
    settle(state, scene, slots, found)


@inner
def _fill_overlaps(
    state: TrackState,
    scene: FrameDetections,
    stage: StageRules,
    pairs: Candidates,
    least: float,
    clear: bool,
    gains: Floats,
) -> None:
    """Fill in what the match of each pair gains by IoU, direction and score."""
    for index in range(len(pairs.slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            row, overlap = pairs.rows[pair], pairs.ious[pair]
            gains[pair] = overlap
            if clear and overlap < least:
                gains[pair] = 0.0
            elif not clear and stage.perspectives:
                gains[pair] += _WHOLE + _expected_gain(state, scene, stage, pairs.slots[index], row)
            elif not clear and stage.direction > 0:
                agreement = direction_agreement(state, pairs.slots[index], scene.boxes[row])
                # 1 makes all of them gains, so that as many pairs as there can be are matched
                gains[pair] += 1 + stage.direction * agreement * scene.scores[row]


@inner
def modulate(stage: StageRules, boxes: Floats, scene: FrameDetections, pairs: Candidates) -> None:
    """Make the IoU of each pair the height-modulated one, where the stage asks for it."""
    if stage.height_power > 0:
        for index in range(len(pairs.slots)):
            for pair in range(pairs.starts[index], pairs.starts[index + 1]):
                slot, row = pairs.slots[index], pairs.rows[pair]
                overlap = modulated_iou(pairs.ious[pair], stage.height_power, boxes, slot, scene.boxes, row)
                pairs.ious[pair] = overlap


@inner
def _expected_gain(state: TrackState, scene: FrameDetections, stage: StageRules, slot: int, row: int) -> float:
    """Return what a detection gains by corners that keep their direction and a score that is expected."""
    gain, box, score = 0.0, scene.boxes[row], scene.scores[row]
    if stage.corners:
        angle = corner_angle(state, slot, box)
        gain = stage.direction * score * (0.5 - angle if angle >= 0 else 0.0)
    elif stage.direction > 0:
        gain = stage.direction * score * direction_agreement(state, slot, box)
    return gain - stage.score_weight * score_distance(state, stage, slot, score) if stage.score_weight > 0 else gain


@inner
def _add_adaptive(
    state: TrackState,
    scene: FrameDetections,
    rules: Rules,
    stage: StageRules,
    pairs: Candidates,
    work: Workspace,
) -> None:
    """Add (w + bonus) cosine to the gain of pairs that overlap.

    Deep OC-SORT, arXiv 2302.11813, section 3.3: the bonus is the mean of two leads, that of the best cosine of the
    track over its second best, and that of the detection, each at most `_MAX_LEAD`. Other pairs have the cosine 0.
    """
    cosines, gains = work.pair_figures[1], work.pair_figures[3]
    fill_appearances(state, scene, rules, stage, pairs, cosines)
    tracks, detections = work.track_figures[:2], work.detection_figures[2:4]
    forget_ranks(tracks, detections)
    for index in range(len(pairs.slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            if isnan(cosines[pair]) or pairs.ious[pair] <= 0:
                cosines[pair] = 0.0
            rank(tracks, index, -cosines[pair])
            rank(detections, pairs.rows[pair], -cosines[pair])
    for index in range(len(pairs.slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            bonus = (_lead(tracks, index) + _lead(detections, pairs.rows[pair])) / 2
            gains[pair] += (stage.appearance_weight + bonus) * cosines[pair]


@inner
def _lead(lowest: Floats, place: int) -> float:
    """Return by how much the best cosine of a track or detection exceeds the second best; 0 where there is one only."""
    lead = lowest[1, place] - lowest[0, place]
    return min(lead, _MAX_LEAD) if lead < np.inf else 0.0


@inner
def _fill_boosted(
    state: TrackState,
    scene: FrameDetections,
    rules: Rules,
    stage: StageRules,
    boxes: Floats,
    pairs: Candidates,
    work: Workspace,
) -> None:
    """Fill in what the match of each pair gains by BoostTrack's similarity."""
    cosines, motions, gains = work.pair_figures[1], work.pair_figures[2], work.pair_figures[3]
    fill_appearances(state, scene, rules, stage, pairs, cosines)
    for index in range(len(pairs.slots)):
        slot, start, end = pairs.slots[index], pairs.starts[index], pairs.starts[index + 1]
        for pair in range(start, end):
            motions[pair] = own_distance(state, rules, slot, scene.boxes[pairs.rows[pair]])
        to_motion_similarities(motions[start:end])
        trust = slot_confidence(state, slot)
        for pair in range(start, end):
            row = pairs.rows[pair]
            shape = shape_similarity(scene.boxes, row, boxes, slot)
            confidence, least = trust * scene.scores[row], 1 - stage.max_cost
            gains[pair] = _WHOLE + boosted_similarity(pairs.ious[pair], motions[pair], shape, confidence, least)
            if not isnan(cosines[pair]):
                gains[pair] += stage.appearance_weight * cosines[pair]


@inner
def _nobody_competes(pairs: Candidates, least: float, num_detections: int, taken: Ints) -> bool:
    """Tell whether no track and no detection has two partners of at least this IoU."""
    for row in range(num_detections):
        taken[row] = 0
    for index in range(len(pairs.slots)):
        num_near = 0
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            if pairs.ious[pair] >= least:
                if taken[pairs.rows[pair]] or num_near:
                    return False
                taken[pairs.rows[pair]] = num_near = 1
    return True
