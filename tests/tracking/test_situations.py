"""What the default preset does in the situations of the known world, its limits included."""

import numpy as np
import pytest

from smiletrack.config import altered
from smiletrack.data.synthetic import known_sequence
from smiletrack.data.world.sequence import WorldSequence
from smiletrack.engine.track import join_tracks
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker, default_config
from smiletrack.types import Detections, TrackTable


def tracked(world: WorldSequence, config: TrackerConfig) -> TrackTable:
    table, tracker = world.detections, Tracker(config, world.info.frame_rate)
    frames = [table.frame(number) for number in range(1, world.info.length + 1)]
    return join_tracks(
        [tracker.update(Detections(table.boxes[r], table.scores[r], world.embeddings[r])) for r in frames]
    )


def track_of(world: WorldSequence, table: TrackTable, person: int, frame: int) -> int:
    truth = world.truth.boxes[(world.truth.ids == person) & (world.truth.frames == frame)]
    rows = np.flatnonzero(table.frames == frame)
    return int(table.ids[rows[np.abs(table.boxes[rows] - truth).sum(axis=1).argmin()]])


def around(world: WorldSequence, table: TrackTable, person: int) -> tuple[int, int]:
    """Return a person's track before and after the frames in which nobody sees the person."""
    answer = next(iter(world.answers.values()))[0]
    first, last = answer["gone"][answer["people"].index(person)]
    return track_of(world, table, person, first - 1), track_of(world, table, person, last + 10)


@pytest.mark.parametrize("situation", ["lookalike", "absent25", "absent40"])
def test_default_keeps_everybody_who_walks_on(situation: str) -> None:
    world = known_sequence(situation)
    table = tracked(world, default_config())
    for person in next(iter(world.answers.values()))[0]["people"]:
        before, after = around(world, table, person)
        assert before == after, f"person {person}"


@pytest.mark.parametrize(("gate", "kept"), [(None, False), (0.3, True)], ids=["gate off", "gate on"])
def test_figure_8_needs_the_gate(gate: float | None, kept: bool) -> None:
    """Two people in a sequence are too few to learn what looks are worth: only a fixed gate refuses the stranger."""
    world = known_sequence("figure8")
    changed = {"first": {"gate": gate}, "second": {"gate": gate}, "unconfirmed": {"gate": gate}}
    table = tracked(world, altered(default_config(), changed))
    before, after = around(world, table, 1)
    assert (before == after) == kept
    assert (before != track_of(world, table, 2, 60)) == kept


def test_default_exchanges_a_lone_pair_that_turns_back_unseen() -> None:
    """Motion says so, and with nobody else in view there is nothing to learn appearance from."""
    world = known_sequence("swap")
    table = tracked(world, default_config())
    (a, a_after), (b, b_after) = (around(world, table, person) for person in (1, 2))
    assert (a_after, b_after) == (b, a)
