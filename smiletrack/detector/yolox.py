"""YOLOX, the anchor-free detector that ByteTrack uses with a single class (Ge et al. 2021, arXiv:2107.08430).

    net = yolox(num_classes=1, depth=0.33, width=0.5)
    net.train()(images)  -> raw levels, list of (B, 5 + classes, H, W): x, y, w, h, objectness, classes before sigmoid
    net.eval()(images)   -> decoded (B, N, 5 + classes), pixels of the input and probabilities; N is level, row, column

Sides of the images are multiples of 32.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smiletrack.detector.anchor_head import cell_grid
from smiletrack.detector.blocks import (
    Conv,
    CSPLayer,
    DepthwiseConv,
    SpatialPyramidPooling,
    space_to_depth,
    upsample,
)
from smiletrack.detector.postprocess import Rule

STRIDES = (8, 16, 32)


def _conv(channels: int, out: int, stride: int, depthwise: bool) -> nn.Module:
    """Return a 3x3, in two parts where `depthwise`."""
    return DepthwiseConv(channels, out, 3, stride) if depthwise else Conv(channels, out, 3, stride)


class CSPDarknet(nn.Module):
    """The backbone: P3, P4 and P5 of images (B, 3, H, W)."""

    def __init__(self, base: int, depth: int, depthwise: bool) -> None:
        super().__init__()
        self.stem = Conv(12, base, 3)
        stages = []
        for level, repeats in enumerate((depth, 3 * depth, 3 * depth, depth)):
            channels, out = base * 2**level, base * 2 ** (level + 1)
            stage: list[nn.Module] = [_conv(channels, out, 2, depthwise)]
            if level == 3:
                stage.append(SpatialPyramidPooling(out, out))
            stage.append(CSPLayer(out, out, repeats, shortcut=level < 3, depthwise=depthwise))
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem(space_to_depth(images))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features[1:]


class PathAggregation(nn.Module):
    """The neck: P5 to P3 and back, each step a CSP block."""

    def __init__(self, channels: Sequence[int], depth: int, depthwise: bool) -> None:
        super().__init__()
        c3, c4, c5 = channels
        self.lateral5 = Conv(c5, c4)
        self.down4 = CSPLayer(2 * c4, c4, depth, False, depthwise)
        self.lateral4 = Conv(c4, c3)
        self.down3 = CSPLayer(2 * c3, c3, depth, False, depthwise)
        self.stride3 = _conv(c3, c3, 2, depthwise)
        self.up4 = CSPLayer(2 * c3, c4, depth, False, depthwise)
        self.stride4 = _conv(c4, c4, 2, depthwise)
        self.up5 = CSPLayer(2 * c4, c5, depth, False, depthwise)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        p3, p4, p5 = features
        top5 = self.lateral5(p5)
        top4 = self.lateral4(self.down4(torch.cat([upsample(top5), p4], 1)))
        out3 = self.down3(torch.cat([upsample(top4), p3], 1))
        out4 = self.up4(torch.cat([self.stride3(out3), top4], 1))
        out5 = self.up5(torch.cat([self.stride4(out4), top5], 1))
        return [out3, out4, out5]


class DecoupledHead(nn.Module):
    """Two branches a level, one for classes, one for box and objectness."""

    def __init__(self, channels: Sequence[int], hidden: int, num_classes: int, depthwise: bool) -> None:
        super().__init__()

        def branch() -> nn.Sequential:
            return nn.Sequential(*(_conv(hidden, hidden, 1, depthwise) for _ in range(2)))

        def predict(out: int) -> nn.ModuleList:
            return nn.ModuleList(nn.Conv2d(hidden, out, 1) for _ in channels)

        self.stems = nn.ModuleList(Conv(c, hidden) for c in channels)
        self.class_convs = nn.ModuleList(branch() for _ in channels)
        self.box_convs = nn.ModuleList(branch() for _ in channels)
        self.classes, self.boxes, self.objectness = predict(num_classes), predict(4), predict(1)
        for conv in (*self.classes, *self.objectness):
            # start from a probability of 0.01 everywhere
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            nn.init.constant_(conv.bias, -math.log(0.99 / 0.01))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        levels = []
        for level, feature in enumerate(features):
            x = self.stems[level](feature)
            classes = self.classes[level](self.class_convs[level](x))
            box = self.box_convs[level](x)
            levels.append(torch.cat([self.boxes[level](box), self.objectness[level](box), classes], 1))
        return levels


class YOLOX(nn.Module):
    """Backbone, neck and head in a row; see the module's docstring for what comes out."""

    strides = STRIDES
    rule: Rule = "yolox"

    def __init__(self, num_classes: int, depth: float, width: float, depthwise: bool = False) -> None:
        super().__init__()
        base = int(64 * width)
        channels = [int(c * width) for c in (256, 512, 1024)]
        repeats = max(round(3 * depth), 1)
        self.num_classes = num_classes
        self.backbone = CSPDarknet(base, repeats, depthwise)
        self.neck = PathAggregation(channels, round(3 * depth), depthwise)
        self.head = DecoupledHead(channels, channels[0], num_classes, depthwise)

    def raw(self, images: Tensor) -> list[Tensor]:
        """Return the raw levels."""
        levels: list[Tensor] = self.head(self.neck(self.backbone(images)))
        return levels

    def decode(self, levels: Sequence[Tensor]) -> Tensor:
        """Raw levels -> (B, N, 5 + classes), boxes cxcywh in pixels, the rest probabilities; always in float32."""
        rows = decode_boxes([raw.float() for raw in levels])
        return torch.cat([rows[..., :4], rows[..., 4:].sigmoid()], -1)

    def forward(self, images: Tensor) -> list[Tensor] | Tensor:
        levels = self.raw(images)
        return levels if self.training else self.decode(levels)


def decode_boxes(levels: Sequence[Tensor]) -> Tensor:
    """Raw levels -> (B, N, 5 + classes) with boxes in pixels, xy = (raw + cell) stride, wh = exp(raw) stride.

    Objectness and classes stay as they are.
    """
    decoded = []
    for raw, stride in zip(levels, STRIDES, strict=True):
        rows = raw.flatten(2).transpose(1, 2)
        cells = cell_grid(raw.shape[2], raw.shape[3], raw).view(-1, 2)
        decoded.append(torch.cat([(rows[..., :2] + cells) * stride, rows[..., 2:4].exp() * stride, rows[..., 4:]], -1))
    return torch.cat(decoded, 1)
