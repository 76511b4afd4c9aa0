"""Tracks that vanish behind others keep their place for a while (FastTracker, arXiv 2508.14370).

`pasts` (S, PAST, 2, 4) is a ring over looks of a track's means, `hidden` (S,) is 1 from the moment on in which the
track was found covered until it is matched again; no slots where the tracker does not ask for it.
"""

from smiletrack.compiled import inner
from smiletrack.tracking.state import ALIVE, FRAME, PAST, TRACKED, TrackState

_COVERED = 0.7
"""Share of its area above which a track that another one covers is hidden."""
_POSITION_AGE = 3
"""Looks ago when its position was not yet drawn to the one in front; its velocity is older still, PAST looks."""
_SLOWER, _TALLER = 0.89, 1.1
"""Factors on the velocity and on the height of a hidden track."""


@inner
def remember_states(state: TrackState) -> None:
    """Write the means of all tracks of this frame into `pasts`; new ones have been there all the time."""
    frame = state.counters[FRAME]
    for slot in state.order[: state.counters[ALIVE]]:
        first, count = (0, PAST) if state.hidden[slot] < 0 else (frame % PAST, 1)
        for place in range(first, first + count):
            for k in range(8):
                state.pasts[slot, place, k // 4, k % 4] = state.means[slot, k // 4, k % 4]
        state.hidden[slot] = max(state.hidden[slot], 0.0)


@inner
def is_behind(state: TrackState, slot: int) -> bool:
    """Tell whether a track that is matched in this frame covers most of another's predicted box."""
    box = state.boxes[slot]
    area = (box[2] - box[0]) * (box[3] - box[1])
    for other in state.order[: state.counters[ALIVE]]:
        if state.states[other] != TRACKED or state.matches[other] < 0:
            continue
        cover = state.boxes[other]
        width, height = min(box[2], cover[2]) - max(box[0], cover[0]), min(box[3], cover[3]) - max(box[1], cover[1])
        if width > 0 and height > 0 and width * height > _COVERED * area:
            return True
    return False


@inner
def set_back(state: TrackState, slot: int) -> None:
    """Set a track that is newly hidden back to where it went before it was drawn to the one in front."""
    if state.hidden[slot] > 0:
        return
    state.hidden[slot] = 1.0
    then, before = (state.counters[FRAME] - _POSITION_AGE) % PAST, state.counters[FRAME] % PAST
    for k in range(4):
        state.means[slot, 1, k] = _SLOWER * state.pasts[slot, before, 1, k]
    for k in range(2):
        state.means[slot, 0, k] = state.pasts[slot, then, 0, k]
    state.means[slot, 0, 3] *= _TALLER
