"""What a detector is, learns from and is used for, in numbers; knows no network, so it loads without PyTorch."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, MinLen, MultipleOf

from smiletrack.config import nearest
from smiletrack.detector.letterbox import ImageFormat
from smiletrack.errors import shown
from smiletrack.images import pixel_format
from smiletrack.limits import LARGEST_INPUT
from smiletrack.ranges import Checked, Count, NonNegative, Positive, ProperShare, Share


@dataclass(frozen=True)
class NMSConfig(Checked):
    """Which predictions become detections."""

    score_threshold: Share = 0.1
    """Minimum score of a detection. Low scores are what the tracker's second stage works with."""
    iou_threshold: Share = 0.7
    """Of two boxes of one class with a higher IoU than this, the one with the lower score is suppressed."""
    max_detections: Count = 300
    """Maximum number of detections per image, those with the highest scores; 0 = no limit."""
    agnostic: bool = False
    """Suppress across classes."""
    multi_label: bool = False
    """Report a box once for every class above the threshold instead of for its best class only."""
    classes: tuple[Count, ...] = ()
    """Numbers of the classes to keep, from 0; empty = all."""


@dataclass(frozen=True)
class PredictConfig(Checked):
    """How a detector is used."""

    classes: tuple[str, ...] = ()
    """Names of the classes to report; empty = person if the network knows it, else all."""
    height: Count = 0
    """Height of the network's input in pixels; 0 = what it was trained with."""
    width: Count = 0
    """Width of the network's input in pixels; 0 = what it was trained with."""
    form: Literal["auto", "yolox", "yolov5", "yolov8", "end-to-end", "detr", "boxes"] = "auto"
    """Output format of a foreign network file (docs/detectors.md); auto: from its shape and values."""
    input: str = "auto"
    """Pixels that a foreign network file expects: rgb1 (RGB in [0, 1]), bgr255, rgb-imagenet (standardised), or e.g.
    bgr255-104,117,123/57 with mean and deviation; auto: from its metadata and its first layer."""
    padding: Literal["auto", "centred", "corner", "stretched"] = "auto"
    """Where the frame lies in the input of a foreign network file: in the middle of grey borders, in the top left
    corner, or stretched over all of it; auto: as the exporter's own code does."""
    half: bool = False
    """Use half precision (GPU only)."""
    clip: bool = False
    """Clip boxes to the frame, as the released PRB-Net does; MOTChallenge annotates people beyond its borders."""
    runtime: Literal["auto", "torch", "onnx", "openvino"] = "auto"
    """What runs checkpoints on a CPU: PyTorch, or ONNX Runtime or OpenVINO where their answers agree with PyTorch's;
    auto: ONNX Runtime in track and demo, PyTorch elsewhere."""
    compile: bool = False
    """Compile the network with torch.compile; the first frames of each size take long."""
    graphs: bool = True
    """Run checkpoints as CUDA graphs, with letterbox, suppression and crops on the GPU (GPU only; not with compile)."""
    nms: NMSConfig = field(default_factory=NMSConfig)
    """Non-maximum suppression. Its `classes` are numbers and follow from the names above."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input != "auto":
            pixel_format(self.input)
        if (self.height > 0) != (self.width > 0):
            raise ValueError("height and width must be given both, in pixels, or be 0 both")
        if self.height * self.width > LARGEST_INPUT:
            raise ValueError(f"height x width must be at most {LARGEST_INPUT} pixels, not {self.height} x {self.width}")


@dataclass(frozen=True)
class OTALossConfig(Checked):
    """Gains and switches of PRB-Net's loss. The defaults are the released P6 recipe."""

    box: NonNegative = 0.05
    """Gain of the box loss, 1 - CIoU."""
    classes: NonNegative = 0.3
    """Gain of the classification loss, which is left out with one class."""
    objectness: NonNegative = 0.7
    """Gain of the objectness loss."""
    rescale: bool = True
    """Scale the gains by the number of levels (3 / levels), of classes (classes / 80) and the image size ((side /
    640)^2), as the released training does."""
    label_smoothing: ProperShare = 0.0
    """Label smoothing of the class targets."""
    anchor_ratio: Annotated[float, Gt(1)] = 4.0
    """Maximum ratio between the sides of a target and of an anchor assigned to it."""
    auxiliary: NonNegative = 0.25
    """Weight of the auxiliary head's loss."""
    box_mean: Literal["level", "all"] = "level"
    """level: mean of the box loss over the positives of each level, summed over levels, as in the originals. all: mean
    over all positives, so that a level with few of them weighs less."""
    unique: bool = False
    """Count a prediction once where overlapping targets propose it twice; the originals count it twice."""


LARGEST_STRIDES = {
    **dict.fromkeys(("prb-nano", "prb-tiny"), 32),
    **dict.fromkeys(("prb-fpn6-2py", "prb-2py-e6e-auxpy1", "prb-fpn6-3py", "prb-fpn6-msp"), 64),
    **dict.fromkeys(("prb-fpn-csp", "prb-fpn-msp", "prb-fpn-elan", "yolov7", "yolov7-tiny"), 32),
    **dict.fromkeys(("yolox-nano", "yolox-tiny", "yolox-s", "yolox-m", "yolox-l", "yolox-x"), 32),
}
"""Architecture -> stride of its coarsest level, pixels; `detector.build` has the networks."""


@dataclass(frozen=True)
class DetectorConfig(Checked):
    """A detector: its network, its classes and its input. Saved with every checkpoint."""

    architecture: str = "prb-nano"
    """Name of the network: prb-nano, prb-tiny, prb-fpn6-2py, yolox-s ... (all in docs/detectors.md)."""
    class_names: Annotated[tuple[str, ...], MinLen(1)] = ("person",)
    """Names of the classes, in the order of the network's outputs."""
    height: Annotated[int, Ge(32), MultipleOf(32)] = 384
    """Height of the network's input in pixels; a multiple of 64 for P6 networks."""
    width: Annotated[int, Ge(32), MultipleOf(32)] = 640
    """Width of the network's input in pixels; a multiple of 64 for P6 networks."""
    anchors: tuple[Positive, ...] = ()
    """Width and height in pixels of every anchor, level by level, for PRB networks; empty = the network's own."""
    input: ImageFormat = field(default_factory=ImageFormat)
    """Colour order, normalisation and padding."""

    def __post_init__(self) -> None:
        super().__post_init__()
        known, size = list(LARGEST_STRIDES), f"{self.height} x {self.width}"
        if self.architecture not in known:
            hint = f"{nearest(self.architecture, known)}; there are {', '.join(known)}"
            raise ValueError(f"architecture {shown(self.architecture)} is not known{hint}")
        stride = LARGEST_STRIDES[self.architecture]
        if self.height % stride or self.width % stride:
            raise ValueError(f"height and width must be multiples of {stride} for {self.architecture}, not {size}")
        if self.height * self.width > LARGEST_INPUT:
            raise ValueError(f"height x width must be at most {LARGEST_INPUT} pixels, not {size}")

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the input."""
        return self.height, self.width
