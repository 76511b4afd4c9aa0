"""One optimizer step, and its figures on their way from the device."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from smiletrack.training.recipe import Recipe
from smiletrack.training.state import TrainingState


def take_step(
    recipe: Recipe, state: TrainingState, network: nn.Module, batches: list[Any], clip_norm: float
) -> dict[str, Tensor]:
    """Move the weights by the mean gradient of `batches` and return the step's figures, scalars on the device.

    `network` is the state's, as it is wrapped for several processes or compiled. `clip_norm` 0 = no clipping.
    """
    device = next(state.network.parameters()).device
    figures: dict[str, Tensor] = {}
    for number, given in enumerate(batches, start=1):
        batch = to_device(recipe.prepare(given), device)
        last = number == len(batches) or not isinstance(network, DistributedDataParallel)
        with nullcontext() if last else network.no_sync():  # type: ignore[operator]
            with torch.autocast(device.type, state.autocast, enabled=state.autocast is not None):
                loss, parts = recipe.loss(network, batch)
            state.scaler.scale(loss / len(batches)).backward()  # type: ignore[no-untyped-call]
        for name, value in {"loss": loss, **parts}.items():
            share = torch.as_tensor(value, dtype=torch.float32, device=device).detach() / len(batches)
            figures[name] = figures[name] + share if name in figures else share
    if clip_norm:
        state.scaler.unscale_(state.optimizer)
        figures["gradient_norm"] = nn.utils.clip_grad_norm_(state.network.parameters(), clip_norm)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad(set_to_none=True)
    state.progress.step += 1
    state.progress.batch += len(batches)
    if state.average:
        state.average.update(state.progress.step)
    return figures


@dataclass(frozen=True)
class StepResult:
    """What is told of an optimizer step."""

    step: int
    """Its number, from 1."""
    samples: int
    """Samples it took, in all processes."""
    figures: dict[str, float]
    """Loss, its parts, norm of the gradient."""


class StepFigures:
    """The last step's figures on their way from the device.

    They are copied while the device computes and read when the next step is on its way, so the device never waits for
    Python, and Python never for the step that it has just launched.
    """

    def __init__(self) -> None:
        self._waiting: tuple[int, int, list[str], Tensor] | None = None
        self._arrival: torch.cuda.Event | None = None

    def put(self, step: int, samples: int, figures: Mapping[str, Tensor]) -> None:
        """Send the figures of step number `step`, scalars on one device, on their way."""
        values, self._arrival = torch.stack(list(figures.values())), None
        if values.device.type == "cuda":
            pinned = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            pinned.copy_(values, non_blocking=True)
            self._arrival = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrival.record()
            values = pinned
        self._waiting = step, samples, list(figures), values

    def take(self) -> StepResult | None:
        """Return what was sent, once, as soon as it has arrived; None where nothing was."""
        if self._waiting is None:
            return None
        step, samples, names, values = self._waiting
        if self._arrival is not None:
            self._arrival.synchronize()
        self._waiting = None
        return StepResult(step, samples, dict(zip(names, values.tolist(), strict=True)))


def to_device(batch: Any, device: torch.device) -> Any:
    """Move the tensors in nested tuples, lists and dicts; a GPU fetches them while the host goes on."""
    if isinstance(batch, Tensor):
        if device.type == "cuda" and batch.device.type == "cpu" and not batch.is_pinned():
            batch = batch.pin_memory()
        return batch.to(device, non_blocking=True)
    if isinstance(batch, (tuple, list)):
        return type(batch)(to_device(part, device) for part in batch)
    if isinstance(batch, dict):
        return {name: to_device(part, device) for name, part in batch.items()}
    return batch


def batch_size(batch: Any) -> int:
    """Rows of the first tensor in the batch; 1 where there is none."""
    if isinstance(batch, Tensor):
        return len(batch)
    parts = list(batch.values()) if isinstance(batch, dict) else batch
    return batch_size(parts[0]) if isinstance(parts, (tuple, list)) and parts else 1
