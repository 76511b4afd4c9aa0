"""All that a tracker remembers: arrays with room for more tracks than there are, a slot a track.

A track keeps its slot for life. `order` lists the slots of the living in the order of birth, then the free ones, so
that a birth takes the next free slot and a death moves numbers, not tracks.
"""

from typing import Any, NamedTuple

import numpy as np

from smiletrack.compiled import inner
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
    """The arrays as they are stored, (S, ...) for S slots, except `numbers` (7, S) and the last four.

    numbers: the first seven fields of `TrackState`. The other fields: see there.
    """

    numbers: Ints
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
    score_weights: Floats


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


def open_memory(config: TrackerConfig, slots: int = 64) -> Memory:
    """Return the memory of a tracker that has seen nothing."""
    numbers = np.zeros((7, slots), np.int64)
    numbers[0] = np.arange(slots)
    observing = slots if config.observes else 0
    looking = slots if config.appearance else 0
    return Memory(
        numbers=numbers,
        born_at=np.zeros(slots),
        seen_at=np.zeros(slots),
        scores=np.zeros(slots),
        means=np.zeros((slots, 2, 4)),
        covariances=np.zeros((slots, 3, 2, 2, 2)),
        boxes=np.zeros((slots, 4)),
        observed=np.zeros((observing, 4)),
        recent=np.zeros((observing, SPAN, 4)),
        directions=np.zeros((observing, 2)),
        observed_at=np.zeros((observing, 1 + SPAN), np.int64),
        frozen_means=np.zeros((observing, 2, 4)),
        frozen_covariances=np.zeros((observing, 3, 2, 2, 2)),
        frozen_at=np.zeros(observing),
        corner_directions=np.zeros((slots if config.corners else 0, 4, 2)),
        expected_scores=np.zeros((slots if config.expects_scores else 0, 6)),
        pasts=np.zeros((slots if config.life.hidden_patience else 0, PAST, 2, 4)),
        hidden=np.zeros(slots if config.life.hidden_patience else 0),
        vectors=np.zeros((looking, config.templates.capacity, 0)),
        stamps=np.full((looking, config.templates.capacity), float(EMPTY)),
        counters=np.zeros(9, np.int64),
        clock=np.zeros(2),
        similarities=PRIOR.copy() if config.weighs else np.zeros((3, 2)),
        score_weights=np.zeros(SCORE_BINS),
    )


def enlarged(memory: Memory, slots: int) -> Memory:
    """Return the same memory with `slots` slots, more than it has."""
    numbers = np.zeros((7, slots), np.int64)
    old = memory.numbers.shape[1]
    numbers[:, :old] = memory.numbers
    numbers[0, old:] = np.arange(old, slots)
    grown: dict[str, Any] = {"numbers": numbers}
    for name in Memory._fields[1:-4]:
        array = getattr(memory, name)
        grown[name] = np.zeros((slots if len(array) else 0, *array.shape[1:]), array.dtype)
        grown[name][: len(array)] = array
    return memory._replace(**grown)


def with_embedding_size(memory: Memory, size: int) -> Memory:
    """Return the memory with room for templates of another size; what tracks looked like is forgotten."""
    return memory._replace(
        vectors=np.zeros((*memory.stamps.shape, size)), stamps=np.full(memory.stamps.shape, float(EMPTY))
    )


@inner
def state_of(memory: Memory) -> TrackState:
    """Return the arrays of a memory by name, as views."""
    numbers = memory.numbers
    return TrackState(
        numbers[0],
        numbers[1],
        numbers[2],
        numbers[3],
        numbers[4],
        numbers[5],
        numbers[6],
        memory.born_at,
        memory.seen_at,
        memory.scores,
        memory.means,
        memory.covariances,
        memory.boxes,
        memory.observed,
        memory.recent,
        memory.directions,
        memory.observed_at,
        memory.frozen_means,
        memory.frozen_covariances,
        memory.frozen_at,
        memory.corner_directions,
        memory.expected_scores,
        memory.pasts,
        memory.hidden,
        memory.vectors,
        memory.stamps,
        memory.counters,
        memory.clock,
        memory.similarities,
        memory.score_weights,
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
