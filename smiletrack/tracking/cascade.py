"""The Similarity Matching Cascade (paper, Figure 6): stages of pairs, similarities, costs and assignment.

A detection or track that is matched in one stage is gone for the next. What a stage found stands in `matches` of the
tracks and `owners` of the detections.
"""

from math import isnan

from smiletrack.compiled import inner
from smiletrack.motion.box_states import position_of
from smiletrack.motion.kalman import mahalanobis
from smiletrack.tracking.all_pairs import match_then_filter
from smiletrack.tracking.association import assign, assign_mutual, settle
from smiletrack.tracking.calibration import evidence, evidence_line
from smiletrack.tracking.costs import REFUSED, evidence_cost, pair_cost, refuse_undecided
from smiletrack.tracking.evidence import appearance_trust, pair_evidence
from smiletrack.tracking.intake import FREE, FrameDetections
from smiletrack.tracking.noise import detection_noise
from smiletrack.tracking.observer import Notes, note
from smiletrack.tracking.overlap import Candidates, find_pairs, modulated_iou, reach_of
from smiletrack.tracking.perspectives import add_perspectives
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
from smiletrack.tracking.state import ALIVE, COUPLED, LOST, NOW, TRACKED, UNCONFIRMED, TrackState, Workspace
from smiletrack.tracking.templates import fill_appearances
from smiletrack.types import Floats, Ints


@inner
def run_cascade(
    state: TrackState, scene: FrameDetections, rules: Rules, stages: Floats, notes: Notes, work: Workspace
) -> None:
    """Run the stages, one row of `stages` each (`flattening.flatten`)."""
    for index in range(len(stages)):
        stage = read_stage(stages[index])
        slots = work.by_track[0, : _participants(state, stage.group, work.by_track[0])]
        time, group = state.clock[NOW], slots
        while time > 0:
            if stage.by_age:  # the most recently seen first (matching cascade of DeepSORT)
                time, count = _last_seen_before(state, slots, time, work.by_track[1])
                group = work.by_track[1, :count]
            else:
                time = 0.0
            _match(state, scene, rules, stage, group, notes, work)


@inner
def _participants(state: TrackState, group: int, slots: Ints) -> int:
    """List the tracks of a group that have no detection yet, in the order of birth; return their number."""
    count = 0
    for slot in state.order[: state.counters[ALIVE]]:
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
    return count


@inner
def _last_seen_before(state: TrackState, slots: Ints, time: float, recent: Ints) -> tuple[float, int]:
    """Return the last time before `time` at which any of these tracks was matched, and how many were; list them."""
    latest, count = 0.0, 0
    for slot in slots:
        if state.seen_at[slot] < time:
            latest = max(latest, state.seen_at[slot])
    for slot in slots:
        if state.seen_at[slot] == latest:
            recent[count] = slot
            count += 1
    return latest, count


@inner
def _match(
    state: TrackState,
    scene: FrameDetections,
    rules: Rules,
    stage: StageRules,
    slots: Ints,
    notes: Notes,
    work: Workspace,
) -> None:
    """Match tracks and the free detections of the stage's level."""
    if stage.fusion == EVIDENCE and not (stage.overlap or state.vectors.shape[2] or len(notes.numbers)):
        return  # only looks could tell, and there are none
    boxes = state.observed if stage.observed and rules.observes else state.boxes
    if stage.filter_after:
        match_then_filter(state, scene, rules, stage, slots, boxes, work)
        return
    pairs = find_pairs(slots, boxes, state.classes, scene, stage.level, rules, reach_of(stage, not stage.overlap), work)
    if not len(pairs.rows):
        return
    cosines, costs = work.pair_figures[1], work.pair_figures[2]
    if stage.appearance:
        fill_appearances(state, scene, rules, stage, pairs, cosines)
    exact = stage.height_power == 0 or stage.margin > 0 or len(notes.numbers) > 0
    _fill_costs(state, scene, rules, stage, boxes, pairs, cosines, costs, exact)
    if stage.perspectives:
        add_perspectives(state, scene, stage, pairs, costs)
    if stage.margin > 0:
        tracks, detections = work.track_figures[:2], work.detection_figures[2:4]
        refuse_undecided(pairs.starts, pairs.rows, costs, stage.margin, tracks, detections)
    if len(notes.numbers):
        note(notes, state, stage, pairs, cosines, costs)
    if stage.mutual:
        assign_mutual(pairs.starts, pairs.rows, costs, stage.max_cost, len(scene.scores), work)
    else:
        _assign_cheap(pairs, costs, stage.max_cost, len(scene.scores), work)
    settle(state, scene, slots, work.by_track[4])


@inner
def _assign_cheap(pairs: Candidates, costs: Floats, max_cost: float, num_detections: int, work: Workspace) -> None:
    """Find the detection of each track, see `assign`; only pairs below `max_cost` can match."""
    starts, rows, gains = work.by_track[3], work.by_pair[1], work.pair_figures[3]
    starts[0] = count = 0
    for index in range(len(pairs.slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            if costs[pair] < max_cost:
                rows[count], gains[count] = pairs.rows[pair], max_cost - costs[pair]
                count += 1
        starts[index + 1] = count
    assign(starts[: len(pairs.starts)], rows, gains, num_detections, work)


@inner
def _fill_costs(
    state: TrackState,
    scene: FrameDetections,
    rules: Rules,
    stage: StageRules,
    boxes: Floats,
    pairs: Candidates,
    cosines: Floats,
    costs: Floats,
    exact: bool,
) -> None:
    """Fill in the cost of each pair by the stage's fusion; infinite where it is refused.

    Unless `exact`, that is also the cost of pairs which cost too much whatever the height modulation makes of them.
    """
    slope, zero = evidence_line(state.similarities)
    for index in range(len(pairs.slots)):
        slot = pairs.slots[index]
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            row, overlap = pairs.rows[pair], pairs.ious[pair]
            # without appearance it is 1 - S at least, and S only falls
            bound = 1 - (overlap * scene.scores[row] if stage.score else overlap)
            if not exact and bound >= stage.max_cost and (not stage.appearance or isnan(cosines[pair])):
                costs[pair] = REFUSED
                continue
            overlap = modulated_iou(overlap, stage.height_power, boxes, slot, scene.boxes, row)
            scored = overlap * scene.scores[row] if stage.score else overlap
            if not stage.appearance:
                costs[pair] = 1 - scored
                continue
            if stage.fusion == EVIDENCE:
                costs[pair] = _evidence_cost(state, scene, rules, stage, slot, row, overlap, scored, cosines[pair])
                continue
            distance = nats = 0.0
            if stage.fusion == VETO or stage.fusion == MOTION:
                distance = _mahalanobis(state, scene, rules, slot, row)
            elif not isnan(cosines[pair]):
                nats = evidence(slope, zero, cosines[pair])
            costs[pair] = pair_cost(stage, overlap, scored, cosines[pair], distance, nats)


@inner
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
    """Return 1 - S_iou - w L; where boxes need not overlap, appearance decides: 1 - w L within the motion gate."""
    nats = trust = 0.0
    if not isnan(cosine):
        newest = 0.0
        for place in range(state.stamps.shape[1]):
            newest = max(newest, state.stamps[slot, place])
        age = (state.clock[NOW] - newest) * rules.frame_time
        nats, trust = (
            pair_evidence(state.similarities, state.under_cover, cosine, scene.cover[row], age),
            appearance_trust(state.similarities),
        )
    if cosine < stage.gate:
        return REFUSED
    if stage.overlap:
        # the score stands in for appearance as far as this says nothing
        return evidence_cost(trust * overlap + (1 - trust) * scored, nats, stage.appearance_weight)
    if nats <= 0 or _mahalanobis(state, scene, rules, slot, row) > stage.max_mahalanobis:
        return REFUSED
    return evidence_cost(0.0, nats, stage.appearance_weight)


@inner
def _mahalanobis(state: TrackState, scene: FrameDetections, rules: Rules, slot: int, row: int) -> float:
    """Return the squared distance of a track and a detection."""
    means, box = state.means, scene.boxes[row]
    measured = position_of(rules.coordinates, box[0], box[1], box[2], box[3])
    noise = detection_noise(rules, means[slot, 0, 2], means[slot, 0, 3])
    return mahalanobis(means, state.covariances, slot, measured, noise, state.counters[COUPLED] != 0)
