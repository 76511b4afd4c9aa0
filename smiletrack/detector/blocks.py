"""The layers both detector families are made of. Tensors are (B, C, H, W); names follow the literature.

Batch norm uses eps 1e-3 and momentum 0.03 everywhere, as the public checkpoints of PRB-Net, YOLOv7 and YOLOX expect.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

Pair = tuple[int, int]


class Conv(nn.Module):
    """Convolution without bias, batch norm, activation (SiLU unless told otherwise); keeps H, W at stride 1."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=1e-3, momentum=0.03)
        self.act = nn.LeakyReLU(0.1) if activation is nn.LeakyReLU else activation()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y


class DepthwiseConv(nn.Module):
    """A convolution over space channel by channel, then a 1x1 over channels (YOLOX-nano)."""

    def __init__(self, channels: int, out: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.space = Conv(channels, channels, kernel, stride, groups=channels)
        self.channel = Conv(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.channel(self.space(x))
        return y


def space_to_depth(x: Tensor) -> Tensor:
    """(B, C, H, W) with even sides -> (B, 4C, H/2, W/2); pixels in (row, column) order (0,0), (1,0), (0,1), (1,1)."""
    even, odd = x[..., ::2, :], x[..., 1::2, :]
    return torch.cat([even[..., ::2], odd[..., ::2], even[..., 1::2], odd[..., 1::2]], 1)


def upsample(x: Tensor) -> Tensor:
    """Double height and width, each pixel repeated."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class Bottleneck(nn.Module):
    """1x1 to `hidden` channels, 3x3 to `out`, plus the input itself where `shortcut` and the widths agree."""

    def __init__(self, channels: int, out: int, hidden: int, shortcut: bool = False, depthwise: bool = False) -> None:
        super().__init__()
        self.reduce = Conv(channels, hidden)
        self.expand = DepthwiseConv(hidden, out) if depthwise else Conv(hidden, out, 3)
        self.shortcut = shortcut and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.expand(self.reduce(x))
        return x + y if self.shortcut else y


class CSPB(nn.Module):
    """Cross-stage partial block whose two halves share one 1x1 entrance (used for purification)."""

    def __init__(self, channels: int, out: int, depth: int) -> None:
        super().__init__()
        self.stem = Conv(channels, out)
        self.bottlenecks = nn.Sequential(*(Bottleneck(out, out, out) for _ in range(depth)))
        self.bypass = Conv(out, out)
        self.merge = Conv(2 * out, out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y: Tensor = self.merge(torch.cat([self.bottlenecks(x), self.bypass(x)], 1))
        return y


class CSPC(nn.Module):
    """Cross-stage partial block of CSPDarknet: residual bottlenecks and a 1x1 on one half, a 1x1 on the other."""

    def __init__(self, channels: int, out: int, depth: int) -> None:
        super().__init__()
        hidden = out // 2
        self.stem = Conv(channels, hidden)
        self.bottlenecks = nn.Sequential(*(Bottleneck(hidden, hidden, hidden, True) for _ in range(depth)))
        self.tail = Conv(hidden, hidden)
        self.bypass = Conv(channels, hidden)
        self.merge = Conv(out, out)

    def forward(self, x: Tensor) -> Tensor:
        deep = self.tail(self.bottlenecks(self.stem(x)))
        y: Tensor = self.merge(torch.cat([deep, self.bypass(x)], 1))
        return y


class CSPLayer(nn.Module):
    """YOLOX's cross-stage partial block: as CSPC, without the 1x1 after the bottlenecks."""

    def __init__(self, channels: int, out: int, depth: int, shortcut: bool = True, depthwise: bool = False) -> None:
        super().__init__()
        hidden = out // 2
        self.stem = Conv(channels, hidden)
        self.bypass = Conv(channels, hidden)
        self.merge = Conv(2 * hidden, out)
        self.bottlenecks = nn.Sequential(
            *(Bottleneck(hidden, hidden, hidden, shortcut, depthwise) for _ in range(depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        deep, bypass = self.stem(x), self.bypass(x)
        y: Tensor = self.merge(torch.cat([self.bottlenecks(deep), bypass], 1))
        return y


class MSPA(nn.Module):
    """Multi-scale partial aggregation: two 3x3 steps at 1/2 and 1/4 width, every stage kept, then a full bottleneck."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        half, quarter = out // 2, out // 4
        self.stem = Conv(channels, half)
        self.first = Conv(half, half, 3)
        self.narrow = Conv(2 * half, quarter)
        self.second = Conv(quarter, quarter, 3)
        self.join = Conv(half + 2 * quarter, half)
        self.mix = Bottleneck(out, out, out, shortcut=channels == out)

    def forward(self, x: Tensor) -> Tensor:
        a = self.stem(x)
        d = self.narrow(torch.cat([a, self.first(a)], 1))
        f = self.join(torch.cat([a, d, self.second(d)], 1))
        y: Tensor = self.mix(torch.cat([a, f], 1))
        return y


class SpatialPyramidPooling(nn.Module):
    """YOLOX's context block: 1x1 to half width, max over 5, 9 and 13 pixels beside it, 1x1."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.reduce = Conv(channels, channels // 2)
        self.merge = Conv(2 * channels, out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.merge(pooled(self.reduce(x)))
        return y


class SPPCSPC(nn.Module):
    """Spatial pyramid pooling inside a cross-stage partial block: the context of a whole window."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.before = nn.Sequential(Conv(channels, out), Conv(out, out, 3), Conv(out, out))
        self.after = nn.Sequential(Conv(4 * out, out), Conv(out, out, 3))
        self.bypass = Conv(channels, out)
        self.merge = Conv(2 * out, out)

    def forward(self, x: Tensor) -> Tensor:
        context = self.after(pooled(self.before(x)))
        y: Tensor = self.merge(torch.cat([context, self.bypass(x)], 1))
        return y


def pooled(x: Tensor, windows: Sequence[int] = (5, 9, 13)) -> Tensor:
    """Concatenate x with its maxima over square windows; (B, C, H, W) -> (B, C (1 + len(windows)), H, W)."""
    return torch.cat([x, *(functional.max_pool2d(x, k, 1, k // 2) for k in windows)], 1)


class DownC(nn.Module):
    """Halve height and width on two paths, a 3x3 of stride 2 and a 2x2 maximum, half of `out` channels each."""

    def __init__(self, channels: int, out: int, hidden: int) -> None:
        super().__init__()
        self.reduce = Conv(channels, hidden)
        self.stride = Conv(hidden, out // 2, 3, 2)
        self.pool = Conv(channels, out // 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.stride(self.reduce(x)), self.pool(functional.max_pool2d(x, 2))], 1)


class ELAN(nn.Module):
    """Efficient layer aggregation: two 1x1 and a chain of 3x3 convolutions, every `tap`-th of them kept and merged.

    `hidden` is the width of the two 1x1, `width` (default the same) of the chain of `depth` convolutions.
    Wang et al. 2022, arXiv:2207.02696.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        out: int,
        depth: int,
        tap: int = 2,
        width: int | None = None,
        activation: type[nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        width = width or hidden
        self.tap = tap
        self.left = Conv(channels, hidden, activation=activation)
        self.right = Conv(channels, hidden, activation=activation)
        widths = [hidden] + [width] * depth
        self.chain = nn.ModuleList(Conv(a, width, 3, activation=activation) for a in widths[:-1])
        self.merge = Conv(2 * hidden + width * (depth // tap), out, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        kept = [self.left(x), self.right(x)]
        y = kept[-1]
        for step, conv in enumerate(self.chain, 1):
            y = conv(y)
            if step % self.tap == 0:
                kept.append(y)
        merged: Tensor = self.merge(torch.cat(kept[::-1], 1))
        return merged


class RepConv(nn.Module):
    """Parallel 3x3 and 1x1 convolutions (and identity, where widths agree), each with batch norm, summed.

    `deploy.fuse` turns the three into one 3x3 with equal output. Ding et al. 2021, arXiv:2101.03697.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.identity = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03) if channels == out else None
        self.dense = Conv(channels, out, 3, activation=nn.Identity)
        self.pointwise = Conv(channels, out, 1, activation=nn.Identity)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.dense(x) + self.pointwise(x)
        y = y if self.identity is None else y + self.identity(x)
        activated: Tensor = self.act(y)
        return activated
