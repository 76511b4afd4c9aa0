"""What a similarity network is and what it learns from, in numbers; knows no network, so it loads without PyTorch."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from annotated_types import Ge, Le, MinLen, MultipleOf

from smiletrack.ranges import Checked, NonNegative, Share

AttentionForm = Literal["literal", "positive", "softmax"]
MaskForm = Literal["none", "hard", "soft"]
LayoutName = Literal["A", "B", "C", "D", "E", "F", "G", "H"]
Pixels = Annotated[int, Ge(1), Le(2048)]
MOST_CELLS = 1024
"""Cells of a region of a detector's feature maps."""
Dimension = Annotated[int, Ge(1), Le(65536)]


@dataclass(frozen=True)
class SLMConfig(Checked):
    """The network's shape. The defaults are the small network, made for CPUs at video rates."""

    width: Pixels = 80
    """Width in pixels that objects are resized to (W)."""
    height: Pixels = 224
    """Height in pixels that objects are resized to (H)."""
    layout: LayoutName = "E"
    """Patch layout (paper, Fig. 4)."""
    boxes: tuple[tuple[Share, Share, Share, Share], ...] = ()
    """Patch layout of your own instead: boxes (x1, y1, x2, y2) as fractions of width and height."""
    patch_width: Pixels = 40
    """Width in pixels that every patch is resized to (W_P)."""
    patch_height: Pixels = 112
    """Height in pixels that every patch is resized to (H_P)."""
    patches_of: Literal["pixels", "features"] = "pixels"
    """What patches are cut from: the object before the backbone (the paper), or the features after it (the released
    code)."""
    position: Literal["sinusoidal", "learned", "none"] = "learned"
    """Position embedding E_i added to every patch; a learned one starts at zero."""
    backbone: Literal["csp", "osnet", "osnet-lct", "resnet", "efficientnet-lite", "detector"] = "csp"
    """csp, or osnet, which can start from public weights (OSNet x0.25: channels 16,64,96,128 and depths 2,2,2);
    osnet-lct, with linear context, from Open Model Zoo's (of that size -0288, with channels 64,256,384,512 -0277);
    resnet (channels 64,64,128,256, depths 2,2,2: ResNet-18) and efficientnet-lite (channels 32,24,40,112, depths 2,2,3:
    lite0) from ImageNet weights;
    detector: objects are regions of a detector's feature maps, width x height cells (4 x 8, say, with patches of 2 x 4)
    with as many channels as the first of channels; the other channels are those of convolutions over the cells."""
    channels: Annotated[tuple[Annotated[int, Ge(2), Le(4096), MultipleOf(2)], ...], MinLen(2)] = (16, 32, 64, 128)
    """Channels of the backbone's stem and of each of its stages; the last is C."""
    depths: tuple[Annotated[int, Ge(0), Le(100)], ...] = (1, 1, 1)
    """Number of bottlenecks (csp) or blocks (osnet) in each stage."""
    d_k: Dimension = 32
    """Dimension of queries and keys, the columns of W^Q and W^K."""
    d_v: Dimension = 64
    """Dimension of values, the columns of W^V."""
    embedding: Dimension = 128
    """Dimension of the embedding Z."""
    head: Literal["psa", "places"] = "psa"
    """What makes Z of the patches' features: the paper's attention and fully connected layer (psa), or a weighted sum
    over all places and a linear map (places), by which Open Model Zoo's networks end."""
    attention: AttentionForm = "softmax"
    """Form of equation 2, whose denominator can be zero or negative: literal (guarded), positive or softmax."""
    mask: MaskForm = "none"
    """What happens to places of a patch that people nearer to the camera hide: nothing (the paper), or they are taken
    for what such a place shows on the average, by the share that is hidden (soft) or where half of it is (hard)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for x1, y1, x2, y2 in self.boxes:
            if not (x1 < x2 and y1 < y2):
                raise ValueError(f"boxes must hold x1 < x2 and y1 < y2, not {(x1, y1, x2, y2)}")
        if len(self.depths) != len(self.channels) - 1:
            raise ValueError(f"depths must have one entry a stage, {len(self.channels) - 1}, not {self.depths}")
        if self.backbone.startswith(("osnet", "eff")) and (len(self.channels) != 4 or min(self.depths) < 1):
            raise ValueError(
                f"depths and channels of {self.backbone} are three stages of 1 or more and a stem, not {self.depths}"
            )
        if self.backbone == "detector" and (
            self.patches_of == "pixels"
            or self.width * self.height > MOST_CELLS
            or self.patch_width > self.width
            or self.patch_height > self.height
        ):
            raise ValueError(
                f"backbone detector wants patches_of=features, width x height of {MOST_CELLS} cells, patches of "
                f"no more (4 x 8 and 2 x 4, say), not {self.patches_of}, {self.width} x {self.height} and "
                f"{self.patch_width} x {self.patch_height}"
            )

    @property
    def stride(self) -> int:
        """Pixels (or cells of a region) that make one place of a feature map."""
        return 1 if self.backbone == "detector" else 2 ** len(self.channels)


@dataclass(frozen=True)
class LossConfig(Checked):
    """Weight of each loss; 0 leaves it out. The total is their weighted sum."""

    pair: NonNegative = 0.0
    """Pair similarity loss of a siamese network: same or different."""
    identity: NonNegative = 0.5
    """Identity classification with label smoothing; all identities must be known in advance."""
    triplet: NonNegative = 0.0
    """Batch-hard triplet loss with soft margin."""
    circle: NonNegative = 0.0
    """Circle loss on pairs."""
    contrastive: NonNegative = 1.0
    """Supervised contrastive loss (NT-Xent with several positives)."""
    teacher: NonNegative = 4.0
    """Distillation loss towards the teacher network, where training has one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.asks_for_labels and not self.teacher:
            raise ValueError("contrastive must be above 0 where no other loss is")

    @property
    def asks_for_labels(self) -> bool:
        """Whether any loss but the teacher's is on."""
        return any(getattr(self, field.name) for field in fields(self) if field.name != "teacher")
