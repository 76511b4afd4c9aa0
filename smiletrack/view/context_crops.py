"""Small pictures of one person in context, as data URIs that a page can hold."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smiletrack.lazy import LazyModule
from smiletrack.types import Floats
from smiletrack.view.colors import identity_color
from smiletrack.view.drawing import Image, draw_box

cv2 = LazyModule("cv2")

_HEIGHT = 288
_LEAST, _MOST = 48, 4096
"""Bounds of a window's sides in px: enough to see something, and no more than memory for a box gone wild."""
_OUTSIDE = (36, 32, 32)
"""What lies outside of the frame: dark, as the background of the page's pictures."""


@dataclass(frozen=True)
class Window:
    """The size in px of what is cut from a frame; the same for all pictures that are compared, so that scales agree."""

    width: int
    height: int

    @classmethod
    def around(cls, boxes: Floats) -> "Window":
        """Return a window three times as wide and 1.3 times as high as the largest of boxes (N, 4)."""
        sizes = (boxes[:, 2:] - boxes[:, :2]).max(0)
        width, height = np.clip((3 * sizes[0], 1.3 * sizes[1]), _LEAST, _MOST).round()
        return cls(int(width), int(height))


def context_crop(frame: Image, box: Floats, window: Window, others: Sequence[tuple[int, Floats]] = ()) -> str:
    """Return a JPEG data URI of the window around a box (4,), dashed white, with the boxes of (identity, box) pairs.

    What lies outside of the frame is dark. All pictures of one window have one size and one scale.
    """
    left = round(float(box[0] + box[2] - window.width) / 2)
    top = round(float(box[1] + box[3] - window.height) / 2)
    scale = _HEIGHT / window.height
    size = (max(1, round(window.width * scale)), _HEIGHT)
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.resize(_cut(frame, left, top, window), size, interpolation=smooth)
    draw_box(image, (box - (left, top, left, top)) * scale, (255, 255, 255), dashed=True, width=1)
    for identity, other in others:
        moved = (other - (left, top, left, top)) * scale
        draw_box(image, moved, identity_color(identity), str(identity), width=2)
    _, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 80))
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _cut(frame: Image, left: int, top: int, window: Window) -> Image:
    """Return the window at (left, top), dark where it lies outside of the frame."""
    cut = np.full((window.height, window.width, 3), _OUTSIDE, np.uint8)
    rows, columns = frame.shape[:2]
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + window.width, columns), min(top + window.height, rows)
    if x1 < x2 and y1 < y2:
        cut[y1 - top : y2 - top, x1 - left : x2 - left] = frame[y1:y2, x1:x2]
    return cut
