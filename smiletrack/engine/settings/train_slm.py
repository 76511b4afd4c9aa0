"""One training of a similarity network, in numbers."""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Le

from smiletrack.data.reid.batches import AugmentConfig
from smiletrack.engine.settings.computing import TrainingDeviceConfig
from smiletrack.input_paths import InputPath
from smiletrack.ranges import Count, PositiveCount, Share
from smiletrack.slm.config import LossConfig, SLMConfig
from smiletrack.training.config import FitConfig


@dataclass(frozen=True)
class TrainSLMConfig(TrainingDeviceConfig):
    """Train the Similarity Learning Module (SLM), the network that tells people apart.

    Reads identity tables, MOTChallenge folders or the synthetic demo world, which it makes where --train names no data.
    Writes model.safetensors (for the tracker), history.json, tensorboard/ and last.pt (for --resume) into OUTPUT.

      smiletrack train-slm
      smiletrack train-slm --config slm/mot17-half-small
      smiletrack train-slm --train datasets/MOT17/train,datasets/identities.csv --val datasets/MOT17/train@val_half \\
          --output runs/slm-mot17 fit.epochs=20 network.channels=[32,64,128,256]
      torchrun --nproc-per-node 4 -m smiletrack train-slm --config slm/mot17-half-large
    """

    train: tuple[InputPath, ...] = ()
    """Training data: identity tables (FILE.csv) and MOTChallenge folders (FOLDER or FOLDER@SPLIT, train_half if no
    split is named); empty = the demo world, which is made if it is not there."""
    val: tuple[InputPath, ...] = ()
    """Validation data in the same form (val_half if no split is named)."""
    output: str = "runs/slm"
    """Run folder."""
    resume: bool = False
    """Continue a run where it stopped: --resume RUN takes its own configuration; more epochs and a later limit may
    be set."""
    overwrite: bool = False
    """Train anew in a folder that holds another run's weights."""
    weights: InputPath = ""
    """Weights of the same network to start from (model.safetensors); empty = random weights."""
    backbone: InputPath = ""
    """Public weights to start the backbone from: of OSNet (.onnx, or the authors' checkpoint; an OpenVINO .xml) with
    network.backbone=osnet or osnet-lct, or a state file of torchvision, timm or another package with resnet or
    efficientnet-lite; empty = none."""
    detector: InputPath = ""
    """Checkpoint of the detector whose feature maps the SLM sees, with network.backbone=detector; empty = none."""
    teacher: tuple[InputPath, ...] = ()
    """Trained re-identification networks (.onnx, .xml, or a checkpoint of an SLM) to distil, alone or together with the
    losses on identities; of several the answers are joined; empty = none."""
    versions: Count = 0
    """Freeze the backbone and compute its features once, for so many augmented versions of every crop, which makes a
    training of minutes on a CPU; 0 = it learns too. They are kept in cache for the next training. A detector's maps are
    always computed once (0 = 2 versions)."""
    network: SLMConfig = field(default_factory=SLMConfig)
    """Shape of the network."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Weights of the losses."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation of training crops."""
    identities_per_batch: Annotated[int, Ge(2), Le(100_000)] = 16
    """Identities in a batch (P)."""
    crops_per_identity: Annotated[int, Ge(2), Le(100_000)] = 4
    """Crops of each identity in a batch (K), spread over its lifetime."""
    sequences_per_batch: Count = 1
    """Minimum number of sequences whose identities share a batch; 0 = all. A tracker only tells apart people of one
    sequence."""
    batches_per_epoch: PositiveCount = 50
    """Batches per epoch in each process."""
    min_visibility: Share = 0.3
    """Boxes of lower visibility are left out."""
    train_step: PositiveCount = 1
    """Train on every n-th frame of a MOTChallenge folder."""
    val_step: PositiveCount = 5
    """Validate on every n-th frame of a MOTChallenge folder."""
    workers: Annotated[int, Ge(0), Le(1024)] = 1
    """Number of processes that prepare batches; 0 = the main process does."""
    cache: str = "runs/crops"
    """Folder for cut crops, shared by runs."""
    fit: FitConfig = field(default_factory=lambda: FitConfig(epochs=10, learning_rate=2e-3, weight_decay=0.05))
    """Length and optimisation of the training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.train) != bool(self.val):
            raise ValueError("train and val must both name data, or neither (the demo world)")
        if bool(self.detector) != (self.network.backbone == "detector"):
            raise ValueError("detector and network.backbone=detector go together")
        if self.versions and self.network.patches_of == "pixels":
            raise ValueError("versions freezes the backbone, whose features network.patches_of=features cuts")
        if self.backbone and self.network.backbone in ("csp", "detector"):
            raise ValueError(
                "backbone names public weights: set network.backbone=osnet (osnet-lct for an .xml), resnet or "
                "efficientnet-lite, or leave it empty"
            )
        if self.augment.disguise and self.loss.asks_for_labels:
            raise ValueError("augment.disguise makes people that nobody is: set every weight of loss but teacher to 0")
