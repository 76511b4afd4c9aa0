"""The settings of the training loop."""

from dataclasses import dataclass
from typing import Literal

from smiletrack.ranges import Checked, NonNegative, Positive, PositiveCount, ProperShare, Share


@dataclass(frozen=True)
class FitConfig(Checked):
    """How long a network is trained, and with which steps."""

    epochs: PositiveCount = 30
    """Number of epochs."""
    time_limit_s: NonNegative = 0.0
    """Stop at the first step after this many seconds, with the learning rate annealed to that moment; 0 = no limit."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """adamw, or sgd with Nesterov momentum."""
    learning_rate: Positive = 1e-3
    """Peak learning rate, reached after the warm-up."""
    final_factor: Share = 0.01
    """Final learning rate as a fraction of the peak."""
    warmup_epochs: NonNegative = 1.0
    """Epochs over which the learning rate rises from 0; fractions are allowed."""
    slow_part: str = ""
    """Part of the network that has a lower learning rate because it is pretrained (slm.backbone); empty = none."""
    slow_factor: Share = 0.2
    """Learning rate of `slow_part` as a fraction of the others'."""
    momentum: ProperShare = 0.937
    """Momentum of sgd."""
    weight_decay: NonNegative = 5e-4
    """Weight decay of matrices and convolution kernels; norms, biases and embeddings have none."""
    clip_norm: NonNegative = 10.0
    """Maximum gradient norm; 0 = no clipping."""
    accumulate: PositiveCount = 1
    """Batches per optimizer step (gradient accumulation)."""
    ema_decay: ProperShare = 0.999
    """Decay of the exponential moving average of the weights, which is evaluated and saved; 0 = no averaging."""
    amp: Literal["auto", "off", "bfloat16", "float16"] = "auto"
    """Mixed precision; auto: bfloat16 or else float16 on a GPU, none on a CPU."""
    channels_last: bool = False
    """Store convolution kernels in NHWC order, faster on recent GPUs."""
    compile: bool = False
    """Compile the network with torch.compile."""
    evaluate_every: PositiveCount = 1
    """Epochs between evaluations; the last epoch is always evaluated."""
    checkpoint_s: Positive = 300.0
    """Seconds between checkpoints (last.pt) within an epoch; every epoch ends with one."""
    log_every: PositiveCount = 10
    """Steps between points of the TensorBoard curves."""
