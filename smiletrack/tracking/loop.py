"""The compiled loop over frames, the one door between Python and the tracker's core.

A frame reads as the method: intake, prediction, cascade, correction, what similarities are worth and what tracks look
like, deaths, births, duplicates, the answer.
"""

import zlib
from collections.abc import Callable
from pathlib import Path

from numba import njit

from smiletrack.metrics import assignment
from smiletrack.motion import box_states, kalman
from smiletrack.tracking.answers import Answers, answer
from smiletrack.tracking.cascade import run_cascade
from smiletrack.tracking.correction import calibrate, correct_tracks, learn_appearance
from smiletrack.tracking.intake import take_in
from smiletrack.tracking.lifecycle import drop_duplicates, end_lives, start_lives
from smiletrack.tracking.observer import Notes
from smiletrack.tracking.prediction import fill_boxes, predict_tracks
from smiletrack.tracking.score_scale import rescaled
from smiletrack.tracking.settings import Rules, read_rules
from smiletrack.tracking.state import ALIVE, FRAME, NOTED, Memory, TrackState, state_of
from smiletrack.types import Floats, Ints

_INTERPRETED = {"config.py", "interpolation.py", "tracker.py"}
"""Files beside this one that are no part of the loop."""


@njit(error_model="numpy", inline="always")
def step(
    state: TrackState,
    rules: Rules,
    stages: Floats,
    boxes: Floats,
    scores: Floats,
    classes: Ints,
    embeddings: Floats,
    warps: Floats,
    answers: Answers,
    place: int,
    notes: Notes,
) -> int:
    """Track one frame; return where its answers, written from `place` on, end."""
    state.counters[FRAME] += 1
    state.counters[NOTED] = 0
    if rules.rescale:
        scores = rescaled(state.score_weights, scores)
    scene = take_in(rules, state.counters, boxes, scores, classes, embeddings)
    predict_tracks(state, rules, warps)
    run_cascade(state, scene, rules, stages, notes)
    correct_tracks(state, scene, rules)
    if rules.appearance:
        calibrate(state, scene, rules)
        learn_appearance(state, scene, rules)
    end_lives(state, rules)
    start_lives(state, scene, rules)
    fill_boxes(state, rules.coordinates)
    drop_duplicates(state, rules)
    return answer(state, scene, rules, answers, place)


def _sources() -> int:
    """Return a sum over the text of all that the loop is compiled from."""
    files = [Path(module.__file__ or "") for module in (assignment, box_states, kalman)]
    files += [file for file in sorted(Path(__file__).parent.glob("*.py")) if file.name not in _INTERPRETED]
    return zlib.crc32(b"".join(file.read_bytes() for file in files))


def _compiled(sources: int) -> Callable[..., int]:
    """Return the loop. `sources` is part of the key under which Numba keeps the machine code: it does not see by
    itself that a function in another file has changed."""

    @njit(cache=True, error_model="numpy")
    def track_frames(
        numbers: Ints,
        track_scores: Floats,
        means: Floats,
        covariances: Floats,
        track_boxes: Floats,
        observed: Floats,
        recent: Floats,
        directions: Floats,
        observed_at: Ints,
        frozen_means: Floats,
        frozen_covariances: Floats,
        vectors: Floats,
        stamps: Ints,
        counters: Ints,
        similarities: Floats,
        score_weights: Floats,
        rule_row: Floats,
        stages: Floats,
        boxes: Floats,
        scores: Floats,
        classes: Ints,
        embeddings: Floats,
        ends: Ints,
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
        memory = Memory(
            numbers,
            track_scores,
            means,
            covariances,
            track_boxes,
            observed,
            recent,
            directions,
            observed_at,
            frozen_means,
            frozen_covariances,
            vectors,
            stamps,
            counters,
            similarities,
            score_weights,
        )
        state, rules = state_of(memory), read_rules(rule_row)
        answers = Answers(answer_numbers, answer_boxes, answer_scores, answer_ends)
        notes = Notes(note_numbers, note_figures)
        start = ends[first - 1] if first else 0
        place = answer_ends[first - 1] if first else 0
        for frame in range(first, len(ends)):
            end = ends[frame]
            if len(state.order) - counters[ALIVE] < end - start:
                return frame  # no room if every detection started a track
            place = step(
                state,
                rules,
                stages,
                boxes[start:end],
                scores[start:end],
                classes[start:end],
                embeddings[start:end],
                warps[frame : frame + 1],
                answers,
                place,
                notes,
            )
            answer_ends[frame] = place
            start = end
        return len(ends)

    return track_frames


track_frames: Callable[..., int] = _compiled(_sources())
"""Track frames `first` .. F - 1 and return F, or the frame for which the memory has too few slots.

Arguments: the fields of `Memory`; rules and stages (`settings.flatten`); boxes (N, 4), scores, classes and embeddings
(N, D) of all frames one after another; ends (F,), where each frame's rows end; warps (F, 2, 3), or none for a camera
that stands; the fields of `Answers`, then of `Notes`; first.
"""
