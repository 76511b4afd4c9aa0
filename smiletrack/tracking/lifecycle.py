"""Births and deaths of tracks, and of two at one place the younger."""

from math import inf

from smiletrack.compiled import inner
from smiletrack.motion import kalman
from smiletrack.motion.box_states import position_of
from smiletrack.tracking.evidence import appearance_trust
from smiletrack.tracking.intake import FREE, FrameDetections
from smiletrack.tracking.noise import birth_noise
from smiletrack.tracking.observations import forget_observations, freeze
from smiletrack.tracking.occlusion import is_behind, set_back
from smiletrack.tracking.ordering import num_below, sort_places
from smiletrack.tracking.overlap import iou
from smiletrack.tracking.perspectives import start_scores
from smiletrack.tracking.settings import HIGH, Rules
from smiletrack.tracking.state import (
    ALIVE,
    BORN,
    DEAD,
    ELAPSED,
    EMPTY,
    FRAME,
    LOST,
    NOW,
    TRACKED,
    UNCONFIRMED,
    TrackState,
    Workspace,
    bury,
)
from smiletrack.tracking.templates import learn

_ROUNDING = 1e-6


@inner
def end_lives(state: TrackState, rules: Rules) -> None:
    """Mark unmatched tracks as lost, remove those that are due."""
    num_dead, max_lost = 0, _longest_absence(state, rules)
    for slot in state.order[: state.counters[ALIVE]]:
        if state.matches[slot] != FREE:
            continue
        if state.states[slot] == TRACKED:
            state.streaks[slot] = 0
            if state.clock[NOW] - state.seen_at[slot] <= _patience(state, rules, slot):
                continue
            state.states[slot] = LOST
            for k in range(rules.stopped, 4):
                state.means[slot, 1, k] = 0.0
            if rules.replay:
                freeze(state, slot)
        absent = state.clock[NOW] - state.seen_at[slot]
        if rules.grace:
            absent -= state.clock[ELAPSED]  # removed one frame ago, and can be matched until now
        if state.states[slot] == UNCONFIRMED or absent > max_lost or state.doomed[slot]:
            state.states[slot] = DEAD
            num_dead += 1
    if num_dead:
        bury(state)


@inner
def _patience(state: TrackState, rules: Rules, slot: int) -> int:
    """Return the frames without a match after which a tracked track is lost; set one back that is newly hidden."""
    if rules.hidden_patience > 0 and is_behind(state, slot):
        set_back(state, slot)
        return rules.hidden_patience
    return rules.patience


@inner
def _longest_absence(state: TrackState, rules: Rules) -> int:
    """Return the frames after which a lost track is removed: more where appearance is evidence."""
    if not rules.weighs or not state.vectors.shape[2]:
        return rules.max_lost
    return rules.max_lost + int(
        appearance_trust(state.similarities) * (rules.max_lost_with_appearance - rules.max_lost)
    )


@inner
def start_lives(state: TrackState, scene: FrameDetections, rules: Rules) -> None:
    """Start a track from every high detection that is left and scores at least tau (GATE, second switch)."""
    for row in range(len(scene.scores)):
        if scene.levels[row] == HIGH and scene.owners[row] == FREE and scene.scores[row] >= rules.new_score:
            if rules.max_overlap < 1 and _lies_on_another(scene, row, rules):
                continue
            slot = state.order[state.counters[ALIVE]]
            state.counters[ALIVE] += 1
            _start_life(state, scene, rules, slot, row)


@inner
def _lies_on_another(scene: FrameDetections, row: int, rules: Rules) -> bool:
    """Tell whether a detection of its class that goes first overlaps this one by more than `max_overlap`.

    These are the matched ones and, with `best_birth`, those that could start a track and score more.
    """
    start = num_below(scene.reaches, scene.boxes[row, 0], True)
    end = num_below(scene.lefts, scene.boxes[row, 2], False)
    for other in scene.order[start:end]:
        alike = rules.across_classes or scene.classes[other] == scene.classes[row]
        first = scene.owners[other] != FREE
        if rules.best_birth and not first and scene.levels[other] == HIGH:
            first = scene.scores[other] >= rules.new_score and scene.scores[other] > scene.scores[row]
        if alike and first and iou(scene.boxes, row, scene.boxes, other, 0.0) > rules.max_overlap:
            return True
    return False


@inner
def _start_life(state: TrackState, scene: FrameDetections, rules: Rules, slot: int, row: int) -> None:
    """Start the track of a slot from a detection."""
    first, now = state.counters[FRAME] == 1, state.clock[NOW]
    state.counters[BORN] += 1
    state.ids[slot] = state.counters[BORN]
    state.states[slot] = TRACKED if first or rules.confirm == 0 else UNCONFIRMED
    state.born_at[slot], state.seen_at[slot] = now, now
    state.streaks[slot], state.doomed[slot] = 0, 0
    state.classes[slot], state.scores[slot] = scene.classes[row], scene.scores[row]
    state.matches[slot] = row
    box = scene.boxes[row]
    position = position_of(rules.coordinates, box[0], box[1], box[2], box[3])
    variances = birth_noise(rules, position[2], position[3])
    kalman.initiate(state.means, state.covariances, slot, position, variances)
    if rules.observes:
        forget_observations(state, slot)
    if rules.hidden_patience > 0:
        state.hidden[slot] = -1.0  # has no past yet
    if rules.expects_scores:
        start_scores(state.expected_scores, slot, scene.scores[row])
    if rules.appearance:
        for place in range(state.stamps.shape[1]):
            state.stamps[slot, place] = EMPTY
        if scene.known[row]:
            learn(rules, state.vectors, state.stamps, slot, scene.units[row], now, scene.scores[row])


@inner
def drop_duplicates(state: TrackState, rules: Rules, work: Workspace) -> None:
    """Remove the younger one of a tracked and a lost track at one place; reads the corrected `boxes`."""
    alive = state.order[: state.counters[ALIVE]]
    lost, order, is_younger = work.by_track[0], work.by_track[1], work.by_track[5]
    borders, lefts = work.track_figures[0], work.track_figures[1]
    num_lost = 0
    for slot in alive:
        if state.states[slot] == LOST:
            lost[num_lost] = slot
            num_lost += 1
    if num_lost == 0 or num_lost == len(alive) or rules.duplicate_cost <= 0:
        return
    for place in range(num_lost):
        borders[place] = state.boxes[lost[place], 0]
    sort_places(borders[:num_lost], order, work.by_track[2])
    for place in range(num_lost):
        lefts[place] = borders[order[place]]
    for slot in alive:
        is_younger[slot] = 0
    # of an IoU above t, widths shared are above t of both boxes: so near are the left borders (and a bit of rounding)
    apart = rules.duplicate_cost + _ROUNDING
    for slot in alive:
        if state.states[slot] == LOST:
            continue
        left, way = state.boxes[slot, 0], apart * (state.boxes[slot, 2] - state.boxes[slot, 0] + rules.iou_pixel)
        first = num_below(lefts[:num_lost], left - way / (1 - apart) if apart < 1 else -inf, False)
        end = num_below(lefts[:num_lost], left + way, True)
        for place in range(first, end):
            other = lost[order[place]]
            if state.classes[slot] != state.classes[other] and not rules.across_classes:
                continue
            if 1 - iou(state.boxes, slot, state.boxes, other, rules.iou_pixel) < rules.duplicate_cost:
                age = state.seen_at[slot] - state.born_at[slot]
                is_older = age > state.seen_at[other] - state.born_at[other]
                is_younger[other if is_older else slot] = 1
    num_dead = 0
    for slot in alive:
        if is_younger[slot]:
            state.states[slot] = DEAD
            num_dead += 1
    if num_dead:
        bury(state)
