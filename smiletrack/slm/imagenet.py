"""Backbones with ImageNet weights that Python packages carry: ResNet-18 and -34, and EfficientNet-lite0.

A state file is read whatever its names are (torchvision, timm, EfficientNet-PyTorch): such files hold a network's
tensors in the order that they run, and so do the backbones here. What lies behind the backbone's last stage is left.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from smiletrack.errors import InputError
from smiletrack.images import IMAGENET_MEAN, IMAGENET_STD
from smiletrack.weights import load_tensors

_COUNTER = "num_batches_tracked"


class ImageNetBackbone(nn.Module):
    """(N, 3, H_P, W_P) RGB in [0, 1] -> (N, C, h, w), each side halved (rounded up) for each of `channels`."""

    mean: Tensor
    std: Tensor

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)
        self.layers = layers

    def forward(self, patches: Tensor) -> Tensor:
        answer: Tensor = self.layers((patches - self.mean) / self.std)
        return answer


def resnet(channels: tuple[int, ...], depths: tuple[int, ...]) -> ImageNetBackbone:
    """Return ResNet's stem and stages of basic blocks (He et al., arXiv:1512.03385, table 1).

    Channels 64, 64, 128, 256 and depths 2, 2, 2 are ResNet-18 without its last stage, which a fifth 512 adds.
    """
    stem, *widths = channels
    pool = nn.MaxPool2d(3, 2, 1)
    layers: list[nn.Module] = [*_norm(nn.Conv2d(3, stem, 7, 2, 3, bias=False)), nn.ReLU(inplace=True), pool]
    inputs = stem
    for stage, (outputs, depth) in enumerate(zip(widths, depths, strict=True)):
        for block in range(depth):
            layers.append(BasicBlock(inputs, outputs, 2 if stage and not block else 1))
            inputs = outputs
    return ImageNetBackbone(nn.Sequential(*layers))


class BasicBlock(nn.Module):
    """ReLU of x and two 3x3 convolutions of it; where the size changes, x goes through a 1x1."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.through = nn.Sequential(
            *_norm(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)),
            nn.ReLU(inplace=True),
            *_norm(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)),
        )
        same = stride == 1 and inputs == outputs
        self.past = nn.Identity() if same else nn.Sequential(*_norm(nn.Conv2d(inputs, outputs, 1, stride, bias=False)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.through(x) + self.past(x))


def efficientnet_lite(channels: tuple[int, ...], depths: tuple[int, ...]) -> ImageNetBackbone:
    """Return EfficientNet-lite's stem and stages of inverted bottlenecks (Tan and Le, arXiv:1905.11946, without
    squeeze and excitation, ReLU6 for Swish).

    Channels 32, 24, 40, 112 and depths 2, 2, 3 are lite0 up to a sixteenth of the size, where two of its stages meet:
    the last depth is that of both, the first has 5/7 of the channels. A stage of 16 channels comes before the first.
    """
    stem, first, second, last = channels
    plan = (
        (stem // 2, 1, 3, 1, 1),
        (first, depths[0], 3, 2, 6),
        (second, depths[1], 5, 2, 6),
        (last * 5 // 7, depths[2], 3, 2, 6),
        (last, depths[2], 5, 1, 6),
    )
    layers: list[nn.Module] = [*_norm(nn.Conv2d(3, stem, 3, 2, 1, bias=False), 1e-3), nn.ReLU6(inplace=True)]
    inputs = stem
    for outputs, depth, kernel, stride, growth in plan:
        for block in range(depth):
            layers.append(InvertedBottleneck(inputs, outputs, kernel, stride if not block else 1, growth))
            inputs = outputs
    return ImageNetBackbone(nn.Sequential(*layers))


class InvertedBottleneck(nn.Module):
    """A 1x1 that makes `growth` times as many channels, a convolution in each of them, and a 1x1 back; x is added where
    the size stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, growth: int) -> None:
        super().__init__()
        wide = growth * inputs
        grown = [*_norm(nn.Conv2d(inputs, wide, 1, bias=False), 1e-3), nn.ReLU6(inplace=True)] if growth > 1 else []
        self.through = nn.Sequential(
            *grown,
            *_norm(nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False), 1e-3),
            nn.ReLU6(inplace=True),
            *_norm(nn.Conv2d(wide, outputs, 1, bias=False), 1e-3),
        )
        self.stays = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.through(x)
        return x + y if self.stays else y


def _norm(convolution: nn.Conv2d, eps: float = 1e-5) -> tuple[nn.Module, nn.Module]:
    return convolution, nn.BatchNorm2d(convolution.out_channels, eps)


def load_imagenet(backbone: ImageNetBackbone, path: Path) -> None:
    """Fill the backbone from the first tensors of a state file, in their order; nothing in it is executed.

    InputError where the file is missing or damaged, or names the first tensor that does not fit.
    """
    content = load_tensors(path)
    content = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path}: no weights of a network; expected a state_dict of tensors")
    given = [(name, value) for name, value in content.items() if _COUNTER not in name]
    wanted = [(name, value) for name, value in backbone.state_dict().items() if _COUNTER not in name]
    for number, (name, tensor) in enumerate(wanted):
        found, value = given[number] if number < len(given) else ("the end of the file", torch.empty(0))
        if value.shape != tensor.shape:
            raise InputError(
                f"{path}: not this backbone: tensor {number + 1} is {found} {tuple(value.shape)} where {name} "
                f"{tuple(tensor.shape)} is wanted; see network.backbone, network.channels and network.depths"
            )
        tensor.copy_(value)
