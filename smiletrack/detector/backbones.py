"""Backbones: images (B, 3, H, W) in, one feature map a level out.

`features[l]` has stride 2**l (`features[1]`, P1, is half size); `features[0]` is a half-size map too, the one before
the last layer of P1, for the pyramid that reaches below P1. `channels[l]` are the widths. Sides of the images must be
multiples of the deepest stride.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from smiletrack.detector.blocks import CSPC, ELAN, MSPA, Bottleneck, Conv, DownC, space_to_depth

Features = list[Tensor]


class ELANStage(nn.Module):
    """DownC, then parallel ELAN groups from its output whose results are summed (extended ELAN)."""

    def __init__(self, channels: int, out: int, hidden: int, groups: int = 2, depth: int = 6) -> None:
        super().__init__()
        self.down = DownC(channels, out, hidden=channels)
        self.groups = nn.ModuleList(ELAN(out, hidden, out, depth) for _ in range(groups))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        first, *rest = (group(x) for group in self.groups)
        total: Tensor = sum(rest, first)
        return total


class StagedBackbone(nn.Module, ABC):
    """What the backbones share: P1, then one module a level."""

    channels: tuple[int, ...]
    stages: nn.ModuleList

    @abstractmethod
    def half_size(self, images: Tensor) -> Features:
        """Return `features[0]` and P1."""

    def forward(self, images: Tensor) -> Features:
        features = self.half_size(images)
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features


class E6EBackbone(StagedBackbone):
    """YOLOv7-E6E's backbone, levels P1 to P6: space-to-depth, then five stages of extended ELAN."""

    def __init__(self, widths: Sequence[int] = (80, 160, 320, 640, 960, 1280)) -> None:
        super().__init__()
        self.channels = (widths[0], *widths)
        self.stem = Conv(12, widths[0], 3)
        hidden = (64, 128, 256, 384, 512)
        self.stages = nn.ModuleList(ELANStage(a, b, h) for a, b, h in zip(widths[:-1], widths[1:], hidden, strict=True))

    def half_size(self, images: Tensor) -> Features:
        x = self.stem(space_to_depth(images))
        return [x, x]


class ELANBackbone(StagedBackbone):
    """YOLOv7's backbone, levels P1 to P5."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = (64, 64, 256, 512, 1024, 1024)
        self.stem = nn.Sequential(Conv(3, 32, 3), Conv(32, 64, 3, 2), Conv(64, 64, 3))
        self.stages = nn.ModuleList(
            [
                nn.Sequential(Conv(64, 128, 3, 2), ELAN(128, 64, 256, 4)),
                nn.Sequential(DownC(256, 256, 128), ELAN(256, 128, 512, 4)),
                nn.Sequential(DownC(512, 512, 256), ELAN(512, 256, 1024, 4)),
                nn.Sequential(DownC(1024, 1024, 512), ELAN(1024, 256, 1024, 4)),
            ]
        )

    def half_size(self, images: Tensor) -> Features:
        early = self.stem[:2](images)
        return [early, self.stem[2](early)]


def cspc(channels: int, depth: int) -> nn.Module:
    """One stage body of CSPDarknet."""
    return CSPC(channels, channels, depth)


def mspa(channels: int, depth: int) -> nn.Module:
    """One stage body of the MSP backbones: `depth` MSPA blocks in a row."""
    return nn.Sequential(*(MSPA(channels, channels) for _ in range(depth)))


class DarknetBackbone(StagedBackbone):
    """Darknet's plan, levels P1 to P5 or P6: a 3x3 of stride 2 and a body a level; `body` makes CSPC or MSPA stages."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int], body: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        first = widths[0]
        self.channels = (widths[0], *widths)
        self.stem = nn.Sequential(Conv(3, 32, 3), Conv(32, first, 3, 2), Bottleneck(first, first, first // 2, True))
        self.stages = nn.ModuleList(
            nn.Sequential(Conv(a, b, 3, 2), body(b, depth))
            for a, b, depth in zip(widths[:-1], widths[1:], depths, strict=True)
        )

    def half_size(self, images: Tensor) -> Features:
        early = self.stem[:2](images)
        return [early, self.stem[2](early)]


class CompactBackbone(StagedBackbone):
    """A small CSP backbone for the nano and tiny networks, levels P1 to P5.

    The first convolution works on space-to-depth pixels, so nothing is computed at full size.
    """

    def __init__(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.channels = (widths[0], *widths)
        self.stem = Conv(12, widths[0], 3)
        self.stages = nn.ModuleList(
            nn.Sequential(Conv(a, b, 3, 2), CSPC(b, b, depth))
            for a, b, depth in zip(widths[:-1], widths[1:], depths, strict=True)
        )

    def half_size(self, images: Tensor) -> Features:
        x = self.stem(space_to_depth(images))
        return [x, x]
