"""All that a tracker remembers: arrays with room for more tracks than there are, a slot a track.

A track keeps its slot for life. `order` lists the slots of the living in the order of birth, then the free ones, so
that a birth takes the next free slot and a death moves numbers, not tracks.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from smiletrack.compiled import inner, maker
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.evidence import PRIOR
from smiletrack.tracking.score_scale import SCORE_BINS
from smiletrack.types import Floats, Ints

UNCONFIRMED, TRACKED, LOST, DEAD = range(4)
"""State of a track. TRACKED: confirmed, and matched in the last frame. DEAD: its slot is to be freed."""

EMPTY = -1
"""Stamp of a template that is not there, match of a track that has none."""

FRAME, ALIVE, BORN, COUPLED, BAD_DETECTIONS, BAD_EMBEDDINGS, BAD_WARPS, NOTED, USED = range(9)
"""Places in `counters`."""

NOW, ELAPSED = range(2)
"""Places in `clock`."""

PAST = 5
"""Frames for which a track that may be hidden remembers its states (`tracking.occlusion`)."""

SPAN = 3
"""Looks between the two detections that give a direction (the delta t of OC-SORT's paper)."""


class Memory(NamedTuple):
    """What is stored: all fields of `TrackState` in few arrays, since each costs every call into the loop.

    numbers (7, S): the first seven fields. figures: those of `_SHAPES` one after another, the k-th up to ends[k]. The
    others: see there.
    """

    numbers: Ints
    observed_at: Ints
    figures: Floats
    ends: Ints
    vectors: Floats
    stamps: Floats
    counters: Ints


class TrackState(NamedTuple):
    """The arrays by name; index i of each belongs to slot i.

    order: slots, first those of the living in the order of birth. ids: from 1. states: UNCONFIRMED, TRACKED or LOST.
    streaks: consecutive matches since birth or the last miss. classes, scores: of the last match. doomed: 1 for a track
    that is removed once it is lost. matches: row of the frame's detection, -1 for none.
    born_at, seen_at: time of birth and of the last match, as `clock` counts it.
    means, covariances: see `motion.kalman`. boxes (S, 4): corners, of the prediction until a frame's matches are known,
    then of the corrected state.
    observed (S, 4), recent (S, 3, 4), directions (S, 2), observed_at (S, 4), frozen_means, frozen_covariances,
    frozen_at, corner_directions (S, 4, 2): see `tracking.observations`; no slots where the tracker does not need them.
    expected_scores (S, 6): see `tracking.perspectives`. pasts (S, 5, 2, 4), hidden (S,): see `tracking.occlusion`.
    vectors (S, K, D), stamps (S, K): templates, see `tracking.templates`.
    counters (9,): frames looked at, living tracks, tracks ever born, whether covariances are coupled, what could not be
    used: detections, embeddings, warps; pairs noted, and detections that are high or low, in this frame.
    clock (2,): the time since the start and since the frame before, in frames; as long as none is skipped, the number
    of the frame and 1.
    similarities (3, 2): see `tracking.calibration`.
    under_cover (5,): see `tracking.evidence`.
    score_weights (1000,): see `tracking.score_scale`.
    """

    order: Ints
    ids: Ints
    states: Ints
    streaks: Ints
    classes: Ints
    doomed: Ints
    matches: Ints
    born_at: Floats
    seen_at: Floats
    scores: Floats
    means: Floats
    covariances: Floats
    boxes: Floats
    observed: Floats
    recent: Floats
    directions: Floats
    observed_at: Ints
    frozen_means: Floats
    frozen_covariances: Floats
    frozen_at: Floats
    corner_directions: Floats
    expected_scores: Floats
    pasts: Floats
    hidden: Floats
    vectors: Floats
    stamps: Floats
    counters: Ints
    clock: Floats
    similarities: Floats
    under_cover: Floats
    score_weights: Floats


class Workspace(NamedTuple):
    """Room for what lives no longer than a frame, for S slots, M detections, P pairs.

    by_track (8, S + 1): tracks of a stage, those of one age, starts of pairs, starts of pairs that can match, detection
    of each track; marks; by slot, the first place and the end of its window (`tracking.overlap`). track_figures (3, S).
    by_detection (8, M): levels, owners, known, order, and four rows to work in. detection_figures (6, M): lefts,
    reaches, two rows to work in, cover, scores on the common scale. by_pair (2, P): rows of pairs, of pairs that can
    match. pair_figures (4, P): IoU, appearance, cost, gain. units (M, D).
    """

    by_track: Ints
    track_figures: Floats
    by_detection: Ints
    detection_figures: Floats
    by_pair: Ints
    pair_figures: Floats
    units: Floats


_SHAPES: dict[str, tuple[int, ...]] = {
    "born_at": (),
    "seen_at": (),
    "scores": (),
    "means": (2, 4),
    "covariances": (3, 2, 2, 2),
    "boxes": (4,),
    "observed": (4,),
    "recent": (SPAN, 4),
    "directions": (2,),
    "frozen_means": (2, 4),
    "frozen_covariances": (3, 2, 2, 2),
    "frozen_at": (),
    "corner_directions": (4, 2),
    "expected_scores": (6,),
    "pasts": (PAST, 2, 4),
    "hidden": (),
    "clock": (2,),
    "similarities": (3, 2),
    "under_cover": (5,),
    "score_weights": (SCORE_BINS,),
}
"""The fields in `Memory.figures` and what one slot takes; `ONCE` names those that are there once."""
ONCE = ("clock", "similarities", "under_cover", "score_weights")
"""The fields of the whole tracker."""


def open_memory(config: TrackerConfig, slots: int = 64) -> Memory:
    """Return the memory of a tracker that has seen nothing."""
    observing = slots if config.observes else 0
    hiding = slots if config.life.hidden_patience else 0
    rooms = dict.fromkeys(_SHAPES, observing) | dict.fromkeys(list(_SHAPES)[:6], slots)
    rooms["corner_directions"] = slots if config.corners else 0
    rooms["expected_scores"] = slots if config.expects_scores else 0
    rooms["pasts"] = rooms["hidden"] = hiding
    memory = _blank(rooms, (slots if config.appearance else 0, config.templates.capacity, 0))
    if config.weighs:
        state_views(memory).similarities[...] = PRIOR
    return memory


def enlarged(memory: Memory, slots: int) -> Memory:
    """Return the same memory with `slots` slots, more than it has."""
    before = state_views(memory)
    rooms = {name: slots if len(getattr(before, name)) else 0 for name in _SHAPES}
    looking, capacity, size = memory.vectors.shape
    grown = _blank(rooms, (slots if looking else 0, capacity, size))
    for old, new in zip(before, state_views(grown), strict=True):
        new[: len(old)] = old
    return grown


def with_embedding_size(memory: Memory, size: int) -> Memory:
    """Return the memory with room for templates of another size; what tracks looked like is forgotten."""
    return memory._replace(
        vectors=np.zeros((*memory.stamps.shape, size)), stamps=np.full(memory.stamps.shape, float(EMPTY))
    )


def _blank(rooms: dict[str, int], templates: tuple[int, int, int]) -> Memory:
    """Return the memory of no track. rooms: slots by field of `_SHAPES`. templates: (S, K, D)."""
    numbers = np.zeros((7, rooms["means"]), np.int64)
    numbers[0] = np.arange(rooms["means"])
    rooms = rooms | dict.fromkeys(ONCE, 1)
    ends = np.cumsum([rooms[name] * prod(shape) for name, shape in _SHAPES.items()])
    return Memory(
        numbers,
        observed_at=np.zeros((rooms["observed"], 1 + SPAN), np.int64),
        figures=np.zeros(ends[-1]),
        ends=ends,
        vectors=np.zeros(templates),
        stamps=np.full(templates[:2], float(EMPTY)),
        counters=np.zeros(9, np.int64),
    )


def state_views(memory: Memory) -> TrackState:
    """Return the arrays of a memory by name, as views."""
    numbers, figures, ends = memory.numbers, memory.figures, memory.ends
    return TrackState(
        numbers[0],
        numbers[1],
        numbers[2],
        numbers[3],
        numbers[4],
        numbers[5],
        numbers[6],
        figures[: ends[0]],
        figures[ends[0] : ends[1]],
        figures[ends[1] : ends[2]],
        figures[ends[2] : ends[3]].reshape(-1, 2, 4),
        figures[ends[3] : ends[4]].reshape(-1, 3, 2, 2, 2),
        figures[ends[4] : ends[5]].reshape(-1, 4),
        figures[ends[5] : ends[6]].reshape(-1, 4),
        figures[ends[6] : ends[7]].reshape(-1, SPAN, 4),
        figures[ends[7] : ends[8]].reshape(-1, 2),
        memory.observed_at,
        figures[ends[8] : ends[9]].reshape(-1, 2, 4),
        figures[ends[9] : ends[10]].reshape(-1, 3, 2, 2, 2),
        figures[ends[10] : ends[11]],
        figures[ends[11] : ends[12]].reshape(-1, 4, 2),
        figures[ends[12] : ends[13]].reshape(-1, 6),
        figures[ends[13] : ends[14]].reshape(-1, PAST, 2, 4),
        figures[ends[14] : ends[15]],
        memory.vectors,
        memory.stamps,
        memory.counters,
        figures[ends[15] : ends[16]],
        figures[ends[16] : ends[17]].reshape(3, 2),
        figures[ends[17] : ends[18]],
        figures[ends[18] :],
    )


state_of = maker(state_views)


@maker
def open_workspace(slots: int, most: int, size: int) -> Workspace:
    """Return room for a frame of `most` detections with embeddings of `size` numbers, and for no pairs."""
    return Workspace(
        np.empty((8, slots + 1), np.int64),
        np.empty((3, slots)),
        np.empty((8, most), np.int64),
        np.empty((6, most)),
        np.empty((2, 0), np.int64),
        np.empty((4, 0)),
        np.empty((most, size)),
    )


@maker
def with_pairs(work: Workspace, pairs: int) -> Workspace:
    """Return the workspace with room for so many pairs."""
    return Workspace(
        work.by_track,
        work.track_figures,
        work.by_detection,
        work.detection_figures,
        np.empty((2, pairs), np.int64),
        np.empty((4, pairs)),
        work.units,
    )


@inner
def bury(state: TrackState) -> None:
    """Free the slots of all tracks that are DEAD; the living keep their order."""
    order, kept = state.order, 0
    for place in range(state.counters[ALIVE]):
        if state.states[order[place]] != DEAD:
            order[kept], order[place] = order[place], order[kept]
            kept += 1
    state.counters[ALIVE] = kept
