"""A scene brings ground, street, people and camera together; figures are its people, one row a person and frame."""

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smiletrack.data.world.camera import Ground, camera_path
from smiletrack.data.world.config import SceneConfig
from smiletrack.data.world.figure import Build, Pose, extents, polygons
from smiletrack.data.world.layout import Layout, Obstacle, draw_layout
from smiletrack.data.world.people import Look, draw_look, draw_looks
from smiletrack.data.world.situations import add_swaps
from smiletrack.data.world.walks import Actor, random_walkers
from smiletrack.types import Floats, Ints

_CHUNK = 4096  # rows whose polygons are in memory at a time
CYCLIST_RAISE = 0.27  # of the body's height: how far a rider's feet are above the road


@dataclass(frozen=True)
class Scene:
    """Everything that is decided before the first picture is drawn.

    path: (T, 2, 3) maps from the image at rest to each frame. answers: what is known about certain identities, by
    situation; identities in it are indices of `actors` (the written answers are ids).
    """

    name: str
    seed: int
    config: SceneConfig
    ground: Ground
    layout: Layout
    path: Floats
    actors: list[Actor]
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def random(self, purpose: str) -> np.random.Generator:
        """Return the generator of one purpose: each has its own, so that one cannot disturb another."""
        return generator(self.seed, self.name, purpose)


@dataclass(frozen=True)
class VisiblePeople:
    """People in view, one row a person and frame, sorted by frame and then from far to near.

    times: (M,) frame index from 0. actors: (M,) index of the actor. boxes: (M, 4) xyxy px around the whole figure,
    hidden parts too. depths: (M,) metres. feet: (M, 2) px at rest. scales: (M,) px per body height.
    """

    times: Ints
    actors: Ints
    boxes: Floats
    depths: Floats
    feet: Floats
    scales: Floats
    pose: Pose
    build: Build

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, rows: Ints) -> "VisiblePeople":
        return VisiblePeople(
            self.times[rows], self.actors[rows], self.boxes[rows], self.depths[rows], self.feet[rows],
            self.scales[rows], self.pose[rows], self.build[rows],
        )  # fmt: skip

    def corners(self, path: Floats) -> tuple[Floats, list[str]]:
        """Return (M, P, 8, 2) corners of the parts in px of their frame, NaN where absent, and the colours' names."""
        corners, names = polygons(self.pose, self.build)
        points = self.feet[:, None, None] + corners * (self.scales[:, None] * [1.0, -1.0])[:, None, None]
        maps = path[self.times]
        turned = np.einsum("mij,mpkj->mpki", maps[:, :, :2], points)
        return turned + maps[:, None, None, :, 2], names


def generator(seed: int, *words: str) -> np.random.Generator:
    """Return the generator that belongs to these words, the same on every machine."""
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in words)])


def random_scene(name: str, config: SceneConfig, seed: int, moving: bool) -> Scene:
    """Return a street with random people; `moving` decides about the camera."""
    rng = generator(seed, name, "scene")
    ground = Ground.of(config)
    layout = draw_layout(ground, config.depth_m, config.occluders, rng)
    looks = iter(draw_looks(8 * config.people + 64, config.lookalikes, generator(seed, name, "looks")))
    swapping, answers = add_swaps(config, layout, looks, rng)
    actors = swapping + random_walkers(config, ground, layout, looks, rng)
    if config.distractors:
        actors += distractors(config, ground, layout, actors, rng)
    path = camera_path(config, moving, generator(seed, name, "camera"))
    return Scene(name, seed, config, ground, layout, path, actors, answers)


def distractors(
    config: SceneConfig, ground: Ground, layout: Layout, actors: list[Actor], rng: np.random.Generator
) -> list[Actor]:
    """Return what looks like a pedestrian and is none in MOTChallenge: seated, mannequin, cyclist, reflection."""
    bench_z, still = layout.houses - 0.7, np.ones((config.length, 1))
    bench_x = rng.uniform(-0.8, 0.8) * float(ground.half_view(bench_z))
    window_x = rng.uniform(-0.8, 0.8) * float(ground.half_view(layout.houses))
    group = -1  # dressed as nobody else
    seated = Actor(_dress(group, rng), 0, still * [[bench_x, bench_z]], facing=-0.6, kind="seated")
    mannequin = Actor(
        _dress(group - 1, rng), 0, still * [[window_x, layout.houses - 0.1]], facing=-np.pi / 2, kind="mannequin"
    )
    others = [seated, mannequin, _cyclist(config, ground, layout, _dress(group - 2, rng), rng)]
    for number, actor in enumerate(actors):
        if actor.kind == "walker" and np.all(actor.xz[:, 1] > layout.houses - 2.5):
            mirrored = actor.xz * [1, -1] + [0, 2 * layout.houses]
            others.append(Actor(actor.look, actor.first, mirrored, actor.gone, actor.facing, kind="reflection"))
            if number > 0:
                break
    return others


def figures(scene: Scene) -> VisiblePeople:
    """Return everybody of whose box at least a tenth is inside the image, in every frame."""
    length, ground = scene.config.length, scene.ground
    times, who, poses, places = [], [], [], []
    for index, actor in enumerate(scene.actors):
        time = actor.first + np.arange(len(actor.xz))
        keep = np.flatnonzero((time >= 0) & (time < length) & ~actor.gone)
        times.append(time[keep])
        who.append(np.full(len(keep), index))
        poses.append(actor.pose(scene.config.frame_rate)[keep])
        places.append(actor.xz[keep])
    actor_index = np.concatenate(who) if who else np.zeros(0, np.int64)
    xz = np.concatenate(places) if places else np.zeros((0, 2))
    heights = np.array([actor.look.height_m for actor in scene.actors])[actor_index]
    riding = np.array([actor.kind == "cyclist" for actor in scene.actors], bool)[actor_index]
    scales = heights * ground.pixels_per_metre(xz[:, 1])
    feet = ground.project(xz) - np.stack([0 * scales, CYCLIST_RAISE * scales * riding], -1)
    everybody = VisiblePeople(
        times=np.concatenate(times) if times else actor_index,
        actors=actor_index,
        boxes=np.zeros((len(xz), 4)),
        depths=xz[:, 1],
        feet=feet,
        scales=scales,
        pose=Pose.concatenate(poses),
        build=Build.of([actor.look for actor in scene.actors])[actor_index],
    )
    for start in range(0, len(everybody), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(everybody)))
        everybody.boxes[rows] = extents(everybody[rows].corners(scene.path)[0])
    keep = np.flatnonzero(_share_inside(everybody.boxes, ground) >= 0.1)
    keep = keep[np.lexsort([everybody.actors[keep], -everybody.depths[keep], everybody.times[keep]])]
    return everybody[keep]


def obstacle_boxes(scene: Scene, obstacles: tuple[Obstacle, ...]) -> Floats:
    """(T, K, 4) xyxy px boxes of upright obstacles in every frame: the bounds of their four moved corners."""
    at_rest = np.array([obstacle.box(scene.ground) for obstacle in obstacles]).reshape(-1, 4)
    corners = at_rest[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    moved = np.einsum("tij,ncj->tnci", scene.path[:, :, :2], corners) + scene.path[:, None, None, :, 2]
    return np.concatenate([moved.min(2), moved.max(2)], -1)


def _share_inside(boxes: Floats, ground: Ground) -> Floats:
    """(M,) share of each box that is inside the image."""
    limits = np.array([ground.width, ground.height, ground.width, ground.height])
    inside = np.clip(boxes, 0, limits)
    return np.prod(inside[:, 2:] - inside[:, :2], 1) / np.prod(boxes[:, 2:] - boxes[:, :2], 1)


def _dress(group: int, rng: np.random.Generator) -> Look:
    return draw_look(group, rng)


def _cyclist(config: SceneConfig, ground: Ground, layout: Layout, look: Look, rng: np.random.Generator) -> Actor:
    """Return somebody who crosses the view on the road once."""
    z, side = rng.uniform(layout.kerb_near + 1, layout.kerb_far - 2), rng.choice([-1.0, 1.0])
    step = side * rng.uniform(3.0, 5.0) / config.frame_rate
    middle = rng.integers(0, config.length)
    x = step * (np.arange(config.length) - middle)
    return Actor(look, 0, np.stack([x, np.full(config.length, z)], -1), kind="cyclist")
