"""What the training loop is given: a network, its batches and its loss, how it is judged, and what of it is shipped."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from smiletrack.training.log import Picture


@dataclass(frozen=True)
class Evaluation:
    """What is known of a network at the end of an epoch."""

    figures: Mapping[str, float]
    """Figures by name."""
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    """(H, W, 3) RGB uint8 pictures by name."""


@dataclass(frozen=True)
class Recipe:
    """Everything about a training but its length and steps (`FitConfig`) and its place (`Runtime`, the run folder)."""

    network: nn.Module
    """What learns."""
    loss: Callable[[nn.Module, Any], tuple[Tensor, Mapping[str, Any]]]
    """(network in train mode, batch on its device) -> scalar to minimise, and parts of it for the log."""
    batches: Callable[[int], Iterable[Any]]
    """Epoch from 0 -> batches of this process, with a length, the same in every epoch and process."""
    prepare: Callable[[Any], Any] = lambda batch: batch
    """What a batch is made into before it goes to the device, while that still computes the step before."""
    evaluate: Callable[[nn.Module], Evaluation] | None = None
    """Judge of the shipped network in eval mode; it is asked in the main process only."""
    monitor: str = ""
    """The figure, up is good, that chooses best.safetensors; empty = none is written."""
    shipped: str = ""
    """Submodule that is used after training (say, without a classifier that only the loss needs): what is evaluated and
    saved; empty = the whole network."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the weight files say about themselves."""
