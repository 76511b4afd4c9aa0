"""The task of the training tests: a small network learns the product of four numbers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from smiletrack.training.recipe import Recipe

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(48, 4, generator=GENERATOR)
TARGETS = INPUTS.prod(1, keepdim=True)


def network(dropout: float = 0.0, norm: bool = False) -> nn.Sequential:
    torch.manual_seed(7)
    layers = [nn.Linear(4, 16), nn.BatchNorm1d(16) if norm else nn.Identity(), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(16, 1))


def loss_function(net: nn.Module, batch: list[Tensor]) -> tuple[Tensor, Mapping[str, Any]]:
    loss = (net(batch[0]) - batch[1]).square().mean()
    return loss, {"squared": loss.detach()}


def loader(batch_size: int = 8, shuffle: bool = True, workers: int = 0) -> DataLoader[Any]:
    return DataLoader(TensorDataset(INPUTS, TARGETS), batch_size, shuffle=shuffle, num_workers=workers)


def recipe(**parts: Any) -> Recipe:
    """The recipe of most tests, with some parts exchanged."""
    return Recipe(**({"network": network(), "loss": loss_function, "batches": lambda epoch: loader()} | parts))
