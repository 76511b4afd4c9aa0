"""OSNet's convolutions as the patches' backbone, so that an SLM can start from public re-identification weights.

Zhou et al., Omni-Scale Feature Learning for Person Re-Identification, arXiv:1905.00953. Batch norm is folded into the
convolutions, as ONNX files have it: the backbone is for fine-tuning. Modules have the names of the authors' code. With
linear context it is the network of Open Model Zoo's person-reidentification-retail-0277 and -0288. `osnet_weights.py`
fills both.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.images import IMAGENET_MEAN, IMAGENET_STD

NORM_EPS = 1e-5
"""Of all norms, those that are folded included; PyTorch's default."""


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


class LinearContext(nn.Module):
    """x times a weight in (0, 1) for every channel: its mean, normalised in a group of channels, scaled and shifted.

    Linear Context Transform (Ruan et al., arXiv:1909.03834), as Open Model Zoo's networks have it: 16 groups, or 8
    where the channels do not fall into 16.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groups = math.gcd(channels, 16)
        self.weight, self.bias = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        # no length of x itself: an exported file keeps such a number, and takes batches of that size alone
        means = x.mean((2, 3)).view(-1, self.groups, len(self.weight) // self.groups)
        apart = means - means.mean(2, keepdim=True)
        normal = apart * torch.rsqrt(apart.square().mean(2, keepdim=True) + NORM_EPS)
        return x * torch.sigmoid(normal.flatten(1) * self.weight + self.bias)[:, :, None, None]


class OmniScaleBlock(nn.Module):
    """x + the gated sum of four streams that see 3, 5, 7 and 9 pixels far."""

    def __init__(self, inputs: int, outputs: int, linear_context: bool = False) -> None:
        super().__init__()
        middle = outputs // 4
        self.conv1 = ConvReLU(inputs, middle)
        self.conv2a = LightConv(middle)
        self.conv2b, self.conv2c, self.conv2d = (
            nn.Sequential(*(LightConv(middle) for _ in range(length))) for length in (2, 3, 4)
        )
        self.gate = LinearContext(middle) if linear_context else Gate(middle)
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
    linear_context: pixels and the stem's output are normalised in each object, and every stage's last block has linear
    context for its gate.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: tuple[int, ...], depths: tuple[int, ...], linear_context: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)
        stem, *widths = channels
        self.linear_context = linear_context
        self.conv1: nn.Module = ConvReLU(3, stem, 7, stride=2)
        if linear_context:
            self.conv1 = nn.Sequential(
                nn.InstanceNorm2d(3, NORM_EPS, affine=True),
                nn.Conv2d(3, stem, 7, 2, 3, bias=False),
                nn.InstanceNorm2d(stem, NORM_EPS, affine=True),
                nn.ReLU(),
            )
        stages = [
            _blocks(a, b, depth, linear_context) for a, b, depth in zip(channels[:-1], widths, depths, strict=True)
        ]
        for stage, width in zip(stages[:-1], widths[:-1], strict=True):
            # the originals round down; every size that they were made for is even here
            stage.append(nn.Sequential(ConvReLU(width, width), nn.AvgPool2d(2, ceil_mode=True)))
        self.conv2, self.conv3, self.conv4 = stages
        self.conv5 = ConvReLU(widths[-1], widths[-1])

    def forward(self, patches: Tensor) -> Tensor:
        x = functional.max_pool2d(self.conv1((patches - self.mean) / self.std), 3, 2, 1)
        y: Tensor = self.conv5(self.conv4(self.conv3(self.conv2(x))))
        return y


def _blocks(inputs: int, outputs: int, depth: int, linear_context: bool) -> nn.Sequential:
    return nn.Sequential(
        *(
            OmniScaleBlock(inputs if i == 0 else outputs, outputs, linear_context and i == depth - 1)
            for i in range(depth)
        )
    )
