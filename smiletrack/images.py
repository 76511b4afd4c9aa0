"""Pictures and what networks make of them: frames as arrays, boxes cut out of them, and what a pixel's number means.

The one contract of detector, similarity network and training. Frames are (H, W, 3) uint8 in OpenCV's channel order
(blue, green, red); a network says in a `PixelFormat` how it wants them, and `image_tensors` obeys.
"""

import re
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import MaxLen, MinLen
from numpy.typing import NDArray

from smiletrack.boxes import clip_boxes
from smiletrack.lazy import LazyModule
from smiletrack.ranges import Checked, Positive
from smiletrack.types import Floats, Ints

cv2 = LazyModule("cv2")

Frame = NDArray[np.uint8]
"""(H, W, 3) BGR."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB in [0, 1]: what most networks with a pretrained backbone want to be fed."""


@dataclass(frozen=True, kw_only=True)
class PixelFormat(Checked):
    """What the numbers in a network's input mean; stored with its weights, so that nobody has to remember it."""

    colour: Literal["rgb", "bgr"] = "rgb"
    """Order of the colour channels, also of `mean` and `std`."""
    scale: Positive = 1 / 255
    """Factor of the grey levels 0 to 255, applied first."""
    mean: Annotated[tuple[float, ...], MinLen(3), MaxLen(3)] = (0.0, 0.0, 0.0)
    """Subtracted from each channel after scaling."""
    std: Annotated[tuple[Positive, ...], MinLen(3), MaxLen(3)] = (1.0, 1.0, 1.0)
    """Divisor of each channel, applied last."""


_WORD = re.compile(r"(rgb|bgr)(1|255|-imagenet)(?:-([0-9.,]+))?(?:/([0-9.,]+))?")


def pixel_format(word: str) -> PixelFormat:
    """Return what a word of the command line names; ValueError for another word.

    rgb1, bgr1, rgb255, bgr255: order of the channels and the largest value. rgb-imagenet: RGB in [0, 1] with
    ImageNet's mean and deviation. A mean and a deviation of one's own follow: bgr255-104,117,123 or rgb1-0.5/0.5.
    """
    match = _WORD.fullmatch(word)
    if match is None:
        raise ValueError(f"{word!r} is not one of rgb1, bgr1, rgb255, bgr255, rgb-imagenet (or bgr255-104,117,123/57)")
    colour, values, mean, std = match.groups()
    usual_mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    usual_std: tuple[float, ...] = (1.0, 1.0, 1.0)
    if values == "-imagenet":
        turn = 1 if colour == "rgb" else -1
        usual_mean, usual_std = IMAGENET_MEAN[::turn], IMAGENET_STD[::turn]
    return PixelFormat(
        colour="rgb" if colour == "rgb" else "bgr",
        scale=1.0 if values == "255" else 1 / 255,
        mean=_three(mean) if mean else usual_mean,
        std=_three(std) if std else usual_std,
    )


def is_pixel_word(word: str) -> bool:
    """Tell a word that `pixel_format` reads from others."""
    return _WORD.fullmatch(word) is not None


def _three(text: str) -> tuple[float, ...]:
    values = tuple(float(part) for part in text.split(","))
    return values * 3 if len(values) == 1 else values


def pixel_word(config: PixelFormat) -> str:
    """Return the word that `pixel_format` reads as these pixels."""
    for word in ("rgb1", "bgr1", "rgb255", "bgr255", "rgb-imagenet", "bgr-imagenet"):
        known = pixel_format(word)
        if all(getattr(known, field.name) == getattr(config, field.name) for field in fields(PixelFormat)):
            return word
    mean, std = (",".join(f"{value:g}" for value in values) for values in (config.mean, config.std))
    return f"{config.colour}{'255' if config.scale == 1 else '1'}-{mean}/{std}"


def as_bgr(frame: NDArray[Any]) -> Frame:
    """Return the frame as (H, W, 3) uint8 BGR; grey, BGRA and 16-bit frames are converted.

    Raises ValueError for what is no picture.
    """
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    if frame.dtype != np.uint8:
        raise ValueError(f"frame must hold uint8 or uint16 grey levels, not {frame.dtype}")
    if frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] == 1):
        return cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
    if frame.ndim != 3 or frame.shape[2] not in (3, 4):
        raise ValueError(f"frame must have shape (H, W, 3), not {frame.shape}")
    return frame[:, :, :3]


def pixel_corners(boxes: Floats, width: int, height: int) -> tuple[Ints, Ints]:
    """(N, 4) xyxy -> the M rows with area in an image of `width` x `height`, and their (M, 4) whole-pixel corners.

    Corners are clipped to the image and rounded; a box keeps at least one pixel.
    """
    clipped = clip_boxes(np.asarray(boxes, np.float64).reshape(-1, 4), width, height)
    # nan compares false, so a box that is not a number has no area, and neither has a turned one
    rows = np.flatnonzero((clipped[:, 2:] > clipped[:, :2]).all(1))
    corners = np.round(clipped[rows]).astype(np.int64)
    corners[:, :2] = np.minimum(corners[:, :2], [width - 1, height - 1])
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2] + 1)
    return rows, corners


def cut_boxes(
    frame: Frame, boxes: Floats, size: tuple[int, int], margin: float = 0.0, dtype: Any = np.uint8
) -> tuple[NDArray[Any], Ints]:
    """Cut boxes (N, 4) out of a frame -> (M, height, width, 3) crops, resized (bilinear), and the rows they show.

    size: width and height of the box itself in the crop. margin: what to keep around it, as a share of its sides; the
    crops are larger by the same share, and where the margin leaves the frame the border pixels are repeated. dtype:
    np.float32 resizes without rounding to grey levels. Boxes without area in the frame are left out.
    """
    height, width = frame.shape[:2]
    rows, corners = pixel_corners(boxes, width, height)
    columns, lines = (round(side * (1 + 2 * margin)) for side in size)
    crops = np.empty((len(rows), lines, columns, 3), dtype)
    for crop, (x1, y1, x2, y2) in zip(crops, corners.tolist(), strict=True):
        dx, dy = round(margin * (x2 - x1)), round(margin * (y2 - y1))
        left, top, right, bottom = x1 - dx, y1 - dy, x2 + dx, y2 + dy
        part: NDArray[Any] = frame[max(top, 0) : bottom, max(left, 0) : right].astype(dtype, copy=False)
        outside = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
        if any(outside):
            part = cv2.copyMakeBorder(part, *outside, cv2.BORDER_REPLICATE)
        cv2.resize(part, (columns, lines), dst=crop, interpolation=cv2.INTER_LINEAR)
    return crops, rows
