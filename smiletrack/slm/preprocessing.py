"""From a frame and boxes to the tensor that a similarity network takes: crop, clip, resize, normalise."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smiletrack.boxes import clip_boxes
from smiletrack.types import Floats, Ints

Crops = NDArray[np.uint8] | NDArray[np.float32]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB in [0, 1]: what public re-identification networks want to be fed."""


@dataclass(frozen=True)
class Preprocessing:
    """What a network was trained on; stored with its weights, so that nobody has to remember it."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    colour: Literal["rgb", "bgr"] = "rgb"
    """Order of the channels; `mean` and `std` follow it."""
    scale: float = 1 / 255
    """Factor on the grey levels 0 ... 255, applied first."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted after `scale`."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Divisor, applied last."""
    float_resize: bool = False
    """Resize in float32, as the released network does, and not in grey levels, which is faster."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Preprocessing":
        """Read back what `to_json` wrote; ValueError or TypeError where it is something else."""
        values: dict[str, Any] = json.loads(text)
        return Preprocessing(**(values | {name: tuple(values[name]) for name in ("mean", "std")}))

    def cut(self, frame: NDArray[Any], boxes: Floats) -> tuple[Crops, Ints]:
        """Cut boxes (N, 4) out of a frame -> (M, height, width, 3) BGR crops and the M rows of `boxes` they show.

        frame: (H, W, 3) BGR; grey (H, W) or (H, W, 1), BGRA, and 16-bit frames are converted. Boxes are rounded to
        pixels, clipped to the frame and keep at least one pixel; those without area in the frame are left out.
        """
        frame = as_bgr(frame)
        rows, corners = _visible(boxes, frame.shape[1], frame.shape[0])
        dtype = np.float32 if self.float_resize else np.uint8
        crops = np.empty((len(rows), self.height, self.width, 3), dtype)
        for crop, (x1, y1, x2, y2) in zip(crops, corners, strict=True):
            part: NDArray[Any] = frame[y1:y2, x1:x2].astype(dtype, copy=False)
            cv2.resize(part, (self.width, self.height), dst=crop, interpolation=cv2.INTER_LINEAR)
        return crops, rows

    def tensor(self, crops: Crops, device: torch.device | str = "cpu") -> Tensor:
        """(N, height, width, 3) BGR grey levels -> (N, 3, height, width) float32 as the network takes it.

        The pixels travel to the device as they are, and are converted there.
        """
        pixels = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2)
        if self.colour == "rgb":
            pixels = pixels[:, [2, 1, 0]]
        pixels = pixels.float() * self.scale
        if any(self.mean) or self.std != (1.0, 1.0, 1.0):
            mean, std = (torch.tensor(v, device=pixels.device)[:, None, None] for v in (self.mean, self.std))
            pixels = (pixels - mean) / std
        return pixels


def as_bgr(frame: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the frame as (H, W, 3) uint8 BGR; raise ValueError for what is no picture."""
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    if frame.dtype != np.uint8:
        raise ValueError(f"frame must hold uint8 or uint16 grey levels, not {frame.dtype}")
    if frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] == 1):
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR), np.uint8)
    if frame.ndim != 3 or frame.shape[2] not in (3, 4):
        raise ValueError(f"frame must have shape (H, W, 3), not {frame.shape}")
    return frame[:, :, :3]


def _visible(boxes: Floats, width: int, height: int) -> tuple[Ints, Ints]:
    """Return the rows of boxes with area in the image, and their (M, 4) whole-pixel corners inside it."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    clipped = clip_boxes(boxes, width, height)
    sides = clipped[:, 2:] - clipped[:, :2]
    # nan compares false, so a box that is not a number has no area; the sides before clipping rule out turned boxes
    rows = np.flatnonzero((sides > 0).all(1))
    corners = np.round(clipped[rows]).astype(np.int64)
    corners[:, :2] = np.minimum(corners[:, :2], [width - 1, height - 1])
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2] + 1)
    return rows, corners
