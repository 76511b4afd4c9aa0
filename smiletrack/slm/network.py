"""The SLM network: object -> patches -> backbone -> PSA -> Z; objects are compared by the cosine of their Z."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.slm.backbone import CSPBackbone
from smiletrack.slm.osnet import OSNetBackbone
from smiletrack.slm.patches import LAYOUTS, Box, cell_boxes, cut_patches, pixel_boxes
from smiletrack.slm.position import sinusoidal
from smiletrack.slm.psa import AttentionForm, PatchSelfAttention


@dataclass(frozen=True)
class SLMConfig:
    """The network's shape. The defaults are the small network, made for CPUs at video rates."""

    width: int = 80
    """W, pixels, that objects are resized to."""
    height: int = 224
    """H, pixels, that objects are resized to."""
    layout: str = "E"
    """Patch layout, A to H (paper, Fig. 4)."""
    boxes: tuple[Box, ...] = ()
    """A layout of your own instead: boxes (x1, y1, x2, y2) as fractions of width and height, in [0, 1]."""
    patch_width: int = 40
    """W_P, pixels, of every patch."""
    patch_height: int = 112
    """H_P, pixels, of every patch."""
    patches_of: Literal["pixels", "features"] = "pixels"
    """What the boxes cut: the object before the backbone (the paper) or the features behind it (the released code)."""
    position: Literal["sinusoidal", "learned", "none"] = "learned"
    """Position embedding E_i added to every patch; learned ones start at zero."""
    backbone: Literal["csp", "osnet"] = "csp"
    """csp, or osnet, which can start from public weights (those of x0.25: channels 16,64,96,128, depths 2,2,2)."""
    channels: tuple[int, ...] = (16, 32, 64, 128)
    """Channels of the backbone's stem and of its stages; the last is C."""
    depths: tuple[int, ...] = (1, 1, 1)
    """Bottlenecks, or OSNet's blocks, in each stage."""
    d_k: int = 32
    """Columns of W^Q and W^K."""
    d_v: int = 64
    """Columns of W^V."""
    embedding: int = 128
    """Length of Z."""
    attention: AttentionForm = "softmax"
    """Form of equation 2, whose denominator can be zero or negative: literal (guarded), positive or softmax."""

    def __post_init__(self) -> None:
        for name in ("width", "height", "patch_width", "patch_height", "d_k", "d_v", "embedding"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, not {self.layout!r}")
        for x1, y1, x2, y2 in self.boxes:
            if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
                raise ValueError(f"boxes must hold 0 <= x1 < x2 <= 1 (y too), not {(x1, y1, x2, y2)}")
        if len(self.channels) < 2 or any(c < 2 or c % 2 for c in self.channels):
            raise ValueError(f"channels must be two or more even numbers, not {self.channels}")
        if len(self.depths) != len(self.channels) - 1 or min(self.depths) < 0:
            raise ValueError(f"depths must have one entry a stage, {len(self.channels) - 1}, not {self.depths}")
        if self.backbone == "osnet" and (len(self.channels) != 4 or min(self.depths) < 1):
            raise ValueError(
                f"depths and channels of osnet are three stages of 1 or more and a stem, not {self.depths}"
            )


class SLM(nn.Module):
    """Objects (B, 3, H, W), RGB in [0, 1] -> Z (B, D), not normalised."""

    E: Tensor

    def __init__(self, config: SLMConfig) -> None:
        super().__init__()
        self.config = config
        boxes, scale = config.boxes or LAYOUTS[config.layout], 2 ** len(config.channels)
        patch_height, patch_width = config.patch_height, config.patch_width
        rows, columns = -(-patch_height // scale), -(-patch_width // scale)
        if config.patches_of == "features":
            self.boxes = cell_boxes(boxes, -(-config.width // scale), -(-config.height // scale))
            patch_height, patch_width = rows, columns
        else:
            self.boxes = pixel_boxes(boxes, config.width, config.height)
        self.patch_size = (patch_width, patch_height)
        num_patches, shape = len(boxes), (1, patch_height, patch_width)
        if config.position == "sinusoidal":
            E = sinusoidal(num_patches, patch_height * patch_width).view(num_patches, *shape)
            self.register_buffer("E", E, persistent=False)
        elif config.position == "learned":
            self.E = nn.Parameter(torch.zeros(num_patches, *shape))
        backbone = OSNetBackbone if config.backbone == "osnet" else CSPBackbone
        self.backbone = backbone(config.channels, config.depths)
        self.psa = PatchSelfAttention(config.channels[-1], config.d_k, config.d_v, config.attention)
        # the norm folds into the linear map at inference: Z stays one fully connected layer
        self.fc = nn.Sequential(
            nn.Linear(num_patches * rows * columns * config.d_v, config.embedding, bias=False),
            nn.BatchNorm1d(config.embedding),
        )

    @torch.no_grad()
    def begin_with(self, answers: Tensor) -> None:
        """Give Z the mean and the deviations of `answers` (N, D), so that a training learns only what parts them."""
        norm = self.fc[1]
        assert isinstance(norm, nn.BatchNorm1d)
        norm.bias.copy_(answers.mean(0))
        norm.weight.copy_(answers.std(0))

    def forward(self, objects: Tensor) -> Tensor:
        behind = self.config.patches_of == "features"
        P = cut_patches(self.backbone(objects) if behind else objects, self.boxes, self.patch_size)
        A = (P + self.E if self.config.position != "none" else P).flatten(0, 1)
        features = A if behind else self.backbone(A)
        F = features.flatten(2).transpose(1, 2).reshape(*P.shape[:2], -1, features.shape[1])
        Z: Tensor = self.fc(self.psa(F).flatten(1))
        return Z


def similarity(Z_A: Tensor, Z_B: Tensor) -> Tensor:
    """(A, D), (B, D) -> (A, B) cosine similarities, in [-1, 1]."""
    return functional.normalize(Z_A, dim=1) @ functional.normalize(Z_B, dim=1).T
