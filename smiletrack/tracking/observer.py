"""Writes down what the cascade considered in chosen frames: for looking into single decisions afterwards."""

from collections.abc import Container
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from smiletrack.compiled import inner
from smiletrack.tracking.overlap import Candidates
from smiletrack.tracking.settings import StageRules
from smiletrack.tracking.state import NOTED, TrackState
from smiletrack.types import Floats, Ints


class Notes(NamedTuple):
    """Room for the considered pairs of a frame: numbers (K, 2) track id and row of the detection, figures (K, 4) the
    fields of `Considered`. K = 0: nobody wants to know."""

    numbers: Ints
    figures: Floats


@dataclass(frozen=True)
class Considered:
    """What one stage thought of a track and a detection.

    overlap: IoU of prediction and detection. appearance: cosine similarity, NaN without. cost: infinite where the pair
    was refused; only below `max_cost` it could match.
    """

    overlap: float
    appearance: float
    cost: float
    max_cost: float


@dataclass(frozen=True, eq=False)
class Observer:
    """Keeps what a tracker considers in the frames asked for; give it to one `Tracker`.

    considered: (frame number, track id, row of the frame's detections) -> what the last stage that compared the two
    thought. A pair that is not there was never compared: the boxes did not overlap, or one of the two was taken, or the
    stage assigns first and filters after.
    """

    frames: Container[int]
    considered: dict[tuple[int, int, int], Considered] = field(default_factory=dict)

    def read(self, frame: int, notes: Notes, count: int) -> None:
        """Take over the first `count` notes of a frame, in the order of the stages."""
        for (track, row), figures in zip(notes.numbers[:count].tolist(), notes.figures[:count].tolist(), strict=True):
            self.considered[frame, track, row] = Considered(*figures)


def open_notes(size: int) -> Notes:
    """Return room for `size` pairs."""
    return Notes(np.empty((size, 2), np.int64), np.empty((size, 4)))


@inner
def note(notes: Notes, state: TrackState, stage: StageRules, pairs: Candidates, cosines: Floats, costs: Floats) -> None:
    """Write down the pairs of a stage."""
    place = state.counters[NOTED]
    for index in range(len(pairs.slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            notes.numbers[place, 0], notes.numbers[place, 1] = state.ids[pairs.slots[index]], pairs.rows[pair]
            notes.figures[place, 0], notes.figures[place, 2] = pairs.ious[pair], costs[pair]
            notes.figures[place, 1] = cosines[pair] if stage.appearance else np.nan
            notes.figures[place, 3] = stage.max_cost
            place += 1
    state.counters[NOTED] = place
