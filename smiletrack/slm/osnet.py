"""OSNet's convolutions as the patches' backbone, so that an SLM can start from public re-identification weights.

Zhou et al., Omni-Scale Feature Learning for Person Re-Identification, arXiv:1905.00953. Batch norm is folded into the
convolutions, as ONNX files have it: the backbone is for fine-tuning. Modules have the names of the authors' code.
"""

from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.errors import InputError
from smiletrack.images import IMAGENET_MEAN, IMAGENET_STD
from smiletrack.weights import load_exactly, load_tensors

NORM_EPS = 1e-5
"""Of the batch norms that are folded; PyTorch's default."""
_NOT_THE_BACKBONE = ("fc.", "classifier.")


class ConvReLU(nn.Module):
    """Convolution and, unless linear, ReLU; "same" padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, linear: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y if self.linear else functional.relu(y)


class LightConv(nn.Module):
    """3x3 made of a 1x1 over the channels and a 3x3 over the places (the paper's Lite 3x3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv2(self.conv1(x)))


class Gate(nn.Module):
    """x times a weight in (0, 1) for every channel, found from the channels' means; shared by all scales."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 16, 1)
        self.fc1, self.fc2 = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.fc2(functional.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(weights)


class OmniScaleBlock(nn.Module):
    """x + the gated sum of four streams that see 3, 5, 7 and 9 pixels far."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = outputs // 4
        self.conv1 = ConvReLU(inputs, middle)
        self.conv2a = LightConv(middle)
        self.conv2b, self.conv2c, self.conv2d = (
            nn.Sequential(*(LightConv(middle) for _ in range(length))) for length in (2, 3, 4)
        )
        self.gate = Gate(middle)
        self.conv3 = ConvReLU(middle, outputs, linear=True)
        self.downsample = nn.Identity() if inputs == outputs else ConvReLU(inputs, outputs, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x)
        a, b, c, d = self.conv2a(y), self.conv2b(y), self.conv2c(y), self.conv2d(y)
        joined = self.gate(a) + self.gate(b) + self.gate(c) + self.gate(d)
        return functional.relu(self.conv3(joined) + self.downsample(x))


class OSNetBackbone(nn.Module):
    """(N, 3, H_P, W_P) RGB in [0, 1] -> (N, C, h, w), h and w a sixteenth, rounded up.

    `channels` of the stem and the three stages ((16, 64, 96, 128) is OSNet x0.25), `depths` blocks in each stage (two).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)
        stem, *widths = channels
        self.conv1 = ConvReLU(3, stem, 7, stride=2)
        stages = [_blocks(a, b, depth) for a, b, depth in zip(channels[:-1], widths, depths, strict=True)]
        for stage, width in zip(stages[:-1], widths[:-1], strict=True):
            # the originals round down; every size that they were made for is even here
            stage.append(nn.Sequential(ConvReLU(width, width), nn.AvgPool2d(2, ceil_mode=True)))
        self.conv2, self.conv3, self.conv4 = stages
        self.conv5 = ConvReLU(widths[-1], widths[-1])

    def forward(self, patches: Tensor) -> Tensor:
        x = functional.max_pool2d(self.conv1((patches - self.mean) / self.std), 3, 2, 1)
        y: Tensor = self.conv5(self.conv4(self.conv3(self.conv2(x))))
        return y


def _blocks(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(OmniScaleBlock(inputs if i == 0 else outputs, outputs) for i in range(depth)))


def load_osnet(backbone: OSNetBackbone, path: Path) -> None:
    """Fill the backbone from a public OSNet: its `.onnx` export, or the authors' checkpoint, read code-free.

    InputError where the file is missing, damaged, or of another network or width.
    """
    state = _onnx_state(backbone, path) if path.suffix == ".onnx" else _checkpoint_state(path)
    load_exactly(backbone, state, str(path))


def _checkpoint_state(path: Path) -> dict[str, Tensor]:
    """Return the convolutions of an authors' checkpoint with their batch norms folded in."""
    content = load_tensors(path)
    content = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path}: no OSNet weights; expected a state_dict of tensors")
    given = {key.removeprefix("module."): value for key, value in content.items()}
    norms = {key.removesuffix("running_var") for key in given if key.endswith("running_var")}
    state = {key: value for key, value in given.items() if not key.startswith((*_NOT_THE_BACKBONE, *norms))}
    for norm in norms - {norm for norm in norms if norm.startswith(_NOT_THE_BACKBONE)}:
        owner = norm.removesuffix("bn.")
        conv = owner + ("conv." if f"{owner}conv.weight" in given else "conv2.")
        try:
            scale = given[norm + "weight"] / torch.sqrt(given[norm + "running_var"] + NORM_EPS)
            state[conv + "bias"] = given[norm + "bias"] - given[norm + "running_mean"] * scale
            state[conv + "weight"] = given[conv + "weight"] * scale.view(-1, 1, 1, 1)
        except (KeyError, RuntimeError):
            raise InputError(f"{path}: not an OSNet; {norm.removesuffix('.')} is no batch norm of its") from None
    return state


def _onnx_state(backbone: OSNetBackbone, path: Path) -> dict[str, Tensor]:
    """Return the file's convolutions under the backbone's names; both are taken in the order they run."""
    if not path.is_file():
        raise InputError(f"{path}: no such ONNX file")
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # the parser's errors share no other base
        raise InputError(f"{path}: not an ONNX network ({' '.join(str(error).split())[:120]})") from None
    tensors = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    # the gate is shared: it runs once a stream
    found = list(dict.fromkeys(tuple(node.input[1:]) for node in graph.node if node.op_type == "Conv"))
    order = _convolutions(backbone)
    if len(found) != len(order) or not all(name in tensors for names in found for name in names):
        raise InputError(f"{path}: not an OSNet of this depth with folded batch norm")
    return {
        f"{name}.{part}": tensors[source]
        for name, sources in zip(order, found, strict=True)
        for part, source in zip(("weight", "bias"), sources, strict=False)
    }


def _convolutions(backbone: OSNetBackbone) -> list[str]:
    """Return the names of the convolutions in the order they first run."""
    order: dict[str, None] = {}
    handles = [
        module.register_forward_hook(lambda *_, name=name: order.setdefault(name))
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.inference_mode():
        backbone(torch.zeros(1, 3, 32, 32))
    for handle in handles:
        handle.remove()
    return list(order)
