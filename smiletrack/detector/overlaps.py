"""Overlaps of boxes as differentiable tensors. Boxes are centre x, centre y, width, height ("cxcywh") or xyxy.

The originals guard against division by zero each in their own way; their forms are kept, because trained losses and
assignments are compared with them to many digits.
"""

import math
from typing import Literal

import torch
from torch import Tensor

EPS = 1e-7


def to_corners(boxes_cxcywh: Tensor) -> Tensor:
    """(..., 4) centre and size -> (..., 4) corners."""
    half = boxes_cxcywh[..., 2:] / 2
    return torch.cat([boxes_cxcywh[..., :2] - half, boxes_cxcywh[..., :2] + half], -1)


def iou_rows(a: Tensor, b: Tensor, kind: Literal["iou", "giou", "diou", "ciou"] = "ciou") -> Tensor:
    """(N, 4), (N, 4) cxcywh -> (N,) overlap of row i of `a` with row i of `b`, penalised by `kind`.

    Zheng et al. 2020 (arXiv:1911.08287) for DIoU and CIoU, Rezatofighi et al. 2019 (arXiv:1902.09630) for GIoU.
    """
    corners_a, corners_b = to_corners(a), to_corners(b)
    low = torch.minimum(corners_a[:, 2:], corners_b[:, 2:]) - torch.maximum(corners_a[:, :2], corners_b[:, :2])
    intersection = low.clamp(min=0).prod(1)
    # PRB-Net and YOLOv7 add the epsilon to heights only
    wide_a, high_a = (corners_a[:, 2:] - corners_a[:, :2]).unbind(1)
    wide_b, high_b = (corners_b[:, 2:] - corners_b[:, :2]).unbind(1)
    high_a, high_b = high_a + EPS, high_b + EPS
    union = wide_a * high_a + wide_b * high_b - intersection + EPS
    iou = intersection / union
    if kind == "iou":
        return iou
    hull = torch.maximum(corners_a[:, 2:], corners_b[:, 2:]) - torch.minimum(corners_a[:, :2], corners_b[:, :2])
    if kind == "giou":
        hull_area = hull.prod(1) + EPS
        return iou - (hull_area - union) / hull_area
    diagonal = hull.square().sum(1) + EPS
    distance = (corners_b[:, :2] + corners_b[:, 2:] - corners_a[:, :2] - corners_a[:, 2:]).square().sum(1) / 4
    if kind == "diou":
        return iou - distance / diagonal
    angle = torch.atan(wide_b / high_b) - torch.atan(wide_a / high_a)
    v = (4 / math.pi**2) * angle.square()
    with torch.no_grad():
        alpha = v / (v - iou + (1 + EPS))
    return iou - (distance / diagonal + v * alpha)


def iou_pairs(a: Tensor, b: Tensor) -> Tensor:
    """(..., N, 4), (..., M, 4) xyxy -> (..., N, M) intersection over union; not a number where both boxes are empty."""
    low = torch.minimum(a[..., :, None, 2:], b[..., None, :, 2:]) - torch.maximum(
        a[..., :, None, :2], b[..., None, :, :2]
    )
    intersection = low.clamp(min=0).prod(-1)
    area_a, area_b = (a[..., 2:] - a[..., :2]).prod(-1), (b[..., 2:] - b[..., :2]).prod(-1)
    return intersection / (area_a[..., :, None] + area_b[..., None, :] - intersection)


def iou_loss_rows(predicted: Tensor, target: Tensor, kind: Literal["iou", "giou"] = "iou") -> Tensor:
    """(N, 4), (N, 4) cxcywh -> (N,) YOLOX's box loss: 1 - IoU squared, or 1 less its form of GIoU."""
    a, b = to_corners(predicted), to_corners(target)
    low = torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])
    intersection = low.prod(1) * (low > 0).all(1)
    union = predicted[:, 2:].prod(1) + target[:, 2:].prod(1) - intersection
    iou = intersection / (union + 1e-16)
    if kind == "iou":
        return 1 - iou.square()
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    # the original takes the hull without the intersection where GIoU takes it without the union
    return 1 - (iou - (hull - intersection) / hull.clamp(min=1e-16)).clamp(-1, 1)
