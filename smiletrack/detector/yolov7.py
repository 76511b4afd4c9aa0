"""YOLOv7 and YOLOv7-tiny, the baselines PRB-Net grew from (Wang et al. 2022, arXiv:2207.02696).

They share PRB-Net's blocks, head, loss and checkpoints; only the neck differs, a path aggregation of ELAN blocks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.detector.anchor_head import ANCHORS_P5, ANCHORS_TINY, AnchorHead
from smiletrack.detector.backbones import ELANBackbone, Features, StagedBackbone
from smiletrack.detector.blocks import ELAN, SPPCSPC, Conv, DownC, RepConv, pooled, upsample
from smiletrack.detector.prbnet import PRBNet

Activation = type[nn.Module]


class PooledELAN(nn.Module):
    """YOLOv7-tiny's stage: a maximum over 2x2, then a short ELAN."""

    def __init__(self, channels: int, hidden: int, out: int) -> None:
        super().__init__()
        self.elan = tiny_elan(channels, hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.elan(functional.max_pool2d(x, 2))
        return y


class TinyBackbone(StagedBackbone):
    """YOLOv7-tiny's backbone, levels P1 to P5."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = (32, 32, 64, 128, 256, 512)
        self.stem = Conv(3, 32, 3, 2, activation=nn.LeakyReLU)
        first = nn.Sequential(Conv(32, 64, 3, 2, activation=nn.LeakyReLU), tiny_elan(64, 32, 64))
        deeper = (PooledELAN(c, c, 2 * c) for c in (64, 128, 256))
        self.stages = nn.ModuleList([first, *deeper])

    def half_size(self, images: Tensor) -> Features:
        x = self.stem(images)
        return [x, x]


class TinyContext(nn.Module):
    """Spatial pyramid pooling beside a 1x1, both of 256 channels."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.bypass = Conv(channels, out, activation=nn.LeakyReLU)
        self.reduce = Conv(channels, out, activation=nn.LeakyReLU)
        self.after = Conv(4 * out, out, activation=nn.LeakyReLU)
        self.merge = Conv(2 * out, out, activation=nn.LeakyReLU)

    def forward(self, x: Tensor) -> Tensor:
        context = self.after(torch.cat(pooled(self.reduce(x)).chunk(4, 1)[::-1], 1))
        y: Tensor = self.merge(torch.cat([context, self.bypass(x)], 1))
        return y


class PANNeck(nn.Module):
    """Path aggregation, P5 to P3 and back. `elans`: blocks at P4, P3, P4, P5; `strides`: what halves P3 and P4."""

    def __init__(
        self,
        channels: Sequence[int],
        context: nn.Module,
        widths: tuple[int, int, int],
        elans: Sequence[ELAN],
        strides: Sequence[nn.Module],
        refine: Sequence[nn.Module],
        activation: Activation = nn.SiLU,
    ) -> None:
        super().__init__()
        w3, w4, w5 = widths
        self.context = context
        self.lateral5 = Conv(w5, w4, activation=activation)
        self.route4 = Conv(channels[4], w4, activation=activation)
        self.lateral4 = Conv(w4, w3, activation=activation)
        self.route3 = Conv(channels[3], w3, activation=activation)
        self.top4, self.top3, self.up4, self.up5 = elans
        self.stride3, self.stride4 = strides
        self.refine = nn.ModuleList(refine)

    def forward(self, features: Features, auxiliary: bool = False) -> tuple[list[Tensor], list[Tensor]]:
        context = self.context(features[5])
        top4 = self.top4(torch.cat([self.route4(features[4]), upsample(self.lateral5(context))], 1))
        top3 = self.top3(torch.cat([self.route3(features[3]), upsample(self.lateral4(top4))], 1))
        up4 = self.up4(torch.cat([self.stride3(top3), top4], 1))
        up5 = self.up5(torch.cat([self.stride4(up4), context], 1))
        return [refine(x) for refine, x in zip(self.refine, (top3, up4, up5), strict=True)], []


def tiny_elan(channels: int, hidden: int, out: int) -> ELAN:
    """Return the ELAN block of YOLOv7-tiny."""
    return ELAN(channels, hidden, out, depth=2, tap=1, activation=nn.LeakyReLU)


def yolov7(num_classes: int) -> PRBNet:
    """YOLOv7."""
    backbone = ELANBackbone()

    def elan(channels: int, out: int) -> ELAN:
        return ELAN(channels, out, out, depth=4, tap=1, width=out // 2)

    neck = PANNeck(
        backbone.channels,
        SPPCSPC(1024, 512),
        (128, 256, 512),
        [elan(512, 256), elan(256, 128), elan(512, 256), elan(1024, 512)],
        [DownC(128, 256, 128), DownC(256, 512, 256)],
        [RepConv(c, 2 * c) for c in (128, 256, 512)],
    )
    return PRBNet(backbone, neck, AnchorHead((256, 512, 1024), num_classes, ANCHORS_P5))


def yolov7_tiny(num_classes: int) -> PRBNet:
    """YOLOv7-tiny, with leaky ReLU."""
    backbone = TinyBackbone()
    neck = PANNeck(
        backbone.channels,
        TinyContext(512, 256),
        (64, 128, 256),
        [tiny_elan(256, 64, 128), tiny_elan(128, 32, 64), tiny_elan(256, 64, 128), tiny_elan(512, 128, 256)],
        [Conv(c, 2 * c, 3, 2, activation=nn.LeakyReLU) for c in (64, 128)],
        [Conv(c, 2 * c, 3, activation=nn.LeakyReLU) for c in (64, 128, 256)],
        nn.LeakyReLU,
    )
    return PRBNet(backbone, neck, AnchorHead((128, 256, 512), num_classes, ANCHORS_TINY))
