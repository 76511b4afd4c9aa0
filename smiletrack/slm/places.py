"""Places of a feature map: what hidden ones are taken for, and a weighted sum of all in place of the attention."""

import torch
from torch import Tensor, nn

SLOWEST = 0.01
"""Least weight of a batch in the running mean of what places show; the first batches are averaged evenly."""


class HiddenPlaces(nn.Module):
    """F (B, N_P, d_f, C) whose hidden places are taken for what such a place shows on the average.

    The average is a running mean over training batches, as batch norm keeps one; nobody is told apart by it.
    """

    mean: Tensor
    batches: Tensor

    def __init__(self, num_patches: int, places: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_patches, places, channels))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, F: Tensor, visibility: Tensor) -> Tensor:
        """visibility: (B or 1, N_P, d_f) in [0, 1]. Where all of it is 1, F comes back to the bit."""
        v = visibility.to(F.dtype)[..., None]
        if self.training:
            self.learn(F, v)
        return v * F + (1 - v) * self.mean.to(F.dtype)

    @torch.no_grad()
    def learn(self, F: Tensor, v: Tensor, slowest: float = SLOWEST) -> None:
        """Move the mean towards what (B, N_P, d_f, C) shows where v (B or 1, N_P, d_f, 1) says that it shows it."""
        self.batches += 1
        shown = v.float().expand(len(F), -1, -1, -1).sum(0)
        batch = (v.float() * F.float()).sum(0) / shown.clamp_min(1e-6)
        self.mean.lerp_(batch, (1 / self.batches).clamp_min(slowest) * (shown > 0))


class PlacePooling(nn.Module):
    """F (B, N_P, d_f, C) -> (B, C): the sum over all places, every channel of every place with a weight of its own.

    The global depthwise convolution of MobileFaceNets (Chen et al., arXiv:1804.07573), by which Open Model Zoo's
    re-identification networks end.
    """

    def __init__(self, num_patches: int, places: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_patches, places, channels), 1 / (num_patches * places)))

    def forward(self, F: Tensor) -> Tensor:
        return (F * self.weight).sum((1, 2))
