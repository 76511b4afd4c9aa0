"""How people move: random walks through the street, and the actors that walk them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from smiletrack.data.world.camera import Ground, max_pan
from smiletrack.data.world.config import SceneConfig
from smiletrack.data.world.figure import Pose
from smiletrack.data.world.layout import Layout
from smiletrack.data.world.people import Look
from smiletrack.types import Floats

STEP_M = 1.4
"""Metres a walker advances in one cycle of two steps."""


@dataclass(frozen=True)
class Actor:
    """One person and where they are.

    first: index of the first frame in which they exist, from 0; may be negative. xz: (L, 2) metres on the ground, one
    row a frame. gone: (L,) frames in which they are in no picture, none by default. facing: heading in radians while
    standing; None keeps the last. kind: walker, seated, mannequin, cyclist or reflection.
    """

    look: Look
    first: int
    xz: Floats
    gone: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    facing: float | None = None
    kind: str = "walker"

    def __post_init__(self) -> None:
        if not len(self.gone):
            object.__setattr__(self, "gone", np.zeros(len(self.xz), bool))

    def pose(self, frame_rate: float) -> Pose:
        """Return the L poses that follow from the path: legs swing with the distance walked."""
        velocity = np.gradient(self.xz, axis=0) * frame_rate if len(self.xz) > 1 else np.zeros((1, 2))
        speed = np.linalg.norm(velocity, axis=1)
        phase = 2 * np.pi * np.cumsum(speed) / frame_rate / STEP_M + self.look.build * 40
        heading = _hold(np.arctan2(velocity[:, 1], velocity[:, 0]), speed > 0.15, self.facing)
        seated = np.full(len(speed), float(self.kind in ("seated", "cyclist")))
        return Pose(heading, phase, np.clip(speed / 0.9, 0, 1), seated)


def random_walkers(
    config: SceneConfig, ground: Ground, layout: Layout, looks: Iterator[Look], rng: np.random.Generator
) -> list[Actor]:
    """Keep `config.people` persons in view: each place is taken by a new person when its last one has left."""
    actors: list[Actor] = []
    places = 0
    while places < config.people:
        beside = places + 1 < config.people and rng.random() < config.couples
        frame = 0
        while frame < config.length:
            started = frame == 0
            path = random_path(config, ground, layout, started, rng)
            actors.append(Actor(next(looks), frame, path))
            if beside:
                actors.append(Actor(next(looks), frame, path + _apart(path, rng)))
            frame += len(path) + int(rng.integers(0, config.frame_rate))
        places += 1 + beside
    return actors


def random_path(config: SceneConfig, ground: Ground, layout: Layout, started: bool, rng: np.random.Generator) -> Floats:
    """Return (L, 2) positions from one border to another; `started` drops a random first part of them.

    Of ten people about five pass by, two stop on the way, one turns round, one crosses the road, one leaves the view
    and comes back after one to two seconds.
    """
    speed = float(np.clip(rng.normal(1.3, 0.22), 0.7, 2.0))
    side = float(rng.choice([-1.0, 1.0]))
    z = _lane(layout, rng)
    border = side * view_border(config, ground, z)
    out, back = np.array([border, z]), np.array([-border, z])
    drift = np.array([0, rng.normal(0, 0.5)])
    stop = np.array([rng.uniform(-0.7, 0.7) * float(ground.half_view(z)), z]) + drift
    manner = rng.random()
    if manner < 0.5:
        legs, waits = [out, back + drift], [0.0]
    elif manner < 0.7:
        legs, waits = [out, stop, back + drift], [rng.uniform(0.8, 4.0), 0.0]
    elif manner < 0.8:
        legs, waits = [out, stop, out + drift], [rng.uniform(0.0, 0.5), 0.0]
    elif manner < 0.9:
        over = rng.uniform(*layout.crossing)
        z_end = _lane(layout, rng, other_side_of=z)
        end = np.array([rng.choice([-1, 1]) * view_border(config, ground, z_end), z_end])
        legs = [out, np.array([over, z]), np.array([over + rng.normal(0, 0.4), z_end]), end]
        waits = [rng.choice([0.0, 1.0]), 0.0, 0.0]
    else:
        # behind the border for 0.4 m there and back, and a pause: gone for about one to two seconds
        legs, waits = [stop, out, stop + drift, back], [rng.uniform(0.3, 1.2), 0.0, 0.0]
    path = stroll(np.array(legs), speed, np.array([*waits, 0.0]), config.frame_rate)
    if not started:
        return path
    inside = np.flatnonzero(np.abs(path[:, 0]) < ground.half_view(path[:, 1]))
    return path[int(rng.choice(inside)) if len(inside) else 0 :]


def stroll(corners: Floats, speed: float, waits_s: Floats, frame_rate: float) -> Floats:
    """(K, 2) corners in metres -> (L, 2) positions at an even `speed` (m/s), waiting at each corner after the first.

    Corners are rounded and starts and stops softened over a quarter of a second.
    """
    step = speed / frame_rate
    pieces = [corners[:1]]
    for start, end, wait in zip(corners[:-1], corners[1:], waits_s, strict=False):
        number = max(1, round(float(np.linalg.norm(end - start)) / step))
        pieces.append(start + (end - start) * np.arange(1, number + 1)[:, None] / number)
        pieces.append(np.repeat(end[None], round(wait * frame_rate), 0))
    path = np.concatenate(pieces)
    half = max(1, round(frame_rate / 8))
    padded = np.pad(path, ((half, half), (0, 0)), mode="edge")
    return np.mean([padded[i : i + len(path)] for i in range(2 * half + 1)], 0)


def view_border(config: SceneConfig, ground: Ground, z: float) -> float:
    """Return the metres from the middle at which a person is just out of view at depth z, camera pan included."""
    pan_px = max_pan(config) if config.moving_cameras > 0 else 0.0
    return float(ground.half_view(z) + pan_px / ground.pixels_per_metre(z) + 0.5)


def _lane(layout: Layout, rng: np.random.Generator, other_side_of: float | None = None) -> float:
    """Return a depth on one of the two pavements, more often on the near one."""
    near = rng.random() < 0.62 if other_side_of is None else other_side_of > layout.kerb_near
    low, high = (layout.near, layout.kerb_near - 0.6) if near else (layout.kerb_far + 0.7, layout.houses - 0.5)
    return float(rng.uniform(low, high))


def _apart(path: Floats, rng: np.random.Generator) -> Floats:
    """Return the (1, 2) offset of somebody who walks beside, further from the camera."""
    return np.array([[rng.choice([-1, 1]) * rng.uniform(0.2, 0.5), rng.uniform(0.4, 0.6)]])


def _hold(heading: Floats, moving: NDArray[np.bool_], facing: float | None) -> Floats:
    """Return the heading with those of standing frames replaced by `facing`, or by that of the last step."""
    if facing is not None:
        return np.where(moving, heading, facing)
    if not moving.any():
        return np.full_like(heading, -np.pi / 2)
    last = np.maximum.accumulate(np.where(moving, np.arange(len(moving)), -1))
    last[last < 0] = np.flatnonzero(moving)[0]
    return heading[last]
