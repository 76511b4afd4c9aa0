"""Box formats and overlaps. `boxes` are (N, 4) xyxy; the other formats carry their name."""

import numpy as np

from smiletrack.types import Floats


def xywh_to_xyxy(boxes_xywh: Floats) -> Floats:
    """(N, 4) left, top, width, height -> corners."""
    boxes = np.array(boxes_xywh, np.float64)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def xyxy_to_xywh(boxes: Floats) -> Floats:
    """(N, 4) corners -> left, top, width, height."""
    boxes_xywh = np.array(boxes, np.float64)
    boxes_xywh[:, 2:] -= boxes_xywh[:, :2]
    return boxes_xywh


def area(boxes: Floats) -> Floats:
    """(N, 4) -> (N,) in square pixels; 0 where a side is zero or negative."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def clip_boxes(boxes: Floats, width: float, height: float) -> Floats:
    """Return the boxes cut at the borders of an image of `width` x `height` pixels."""
    return np.clip(boxes, 0.0, np.array([width, height, width, height], np.float64))


def iou_matrix(boxes_a: Floats, boxes_b: Floats, pixel: float = 0.0) -> Floats:
    """(N, 4), (M, 4) -> (N, M) intersection over union in [0, 1]; 0 where a box has no area.

    `pixel` = 1 counts both border pixels, as the PASCAL VOC code and the original ByteTrack do.
    """
    top_left = np.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    bottom_right = np.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    sides = np.maximum(bottom_right - top_left + pixel, 0.0)
    intersection = sides[..., 0] * sides[..., 1]
    size_a = np.maximum(boxes_a[:, 2:] - boxes_a[:, :2] + pixel, 0.0)
    size_b = np.maximum(boxes_b[:, 2:] - boxes_b[:, :2] + pixel, 0.0)
    union = size_a.prod(1)[:, None] + size_b.prod(1)[None, :] - intersection
    overlap: Floats = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
    return overlap
