"""Grey levels on any device -> the numbers that a network takes."""

from functools import lru_cache

import torch
from torch import Tensor

from smiletrack.images import PixelFormat


def to_input(images: Tensor, config: PixelFormat) -> Tensor:
    """(B, H, W, 3) BGR grey levels -> (B, 3, H, W) float32 as the network wants it, on the device of `images`.

    The pixels travel as they are and are converted where they arrive: a quarter of the bytes.
    """
    channels = images.permute(0, 3, 1, 2)
    channels = channels.flip(1) if config.colour == "rgb" else channels
    values = channels.float() * config.scale
    if not any(config.mean) and all(value == 1.0 for value in config.std):
        return values
    return (values - _by_channel(config.mean, images.device)) / _by_channel(config.std, images.device)


@lru_cache
def _by_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return (3, 1, 1) on the device; made once, since memory of the host's own has to be waited for."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device)[:, None, None]
