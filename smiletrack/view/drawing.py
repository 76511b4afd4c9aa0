"""Boxes, trails and marks on frames. Everything draws into the (H, W, 3) uint8 BGR image it is given.

Boxes are xyxy pixels and may lie partly or wholly outside of the image; a box that is not finite is left out.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from smiletrack.lazy import LazyModule
from smiletrack.types import Floats, Ints
from smiletrack.view.colors import identity_color

cv2 = LazyModule("cv2")

Image = NDArray[np.uint8]
Color = tuple[int, int, int]
Point = tuple[int, int]

_FAR = 32767  # OpenCV draws with 16 bit coordinates before it clips


def line_width(image: Image) -> int:
    """Return a width in pixels that is seen at the image's size: 2 at 1080 rows."""
    return max(1, int(image.shape[0] / 540 + 0.5))


def draw_box(image: Image, box: Floats, color: Color, label: str = "", dashed: bool = False, width: int = 0) -> None:
    """Draw one box, its label on a plate above it. `width` 0 is `line_width`."""
    if not np.isfinite(box).all():
        return
    width = width or line_width(image)
    x1, y1, x2, y2 = (int(v) for v in np.clip(np.round(box), -_FAR, _FAR))
    if dashed:
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
        for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
            _dashed_line(image, start, end, color, width)
    else:
        cv2.rectangle(image, (x1, y1), (x2, y2), color, width)
    if label:
        draw_label(image, label, (x1, y1), color)


def draw_label(image: Image, text: str, corner: Point, color: Color) -> int:
    """Write `text` on a plate of `color` whose lower left corner is at `corner`, moved to stay inside of the image.

    Returns the height of the plate in pixels.
    """
    scale, thickness = _font_size(image)
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    x = min(max(corner[0], 0), max(image.shape[1] - width - 4, 0))
    y = min(max(corner[1], height + base + 2), image.shape[0])
    cv2.rectangle(image, (x, y - height - base - 2), (x + width + 4, y), color, cv2.FILLED)
    ink = (0, 0, 0) if _luminance(color) > 140 else (255, 255, 255)
    cv2.putText(image, text, (x + 2, y - base), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thickness, cv2.LINE_AA)
    return height + base + 2


def draw_trail(image: Image, points: Sequence[Point], color: Color) -> None:
    """Draw the path through `points`, oldest first, thicker towards its end."""
    width = line_width(image)
    for i, (start, end) in enumerate(pairwise(points), 1):
        cv2.line(image, start, end, color, max(1, round(2 * width * i / len(points))), cv2.LINE_AA)


def draw_lines(image: Image, lines: Iterable[str]) -> None:
    """Write lines of text on a dark plate in the upper left corner."""
    scale, thickness = _font_size(image)
    lines = list(lines)
    if not lines:
        return
    sizes = [cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)[0] for line in lines]
    step = round(1.6 * max(height for _, height in sizes))
    plate = image[: step * len(lines) + step // 2, : max(width for width, _ in sizes) + step]
    plate //= 3
    for row, line in enumerate(lines, 1):
        cv2.putText(
            image,
            line,
            (step // 2, row * step),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            (255, 255, 255),
            thickness,
            cv2.LINE_AA,
        )


class TrackPainter:
    """Paints the tracks of frame after frame: boxes, trails, and for a while the last box of tracks that are lost.

    Its state is what it has to remember of the frames before: points of each trail, last box and age of each track.
    """

    def __init__(self, trail_length: int = 30, lost_shown: int = 30) -> None:
        """`trail_length`: frames a trail reaches back. `lost_shown`: frames a lost track stays, dashed. 0 is off."""
        self.trail_length = trail_length
        self.lost_shown = lost_shown
        self._trails: dict[int, deque[Point]] = {}
        self._last: dict[int, tuple[Floats, int]] = {}

    def paint(
        self, frame: Image, ids: Ints, boxes: Floats, scores: Floats | None = None, kinds: Sequence[str] = ()
    ) -> Image:
        """Return a copy of `frame` with the tracks on it.

        ids (N,), boxes (N, 4), scores (N,) or None. kinds: (N,) what to write before the identities, () for nothing.
        """
        image: Image = frame.copy()
        self._last = {i: (box, age + 1) for i, (box, age) in self._last.items() if age < self.lost_shown}
        self._trails = {i: trail for i, trail in self._trails.items() if i in self._last}
        for identity, box in zip(ids.tolist(), boxes, strict=True):
            if np.isfinite(box).all():
                self._last[identity] = (box, 0)
                foot = np.clip(np.round(((box[0] + box[2]) / 2, box[3])), -_FAR, _FAR)
                trail = self._trails.setdefault(identity, deque(maxlen=self.trail_length + 1))
                trail.append((int(foot[0]), int(foot[1])))
        for identity, trail in self._trails.items():
            draw_trail(image, list(trail), identity_color(identity))
        for identity, (box, age) in self._last.items():
            if age > 0:
                draw_box(image, box, identity_color(identity), f"{identity}?", dashed=True)
        labels = [str(i) for i in ids] if scores is None else [f"{i} {s:.2f}" for i, s in zip(ids, scores, strict=True)]
        labels = [f"{kind} {label}" for kind, label in zip(kinds, labels, strict=True)] if kinds else labels
        for identity, box, label in zip(ids.tolist(), boxes, labels, strict=True):
            draw_box(image, box, identity_color(identity), label)
        return image


def speed_lines(seconds: Mapping[str, float], num_frames: int) -> list[str]:
    """Return one line a stage, milliseconds a frame, and the frames per second of all of them together."""
    if num_frames == 0:
        return []
    total = sum(seconds.values())
    speed = f"{num_frames / total:.1f} frames/s" if total > 0 else ""
    return [speed, *(f"{stage} {1000 * time_s / num_frames:.1f} ms" for stage, time_s in seconds.items())]


def _dashed_line(image: Image, start: Point, end: Point, color: Color, width: int) -> None:
    length, dash = math.dist(start, end), 6 * width
    if not 0 < length < 4 * max(image.shape[:2]):
        return
    ends = np.arange(0, length, 2 * dash)
    direction = (np.array(end) - np.array(start)) / length
    for offset in ends:
        a = np.array(start) + direction * offset
        b = np.array(start) + direction * min(offset + dash, length)
        cv2.line(image, (round(a[0]), round(a[1])), (round(b[0]), round(b[1])), color, width, cv2.LINE_AA)


def _font_size(image: Image) -> tuple[float, int]:
    return max(0.35, image.shape[0] / 1800), max(1, round(image.shape[0] / 900))


def _luminance(color: Color) -> float:
    blue, green, red = color
    return 0.114 * blue + 0.587 * green + 0.299 * red


def class_words(classes: Ints, names: Sequence[str]) -> list[str]:
    """Return what each class (N,), from 1, is called; nothing where none but the first of a single class is there.

    names: () where they are not known.
    """
    if len(names) <= 1 and (classes <= 1).all():
        return []
    return [names[number - 1] if 1 <= number <= len(names) else f"class {number}" for number in classes.tolist()]
