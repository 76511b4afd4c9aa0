"""Scripted situations whose right answer is known: who swaps, who looks alike, who is gone for how long.

Each is a function of where and when; it returns the actors and a description. There, people are indices of the actors
and frames are indices from 0; `sequence` turns both into what the files use.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smiletrack.data.world.config import SceneConfig
from smiletrack.data.world.layout import Layout, Obstacle
from smiletrack.data.world.people import Look
from smiletrack.data.world.walks import Actor
from smiletrack.types import Floats

SPEED = 1.2  # metres a second, of everybody in a scripted situation
BODY_M = 0.5  # width of a person, arms included

Answer = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """Where a situation plays: behind an obstacle at (x, z) metres, its middle at frame `middle` of `length`."""

    x: float
    z: float
    middle: int
    length: int
    frame_rate: float

    @property
    def step(self) -> float:
        """Metres a frame."""
        return SPEED / self.frame_rate

    def clock(self) -> Floats:
        """(T,) frames since the middle of the situation."""
        return np.arange(self.length, dtype=np.float64) - self.middle

    def wall(self, frames_hidden: int) -> Obstacle:
        """Return a wall before the stage that hides a passer-by for this number of frames."""
        return Obstacle("wall", self.x, self.z - 0.7, frames_hidden * self.step + BODY_M, 2.5)


def swap(stage: Stage, looks: Iterator[Look]) -> tuple[list[Actor], Answer]:
    """Two people in different clothes meet behind the wall and both turn back.

    Motion says that they walked on, so a tracker without appearance gives each the other's identity.
    """
    hidden = 16
    left, right = _alike_in_size(looks)
    away = stage.step * np.abs(stage.clock())
    gone = np.abs(stage.clock()) < hidden / 2
    actors = [Actor(left, 0, _at(stage, -away), gone), Actor(right, 0, _at(stage, away), gone)]
    return actors, _answer(stage, actors, "motion alone exchanges the two identities, appearance keeps them")


def lookalike(stage: Stage, looks: Iterator[Look]) -> tuple[list[Actor], Answer]:
    """Two people in the same clothes pass one another behind the wall and walk on: only motion tells them apart."""
    hidden = 16
    left, _ = _alike_in_size(looks)
    along = stage.step * stage.clock()
    gone = np.abs(stage.clock()) < hidden / 2
    actors = [Actor(left, 0, _at(stage, along), gone), Actor(left, 0, _at(stage, -along), gone)]
    return actors, _answer(stage, actors, "appearance cannot tell the two apart, motion keeps both identities")


def absent(stage: Stage, looks: Iterator[Look], frames: int) -> tuple[list[Actor], Answer]:
    """Somebody walks on behind the wall and is in no picture for exactly `frames` frames."""
    first = stage.middle - frames // 2
    time = np.arange(stage.length)
    gone = (time >= first) & (time < first + frames)
    actors = [Actor(next(looks), 0, _at(stage, stage.step * stage.clock()), gone)]
    return actors, _answer(stage, actors, f"one person, gone for {frames} frames")


def figure8(stage: Stage, looks: Iterator[Look]) -> tuple[list[Actor], Answer]:
    """The case of the paper's Figure 8: the overlap is high, but it is somebody else.

    The first person passes behind the wall for 16 frames. In the first of them a second, dressed differently, comes out
    of the wall's door exactly where the first is expected, walks on with them for 8 frames and then turns away. A
    tracker that believes the overlap gives the second person the first's identity and the first a new one.
    """
    hidden, together = 16, 8
    first, second = _alike_in_size(looks)
    time = np.arange(stage.length)
    start = stage.middle - hidden // 2
    gone = (time >= start) & (time < start + hidden)
    along = stage.step * stage.clock()
    since_turn = np.clip(time - (start + together), 0, None)
    turning = along - 2 * stage.step * since_turn
    actors = [
        Actor(first, 0, _at(stage, along), gone),
        Actor(second, 0, _at(stage, turning) - [[0.0, 0.75]], time < start),
    ]
    return actors, _answer(
        stage, actors, "without the gate the second takes the first's identity, with it neither moves"
    )


SITUATIONS: dict[str, Callable[[Stage, Iterator[Look]], tuple[list[Actor], Answer]]] = {
    "swap": swap,
    "lookalike": lookalike,
    "absent25": lambda stage, looks: absent(stage, looks, 25),
    "absent40": lambda stage, looks: absent(stage, looks, 40),
    "figure8": figure8,
}
HIDDEN_FRAMES = {"swap": 16, "lookalike": 16, "absent25": 25, "absent40": 40, "figure8": 16}


def add_swaps(
    config: SceneConfig, layout: Layout, looks: Iterator[Look], rng: np.random.Generator
) -> tuple[list[Actor], dict[str, list[Answer]]]:
    """Return `config.swaps` pairs who turn back behind the scene's kiosk, evenly spread over the sequence."""
    kiosk = next((obstacle for obstacle in layout.obstacles if obstacle.kind == "kiosk"), None)
    actors: list[Actor] = []
    answers: list[Answer] = []
    for turn in range(config.swaps if kiosk else 0):
        assert kiosk is not None
        middle = round((turn + rng.uniform(0.4, 0.6)) * config.length / config.swaps)
        stage = Stage(kiosk.x, kiosk.z + 0.7 + 0.1 * rng.random(), middle, config.length, config.frame_rate)
        pair, answer = swap(stage, looks)
        # here nobody leaves the world: the kiosk itself hides them, and the annotation says visibility 0
        answers.append(answer | {"people": [len(actors), len(actors) + 1]})
        actors += [replace(actor, gone=np.zeros_like(actor.gone)) for actor in pair]
    return actors, {"swap": answers} if answers else {}


def _at(stage: Stage, x: Floats) -> Floats:
    """(T,) metres from the middle of the stage -> (T, 2) positions."""
    return np.stack([stage.x + x, np.full(len(x), stage.z)], -1)


def _alike_in_size(looks: Iterator[Look]) -> tuple[Look, Look]:
    """Return two looks of different clothes and one size, so that boxes say nothing about who it is."""
    one, other = next(looks), next(looks)
    while other.group == one.group:
        other = next(looks)
    return one, replace(other, height_m=one.height_m, build=one.build, bag=one.bag, skirt=one.skirt)


def _answer(stage: Stage, actors: list[Actor], expected: str) -> Answer:
    gone: list[NDArray[np.int64]] = [np.flatnonzero(actor.gone) for actor in actors]
    return {
        "people": list(range(len(actors))),
        "middle": stage.middle,
        "gone": [[int(frames[0]), int(frames[-1])] if len(frames) else None for frames in gone],
        "expected": expected,
    }
