"""What moves the weights: parameter groups, the learning rate's curve, and the exponential moving average."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smiletrack.errors import InputError
from smiletrack.training.config import FitConfig


def parameter_groups(network: nn.Module, weight_decay: float, slow_part: str = "") -> list[dict[str, Any]]:
    """Return the parameters in groups by weight decay, and by `slow`: whether they belong to `slow_part`.

    Weight matrices and kernels decay; norms, biases and embeddings do not. InputError where there is no such part.
    """
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            slow = bool(slow_part) and name.startswith(slow_part + ".")
            groups.setdefault((slow, name.endswith("weight") and parameter.ndim > 1), []).append(parameter)
    if slow_part and not any(slow for slow, _ in groups):
        parts = [name for name, _ in network.named_modules() if name and name.count(".") < 2]
        raise InputError(f"fit.slow_part: the network has no part {slow_part!r}; there are {', '.join(parts)}")
    return [
        {"params": parameters, "weight_decay": weight_decay if decays else 0.0, "slow": slow}
        for (slow, decays), parameters in sorted(groups.items(), key=lambda item: (item[0][0], not item[0][1]))
    ]


def learning_rate_factor(progress: float, final: float) -> float:
    """Return the half cosine from 1 at `progress` 0 down to `final` at 1 (SGDR, arXiv:1608.03983, one period)."""
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))


@dataclass(frozen=True)
class Schedule:
    """Learning rate by step: a linear warm-up times a half cosine over the steps or the time, whichever ends first."""

    config: FitConfig
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """Optimizer steps in the whole run."""
        return self.config.epochs * self.steps_per_epoch

    def learning_rate(self, step: int, elapsed_s: float) -> float:
        """Return the rate of step number `step` (from 0) that begins after `elapsed_s` seconds."""
        config = self.config
        warmup = min((step + 1) / max(config.warmup_epochs * self.steps_per_epoch, 1.0), 1.0)
        spent = elapsed_s / config.time_limit_s if config.time_limit_s else 0.0
        progress = max(step / self.steps, spent)
        return config.learning_rate * warmup * learning_rate_factor(progress, config.final_factor)


def make_optimizer(network: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
    """Return SGD with Nesterov momentum or AdamW over the groups of `parameter_groups`."""
    groups = parameter_groups(network, config.weight_decay, config.slow_part)
    if config.optimizer == "sgd":
        nesterov = config.momentum > 0
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=nesterov)
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


class MovingAverage:
    """Exponential moving average of a network's weights; the copy that is evaluated and shipped.

    The decay climbs as (1 + n) / (10 + n) over the first n updates, so that a short run does not average its
    initial weights. Batch norm statistics are averaged alike; integers are copied.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        # both sides' tensors once: collecting hundreds of them anew costs more than the average itself
        own, current = list(self.network.state_dict().values()), list(network.state_dict().values())
        self._own = [tensor for tensor in own if tensor.is_floating_point()]
        self._current = [tensor for tensor in current if tensor.is_floating_point()]
        self._own_integers = [tensor for tensor in own if not tensor.is_floating_point()]
        self._current_integers = [tensor for tensor in current if not tensor.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the network as it is after optimizer step number `step` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._own, self._current, 1.0 - decay)
        if self._own_integers:
            torch._foreach_copy_(self._own_integers, self._current_integers)
