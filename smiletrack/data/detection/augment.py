"""Training images for a detector: mosaic, mixup, affine, colour and flips, each a pure function of its generator.

An example is a BGR image (H, W, 3) uint8 with boxes (K, 4) xyxy px and classes (K,); sizes are (height, width).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, Lt
from numpy.typing import NDArray

from smiletrack.boxes import area, clip_boxes
from smiletrack.lazy import LazyModule
from smiletrack.ranges import Checked, NonNegative, ProperShare, Share
from smiletrack.types import Floats, Ints

cv2 = LazyModule("cv2")

Image = NDArray[np.uint8]
GREY = 114
"""What fills the place beside an image, as in YOLOX and YOLOv7."""


@dataclass(frozen=True)
class DetectionAugmentConfig(Checked):
    """What happens to a training image; all zeros leave it as it is, scaled to fit. Values: YOLOv7's p6 recipe."""

    mosaic: Share = 1.0
    """Probability of a mosaic of several images."""
    mosaic9: Share = 0.2
    """Fraction of the mosaics made of nine images instead of four."""
    mixup: Share = 0.15
    """Probability that a mosaic is blended with another one."""
    degrees: Annotated[float, Ge(0), Le(180)] = 0.0
    """Maximum rotation in degrees."""
    translate: ProperShare = 0.2
    """Maximum translation as a fraction of the image's side."""
    scale: ProperShare = 0.5
    """Maximum change of scale: factors are drawn from [1 - scale, 1 + scale]."""
    shear: Annotated[float, Ge(0), Lt(90)] = 0.0
    """Maximum shear in degrees."""
    flip: Share = 0.5
    """Probability of a horizontal flip."""
    flip_vertical: Share = 0.0
    """Probability of a vertical flip."""
    hue: ProperShare = 0.015
    """Maximum relative change of hue."""
    saturation: ProperShare = 0.7
    """Maximum relative change of saturation."""
    value: ProperShare = 0.4
    """Maximum relative change of brightness."""
    min_visible: Share = 0.2
    """Boxes of which a smaller fraction than this remains in the image are not targets."""
    min_side: NonNegative = 2.0
    """Boxes with a side of fewer pixels than this are not targets."""


@dataclass(frozen=True, eq=False)
class Example:
    """An image with its targets."""

    image: Image
    boxes: Floats
    classes: Ints


def augmented(
    load: Callable[[int], Example],
    index: int,
    number: int,
    size: tuple[int, int],
    config: DetectionAugmentConfig,
    rng: np.random.Generator,
) -> Example:
    """Return the training example made from image `index` (of `number`), which `load` gives scaled to fit `size`."""
    if rng.random() < config.mosaic:
        example = _mosaic_and_affine(load, index, number, size, config, rng)
        if rng.random() < config.mixup:
            other = _mosaic_and_affine(load, int(rng.integers(number)), number, size, config, rng)
            example = blend(example, other, float(rng.beta(8.0, 8.0)))
    else:
        example = load(index)
        placed = affine_matrix(example.image.shape[:2], size, config, rng)
        example = warp_image(example, placed, size, config)
    colour = rng.uniform(-1, 1, 3) * [config.hue, config.saturation, config.value]
    flips = rng.random(2) < [config.flip, config.flip_vertical]
    return flip(
        Example(shift_colour(example.image, colour), example.boxes, example.classes), bool(flips[0]), bool(flips[1])
    )


def _mosaic_and_affine(
    load: Callable[[int], Example],
    index: int,
    number: int,
    size: tuple[int, int],
    config: DetectionAugmentConfig,
    rng: np.random.Generator,
) -> Example:
    """Return image `index` and random others as one mosaic, turned, scaled and cut."""
    cells = 3 if rng.random() < config.mosaic9 else 2
    others = rng.integers(number, size=cells * cells - 1).tolist()
    examples = [load(one) for one in (index, *others)]
    order = rng.permutation(len(examples))
    canvas = mosaic([examples[i] for i in order], cells, size, rng.uniform(0.5, 1.5, 2), config)
    return warp_image(canvas, affine_matrix(canvas.image.shape[:2], size, config, rng), size, config)


def mosaic(
    examples: list[Example], cells: int, size: tuple[int, int], seam: Floats, config: DetectionAugmentConfig
) -> Example:
    """Lay cells x cells examples of at most `size` on a canvas of twice that size.

    Four meet at the point `seam` * size (y, x), cut where they are larger than their quarter; of nine, laid out as a
    grid, the canvas shows the window that begins at (`seam` - 0.5) * size.
    """
    height, width = size
    window = np.zeros(2) if cells == 2 else (seam - 0.5) * size
    canvas = np.full((2 * height, 2 * width, 3), GREY, np.uint8)
    boxes, classes = [], []
    for number, example in enumerate(examples):
        row, column = divmod(number, cells)
        tall, wide = example.image.shape[:2]
        if cells == 2:
            corner = seam * size
            top, left = corner[0] - tall * (row == 0), corner[1] - wide * (column == 0)
        else:
            top, left = row * height - window[0], column * width - window[1]
        shift_y, shift_x = round(top), round(left)
        y1, x1 = max(shift_y, 0), max(shift_x, 0)
        y2, x2 = min(shift_y + tall, 2 * height), min(shift_x + wide, 2 * width)
        if y1 >= y2 or x1 >= x2:
            continue
        canvas[y1:y2, x1:x2] = example.image[y1 - shift_y : y2 - shift_y, x1 - shift_x : x2 - shift_x]
        there = visible(example.boxes, example.image.shape, config)
        boxes.append(example.boxes[there] + np.tile([shift_x, shift_y], 2))
        classes.append(example.classes[there])
    return Example(canvas, np.concatenate(boxes), np.concatenate(classes))


def affine_matrix(
    source: tuple[int, ...], size: tuple[int, int], config: DetectionAugmentConfig, rng: np.random.Generator
) -> Floats:
    """Return the (2, 3) map from a `source` sized canvas into one of `size`, centre on centre but for chance."""
    angle = math.radians(rng.uniform(-config.degrees, config.degrees))
    shear_x, shear_y = (math.tan(math.radians(a)) for a in rng.uniform(-config.shear, config.shear, 2))
    factor = rng.uniform(1 - config.scale, 1 + config.scale)
    linear = factor * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = np.array([[1.0, shear_x], [shear_y, 1.0]]) @ linear
    centre = np.array([source[1], source[0]]) / 2
    target = (0.5 + rng.uniform(-config.translate, config.translate, 2)) * [size[1], size[0]]
    return np.column_stack([linear, target - linear @ centre])


def warp_image(example: Example, matrix: Floats, size: tuple[int, int], config: DetectionAugmentConfig) -> Example:
    """Apply a (2, 3) map and cut to `size`; boxes become the bounds of their mapped corners, not clipped.

    Left out are boxes of which too little remains or whose centre is outside, where no network looks for it.
    """
    # in OpenCV pixel centres are at whole numbers, in boxes at halves
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    height, width = size
    image = cv2.warpAffine(
        example.image, centred, (width, height), flags=cv2.INTER_LINEAR, borderValue=(GREY, GREY, GREY)
    )
    there = visible(example.boxes, example.image.shape, config)
    corners = example.boxes[there][:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ matrix[:, :2].T + matrix[:, 2]
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    keep = visible(boxes, size, config) & (boxes[:, 2:] - boxes[:, :2] >= config.min_side).all(1)
    return Example(np.asarray(image, np.uint8), boxes[keep], example.classes[there][keep])


def visible(boxes: Floats, shape: tuple[int, ...], config: DetectionAugmentConfig) -> NDArray[np.bool_]:
    """(K,) is the centre of a box, and enough of the box, inside an image of `shape` (height, width)?"""
    height, width = shape[:2]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= 0) & (centres < [width, height])).all(1)
    return inside & (area(clip_boxes(boxes, width, height)) >= config.min_visible * area(boxes))


def blend(example: Example, other: Example, share: float) -> Example:
    """Return the pixelwise mean with weight `share` for the first, and both's targets (mixup, arXiv:1710.09412)."""
    image = cv2.addWeighted(example.image, share, other.image, 1 - share, 0)
    return Example(
        np.asarray(image, np.uint8),
        np.concatenate([example.boxes, other.boxes]),
        np.concatenate([example.classes, other.classes]),
    )


def shift_colour(image: Image, change: Floats) -> Image:
    """Multiply hue, saturation and value by 1 + `change` (3,); hue wraps around."""
    if not change.any():
        return image
    levels = np.arange(256)
    hue = (levels * (1 + change[0]) % 180).astype(np.uint8)
    saturation, value = (np.clip(levels * (1 + c), 0, 255).astype(np.uint8) for c in change[1:])
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    channels = [cv2.LUT(hsv[..., i], table) for i, table in enumerate((hue, saturation, value))]
    return cv2.cvtColor(cv2.merge(channels), cv2.COLOR_HSV2BGR)


def flip(example: Example, horizontal: bool, vertical: bool) -> Example:
    """Mirror image and boxes."""
    height, width = example.image.shape[:2]
    image, boxes = example.image, example.boxes.copy()
    if horizontal:
        image, boxes = image[:, ::-1], np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    if vertical:
        image, boxes = image[::-1], np.stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]], 1)
    return Example(np.ascontiguousarray(image), boxes, example.classes)
