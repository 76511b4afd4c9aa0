"""The settings of the training loop."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class FitConfig:
    """How long and with what steps a network is trained."""

    epochs: int = 30
    """Passes over the loader, from 1."""
    time_limit_s: float = 0.0
    """Stop at the first step after this many seconds, the learning rate annealed to it; 0 = no limit."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """`sgd` is with Nesterov momentum."""
    learning_rate: float = 1e-3
    """Highest learning rate, reached after the warm-up; above 0."""
    final_factor: float = 0.01
    """Last learning rate as a part of the highest, in [0, 1]."""
    warmup_epochs: float = 1.0
    """Epochs in which the learning rate climbs from 0; fractions are fine."""
    slow_part: str = ""
    """Part of the network that learns more slowly than the rest because it was trained before (slm.backbone); empty =
    none."""
    slow_factor: float = 0.2
    """Learning rate of `slow_part` as a part of the others', in [0, 1]."""
    momentum: float = 0.937
    """Momentum of `sgd`, in [0, 1)."""
    weight_decay: float = 5e-4
    """Decay of matrices and kernels; norms, biases and embeddings have none."""
    clip_norm: float = 10.0
    """Largest gradient norm; 0 = no clipping."""
    accumulate: int = 1
    """Batches whose gradients make one step."""
    ema_decay: float = 0.999
    """Decay of the weights' moving average, which is what is evaluated and saved; in [0, 1), 0 = none."""
    amp: Literal["auto", "off", "bfloat16", "float16"] = "auto"
    """Mixed precision; `auto` takes bfloat16 or float16 on a GPU, whichever it has, and none on a CPU."""
    channels_last: bool = False
    """Keep kernels in NHWC order, faster for convolutions on recent GPUs."""
    compile: bool = False
    """Compile the network with torch.compile."""
    evaluate_every: int = 1
    """Epochs between evaluations; the last epoch is always evaluated."""
    checkpoint_s: float = 300.0
    """Seconds between saves of last.pt inside an epoch; the end of every epoch is saved anyhow."""
    log_every: int = 10
    """Steps between two points of TensorBoard's curves."""

    def __post_init__(self) -> None:
        for name in ("epochs", "accumulate", "evaluate_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        for name in ("learning_rate", "checkpoint_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("time_limit_s", "warmup_epochs", "weight_decay", "clip_norm"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("momentum", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), not {getattr(self, name)}")
        for name in ("final_factor", "slow_factor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], not {getattr(self, name)}")
