"""The anchor-based head of PRB-Net and YOLOv7: one 1x1 a level, three anchors a cell.

Raw outputs are lists of levels, each (B, 3, H, W, 5 + classes) with the last axis x, y, w, h, objectness, classes, all
before the sigmoid. A decoded prediction is (B, N, 5 + classes): centre x, centre y, width, height in pixels of the
network's input, then probabilities; N runs over level, anchor, row, column.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

Anchors = Sequence[Sequence[tuple[int, int]]]

ANCHORS_P6: Anchors = (
    ((19, 27), (44, 40), (38, 94)),
    ((96, 68), (86, 152), (180, 137)),
    ((140, 301), (303, 264), (238, 542)),
    ((436, 615), (739, 380), (925, 792)),
)
"""Anchors of the P6 networks, width and height in pixels at 1280; strides 8, 16, 32, 64."""

ANCHORS_P5: Anchors = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)
"""Anchors of the P5 networks at 640; strides 8, 16, 32."""

ANCHORS_TINY: Anchors = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
"""Anchors of YOLOv7-tiny at 640."""

ANCHORS_PEDESTRIAN: Anchors = (
    ((6, 14), (10, 26), (16, 40)),
    ((22, 60), (32, 84), (44, 124)),
    ((68, 176), (104, 264), (180, 440)),
)
"""Anchors of the shape of standing people (about 1 to 2.5), for the small networks."""


class Implicit(nn.Module):
    """A learned vector (1, C, 1, 1) that is added to, or multiplied with, a feature map (arXiv:2105.04206)."""

    def __init__(self, channels: int, mean: float) -> None:
        super().__init__()
        self.implicit = nn.Parameter(torch.empty(1, channels, 1, 1))
        nn.init.normal_(self.implicit, mean, 0.02)

    def forward(self) -> Tensor:
        return self.implicit


class AnchorHead(nn.Module):
    """Predictions of all levels, decoded in `decode`.

    `implicit` adds the two learned vectors around the lead convolutions; `auxiliary` gives the widths of the feature
    maps of an auxiliary head that is trained with the lead and dropped for use.
    """

    anchors: Tensor

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int,
        anchors: Anchors,
        implicit: bool = True,
        auxiliary: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if len(anchors) != len(channels):
            raise ValueError(f"{len(channels)} levels need as many groups of anchors, not {len(anchors)}")
        self.num_classes = num_classes
        self.strides = tuple(8 * 2**level for level in range(len(channels)))
        self.num_anchors = len(anchors[0])
        out = self.num_anchors * (5 + num_classes)
        self.lead = nn.ModuleList(nn.Conv2d(c, out, 1) for c in channels)
        self.auxiliary = nn.ModuleList(nn.Conv2d(c, out, 1) for c in auxiliary)
        self.added = nn.ModuleList(Implicit(c, 0.0) for c in channels if implicit)
        self.multiplied = nn.ModuleList(Implicit(out, 1.0) for _ in channels if implicit)
        self.register_buffer("anchors", torch.tensor(anchors, dtype=torch.float32))
        self.reset_biases()

    def reset_biases(self) -> None:
        """Start from about 8 objects in a 640-pixel image and from class probabilities of 0.6 / classes."""
        for convs in (self.lead, self.auxiliary):
            for conv, stride in zip(convs, self.strides if len(convs) else (), strict=True):
                assert isinstance(conv, nn.Conv2d) and conv.bias is not None
                bias = conv.bias.data.view(self.num_anchors, -1)
                bias[:, 4] += math.log(8 / (640 / stride) ** 2)
                bias[:, 5:] += math.log(0.6 / (self.num_classes - 0.99))

    def forward(self, features: Sequence[Tensor], auxiliary: Sequence[Tensor] = ()) -> list[Tensor]:
        """Return the raw lead levels, then the raw auxiliary levels where their features are given."""
        levels = []
        for level, (conv, x) in enumerate(zip(self.lead, features, strict=True)):
            if len(self.added):
                x = conv(x + self.added[level]()) * self.multiplied[level]()
            else:
                x = conv(x)
            levels.append(self._split(x))
        return levels + [self._split(conv(x)) for conv, x in zip(self.auxiliary, auxiliary, strict=False)]

    def _split(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        return x.view(batch, self.num_anchors, -1, height, width).permute(0, 1, 3, 4, 2)

    def decode(self, levels: Sequence[Tensor]) -> Tensor:
        """Raw lead levels -> (B, N, 5 + classes): xy = (2 sigmoid - 0.5 + cell) stride, wh = (2 sigmoid)^2 anchor.

        Always in float32: half precision has steps of half a pixel from 512 pixels on, and of one from 1024.
        """
        decoded = []
        for raw, stride, anchors in zip(levels, self.strides, self.anchors, strict=False):
            batch, _, height, width, columns = raw.shape
            y = raw.float().sigmoid()
            cells = cell_grid(height, width, y)
            xy = (2 * y[..., :2] - 0.5 + cells) * stride
            wh = (2 * y[..., 2:4]).square() * anchors.float()[:, None, None]
            decoded.append(torch.cat([xy, wh, y[..., 4:]], -1).view(batch, -1, columns))
        return torch.cat(decoded, 1)


def cell_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Return (height, width, 2): column and row number of every cell, on the device and in the type of `like`."""
    rows, columns = torch.meshgrid(
        torch.arange(height, device=like.device, dtype=like.dtype),
        torch.arange(width, device=like.device, dtype=like.dtype),
        indexing="ij",
    )
    return torch.stack([columns, rows], -1)
