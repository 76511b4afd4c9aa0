"""One training of a detector, in numbers."""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Le

from smiletrack.data.detection.augment import DetectionAugmentConfig
from smiletrack.detector.settings import DetectorConfig, OTALossConfig
from smiletrack.engine.settings.computing import TrainingDeviceConfig
from smiletrack.input_paths import InputPath
from smiletrack.ranges import Count, PositiveCount, ProperShare, Share
from smiletrack.training.config import FitConfig


@dataclass(frozen=True)
class TrainDetectorConfig(TrainingDeviceConfig):
    """Train a detector, PRB-Net or YOLOX.

    Reads COCO files, MOTChallenge folders, mixes of them, or the synthetic demo world, which it makes where --train
    names no data. Writes best.safetensors and model.safetensors (for the tracker), history.json, tensorboard/ (curves
    and pictures of predictions) and last.pt (for --resume) into OUTPUT.

      smiletrack train-detector --config detector/prb-nano-demo
      smiletrack train-detector --train datasets/MOT17/train@train_half --val datasets/MOT17/train@val_half \\
          --weights prb-fpn6-2py.safetensors network.architecture=prb-fpn6-2py network.height=736 network.width=1280
      torchrun --nproc-per-node 4 -m smiletrack train-detector --config detector/prb-2py-mot17-half
    """

    train: tuple[InputPath, ...] = ()
    """Training data: COCO files (FILE.json) and MOTChallenge folders (FOLDER or FOLDER@SPLIT); empty = the training
    sequences of the demo world, which is made if it is not there."""
    val: tuple[InputPath, ...] = ()
    """Validation data in the same form; empty = the validation sequences of the demo world."""
    output: str = "runs/detector"
    """Run folder."""
    resume: bool = False
    """Continue a run where it stopped: --resume RUN takes its own configuration; more epochs and a later limit may
    be set."""
    overwrite: bool = False
    """Train anew in a folder that holds another run's weights."""
    weights: InputPath = ""
    """Checkpoint to start from: best.safetensors of a run, or what import-weights wrote; empty = random weights."""
    network: DetectorConfig = field(default_factory=DetectorConfig)
    """Architecture, classes and input size; the classes are those of the data."""
    loss: OTALossConfig = field(default_factory=OTALossConfig)
    """Gains of the PRB networks' loss."""
    augment: DetectionAugmentConfig = field(default_factory=DetectionAugmentConfig)
    """Augmentation of training images."""
    closing_epochs: Count = 0
    """Number of final epochs without mosaic and mixup, and with YOLOX's L1 term."""
    norm_momentum: Annotated[float, Gt(0), Le(1)] = 0.03
    """Weight of each batch in the running statistics of batch norm; the originals' 0.03 is slow for short runs."""
    multi_scale: ProperShare = 0.0
    """Maximum relative change of the input size from batch to batch."""
    batch_size: Annotated[int, Ge(1), Le(100_000)] = 16
    """Images per batch in each process."""
    epoch_length: Count = 0
    """Images per epoch; 0 = as many as there are."""
    workers: Annotated[int, Ge(0), Le(1024)] = 2
    """Number of processes that prepare images; 0 = the main process does."""
    cache: bool = False
    """Keep the decoded images in memory, scaled to the input size."""
    image_root: InputPath = ""
    """Folder that the file names in COCO files are relative to; empty = found beside the file."""
    min_visibility: Share = 0.0
    """People of lower visibility in MOTChallenge folders are ignored."""
    train_step: PositiveCount = 1
    """Train on every n-th image."""
    val_step: PositiveCount = 1
    """Validate on every n-th image."""
    operating_score: Share = 0.6
    """Score threshold of the reported precision and recall: where the tracker's first stage begins."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Length and optimisation of the training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.train) != bool(self.val):
            raise ValueError("train and val must both name data, or neither (the demo world)")
