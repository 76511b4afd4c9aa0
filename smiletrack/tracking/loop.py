"""The compiled loop over frames, the one door between Python and the tracker's core.

A frame reads as the method: intake, prediction, cascade, correction, what similarities are worth and what tracks look
like, deaths, births, duplicates, the answer.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from numba import njit

from smiletrack.compiled import inner
from smiletrack.limits import MOST_OF_ALL_PAIRS, MOST_PAIRS
from smiletrack.metrics import assignment
from smiletrack.motion import box_states, kalman
from smiletrack.tracking.answers import Answers, answer
from smiletrack.tracking.boosting import boost_scores
from smiletrack.tracking.cascade import run_cascade
from smiletrack.tracking.correction import calibrate, correct_tracks, learn_appearance
from smiletrack.tracking.intake import FrameDetections, frame_of, take_in
from smiletrack.tracking.lifecycle import drop_duplicates, end_lives, start_lives
from smiletrack.tracking.observer import Notes
from smiletrack.tracking.occlusion import remember_states
from smiletrack.tracking.overlap import find_windows
from smiletrack.tracking.prediction import fill_boxes, predict_tracks
from smiletrack.tracking.score_scale import rescale
from smiletrack.tracking.settings import Rules, read_rules
from smiletrack.tracking.state import (
    ALIVE,
    ELAPSED,
    FRAME,
    NOTED,
    NOW,
    USED,
    Memory,
    TrackState,
    Workspace,
    open_workspace,
    state_of,
    with_pairs,
)
from smiletrack.types import Floats, Ints


class Given(NamedTuple):
    """What is given of all frames: boxes (N, 4), scores, classes, embeddings (N, D), frame after frame."""

    boxes: Floats
    scores: Floats
    classes: Ints
    embeddings: Floats


TOO_MANY_PAIRS = -1
"""Answer of the loop to a frame in which more boxes overlap than are tracked."""

_INTERPRETED = {"config.py", "flattening.py", "interpolation.py", "saved_state.py", "stages.py", "tracker.py"}
"""Files beside this one that are no part of the loop."""


@inner
def look(
    state: TrackState, rules: Rules, given: Given, first: int, end: int, elapsed: float, warps: Floats, work: Workspace
) -> int:
    """Begin a frame, whose detections are the rows `first` .. `end` - 1; return how many pairs a stage can have."""
    state.counters[FRAME] += 1
    state.clock[NOW] += elapsed
    state.clock[ELAPSED] = elapsed
    state.counters[NOTED] = 0
    predict_tracks(state, rules, warps)
    if rules.rescored:
        scores = work.detection_figures[5, : end - first]
        for row in range(end - first):
            scores[row] = given.scores[first + row]
        if rules.rescale:
            rescale(state.score_weights, given.scores[first:end], scores)
        if rules.boost_likely or rules.boost_unexplained:
            boost_scores(state, rules, given.boxes[first:end], scores, work)
    scene = _frame(given, rules, first, end, end - first, work)
    take_in(rules, state.counters, scene, given.embeddings[first:end], work)
    return find_windows(state, _frame(given, rules, first, end, state.counters[USED], work), rules, work)


@inner
def decide(
    state: TrackState,
    rules: Rules,
    stages: Floats,
    given: Given,
    first: int,
    end: int,
    answers: Answers,
    place: int,
    notes: Notes,
    work: Workspace,
) -> int:
    """Go on with the frame; return where its answers, written from `place` on, end."""
    scene = _frame(given, rules, first, end, state.counters[USED], work)
    run_cascade(state, scene, rules, stages, notes, work)
    correct_tracks(state, scene, rules)
    if rules.appearance:
        calibrate(state, scene, rules, work)
        learn_appearance(state, scene, rules)
    end_lives(state, rules)
    start_lives(state, scene, rules)
    if rules.hidden_patience > 0:
        remember_states(state)
    fill_boxes(state, rules.coordinates)
    drop_duplicates(state, rules, work)
    return answer(state, scene, rules, answers, place)


@inner
def _frame(given: Given, rules: Rules, first: int, end: int, used: int, work: Workspace) -> FrameDetections:
    scores = given.scores[first:end]
    if rules.rescored:
        scores = work.detection_figures[5, : end - first]
    return frame_of(
        work,
        given.boxes[first:end],
        scores,
        given.classes[first:end],
        given.embeddings[first:end],
        used,
    )


def _sources() -> int:
    """Return a sum over the text of all that the loop is compiled from."""
    files = [Path(module.__file__ or "") for module in (assignment, box_states, kalman)]
    files += [Path(__file__).parents[1] / name for name in ("compiled.py", "limits.py")]
    files += [file for file in sorted(Path(__file__).parent.glob("*.py")) if file.name not in _INTERPRETED]
    return zlib.crc32(b"".join(file.read_bytes() for file in files))


def _compiled(sources: int) -> Callable[..., int]:
    """Return the loop. `sources` is part of the key under which Numba keeps the machine code: it does not see by
    itself that a function in another file has changed."""

    @njit(cache=True, error_model="numpy")
    def track_frames(
        numbers: Ints,
        observed_at: Ints,
        figures: Floats,
        field_ends: Ints,
        vectors: Floats,
        stamps: Floats,
        counters: Ints,
        rule_row: Floats,
        stages: Floats,
        boxes: Floats,
        scores: Floats,
        classes: Ints,
        embeddings: Floats,
        ends: Ints,
        elapsed: Floats,
        warps: Floats,
        answer_numbers: Ints,
        answer_boxes: Floats,
        answer_scores: Floats,
        answer_ends: Ints,
        note_numbers: Ints,
        note_figures: Floats,
        first: int,
    ) -> int:
        assert sources >= 0
        state = state_of(Memory(numbers, observed_at, figures, field_ends, vectors, stamps, counters))
        given = Given(boxes, scores, classes, embeddings)
        answers = Answers(answer_numbers, answer_boxes, answer_scores, answer_ends)
        notes = Notes(note_numbers, note_figures)
        rules = read_rules(rule_row)
        start = ends[first - 1] if first else 0
        place = answer_ends[first - 1] if first else 0
        most = 0
        for frame in range(first, len(ends)):
            most = max(most, ends[frame] - (ends[frame - 1] if frame else 0))
        work = open_workspace(numbers.shape[1], most, vectors.shape[2])
        for frame in range(first, len(ends)):
            end = ends[frame]
            if numbers.shape[1] - counters[ALIVE] < end - start:
                return frame  # no room if every detection started a track
            pairs = look(state, rules, given, start, end, elapsed[frame], warps[frame : frame + 1], work)
            if pairs > MOST_PAIRS:
                return TOO_MANY_PAIRS
            if pairs > work.by_pair.shape[1]:
                work = with_pairs(work, 2 * pairs if pairs < MOST_OF_ALL_PAIRS else pairs)
            place = decide(state, rules, stages, given, start, end, answers, place, notes, work)
            answer_ends[frame] = place
            start = end
        return len(ends)

    return track_frames


track_frames: Callable[..., int] = _compiled(_sources())
"""Track frames `first` .. F - 1 and return F, the frame for which the memory has too few slots, or TOO_MANY_PAIRS.

Arguments: the fields of `Memory`; rules and stages (`flattening.flatten`); boxes (N, 4), scores, classes and embeddings
(N, D) of all frames one after another; ends (F,), where each frame's rows end; elapsed (F,), frames from the look
before to each; warps (F, 2, 3), or none for a camera that stands; the fields of `Answers`, then of `Notes`; first.
"""
