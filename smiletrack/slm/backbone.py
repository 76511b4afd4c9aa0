"""The CSP backbone that turns every patch A_i into its feature matrix F_i (Wang et al., arXiv:1911.11929)."""

import torch
from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """Convolution, batch norm, ReLU. (N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)).

    ReLU, not SiLU: it costs nothing beside the convolution on a CPU.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class CSPBottleneck(nn.Module):
    """x + 3x3(1x1(x)), C channels in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(ConvBlock(channels, channels), ConvBlock(channels, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


class CSPStage(nn.Module):
    """Halve the resolution, then send half of the channels through `depth` bottlenecks and join both halves."""

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__()
        half = outputs // 2
        self.down = ConvBlock(inputs, outputs, 3, stride=2)
        self.through = nn.Sequential(ConvBlock(outputs, half), *(CSPBottleneck(half) for _ in range(depth)))
        self.past = ConvBlock(outputs, half)
        self.join = ConvBlock(2 * half, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        joined: Tensor = self.join(torch.cat((self.through(x), self.past(x)), 1))
        return joined


class CSPBackbone(nn.Sequential):
    """(N, 3, H_P, W_P) -> (N, C, h, w), each side halved (rounded up) by the stem and by every stage.

    `channels` of the stem and the stages, `depths` bottlenecks in each stage: one entry fewer.
    """

    def __init__(self, channels: tuple[int, ...], depths: tuple[int, ...]) -> None:
        stages = (
            CSPStage(inputs, outputs, depth)
            for inputs, outputs, depth in zip(channels[:-1], channels[1:], depths, strict=True)
        )
        super().__init__(ConvBlock(3, channels[0], 3, stride=2), *stages)
