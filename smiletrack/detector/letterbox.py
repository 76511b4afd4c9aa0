"""From a frame to the place in a network's input and back: resize with kept proportions, pad with grey.

Both families resize with bilinear interpolation and pad with grey 114; they differ in where the image lies, in
rounding, and in what the numbers mean. `ImageFormat` says all of it, and travels with every checkpoint.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from smiletrack.boxes import clip_boxes
from smiletrack.images import IMAGENET_MEAN, IMAGENET_STD, Frame, PixelFormat
from smiletrack.lazy import LazyModule
from smiletrack.types import Floats

cv2 = LazyModule("cv2")

GREY = 114


@dataclass(frozen=True, kw_only=True)
class ImageFormat(PixelFormat):
    """What a detector wants to see: pixels, and where the frame lies in the input."""

    centred: bool = True
    """Pad on both sides (PRB-Net) instead of on the right and below (YOLOX)."""
    minimal: bool = True
    """Pad only to the next multiple of the stride instead of to the full input size."""
    stretched: bool = False
    """Fill the input without keeping the frame's proportions (Open Model Zoo) instead of padding."""


BYTETRACK_INPUT = ImageFormat(mean=IMAGENET_MEAN, std=IMAGENET_STD, centred=False, minimal=False)
"""ByteTrack's YOLOX checkpoints: RGB, ImageNet statistics."""

YOLOX_INPUT = ImageFormat(colour="bgr", scale=1.0, centred=False, minimal=False)
"""The COCO checkpoints of YOLOX (0.2 and later): BGR, 0 to 255."""


class Placement(NamedTuple):
    """Where a frame lies in the network's input: pixel (x, y) is at (x * ratio_x + left, y * ratio_y + top)."""

    ratio_x: float
    ratio_y: float
    left: float
    top: float
    size: tuple[int, int]
    """Height and width of the input."""


def place(
    height: int, width: int, size: tuple[int, int], config: ImageFormat, stride: int, enlarge: bool = True
) -> Placement:
    """Return where a frame of `height` x `width` pixels goes in an input of at most `size` (rows, columns)."""
    if config.stretched:
        return Placement(size[1] / width, size[0] / height, 0.0, 0.0, size)
    ratio = min(size[0] / height, size[1] / width)
    ratio = ratio if enlarge else min(ratio, 1.0)
    new_height, new_width = scaled_size(height, width, (ratio, ratio), config)
    rows, columns = size[0] - new_height, size[1] - new_width
    if config.minimal:
        rows, columns = rows % stride, columns % stride
    left, top = (columns / 2, rows / 2) if config.centred else (0.0, 0.0)
    return Placement(ratio, ratio, left, top, (new_height + rows, new_width + columns))


def scaled_size(height: int, width: int, ratios: tuple[float, float], config: ImageFormat) -> tuple[int, int]:
    """Return height and width after resizing by the ratios of x and y; PRB-Net rounds, YOLOX cuts."""
    whole = round if config.centred or config.stretched else int
    return max(1, whole(height * ratios[1])), max(1, whole(width * ratios[0]))


def letterbox(frame: Frame, placement: Placement, config: ImageFormat) -> Frame:
    """Return the frame resized and padded, (height, width, 3) uint8 of `placement.size`, colours as given."""
    height, width = scaled_size(frame.shape[0], frame.shape[1], (placement.ratio_x, placement.ratio_y), config)
    same = frame.shape[:2] == (height, width)
    resized = frame if same else cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
    # half a pixel of padding goes below and to the right
    top, left = round(placement.top - 0.1), round(placement.left - 0.1)
    padded = np.full((*placement.size, 3), GREY, np.uint8)
    padded[top : top + height, left : left + width] = resized
    return padded


def to_frame(boxes: Floats, placement: Placement, height: int, width: int, clip: bool = True) -> Floats:
    """(N, 4) xyxy in pixels of the input -> in pixels of the frame, cut at its borders where `clip`."""
    offset, ratio = (np.array(pair * 2) for pair in ((placement.left, placement.top), placement[:2]))
    moved = (boxes - offset) / ratio
    return clip_boxes(moved, width, height) if clip else moved
