"""The Similarity Matching Cascade (paper, Figure 6): stages of pairs, similarities, costs and assignment.

A detection or track that is matched in one stage is gone for the next. What a stage found stands in `matches` of the
tracks and `owners` of the detections.
"""

from math import isnan

import numpy as np
from numba import njit

from smiletrack.motion.box_states import position_of
from smiletrack.motion.kalman import mahalanobis
from smiletrack.tracking.association import assign
from smiletrack.tracking.calibration import evidence, evidence_line
from smiletrack.tracking.costs import REFUSED, evidence_cost, pair_cost, refuse_undecided
from smiletrack.tracking.evidence import looks_trust, pair_evidence
from smiletrack.tracking.intake import FREE, FrameDetections
from smiletrack.tracking.noise import detection_noise
from smiletrack.tracking.observations import direction_agreement
from smiletrack.tracking.observer import Notes, note
from smiletrack.tracking.overlap import Candidates, find_pairs, height_overlap
from smiletrack.tracking.settings import (
    ACTIVE,
    ACTIVE_LAST,
    CONFIRMED,
    EVIDENCE,
    MOTION,
    VETO,
    YOUNG,
    Rules,
    StageRules,
    read_stage,
)
from smiletrack.tracking.state import ALIVE, COUPLED, FRAME, LOST, TRACKED, UNCONFIRMED, TrackState
from smiletrack.tracking.templates import best_cosine
from smiletrack.types import Floats, Ints


@njit(error_model="numpy")
def run_cascade(state: TrackState, scene: FrameDetections, rules: Rules, stages: Floats, notes: Notes) -> None:
    """Run the stages, one row of `stages` each (`settings.flatten`)."""
    for index in range(len(stages)):
        stage = read_stage(stages[index])
        slots = _participants(state, stage.group)
        if not stage.by_age:
            _match(state, scene, rules, stage, slots, notes)
            continue
        frame = state.counters[FRAME]
        while frame > 0:  # the most recently seen first (matching cascade of DeepSORT)
            frame, recent = _last_seen_before(state, slots, frame)
            _match(state, scene, rules, stage, recent, notes)


@njit(error_model="numpy")
def _participants(state: TrackState, group: int) -> Ints:
    """Return the slots of the tracks of a group that have no detection yet, in the order of birth."""
    slots = np.empty(state.counters[ALIVE], np.int64)
    count = 0
    for slot in state.order[: len(slots)]:
        which = state.states[slot]
        if group == CONFIRMED:
            takes_part = which != UNCONFIRMED
        elif group == ACTIVE_LAST:
            takes_part = which == TRACKED
        elif group == ACTIVE:
            takes_part = which != LOST
        elif group == YOUNG:
            takes_part = which == UNCONFIRMED
        else:
            takes_part = True
        if takes_part and state.matches[slot] == FREE:
            slots[count] = slot
            count += 1
    return slots[:count]


@njit(error_model="numpy")
def _last_seen_before(state: TrackState, slots: Ints, frame: int) -> tuple[int, Ints]:
    """Return the last frame before `frame` in which any of these tracks was matched, and those that were; or 0."""
    latest = count = 0
    for slot in slots:
        if state.last_frames[slot] < frame:
            latest = max(latest, state.last_frames[slot])
    recent = np.empty(len(slots), np.int64)
    for slot in slots:
        if state.last_frames[slot] == latest:
            recent[count] = slot
            count += 1
    return latest, recent[:count]


@njit(error_model="numpy")
def _match(
    state: TrackState, scene: FrameDetections, rules: Rules, stage: StageRules, slots: Ints, notes: Notes
) -> None:
    boxes = state.observed if stage.observed and rules.observes else state.boxes
    if stage.filter_after:
        every = find_pairs(slots, boxes, state.classes, scene, stage.level, rules, True)
        _match_then_filter(state, scene, stage, every)
        return
    pairs = find_pairs(slots, boxes, state.classes, scene, stage.level, rules, not stage.overlap)
    if not len(pairs.rows):
        return
    looks = _appearances(state, scene, rules, stage, pairs)
    costs = _costs(state, scene, rules, stage, boxes, pairs, looks)
    if stage.margin > 0:
        refuse_undecided(pairs.starts, pairs.rows, costs, stage.margin, len(scene.scores))
    note(notes, state, stage.max_cost, pairs, looks, costs)
    starts, rows, gains = _cheaper_than(pairs, costs, stage.max_cost)
    _settle(state, scene, slots, assign(starts, rows, gains, len(scene.scores)))


@njit(error_model="numpy")
def _cheaper_than(pairs: Candidates, costs: Floats, max_cost: float) -> tuple[Ints, Ints, Floats]:
    """Return starts, rows and gains (max_cost - cost) of the pairs that can match."""
    starts, rows, gains = np.empty(len(pairs.starts), np.int64), np.empty(len(costs), np.int64), np.empty(len(costs))
    starts[0] = count = 0
    for index in range(len(pairs.slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            if costs[pair] < max_cost:
                rows[count], gains[count] = pairs.rows[pair], max_cost - costs[pair]
                count += 1
        starts[index + 1] = count
    return starts, rows[:count], gains[:count]


@njit(error_model="numpy")
def _appearances(
    state: TrackState, scene: FrameDetections, rules: Rules, stage: StageRules, pairs: Candidates
) -> Floats:
    """Return the appearance similarity of each pair, NaN where a side has none; empty where nobody asks."""
    if not stage.appearance:
        return np.empty(0)
    looks = np.empty(len(pairs.rows))
    for index in range(len(pairs.slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            row = pairs.rows[pair]
            looks[pair] = np.nan
            if scene.known[row]:
                looks[pair] = best_cosine(
                    state.vectors,
                    state.stamps,
                    pairs.slots[index],
                    scene.units[row],
                    state.counters[FRAME],
                    stage.newest_template,
                    rules.max_age,
                )
    return looks


@njit(error_model="numpy")
def _costs(
    state: TrackState,
    scene: FrameDetections,
    rules: Rules,
    stage: StageRules,
    boxes: Floats,
    pairs: Candidates,
    looks: Floats,
) -> Floats:
    """Return the cost of each pair by the stage's fusion; infinite where it is refused."""
    costs = np.empty(len(pairs.rows))
    slope, zero = evidence_line(state.similarities)
    for index in range(len(pairs.slots)):
        slot = pairs.slots[index]
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            row, overlap = pairs.rows[pair], pairs.ious[pair]
            if stage.height_power > 0:
                overlap *= height_overlap(boxes, slot, scene.boxes, row) ** stage.height_power
            scored = overlap * scene.scores[row] if stage.score else overlap
            if not stage.appearance:
                costs[pair] = 1 - scored
                continue
            if stage.fusion == EVIDENCE:
                costs[pair] = _evidence_cost(state, scene, rules, stage, slot, row, overlap, scored, looks[pair])
                continue
            distance = nats = 0.0
            if stage.fusion == VETO or stage.fusion == MOTION:
                distance = _mahalanobis(state, scene, rules, slot, row)
            else:
                nats = evidence(slope, zero, looks[pair])
            costs[pair] = pair_cost(stage, overlap, scored, looks[pair], distance, nats)
    return costs


@njit(error_model="numpy")
def _evidence_cost(
    state: TrackState,
    scene: FrameDetections,
    rules: Rules,
    stage: StageRules,
    slot: int,
    row: int,
    overlap: float,
    scored: float,
    cosine: float,
) -> float:
    """Return 1 - S_iou - w L; where boxes need not overlap, looks decide alone: 1 - w L within what motion allows."""
    nats = trust = 0.0
    if not isnan(cosine):
        newest = 0
        for stamp in state.stamps[slot]:
            newest = max(newest, stamp)
        age = (state.counters[FRAME] - newest) * rules.frame_time
        nats, trust = pair_evidence(state.similarities, cosine, scene.cover[row], age), looks_trust(state.similarities)
    if cosine < stage.gate:
        return REFUSED
    if stage.overlap:
        # the score stands in for looks as far as these say nothing
        return evidence_cost(trust * overlap + (1 - trust) * scored, nats, stage.appearance_weight)
    if nats <= 0 or _mahalanobis(state, scene, rules, slot, row) > stage.max_mahalanobis:
        return REFUSED
    return evidence_cost(0.0, nats, stage.appearance_weight)


@njit(error_model="numpy")
def _mahalanobis(state: TrackState, scene: FrameDetections, rules: Rules, slot: int, row: int) -> float:
    """Return the squared distance of a track and a detection."""
    means, box = state.means, scene.boxes[row]
    measured = position_of(rules.coordinates, box[0], box[1], box[2], box[3])
    noise = detection_noise(rules, means[slot, 0, 2], means[slot, 0, 3])
    return mahalanobis(means, state.covariances, slot, measured, noise, state.counters[COUPLED] != 0)


@njit(error_model="numpy")
def _settle(state: TrackState, scene: FrameDetections, slots: Ints, found: Ints) -> None:
    """Write down the detection of each track, -1 for none."""
    for index in range(len(slots)):
        if found[index] != FREE:
            state.matches[slots[index]] = found[index]
            scene.owners[found[index]] = slots[index]


@njit(error_model="numpy")
def _nobody_competes(pairs: Candidates, least: float, num_rows: int) -> bool:
    """Tell whether no track and no detection has two partners of at least this IoU."""
    taken = np.empty(num_rows, np.bool_)
    for row in range(num_rows):
        taken[row] = False
    for index in range(len(pairs.slots)):
        num_near = 0
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            if pairs.ious[pair] >= least:
                if taken[pairs.rows[pair]] or num_near:
                    return False
                taken[pairs.rows[pair]], num_near = True, 1
    return True


@njit(error_model="numpy")
def _match_then_filter(state: TrackState, scene: FrameDetections, stage: StageRules, pairs: Candidates) -> None:
    """SORT's and OC-SORT's assignment: the best over all `pairs`, afterwards those of too little IoU are dropped."""
    least = 1 - stage.max_cost
    gains = np.empty(len(pairs.rows))
    clear = _nobody_competes(pairs, least, len(scene.scores))
    for index in range(len(pairs.slots)):
        slot = pairs.slots[index]
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            row, overlap = pairs.rows[pair], pairs.ious[pair]
            if clear:
                gains[pair] = 1.0 if overlap >= least else 0.0
                continue
            gains[pair] = 1 + overlap  # above 0, so that as many pairs as there can be are matched
            if stage.direction > 0:
                agreement = direction_agreement(state, slot, scene.boxes[row])
                gains[pair] += stage.direction * agreement * scene.scores[row]
    found = assign(pairs.starts, pairs.rows, gains, len(scene.scores))
    for index in range(len(pairs.slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            if pairs.rows[pair] == found[index] and pairs.ious[pair] < least:
                found[index] = FREE
                break
    _settle(state, scene, pairs.slots, found)
