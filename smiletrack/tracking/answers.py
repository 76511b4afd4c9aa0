"""Which tracks of a frame are reported, and with which box."""

from typing import NamedTuple

import numpy as np

from smiletrack.compiled import inner
from smiletrack.tracking.intake import FREE, FrameDetections
from smiletrack.tracking.settings import Rules
from smiletrack.tracking.state import ALIVE, FRAME, TRACKED, TrackState
from smiletrack.types import Floats, Ints


class Answers(NamedTuple):
    """Room for as many reported tracks as there are detections, frame after frame.

    numbers (3, N): ids, classes, row of the frame's detections. boxes (N, 4), scores (N,): of the tracks. ends (F,):
    where each frame ends.
    """

    numbers: Ints
    boxes: Floats
    scores: Floats
    ends: Ints


def open_answers(num_detections: int, num_frames: int) -> Answers:
    """Return room for the tracks of some frames with so many detections together."""
    return Answers(
        np.empty((3, num_detections), np.int64),
        np.empty((num_detections, 4)),
        np.empty(num_detections),
        np.empty(num_frames, np.int64),
    )


@inner
def answer(state: TrackState, scene: FrameDetections, rules: Rules, answers: Answers, place: int) -> int:
    """Write the tracks of this frame that the output rules let through from `place` on; return where they end."""
    frame = state.counters[FRAME]
    for slot in state.order[: state.counters[ALIVE]]:
        row = state.matches[slot]
        if row == FREE or not (rules.report_unconfirmed or state.states[slot] == TRACKED):
            continue
        if frame > rules.min_streak and state.streaks[slot] < rules.min_streak:
            continue
        box = scene.boxes[row] if rules.observed_boxes else state.boxes[slot]
        width, height = box[2] - box[0], box[3] - box[1]
        if width * height > rules.min_area and width <= rules.max_aspect * height:
            answers.numbers[0, place], answers.numbers[1, place] = state.ids[slot], state.classes[slot]
            answers.numbers[2, place] = row
            answers.scores[place] = state.scores[slot]
            for k in range(4):
                answers.boxes[place, k] = box[k]
            place += 1
    return place
