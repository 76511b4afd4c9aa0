"""Pictures of a scene, and how much of everybody can be seen in them, counted pixel by pixel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smiletrack.data.world.figure import palette
from smiletrack.data.world.scene import CYCLIST_RAISE, Scene, VisiblePeople
from smiletrack.data.world.street import Pixels, paint_street
from smiletrack.lazy import LazyModule
from smiletrack.types import Floats, Ints

cv2 = LazyModule("cv2")

_SOLID = 127  # alpha above which a pixel of a figure counts as the figure's
_SHADOW = 90  # alpha of the shadow on the ground, below the above
_BITS = 4  # of fixed-point corners
_NOISE_TILES = 8
_BLOCK = 16  # frames whose figures are worked out together


@dataclass(frozen=True)
class Picture:
    """One frame. image: (H, W, 3) BGR. rows: (n,) rows of the figures in it. visible: (n,) share of each figure's
    pixels that are inside the image and before everything else."""

    image: Pixels
    rows: Ints
    visible: Floats


class Renderer:
    """Draws the frames of a scene in any order; frame t is the same whatever was drawn before."""

    def __init__(self, scene: Scene, people: VisiblePeople) -> None:
        self.scene, self.people = scene, people
        self._street = paint_street(scene)
        self._palettes = [palette(actor.look) for actor in scene.actors]
        self._velocity = _velocity(people)
        self._starts = np.searchsorted(people.times, np.arange(scene.config.length + 1))
        rng = scene.random("light")
        self._light = _light(scene, rng)
        config = scene.config
        tiles = config.noise * rng.standard_normal((_NOISE_TILES * (config.noise > 0), config.height, config.width, 1))
        self._tiles = np.repeat(np.round(tiles), 3, 3).astype(np.int16)
        self._still = np.ptp(scene.path, axis=0).max() == 0
        self._ready: tuple[int, Floats, list[str]] | None = None
        self._empty: tuple[Pixels, NDArray[np.float32]] | None = None

    def frame(self, time: int) -> Picture:
        """Draw the frame of index `time`, from 0."""
        config = self.scene.config
        image, hides = self._background(time)
        rows = np.arange(self._starts[time], self._starts[time + 1])
        corners, names = self._corners(time)
        labels = np.full(image.shape[:2], len(rows), np.int16)
        whole = np.zeros(len(rows))
        for index, row in enumerate(rows):
            whole[index] = self._draw(image, hides, labels, index, row, corners[index], names)
        seen = np.bincount(labels.ravel(), minlength=len(rows) + 1)[: len(rows)]
        lit = cv2.LUT(image, self._light[time])
        if config.noise > 0:
            lit = cv2.add(lit, self._noise(time), dtype=cv2.CV_8U)
        return Picture(np.asarray(lit, np.uint8), rows, seen / np.maximum(whole, 1))

    def _corners(self, time: int) -> tuple[Floats, list[str]]:
        """Return the corners of the figures of a frame, worked out for a block of frames at a time."""
        block = time - time % _BLOCK
        first, last = self._starts[block], self._starts[min(block + _BLOCK, len(self._starts) - 1)]
        if self._ready is None or self._ready[0] != block:
            self._ready = (block, *self.people[np.arange(first, last)].corners(self.scene.path))
        _, corners, names = self._ready
        return corners[self._starts[time] - first : self._starts[time + 1] - first], names

    def _background(self, time: int) -> tuple[Pixels, NDArray[np.float32]]:
        """Return the empty street of a frame and which rows its pixels hide."""
        if self._empty is not None:
            return self._empty[0].copy(), self._empty[1]
        config, margin = self.scene.config, self._street.margin
        size, affine = (config.width, config.height), self.scene.path[time].copy()
        affine[:, 2] -= affine[:, :2] @ [margin, margin]
        smooth = cv2.warpAffine(self._street.image, affine, size, None, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
        sharp = cv2.warpAffine(self._street.hides, affine, size, None, cv2.INTER_NEAREST, cv2.BORDER_REPLICATE)
        image, hides = np.asarray(smooth, np.uint8), np.asarray(sharp, np.float32)
        if self._still:
            self._empty = image, hides
            return image.copy(), hides
        before = self.scene.path[max(time - 1, 0)]
        image = _smear(image, (self.scene.path[time] - before)[:, 2] * config.exposure)
        return image, hides

    def _draw(
        self,
        image: Pixels,
        hides: NDArray[np.float32],
        labels: NDArray[np.int16],
        index: int,
        row: int,
        corners: Floats,
        names: list[str],
    ) -> int:
        """Draw one figure over what is there; return the number of its pixels, hidden and outside ones included."""
        people, actor = self.people, self.scene.actors[self.people.actors[row]]
        there = np.flatnonzero(~np.isnan(corners[:, 0, 0]))
        scale = people.scales[row]
        shadow = int(0.3 * scale) + 2
        x1, y1, x2, y2 = people.boxes[row]
        left, top = int(x1) - shadow, int(y1) - 3
        width, height = int(x2) + shadow + 1 - left, int(y2) + shadow // 2 + 3 - top
        sprite = np.zeros((height, width, 4), np.uint8)
        origin = np.array([left, top], np.float64)
        raised = CYCLIST_RAISE * scale if actor.kind == "cyclist" else 0.0
        feet = self.scene.path[people.times[row]] @ [*people.feet[row], 1.0] - origin
        if actor.kind in ("walker", "cyclist"):
            middle = np.round((feet + np.array([0.05 * scale, raised])) * 16).astype(int)
            axes = (round(3.4 * scale), round(0.7 * scale))
            cv2.ellipse(sprite, middle.tolist(), axes, 0, 0, 360, (0, 0, 0, _SHADOW), -1, cv2.LINE_8, _BITS)
        if actor.kind == "cyclist":
            _draw_bicycle(sprite, feet + np.array([0.0, raised]), scale)
        # OpenCV draws around pixel centres, boxes count from pixel borders: half a pixel between the two
        points = np.round((corners[there] - origin - 0.5) * 2**_BITS).astype(np.int32)
        colors = self._palettes[people.actors[row]]
        for part, polygon in zip(there, points, strict=True):
            cv2.fillConvexPoly(sprite, polygon, (*colors[names[part]], 255), cv2.LINE_AA, _BITS)
        solid = sprite[:, :, 3] > _SOLID
        whole = int(np.count_nonzero(solid))
        sprite = _smear(sprite, self._velocity[row] * self.scene.config.exposure)
        if actor.kind == "reflection":
            sprite = (sprite * 0.4).astype(np.uint8)
        frame_height, frame_width = labels.shape
        inside = (
            slice(max(top, 0), max(0, min(top + height, frame_height))),
            slice(max(left, 0), max(0, min(left + width, frame_width))),
        )
        cut = (
            slice(inside[0].start - top, inside[0].stop - top),
            slice(inside[1].start - left, inside[1].stop - left),
        )
        free = hides[inside] <= people.feet[row, 1] + raised
        if free.size:
            sprite = sprite[cut]
            sprite[~free] = 0
            _lay_over(image[inside], sprite)
            labels[inside][solid[cut] & free] = index
        return whole

    def _noise(self, time: int) -> NDArray[np.int16]:
        """Return one of a few noise pictures, rolled so that it does not repeat."""
        rng = np.random.default_rng([self.scene.seed, time])
        tile = self._tiles[rng.integers(_NOISE_TILES)]
        return np.roll(tile, int(rng.integers(tile.shape[0])), 0)


def _lay_over(image: Pixels, sprite: Pixels) -> None:
    """Paint (h, w, 4) with premultiplied alpha over (h, w, 3), in place."""
    clear = 255 - sprite[:, :, 3]
    dimmed = cv2.multiply(image, cv2.merge((clear, clear, clear)), scale=1 / 255)
    image[:] = cv2.add(dimmed, cv2.cvtColor(sprite, cv2.COLOR_BGRA2BGR))


def _draw_bicycle(sprite: Pixels, ground: Floats, scale: float) -> None:
    def px(right: float, up: float) -> list[int]:
        return [int(v) for v in np.round((ground + np.array([right, -up]) * scale) * 16)]

    thickness, radius = max(1, round(0.02 * scale)), round(0.19 * scale * 16)
    for hub in (-0.32, 0.32):
        cv2.circle(sprite, px(hub, 0.19), radius, (35, 35, 35, 255), thickness, cv2.LINE_AA, _BITS)
    frame = [px(-0.32, 0.19), px(-0.08, 0.45), px(0.22, 0.45), px(0.32, 0.19), px(0.0, 0.2), px(-0.08, 0.45)]
    cv2.polylines(sprite, [np.array(frame, np.int32)], False, (60, 60, 190, 255), thickness, cv2.LINE_AA, _BITS)


def _smear(image: Pixels, motion: Floats) -> Pixels:
    """Blur along the axis of the larger motion (px during the exposure); a pixel and less stays sharp."""
    width, height = (max(1, round(abs(float(part)))) for part in motion)
    if max(width, height) < 2:
        return image
    size = (width, 1) if width >= height else (1, height)
    return cv2.blur(image, size)


def _velocity(people: VisiblePeople) -> Floats:
    """(M, 2) px a frame that the middle of each box moves since the row before of the same person; 0 in the first."""
    centres = (people.boxes[:, :2] + people.boxes[:, 2:]) / 2
    order = np.lexsort([people.times, people.actors])
    velocity = np.zeros((len(people), 2))
    same = (np.diff(people.actors[order]) == 0) & (np.diff(people.times[order]) == 1)
    velocity[order[1:][same]] = np.diff(centres[order], axis=0)[same]
    return velocity


def _light(scene: Scene, rng: np.random.Generator) -> Pixels:
    """(T, 256, 1, 3) tables of the brightness and warmth of every frame."""
    config = scene.config
    time_s = np.arange(config.length) / config.frame_rate
    start, period_s = rng.uniform(0, 2 * np.pi), rng.uniform(6, 14)
    change = config.light * np.sin(2 * np.pi * time_s / period_s + start) * rng.uniform(0.6, 1.0)
    warmth = np.array([-0.25, 0.0, 0.25]) * change[:, None]
    gain = (1 + change[:, None]) * (1 + warmth)
    tables = np.arange(256)[None, :, None] * gain[:, None]
    return np.clip(np.round(tables), 0, 255).astype(np.uint8)[:, :, None]
