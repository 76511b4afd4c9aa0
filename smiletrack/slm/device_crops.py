"""Objects cut out of a frame on the device that it was uploaded to, and embedded in batches of a few fixed sizes.

The same crops as `images.cut_boxes` but for the border of a box, where OpenCV repeats its last pixel and RoIAlign looks
half a pixel beyond it. Nothing here waits for the device: boxes without area are marked, not left out.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import roi_align

from smiletrack.image_tensors import to_input
from smiletrack.slm.preprocessing import Preprocessing

BUCKETS = (8, 16, 32, 48, 64)
"""Numbers of objects that go through the network together: one set of shapes for graphs and tuned kernels."""


def cut_on_device(frame: Tensor, boxes: Tensor, config: Preprocessing) -> tuple[Tensor, Tensor]:
    """(H, W, 3) uint8 BGR frame, (N, 4) xyxy boxes -> (N, 3, height, width) objects as the network takes them.

    Also returns (N,), whether a box has area in the frame; an object without shows whatever lies there. Corners are
    clipped and rounded to pixels as `images.pixel_corners` does.
    """
    rows, columns = frame.shape[:2]
    corners, visible = _pixel_corners(boxes, columns, rows)
    regions = torch.cat([corners.new_zeros(len(corners), 1), corners], 1)
    pixels = frame.permute(2, 0, 1)[None].float()
    crops = roi_align(pixels, regions, (config.height, config.width), sampling_ratio=1, aligned=True)
    crops = crops if config.float_resize else crops.round()  # OpenCV gives whole grey levels
    return to_input(crops.permute(0, 2, 3, 1), config), visible


def _pixel_corners(boxes: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Return (N, 4) whole-pixel corners of one pixel at least, and (N,) whether the box has area in the frame."""
    limits = [(0.0, float(width)), (0.0, float(height))]
    x1, y1, x2, y2 = (boxes[:, i].nan_to_num(-1.0).clamp(*limits[i % 2]) for i in range(4))
    visible = (x2 > x1) & (y2 > y1) & boxes.isfinite().all(1)
    left, top = x1.round().clamp(max=width - 1), y1.round().clamp(max=height - 1)
    right, bottom = torch.maximum(x2.round(), left + 1), torch.maximum(y2.round(), top + 1)
    return torch.stack([left, top, right, bottom], 1).float(), visible


def bucket_sizes(number: int) -> list[int]:
    """Return the sizes of `BUCKETS` that take so many objects, as few and as small as can be."""
    full, rest = divmod(number, BUCKETS[-1])
    return [BUCKETS[-1]] * full + [next(size for size in BUCKETS if size >= rest)] * (rest > 0)


def embed_in_buckets(forward: Callable[[Tensor], Tensor], objects: Tensor, visible: Tensor) -> Tensor:
    """(N, 3, H, W) objects -> (N, D) float32 unit rows, zeros where an object is not visible.

    forward: (n, 3, H, W) -> (n, D), called with n of `BUCKETS` only; what is missing is filled up with zeros.
    """
    parts, start = [], 0
    for size in bucket_sizes(len(objects)):
        part = objects[start : start + size]
        padded = functional.pad(part, (0, 0, 0, 0, 0, 0, 0, size - len(part)))
        parts.append(forward(padded)[: len(part)].float())
        start += size
    if not parts:
        return forward(objects.new_zeros(BUCKETS[0], *objects.shape[1:]))[:0].float()
    Z = functional.normalize(torch.cat(parts), dim=1)
    return Z.where(visible[:, None], 0.0)
