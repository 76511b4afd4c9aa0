"""Everything that a training step changes, and the file that holds it, so that a run goes on exactly where it was.

Weights that are meant for use (not for going on) are `smiletrack.weights` files beside it.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from smiletrack.errors import InputError
from smiletrack.files import atomic_write
from smiletrack.training.config import FitConfig
from smiletrack.training.optimizer import MovingAverage, make_optimizer
from smiletrack.training.runtime import Runtime, autocast_type
from smiletrack.weights import load_exactly, load_tensors

_MAY_GROW = ("epochs", "time_limit_s")
_FORMAT = "smiletrack training state 1"


@dataclass
class TrainingProgress:
    """Where a run is; the numbers of last.pt beside the tensors."""

    epoch: int = 0
    """Epoch that runs, from 0."""
    batch: int = 0
    """Batches of it that are done."""
    step: int = 0
    """Optimizer steps that are done."""
    elapsed_s: float = 0.0
    """Seconds spent, those before a resume included."""
    best: float = -math.inf
    """Best monitored figure so far."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One row of figures an epoch."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums of the losses over the steps of this epoch."""
    summed: int = 0
    """Number of steps in `sums`."""

    def add(self, figures: Mapping[str, float]) -> None:
        """Count the figures of one step into the epoch's sums."""
        for name, value in figures.items():
            # float16 steps with an infinite gradient are skipped by design; their norm has no mean
            if name != "gradient_norm":
                self.sums[name] = self.sums.get(name, 0.0) + value
        self.summed += 1

    def take_means(self) -> dict[str, float]:
        """Return the means over the epoch's steps, and start the sums of the next one."""
        means = {name: total / self.summed for name, total in self.sums.items()}
        self.sums, self.summed = {}, 0
        return means


class TrainingState:
    """The network and what moves it. `progress` says where the run is."""

    def __init__(self, network: nn.Module, config: FitConfig, runtime: Runtime) -> None:
        device = runtime.device
        if device.type == "cuda" and runtime.world_size > 1:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        self.network = network.to(device)
        if config.channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.average = MovingAverage(self.network, config.ema_decay) if config.ema_decay else None
        self.optimizer = make_optimizer(self.network, config)
        self.autocast = autocast_type(config.amp, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.autocast is torch.float16)
        self.progress = TrainingProgress()

    def shipped(self, part: str) -> nn.Module:
        """Return `part` of the network (empty = all of it) with its averaged weights, in eval mode."""
        return (self.average.network if self.average else self.network).get_submodule(part).eval()

    def write(self, path: Path, identity: Mapping[str, Mapping[str, Any]]) -> None:
        """Write everything to `path`; `identity`: sections of what a run that goes on from it must have in common."""
        tensors = {name: part.state_dict() for name, part in self._parts().items()}
        save_state(path, {**identity, **tensors, "progress": dataclasses.asdict(self.progress)})

    def restore(self, state: Mapping[str, Any], path: Path, identity: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what `load_state` read from `path`; InputError where it is of a run with another identity."""
        for section, now in identity.items():
            refuse_change(path, state[section], now)
        load_exactly(self.network, state["network"], str(path))
        for name, part in self._parts().items():
            if name != "scaler" or state[name]:  # a run in full precision has left none
                part.load_state_dict(state[name])
        self.progress = TrainingProgress(**state["progress"])

    def _parts(self) -> dict[str, Any]:
        parts = {"network": self.network, "optimizer": self.optimizer, "scaler": self.scaler}
        return parts | ({"average": self.average.network} if self.average else {})


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors, containers, numbers and text to `path`, atomically."""
    with atomic_write(Path(path), "wb") as stream:  # PyTorch's own file says nothing of a full disk
        torch.save({"format": _FORMAT, **state}, stream)


def load_state(path: Path) -> dict[str, Any]:
    """Return what `save_state` wrote; raise InputError where the file is something else."""
    state = load_tensors(Path(path))
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise InputError(f"{path}: not a training state of this project; only last.pt of a run folder can be resumed")
    return state


def refuse_change(last: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise InputError that names the first setting in which a run differs from the one it would go on from.

    Only `epochs` and `time_limit_s` (0 = none) may grow.
    """
    before, now = _leaves(before), _leaves(now)
    for name in sorted(before.keys() | now.keys()):
        grown = name in _MAY_GROW and (now.get(name) or math.inf) >= (before.get(name) or math.inf)
        if before.get(name) != now.get(name) and not grown:
            raise InputError(
                f"{last}: that run had {name} {before.get(name)!r}, this one has {now.get(name)!r}; resume with the "
                "same settings or train into another folder"
            )


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the single settings by their full keys, those inside of JSON text too."""
    leaves: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, str) and value.startswith("{"):
            with suppress(ValueError, RecursionError):
                value = json.loads(value)
        inner = _leaves(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
        leaves |= inner
    return leaves
