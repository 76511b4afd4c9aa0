"""Where tracks should be in this frame: the filter's prediction, carried along with the camera.

Frames that nobody looked at are predicted one by one, since the noise of a frame follows the size that the box has
then: three frames later is three predictions, whoever looks. What is no whole number of frames is divided into equal
steps of less than a frame.
"""

from math import ceil

from smiletrack.compiled import inner
from smiletrack.motion import kalman
from smiletrack.motion.box_states import corners_of, is_possible, warp_blocks
from smiletrack.tracking.noise import frame_noise
from smiletrack.tracking.observations import carry_observations
from smiletrack.tracking.perspectives import predict_scores
from smiletrack.tracking.settings import Rules
from smiletrack.tracking.state import ALIVE, BAD_WARPS, COUPLED, ELAPSED, EMPTY, UNCONFIRMED, TrackState
from smiletrack.types import Floats

MAX_ZOOM = 4.0
"""A warp that changes areas by more than this factor from one look to the next is no camera motion."""
MAX_SHIFT = 1e4
"""Nor is one that moves the picture by more pixels than this."""


@inner
def predict_tracks(state: TrackState, rules: Rules, warps: Floats) -> None:
    """Move all tracks on to this frame, with the camera if `warps` (0 or 1, 2, 3) tells its motion; fill `boxes`."""
    alive = state.order[: state.counters[ALIVE]]
    for slot in alive:
        state.matches[slot] = EMPTY
        if state.states[slot] != UNCONFIRMED or rules.predict_unconfirmed:
            _predict(state, rules, slot)
    if rules.expects_scores:
        predict_scores(state)
    if len(alive) and len(warps):
        _warp_tracks(state, rules, warps[0])
    fill_boxes(state, rules.coordinates)


@inner
def _predict(state: TrackState, rules: Rules, slot: int) -> None:
    """Move a track on by the time since the frame before, in equal steps of a frame or less."""
    means = state.means
    num_steps = ceil(state.clock[ELAPSED])
    step = state.clock[ELAPSED] / num_steps
    for _ in range(num_steps):
        third, fourth = means[slot, 0, 2], means[slot, 0, 3]
        if not is_possible(rules.coordinates, third, step * means[slot, 1, 2]):
            means[slot, 1, 2] = 0.0
        noise = frame_noise(rules, third, fourth)
        kalman.predict(means, state.covariances, slot, step, noise, state.counters[COUPLED] != 0)


@inner
def _warp_tracks(state: TrackState, rules: Rules, warp: Floats) -> None:
    """Carry all tracks along with the camera, unless the warp is singular, not finite or absurd."""
    zoom = abs(warp[0, 0] * warp[1, 1] - warp[0, 1] * warp[1, 0])
    usable = 1 / MAX_ZOOM < zoom < MAX_ZOOM
    for k in range(6):
        usable = usable and abs(warp[k // 3, k % 3]) < MAX_SHIFT
    if not usable:
        state.counters[BAD_WARPS] += 1
        return
    blocks = warp_blocks(rules.coordinates, warp)
    if kalman.is_coupling(blocks):
        state.counters[COUPLED] = 1
    coupled = state.counters[COUPLED] != 0
    for slot in state.order[: state.counters[ALIVE]]:
        kalman.warp(state.means, state.covariances, slot, blocks, warp[0, 2], warp[1, 2], coupled)
        if rules.carry_observations:
            carry_observations(state, slot, warp, blocks)


@inner
def fill_boxes(state: TrackState, coordinates: int) -> None:
    """Set `boxes` of all tracks to what the filter's state says."""
    for slot in state.order[: state.counters[ALIVE]]:
        position = state.means[slot, 0]
        x1, y1, x2, y2 = corners_of(coordinates, position[0], position[1], position[2], position[3])
        box = state.boxes[slot]
        box[0], box[1], box[2], box[3] = x1, y1, x2, y2
