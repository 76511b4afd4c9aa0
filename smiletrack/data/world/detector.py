"""The detector that watches the world: misses, scores, jitter, false alarms, and appearance vectors."""

from dataclasses import dataclass

import numpy as np

from smiletrack.boxes import xywh_to_xyxy, xyxy_to_xywh
from smiletrack.data.world.config import SyntheticDetectorConfig
from smiletrack.data.world.scene import Scene, VisiblePeople
from smiletrack.lazy import LazyModule
from smiletrack.types import Floats, Ints

special = LazyModule("scipy.special")


@dataclass(frozen=True)
class Sightings:
    """What the detector reports, one row a detection, sorted by frame and then by falling score.

    times: (N,) frame index from 0. boxes: (N, 4) xyxy px. scores: (N,) in [0.01, 0.99]. embeddings: (N, D) unit rows.
    actors: (N,) index of the actor that was seen, -1 for a false alarm.
    """

    times: Ints
    boxes: Floats
    scores: Floats
    embeddings: Floats
    actors: Ints


def quality(config: SyntheticDetectorConfig, visible: Floats, heights: Floats) -> Floats:
    """(M,) visible shares and heights in px -> (M,) quality in (0, 1), as `SyntheticDetectorConfig` defines it."""
    seen = special.expit((visible - config.half_visibility) / 0.1)
    return seen * special.expit((heights / config.half_height_px - 1) / 0.2)


def detect(
    scene: Scene, people: VisiblePeople, visible: Floats, hider: Ints, config: SyntheticDetectorConfig
) -> Sightings:
    """Return what a detector of this noise reports of the figures, `visible` and `hider` being those of `coverage`."""
    rng = scene.random("detector")
    q = quality(config, visible, people.boxes[:, 3] - people.boxes[:, 1])
    length, number = scene.config.length, len(scene.actors)
    errors = correlated_noise(length, (number, 6), config.correlation, rng)[people.times, people.actors]
    found = np.flatnonzero(special.ndtr(errors[:, 0]) < config.recall * np.minimum(1, 2 * q))
    errors, q = errors[found], q[found]

    boxes_xywh = xyxy_to_xywh(people.boxes[found])
    spread = config.jitter * (1 + 2 * (1 - q))[:, None]
    sides = boxes_xywh[:, 2:]
    grown = sides * np.exp(spread * errors[:, 4:6])
    centres = boxes_xywh[:, :2] + sides / 2 + spread * errors[:, 2:4] * sides
    boxes = xywh_to_xyxy(np.concatenate([centres - grown / 2, grown], 1))
    scores = 0.2 + 0.75 * q + config.score_noise * errors[:, 1]

    false_times, false_boxes, false_scores = draw_false_alarms(scene, config, rng)
    vectors = appearance(scene, people, visible, hider, config)[found]
    false_vectors = _unit(rng.standard_normal((len(false_times), config.embedding_size)))
    times = np.concatenate([people.times[found], false_times])
    scores = np.round(np.clip(np.concatenate([scores, false_scores]), 0.01, 0.99), 3)
    order = np.lexsort([-scores, times])
    return Sightings(
        times=times[order],
        boxes=np.concatenate([boxes, false_boxes])[order],
        scores=scores[order],
        embeddings=np.concatenate([vectors, false_vectors])[order],
        actors=np.concatenate([people.actors[found], np.full(len(false_times), -1)])[order],
    )


def draw_false_alarms(
    scene: Scene, config: SyntheticDetectorConfig, rng: np.random.Generator
) -> tuple[Ints, Floats, Floats]:
    """Return frame indices (F,), boxes (F, 4), scores (F,): half at four fixed places again and again."""
    length, ground, places = scene.config.length, scene.ground, 4
    chance = min(0.95, config.false_alarms / 2 / places)
    fires = special.ndtr(correlated_noise(length, (places,), max(config.correlation, 0.8), rng)) < chance
    clutter_times, which = np.nonzero(fires)
    fixed = _person_like_boxes(scene, places, rng)[which]
    maps = scene.path[clutter_times]
    shifted = fixed + np.tile(_centre_shift(maps, fixed), 2)
    anywhere_times = np.repeat(np.arange(length), rng.poisson(config.false_alarms / 2, length))
    anywhere = _person_like_boxes(scene, len(anywhere_times), rng)
    boxes = np.concatenate([shifted, anywhere])
    boxes += np.tile(0.02 * ground.height / 10 * rng.standard_normal((len(boxes), 2)), 2)
    scores = 0.1 + 0.5 * rng.beta(1.3, 2.5, len(boxes))
    return np.concatenate([clutter_times, anywhere_times]), boxes, scores


def appearance(
    scene: Scene, people: VisiblePeople, visible: Floats, hider: Ints, config: SyntheticDetectorConfig
) -> Floats:
    """(M, D) unit vectors: those who dress alike share a direction; who is hidden takes on that of who hides them."""
    rng = scene.random("appearance")
    groups = np.array([actor.look.group for actor in scene.actors])
    known, inverse = np.unique(groups, return_inverse=True)
    own = _unit(rng.standard_normal((len(known), config.embedding_size)))[inverse]
    background = _unit(rng.standard_normal((1, config.embedding_size)))
    before = np.where((hider >= 0)[:, None], own[people.actors[hider]], background) if len(people) else background[:0]
    share = visible[:, None]
    noise = config.embedding_noise * rng.standard_normal((len(people), config.embedding_size))
    clean = share * own[people.actors] + (1 - share) * before
    return _unit(clean + noise / np.sqrt(config.embedding_size))


def correlated_noise(length: int, shape: tuple[int, ...], correlation: float, rng: np.random.Generator) -> Floats:
    """(T, *shape) standard normal numbers; each has this correlation with that of the frame before (AR(1))."""
    fresh = rng.standard_normal((length, *shape))
    noise = fresh.copy()
    for time in range(1, length):
        noise[time] = correlation * noise[time - 1] + np.sqrt(1 - correlation**2) * fresh[time]
    return noise


def _person_like_boxes(scene: Scene, number: int, rng: np.random.Generator) -> Floats:
    """(number, 4) boxes of the size that a person would have there, in the image at rest."""
    ground = scene.ground
    z = rng.uniform(ground.nearest, scene.layout.houses + 4, number)
    x = rng.uniform(-0.95, 0.95, number) * ground.half_view(z)
    feet = ground.project(np.stack([x, z], -1)).reshape(-1, 2)
    heights = rng.uniform(1.0, 2.4, number) * ground.pixels_per_metre(z)
    widths = heights * rng.uniform(0.3, 0.6, number)
    return np.stack([feet[:, 0] - widths / 2, feet[:, 1] - heights, feet[:, 0] + widths / 2, feet[:, 1]], 1)


def _centre_shift(maps: Floats, boxes: Floats) -> Floats:
    """(F, 2) how far each map (F, 2, 3) moves the centre of its box."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.einsum("fij,fj->fi", maps[:, :, :2], centres) + maps[:, :, 2] - centres


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(norms, 1e-12)
