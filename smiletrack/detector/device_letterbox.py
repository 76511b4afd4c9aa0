"""A frame into the network's input, and boxes back, on the device that the frame was uploaded to.

The same geometry as `letterbox`; OpenCV's bilinear resize is imitated to a grey level. Nothing here waits for the
device: all shapes are known from the frame's size.
"""

import torch
from torch import Tensor
from torch.nn import functional

from smiletrack.detector.letterbox import GREY, ImageFormat, Placement, scaled_size
from smiletrack.image_tensors import to_input


def letterbox_on_device(frame: Tensor, placement: Placement, config: ImageFormat) -> Tensor:
    """(H, W, 3) uint8 BGR -> (1, 3, height, width) float32 as the network wants it, of `placement.size`."""
    rows, columns = frame.shape[:2]
    height, width = scaled_size(rows, columns, (placement.ratio_x, placement.ratio_y), config)
    channels = frame.permute(2, 0, 1)[None].float()
    if (height, width) != (rows, columns):
        # OpenCV gives whole grey levels
        channels = functional.interpolate(channels, (height, width), mode="bilinear", align_corners=False).round()
    # half a pixel of padding goes below and to the right
    top, left = round(placement.top - 0.1), round(placement.left - 0.1)
    below, right = placement.size[0] - height - top, placement.size[1] - width - left
    padded = functional.pad(channels, (left, right, top, below), value=float(GREY))
    return to_input(padded.permute(0, 2, 3, 1), config)


def to_frame_on_device(boxes: Tensor, placement: Placement) -> Tensor:
    """(..., 4) xyxy in pixels of the input -> in pixels of the frame, as they are: not cut at its borders."""
    x, y = boxes[..., 0::2], boxes[..., 1::2]
    moved = (x - placement.left) / placement.ratio_x, (y - placement.top) / placement.ratio_y
    return torch.stack(moved, -1).flatten(-2)
