"""Open Model Zoo's re-identification networks, head and all, as SLMs that can be told what is hidden."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from smiletrack.errors import InputError
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.network import SLM
from smiletrack.slm.openvino_constants import read_constants
from smiletrack.slm.osnet import NORM_EPS, OSNetBackbone
from smiletrack.slm.osnet_weights import INPUT_CONSTANTS, load_osnet

_HEAD = ("GroupConvolution", "Add", "MatMul", "Add", "Multiply", "Add", "PReLU")
"""What uses the constants of Open Model Zoo's head: a weighted sum over places, a linear map, a norm, and a PReLU whose
slope is next to 1 (.996 and .991), so that Z is the linear map."""
_WIDEST = 64
"""Channels of the stem of the widest of these networks, 0277."""
_STAGES = (4, 6, 8)
"""Channels of OSNet's stages, in those of its stem."""


def open_model_zoo_slm(path: Path) -> SLM:
    """Return person-reidentification-retail-0277 or -0288 as an SLM with a soft mask, in eval mode.

    It has the file's own head in place of the paper's attention; what hidden places are taken for is not known yet
    (`HiddenPlaces.learn`). path: the `.xml`, with the `.bin` beside it. InputError where it is another network.
    """
    constants = read_constants(path)
    stem = constants[INPUT_CONSTANTS + 2][1].shape[0] if len(constants) > INPUT_CONSTANTS + len(_HEAD) else 0
    used_by, head = zip(*constants[-len(_HEAD) :], strict=True) if stem else ((), ())
    channels = (stem, *(stem * width for width in _STAGES))
    tensors = [torch.tensor(values.astype(np.float32)) for values in head]
    if (
        used_by != _HEAD
        or stem not in range(2, _WIDEST + 1, 2)
        or tensors[0].numel() != channels[-1] * 16 * 8
        or tensors[2].ndim != 2
    ):
        raise InputError(f"{path}: not one of Open Model Zoo's person-reidentification-retail networks (0277, 0288)")
    places, shift, weight, bias, scale, offset, _ = tensors
    slm = SLM(
        SLMConfig(
            width=128,
            height=256,
            layout="A",
            patch_width=128,
            patch_height=256,
            patches_of="features",
            position="none",
            backbone="osnet-lct",
            channels=channels,
            depths=(2, 2, 2),
            embedding=len(weight),
            head="places",
            mask="soft",
        )
    ).eval()
    linear, norm = slm.fc
    assert (
        isinstance(slm.backbone, OSNetBackbone) and isinstance(linear, nn.Linear) and isinstance(norm, nn.BatchNorm1d)
    )
    load_osnet(slm.backbone, path)
    with torch.no_grad():
        slm.pooling.weight.copy_(places.view(1, channels[-1], -1).transpose(1, 2))
        linear.weight.copy_(weight * scale.view(-1, 1))
        norm.weight.fill_((1 + NORM_EPS) ** 0.5)
        norm.bias.copy_((weight @ shift.flatten() + bias.flatten()) * scale.flatten() + offset.flatten())
    return slm
