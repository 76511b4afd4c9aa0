"""What a match changes: filter, observations, bookkeeping, templates, and what similarities are worth."""

from math import isnan

from smiletrack.compiled import inner
from smiletrack.motion import kalman
from smiletrack.motion.box_states import position_of
from smiletrack.tracking.calibration import DIFFERENT, SAME, add_similarities
from smiletrack.tracking.evidence import learn_cover
from smiletrack.tracking.intake import FREE, FrameDetections
from smiletrack.tracking.noise import detection_noise
from smiletrack.tracking.observations import learn_corners, remember_box, replay
from smiletrack.tracking.overlap import iou
from smiletrack.tracking.perspectives import learn_score
from smiletrack.tracking.settings import HIGH, Rules
from smiletrack.tracking.state import ALIVE, COUPLED, ELAPSED, LOST, NOW, TRACKED, UNCONFIRMED, TrackState, Workspace
from smiletrack.tracking.templates import best_cosine, learn

SAME_IOU = 0.4
"""Matches with at least this IoU show what one person's crops are like."""
RIVAL_IOU = 0.1
"""A detection that overlaps a track by this much and was matched by another shows what two people's crops are like."""


@inner
def correct_tracks(state: TrackState, scene: FrameDetections, rules: Rules) -> None:
    """Let every matched track take in its detection."""
    for slot in state.order[: state.counters[ALIVE]]:
        if state.matches[slot] != FREE:
            _filter(state, scene, rules, slot)
            _mark_as_seen(state, scene, rules, slot)


@inner
def _filter(state: TrackState, scene: FrameDetections, rules: Rules, slot: int) -> None:
    """Update filter and observations of a track."""
    row = state.matches[slot]
    box = scene.boxes[row]
    means = state.means
    if rules.observes:
        if rules.replay and state.states[slot] == LOST and state.observed_at[slot, 0] > 0:
            replay(state, rules, slot, box)
        if rules.corners:
            learn_corners(state, slot, box)
        remember_box(state, slot, box)
    measured = position_of(rules.coordinates, box[0], box[1], box[2], box[3])
    a, b, c, d = detection_noise(rules, means[slot, 0, 2], means[slot, 0, 3])
    if rules.trust_score:
        doubt = (1 - scene.scores[row]) ** 2
        a, b, c, d = a * doubt, b * doubt, c * doubt, d * doubt
    kalman.update(means, state.covariances, slot, measured, (a, b, c, d), state.counters[COUPLED] != 0)


@inner
def _mark_as_seen(state: TrackState, scene: FrameDetections, rules: Rules, slot: int) -> None:
    row, now = state.matches[slot], state.clock[NOW]
    if rules.hidden_patience > 0:
        state.hidden[slot] = 0.0
    if rules.expects_scores:
        learn_score(state.expected_scores, slot, state.scores[slot], scene.scores[row])
    state.scores[slot], state.classes[slot] = scene.scores[row], scene.classes[row]
    if rules.grace and now - state.clock[ELAPSED] - state.seen_at[slot] > rules.max_lost:
        state.doomed[slot] = 1
    state.seen_at[slot] = now
    state.streaks[slot] += 1
    if state.states[slot] != UNCONFIRMED or state.streaks[slot] >= rules.confirm:
        state.states[slot] = TRACKED


@inner
def calibrate(state: TrackState, scene: FrameDetections, rules: Rules, work: Workspace) -> None:
    """Learn what similarities are worth from the matches of this frame and from those who competed for them.

    Reads the predicted `boxes` and the templates from before this frame.
    """
    if not (rules.calibrated and state.vectors.shape[2] and len(scene.order)):
        return
    alive = state.order[: state.counters[ALIVE]]
    same, different = work.track_figures[0], work.pair_figures[0]
    num_same = num_different = 0
    for slot in alive:
        if state.matches[slot] == FREE:
            continue
        for row in scene.order[work.by_track[6, slot] : work.by_track[7, slot]]:
            overlap = iou(state.boxes, slot, scene.boxes, row, 0.0)
            mine = row == state.matches[slot]
            if scene.levels[row] != HIGH or not scene.known[row] or overlap <= (SAME_IOU if mine else RIVAL_IOU):
                continue
            alike = best_cosine(
                state.vectors, state.stamps, slot, scene.units[row], state.clock[NOW], False, rules.max_age
            )
            if isnan(alike):
                continue
            if mine:
                same[num_same] = alike
                num_same += 1
                if rules.weighs:
                    learn_cover(state.under_cover, scene.cover[row], alike)
            else:
                different[num_different] = alike
                num_different += 1
    add_similarities(state.similarities, SAME, same[:num_same])
    add_similarities(state.similarities, DIFFERENT, different[:num_different])


@inner
def learn_appearance(state: TrackState, scene: FrameDetections, rules: Rules) -> None:
    """Let matched tracks remember their detections' embeddings."""
    for slot in state.order[: state.counters[ALIVE]]:
        row = state.matches[slot]
        if row == FREE or not scene.known[row] or scene.scores[row] < rules.min_score:
            continue
        if rules.low_matches or scene.levels[row] == HIGH:
            learn(rules, state.vectors, state.stamps, slot, scene.units[row], state.clock[NOW], scene.scores[row])
