"""What OC-SORT (arXiv 2203.14360) adds to a track: its last detections, its direction, its frozen state.

`observed` (S, 4) is the last observation, -1 where there is none; as in the original, the detection that starts a track
is not an observation; the first match is. `recent` (S, SPAN, 4) is a ring over looks of the latest ones. `observed_at`
(S, 1 + SPAN) holds the numbers of the looks of both, first that of `observed`, 0 = none: a direction needs a way,
however long it took. `directions` (S, 2) are unit vectors, zeros where there is none. `corner_directions` (S, 4, 2) are
those of the corners, summed over 1 .. SPAN looks and of any length. `frozen_at` (S,) is the time at which the filter
was frozen.
"""

from math import acos, ceil, pi, sqrt

from smiletrack.compiled import inner
from smiletrack.motion import kalman
from smiletrack.motion.box_states import Four, position_of
from smiletrack.tracking.noise import detection_noise, frame_noise
from smiletrack.tracking.settings import Rules
from smiletrack.tracking.state import COUPLED, FRAME, LOST, NOW, SPAN, TrackState
from smiletrack.types import Floats


@inner
def forget_observations(state: TrackState, slot: int) -> None:
    """Start a track without observations."""
    for k in range(4):
        state.observed[slot, k] = -1.0
    for place in range(1 + SPAN):
        state.observed_at[slot, place] = 0
    if len(state.corner_directions):
        for corner in range(4):
            state.corner_directions[slot, corner, 0] = state.corner_directions[slot, corner, 1] = 0.0
    state.directions[slot, 0] = state.directions[slot, 1] = 0.0


@inner
def remember_box(state: TrackState, slot: int, box: Floats) -> None:
    """Record that a track was seen in this frame at `box` (4,)."""
    frame = state.counters[FRAME]
    if state.observed_at[slot, 0] > 0:
        x, y = way_to(state, slot, box)
        state.directions[slot, 0], state.directions[slot, 1] = x, y
    for k in range(4):
        state.observed[slot, k] = state.recent[slot, frame % SPAN, k] = box[k]
    state.observed_at[slot, 0], state.observed_at[slot, 1 + frame % SPAN] = frame, frame


@inner
def place_before(state: TrackState, slot: int) -> int:
    """Return the place in `recent` of a track's observation SPAN looks ago, or less; -1 for none.

    That is the oldest within the last SPAN looks.
    """
    frame, found = state.counters[FRAME], -1
    for age in range(1, SPAN + 1):
        place = (frame - age) % SPAN
        if state.observed_at[slot, 1 + place] == frame - age:
            found = place
    return found


@inner
def way_to(state: TrackState, slot: int, box: Floats) -> tuple[float, float]:
    """Return the direction, of length 1, from a track's observation SPAN looks ago, or less, to `box` (4,).

    That is the oldest within the last SPAN looks, else the last one. A step of no length stays nearly zero.
    """
    place = place_before(state, slot)
    start = state.observed[slot] if place < 0 else state.recent[slot, place]
    x = (box[0] + box[2]) / 2 - (start[0] + start[2]) / 2
    y = (box[1] + box[3]) / 2 - (start[1] + start[3]) / 2
    length = sqrt(x * x + y * y) + 1e-6
    return x / length, y / length


@inner
def direction_agreement(state: TrackState, slot: int, box: Floats) -> float:
    """Return in [-0.5, 0.5] how well a track would keep its direction on the way to `box` (section 4.2).

    0.5 is straight on, -0.5 straight back, 0 for a track without a direction.
    """
    x, y = way_to(state, slot, box)
    cosine = x * state.directions[slot, 0] + y * state.directions[slot, 1]
    return 0.5 - acos(min(max(cosine, -1.0), 1.0)) / pi


@inner
def learn_corners(state: TrackState, slot: int, box: Floats) -> None:
    """Set `corner_directions` of a track that is seen at `box` (4,): the sums of the unit steps over 1 .. SPAN looks.

    Hybrid-SORT, arXiv 2308.00783, section 3.3, "Robust Observation-Centric Momentum". Before `remember_box`.
    """
    frame, num_steps = state.counters[FRAME], 0
    for corner in range(4):
        state.corner_directions[slot, corner, 0] = state.corner_directions[slot, corner, 1] = 0.0
    for age in range(1, SPAN + 1):
        place = (frame - age) % SPAN
        if state.observed_at[slot, 1 + place] == frame - age:
            _add_steps(state.corner_directions[slot], state.recent[slot, place], box)
            num_steps += 1
    if not num_steps and state.observed_at[slot, 0] > 0:
        _add_steps(state.corner_directions[slot], state.observed[slot], box)


@inner
def _add_steps(directions: Floats, start: Floats, box: Floats) -> None:
    """Add to directions (4, 2) the unit step of each corner from one box to another."""
    for corner in range(4):
        x, y = corner_step(start, box, corner)
        directions[corner, 0] += x
        directions[corner, 1] += y


@inner
def corner_step(start: Floats, box: Floats, corner: int) -> tuple[float, float]:
    """Return the direction, of length 1, of a corner (0 .. 3) from one box (4,) to another; nearly zero for none."""
    across, down = 2 * (corner % 2), 1 + 2 * (corner // 2)
    x, y = box[across] - start[across], box[down] - start[down]
    length = sqrt(x * x + y * y) + 1e-6
    return x / length, y / length


@inner
def corner_angle(state: TrackState, slot: int, box: Floats) -> float:
    """Return the mean angle, in units of pi, by which a track's corners leave their directions on the way to `box`.

    -1 for a track without directions.
    """
    place, total = place_before(state, slot), 0.0
    start = state.observed[slot] if place < 0 else state.recent[slot, place]
    if state.observed_at[slot, 0] == 0:
        return -1.0
    for corner in range(4):
        x, y = corner_step(start, box, corner)
        along, across = state.corner_directions[slot, corner, 0], state.corner_directions[slot, corner, 1]
        if along == 0 and across == 0:
            return -1.0
        cosine = (x * along + y * across) / (sqrt(along * along + across * across) + 1e-6)
        total += acos(min(max(cosine, -1.0), 1.0)) / pi
    return total / 4


@inner
def carry_observations(state: TrackState, slot: int, warp: Floats, blocks: tuple[Four, Four]) -> None:
    """Carry observations and the frozen filter of a track along with the camera.

    Deep OC-SORT, arXiv 2302.11813, section 3.1. warp, blocks: see `kalman.warp`. Directions stay, as in its code.
    """
    if state.observed_at[slot, 0] == 0:
        return
    _carry_box(state.observed[slot], warp)
    for place in range(SPAN):
        if state.observed_at[slot, 1 + place] > 0:
            _carry_box(state.recent[slot, place], warp)
    if state.states[slot] == LOST:
        coupled = state.counters[COUPLED] != 0
        kalman.warp(state.frozen_means, state.frozen_covariances, slot, blocks, warp[0, 2], warp[1, 2], coupled)


@inner
def _carry_box(box: Floats, warp: Floats) -> None:
    """Move two corners of a box (4,), in place."""
    for corner in range(0, 4, 2):
        x, y = box[corner], box[corner + 1]
        box[corner] = warp[0, 0] * x + warp[0, 1] * y + warp[0, 2]
        box[corner + 1] = warp[1, 0] * x + warp[1, 1] * y + warp[1, 2]


@inner
def freeze(state: TrackState, slot: int) -> None:
    """Keep the filter of a track as it is in the first frame in which it is not seen."""
    kalman.copy_state(state.means, state.covariances, state.frozen_means, state.frozen_covariances, slot)
    state.frozen_at[slot] = state.clock[NOW]


@inner
def replay(state: TrackState, rules: Rules, slot: int, box: Floats) -> None:
    """Set the filter of a track as if it had gone straight to `box` while unseen.

    Section 4.1, "Observation-centric Re-Update": from the frozen state on, the filter is fed with virtual boxes on the
    line between the two observations, one a frame.
    """
    coupled = state.counters[COUPLED] != 0
    means, covariances, start = state.means, state.covariances, state.observed[slot]
    kalman.copy_state(state.frozen_means, state.frozen_covariances, means, covariances, slot)
    gap, unseen = state.clock[NOW] - state.seen_at[slot], state.frozen_at[slot] - state.seen_at[slot]
    num_steps = ceil(gap - unseen)
    step = (gap - unseen) / num_steps
    for place in range(num_steps + 1):
        if place:
            noise = frame_noise(rules, means[slot, 0, 2], means[slot, 0, 3])
            kalman.predict(means, covariances, slot, step, noise, coupled)
        share = (unseen + place * step) / gap
        measured = position_of(
            rules.coordinates,
            start[0] + (box[0] - start[0]) * share,
            start[1] + (box[1] - start[1]) * share,
            start[2] + (box[2] - start[2]) * share,
            start[3] + (box[3] - start[3]) * share,
        )
        variances = detection_noise(rules, means[slot, 0, 2], means[slot, 0, 3])
        kalman.update(means, covariances, slot, measured, variances, coupled)
