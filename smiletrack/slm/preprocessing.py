"""From a frame and boxes to the tensor that a similarity network takes: crop, clip, resize, normalise."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smiletrack.config import build_config
from smiletrack.image_tensors import to_input
from smiletrack.images import PixelFormat, as_bgr, cut_boxes
from smiletrack.limits import LARGEST_INPUT
from smiletrack.types import Floats, Ints

Crops = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Preprocessing(PixelFormat):
    """What a similarity network wants to see: pixels, and the size of a crop."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    float_resize: bool = False
    """Resize in float32, as the released network does, and not in grey levels, which is faster."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1 or self.height < 1 or self.width * self.height > LARGEST_INPUT:
            raise ValueError(f"width x height must be 1 to {LARGEST_INPUT} pixels, not {self.width} x {self.height}")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Preprocessing":
        """Read back what `to_json` wrote; ValueError (InputError is one) where it is something else."""
        return build_config(Preprocessing, json.loads(text))

    def cut(self, frame: NDArray[Any], boxes: Floats) -> tuple[Crops, Ints]:
        """Cut boxes (N, 4) out of a frame -> (M, height, width, 3) BGR crops and the M rows of `boxes` they show.

        frame: (H, W, 3) BGR, or what `as_bgr` makes that of; boxes without area in it are left out.
        """
        dtype = np.float32 if self.float_resize else np.uint8
        return cut_boxes(as_bgr(frame), boxes, (self.width, self.height), dtype=dtype)

    def tensor(self, crops: Crops, device: torch.device | str = "cpu") -> Tensor:
        """(N, height, width, 3) BGR grey levels -> (N, 3, height, width) float32 as the network takes it."""
        return to_input(torch.from_numpy(crops).to(device), self)
