"""Visible shares without pictures: how many sample points of a figure lie behind others, obstacles, the border."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from smiletrack.data.world.scene import Scene, VisiblePeople, obstacle_boxes
from smiletrack.types import Floats, Ints

# half the width of a walking figure, as a share of its box, at heights from the feet (0) to the top of the head (1)
_HEIGHTS = (np.arange(16) + 0.5) / 16
_HALF_WIDTHS = np.interp(_HEIGHTS, [0, 0.45, 0.5, 0.8, 0.86, 1.0], [0.3, 0.22, 0.36, 0.36, 0.14, 0.14])
_ACROSS = np.linspace(-0.75, 0.75, 4)
_POINTS = np.stack([np.outer(_HALF_WIDTHS, _ACROSS).ravel() + 0.5, 1 - np.repeat(_HEIGHTS, 4)], 1)


def coverage(scene: Scene, people: VisiblePeople) -> tuple[Floats, Ints]:
    """Return (M,) visible shares in [0, 1], and (M,) rows of the person who hides most of each, -1 for nobody."""
    visible, hider = np.ones(len(people)), np.full(len(people), -1)
    obstacles = obstacle_boxes(scene, scene.layout.obstacles)
    obstacle_depths = np.array([obstacle.z for obstacle in scene.layout.obstacles])
    limits = np.array([scene.config.width, scene.config.height])
    starts = np.searchsorted(people.times, np.arange(scene.config.length + 1))
    for time, (first, last) in enumerate(pairwise(starts)):
        boxes, depths = people.boxes[first:last], people.depths[first:last]
        sides = boxes[:, 2:] - boxes[:, :2]
        points = boxes[:, None, :2] + _POINTS * sides[:, None]
        outside = np.any((points < 0) | (points > limits), 2)
        by_obstacle = _inside(points, obstacles[time]) & (obstacle_depths < depths[:, None])[:, None]
        nearer = depths[None, :] < depths[:, None]
        by_person = _behind(points, boxes, nearer)
        hidden = outside | by_obstacle.any(2) | by_person.any(2)
        visible[first:last] = 1 - hidden.mean(1)
        counts = by_person.sum(1)
        if last > first:
            most = counts.argmax(1)
            hider[first:last] = np.where(counts.max(1) > 0, first + most, -1)
    return visible, hider


def _inside(points: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """(N, S, 2) points, (K, 4) boxes -> (N, S, K)."""
    low, high = boxes[:, :2], boxes[:, 2:]
    spread = points[:, :, None]
    return np.all((spread >= low) & (spread <= high), 3)


def _behind(points: Floats, boxes: Floats, nearer: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N, S, 2) points, (N, 4) boxes, (N, N) -> (N, S, N): point s of figure i is inside the outline of nearer j."""
    i, j = np.nonzero(nearer & _touching(boxes))
    covered = np.zeros((len(points), points.shape[1], len(boxes)), bool)
    sides = boxes[j, 2:] - boxes[j, :2]
    relative = (points[i] - boxes[j, None, :2]) / sides[:, None]
    height = np.clip(((1 - relative[:, :, 1]) * 16).astype(np.int64), 0, 15)
    inside = (relative[:, :, 1] >= 0) & (relative[:, :, 1] <= 1)
    covered[i, :, j] = inside & (np.abs(relative[:, :, 0] - 0.5) <= _HALF_WIDTHS[height])
    return covered


def _touching(boxes: Floats) -> NDArray[np.bool_]:
    """(N, 4) -> (N, N): the boxes overlap."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    return np.all(high > low, 2)
