"""The SLM network: object -> patches -> backbone -> PSA -> Z; objects are compared by the cosine of their Z."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.slm.backbone import CSPBackbone
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.imagenet import efficientnet_lite, resnet
from smiletrack.slm.osnet import OSNetBackbone
from smiletrack.slm.patches import LAYOUTS, cell_boxes, cut_patches, pixel_boxes, place_shares
from smiletrack.slm.places import HiddenPlaces, PlacePooling
from smiletrack.slm.position import sinusoidal
from smiletrack.slm.psa import PatchSelfAttention
from smiletrack.slm.regions import RegionAdapter


class SLM(nn.Module):
    """Objects (B, 3, H, W), RGB in [0, 1] -> Z (B, D), not normalised.

    On a detector's features objects are its regions (B, channels[0], height, width), see `regions.py`.

    `mask_grid`: rows and columns of the cells of an object whose visibilities the network takes, None for none.
    """

    E: Tensor
    places: Tensor

    def __init__(self, config: SLMConfig) -> None:
        super().__init__()
        self.config = config
        boxes, scale = config.boxes or LAYOUTS[config.layout], config.stride
        patch_height, patch_width = config.patch_height, config.patch_width
        rows, columns = -(-patch_height // scale), -(-patch_width // scale)
        if config.patches_of == "features":
            extent, stride = (-(-config.width // scale), -(-config.height // scale)), 1
            self.boxes = cell_boxes(boxes, *extent)
            patch_height, patch_width = rows, columns
        else:
            extent, stride = (config.width, config.height), scale
            self.boxes = pixel_boxes(boxes, *extent)
        self.patch_size = (patch_width, patch_height)
        num_patches, shape = len(boxes), (1, patch_height, patch_width)
        if config.position == "sinusoidal":
            E = sinusoidal(num_patches, patch_height * patch_width).view(num_patches, *shape)
            self.register_buffer("E", E, persistent=False)
        elif config.position == "learned":
            self.E = nn.Parameter(torch.zeros(num_patches, *shape))
        self.backbone = _backbone(config)
        self.mask_grid: tuple[int, int] | None = None
        if config.mask != "none":
            # cells of half a stride, so that patches begin and end between them
            self.mask_grid = -(-2 * config.height // scale), -(-2 * config.width // scale)
            places = place_shares(self.boxes, extent, self.patch_size, stride, self.mask_grid)
            self.register_buffer("places", places, persistent=False)
            self.hidden = HiddenPlaces(num_patches, rows * columns, config.channels[-1])
        if config.head == "places":
            self.pooling, numbers = PlacePooling(num_patches, rows * columns, config.channels[-1]), config.channels[-1]
        else:
            self.psa = PatchSelfAttention(config.channels[-1], config.d_k, config.d_v, config.attention)
            numbers = num_patches * rows * columns * config.d_v
        # the norm folds into the linear map at inference: Z stays one fully connected layer
        self.fc = nn.Sequential(nn.Linear(numbers, config.embedding, bias=False), nn.BatchNorm1d(config.embedding))

    @torch.no_grad()
    def begin_with(self, answers: Tensor) -> None:
        """Give Z the mean and the deviations of `answers` (N, D), so that a training learns only what parts them."""
        norm = self.fc[1]
        assert isinstance(norm, nn.BatchNorm1d)
        norm.bias.copy_(answers.mean(0))
        norm.weight.copy_(answers.std(0))

    def forward(self, objects: Tensor, visibility: Tensor | None = None) -> Tensor:
        """visibility: (B or 1, *mask_grid), the share of each cell that shows the object, in [0, 1]; None = all of it.

        A network without a mask takes none.
        """
        behind = self.config.patches_of == "features"
        return self.from_features(self.backbone(objects) if behind else objects, visibility)

    def from_features(self, features: Tensor, visibility: Tensor | None = None) -> Tensor:
        """(B, C, h, w), what patches are cut from (the backbone's answer, or objects) -> Z, as `forward` does."""
        F = self.places_of(features)
        if visibility is not None:
            F = self.hidden(F, self.seen(visibility))
        Z: Tensor = self.fc(self.pooling(F) if self.config.head == "places" else self.psa(F).flatten(1))
        return Z

    def places_of(self, features: Tensor) -> Tensor:
        """(B, C, h, w), what patches are cut from -> F (B, N_P, d_f, C)."""
        P = cut_patches(features, self.boxes, self.patch_size)
        A = (P + self.E if self.config.position != "none" else P).flatten(0, 1)
        patches = A if self.config.patches_of == "features" else self.backbone(A)
        return patches.flatten(2).transpose(1, 2).reshape(*P.shape[:2], -1, patches.shape[1])

    def seen(self, visibility: Tensor) -> Tensor:
        """(B or 1, *mask_grid) -> (B or 1, N_P, d_f), how visible every place is as the config has it."""
        seen = 1 - (1 - visibility).flatten(1) @ self.places.T
        if self.config.mask == "hard":
            seen = (seen >= 0.5).to(seen.dtype)
        return seen.view(-1, len(self.boxes), len(self.places) // len(self.boxes))


def _backbone(config: SLMConfig) -> nn.Module:
    if config.backbone == "csp":
        return CSPBackbone(config.channels, config.depths)
    if config.backbone == "detector":
        return RegionAdapter(config.channels, config.depths)
    if config.backbone == "resnet":
        return resnet(config.channels, config.depths)
    if config.backbone == "efficientnet-lite":
        return efficientnet_lite(config.channels, config.depths)
    return OSNetBackbone(config.channels, config.depths, linear_context=config.backbone == "osnet-lct")


def similarity(Z_A: Tensor, Z_B: Tensor) -> Tensor:
    """(A, D), (B, D) -> (A, B) cosine similarities, in [-1, 1]."""
    return functional.normalize(Z_A, dim=1) @ functional.normalize(Z_B, dim=1).T
