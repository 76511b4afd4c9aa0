"""How a detector is used; knows no network, so that commands read it without loading PyTorch."""

from dataclasses import dataclass, field

from smiletrack.images import LARGEST_INPUT


@dataclass(frozen=True)
class NMSConfig:
    """Which predictions become detections."""

    score_threshold: float = 0.1
    """Lowest score kept, in [0, 1]. The tracker's second stage lives from low scores."""
    iou_threshold: float = 0.7
    """Of two boxes of one class that overlap more than this, in [0, 1], the lower score goes."""
    max_detections: int = 300
    """Most boxes an image, the best ones; 0 for no limit."""
    agnostic: bool = False
    """Suppress across classes."""
    multi_label: bool = False
    """Give a box for every class above the threshold instead of the best class only."""
    classes: tuple[int, ...] = ()
    """Class numbers kept, from 0; empty for all."""

    def __post_init__(self) -> None:
        for name in ("score_threshold", "iou_threshold"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1], not {value}")
        if self.max_detections < 0:
            raise ValueError(f"max_detections must be 0 or more, not {self.max_detections}")


@dataclass(frozen=True)
class PredictConfig:
    """How a detector is used."""

    classes: tuple[str, ...] = ()
    """Names of the classes to report; empty = person where the network knows it, else all."""
    height: int = 0
    """Rows of the network's input; 0 = what it was made for."""
    width: int = 0
    """Columns of the network's input; 0 = what it was made for."""
    half: bool = False
    """Half precision, on a GPU only."""
    clip: bool = False
    """Cut boxes at the frame's borders, as the released PRB-Net does; MOTChallenge's people are whole beyond them."""
    compile: bool = False
    """Let torch.compile speed the network up; the first frames of each size take long."""
    nms: NMSConfig = field(default_factory=NMSConfig)
    """Thresholds; its `classes` are numbers and are set from the names above."""

    def __post_init__(self) -> None:
        if (self.height > 0) != (self.width > 0) or self.height < 0:
            raise ValueError("height and width must be given both, in pixels, or be 0 both")
        if self.height * self.width > LARGEST_INPUT:
            raise ValueError(f"height x width must be at most {LARGEST_INPUT} pixels, not {self.height} x {self.width}")
