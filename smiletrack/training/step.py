"""One optimizer step, and its figures on their way from the device."""

from collections.abc import Mapping
from contextlib import nullcontext
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
    for number, batch in enumerate(batches, start=1):
        last = number == len(batches) or not isinstance(network, DistributedDataParallel)
        with nullcontext() if last else network.no_sync():  # type: ignore[operator]
            with torch.autocast(device.type, state.autocast, enabled=state.autocast is not None):
                loss, parts = recipe.loss(network, to_device(batch, device))
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


class StepFigures:
    """The last step's figures, which are fetched when the next step is on its way: the device never waits for them."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._values: Tensor | None = None

    def put(self, figures: Mapping[str, Tensor]) -> None:
        """Leave the figures of a step."""
        self._names, self._values = list(figures), torch.stack(list(figures.values()))

    def take(self) -> dict[str, float] | None:
        """Return what was left, once; None where nothing was."""
        if self._values is None:
            return None
        figures = dict(zip(self._names, self._values.tolist(), strict=True))
        self._values = None
        return figures


def to_device(batch: Any, device: torch.device) -> Any:
    """Move the tensors in nested tuples, lists and dicts."""
    if isinstance(batch, Tensor):
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
