"""PRB-Net: backbone, parallel residual bi-fusion pyramids, one merge a scale, anchor head.

    net = PRBNet(E6EBackbone(), neck, head)
    net.train()(images)  -> raw levels, lead then auxiliary: list of (B, 3, H, W, 5 + classes)
    net.eval()(images)   -> decoded (B, N, 5 + classes), pixels of the input and probabilities

Images are (B, 3, H, W) in the range that the network was trained on ([0, 1] RGB for all of this family), sides
multiples of the deepest stride. Chen et al. 2021, arXiv:2012.01724; the variants follow the released networks.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from smiletrack.detector.anchor_head import ANCHORS_P5, ANCHORS_P6, ANCHORS_PEDESTRIAN, AnchorHead
from smiletrack.detector.backbones import (
    CompactBackbone,
    DarknetBackbone,
    E6EBackbone,
    ELANBackbone,
    StagedBackbone,
    cspc,
    mspa,
)
from smiletrack.detector.blocks import SPPCSPC, Conv, RepConv
from smiletrack.detector.fusion import BiFusionPyramid, DownStep, ScaleMerge, TopDownPyramid, UpStep
from smiletrack.detector.necks import BiFusionNeck, ChainedNeck, TopDownNeck
from smiletrack.detector.postprocess import Rule


class PRBNet(nn.Module):
    """A backbone, a neck and an anchor head in a row; see the module's docstring for what comes out."""

    rule: Rule = "prb"

    def __init__(self, backbone: StagedBackbone, neck: nn.Module, head: AnchorHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels a cell of each level."""
        return self.head.strides

    @property
    def num_classes(self) -> int:
        """Classes the head tells apart."""
        return self.head.num_classes

    def raw(self, images: Tensor, auxiliary: bool = False) -> list[Tensor]:
        """Return the raw lead levels, and after them the auxiliary ones where asked for."""
        lead, aux = self.neck(self.backbone(images), auxiliary)
        levels: list[Tensor] = self.head(lead, aux)
        return levels

    def decode(self, levels: Sequence[Tensor]) -> Tensor:
        """Raw levels -> (B, N, 5 + classes)."""
        return self.head.decode(levels)

    def forward(self, images: Tensor) -> list[Tensor] | Tensor:
        if self.training:
            return self.raw(images, auxiliary=True)
        return self.decode(self.raw(images))


def prb_fpn6_2py(num_classes: int, auxiliary: Literal["first", "all"] = "all") -> PRBNet:
    """PRB-FPN6-2PY (`auxiliary="all"`) and the network tuned for MOT, 2PY-e6e-tune-auxpy1 (`"first"`)."""
    backbone = E6EBackbone()
    down = [
        DownStep(384, 384, 192, 480, 384, 192),
        DownStep(256, 256, 128, 320, 256, 128),
        DownStep(128, 128, 64, 160, 128, 64),
    ]
    up = [UpStep(64, 64, 128, 64), UpStep(128, 128, 256, 128), UpStep(256, 256, 512, 256)]
    pyramids = [
        BiFusionPyramid(backbone.channels, 6, 640, down, up),
        BiFusionPyramid(backbone.channels, 5, 480, down, up, shift=1),
    ]
    widths, hidden = (320, 640, 960, 1280), (192, 256, 384, 512)
    merges = [ScaleMerge((w, w), h, out, 1, 1) for w, h, out in zip(pyramids[0].widths, hidden, widths, strict=True)]
    aux: list[nn.Module]
    if auxiliary == "first":
        aux = [Conv(w, out) for w, out in zip((64, 128, 192, 384), widths, strict=True)]
    else:
        aux = [ScaleMerge((w, w), h, out, 1, 1) for w, h, out in zip((128, 128, 192, 384), hidden, widths, strict=True)]
    neck = BiFusionNeck(pyramids, merges, auxiliary=auxiliary, aux=aux)
    return PRBNet(backbone, neck, AnchorHead(widths, num_classes, ANCHORS_P6, auxiliary=widths))


def prb_fpn6_3py(num_classes: int) -> PRBNet:
    """PRB-FPN6-3PY: three equal pyramids from P6, wider on the way up.

    The released table is described only in part; the widths here are the ones that meet its published size
    (184.6 million parameters, 938 GFLOPs at 1280).
    """
    backbone = E6EBackbone()
    down = [
        DownStep(384, 384, 192, 480, 384, 192),
        DownStep(256, 256, 128, 320, 256, 128),
        DownStep(128, 128, 64, 160, 128, 64),
    ]
    up = [
        UpStep(160, 160, 320, 128, bottleneck=256),
        UpStep(240, 240, 480, 192, bottleneck=384),
        UpStep(320, 320, 640, 256, bottleneck=512),
    ]
    pyramids = [BiFusionPyramid(backbone.channels, 6, 640, down, up) for _ in range(3)]
    widths, hidden = (320, 640, 960, 1280), (192, 256, 384, 512)
    merges = [ScaleMerge([w] * 3, h, out, 2, 3) for w, h, out in zip(pyramids[0].widths, hidden, widths, strict=True)]
    aux = [Conv(w, out, 3) for w, out in zip((64, 128, 192, 384), widths, strict=True)]
    neck = BiFusionNeck(pyramids, merges, auxiliary="first", aux=aux)
    return PRBNet(backbone, neck, AnchorHead(widths, num_classes, ANCHORS_P6, auxiliary=widths))


def prb_fpn6_msp(num_classes: int) -> PRBNet:
    """PRB-FPN6-MSP: MSPA blocks down to P6, three short chained pyramids.

    The released table is described only in part; the widths here meet its published size (227.8 million parameters,
    1746 GFLOPs at 1280) within 0.2 %, so a released checkpoint need not fit.
    """
    backbone = DarknetBackbone((64, 192, 384, 640, 1024, 1280), (2, 4, 4, 2, 2), mspa)
    out = {3: 160, 4: 320, 5: 512, 6: 640}
    pyramids = [
        BiFusionPyramid(
            backbone.channels,
            start,
            512,
            [DownStep(fine, fine, fine // 2, 2 * fine, 2 * fine, fine)],
            [UpStep(coarse * 5 // 8, coarse * 5 // 8, coarse * 5 // 4, coarse, bottleneck=coarse)],
        )
        for start, fine, coarse in ((s, out[s - 1], out[s]) for s in (6, 5, 4))
    ]
    widths = (320, 640, 960, 1280)
    widen, aux = ([Conv(c, w, 3) for c, w in zip(out.values(), widths, strict=True)] for _ in range(2))
    neck = ChainedNeck(pyramids, widen, aux)
    return PRBNet(backbone, neck, AnchorHead(widths, num_classes, ANCHORS_P6, auxiliary=widths))


def prb_fpn_elan(num_classes: int) -> PRBNet:
    """PRB-FPN-ELAN: YOLOv7's backbone, three pyramids from P5, P4 and P3, reparameterised convolutions."""
    backbone = ELANBackbone()
    up = [UpStep(128, 128, 256, 256), UpStep(256, 256, 512, 512)]
    steps = [
        (5, 512, [DownStep(256, 256, 128, 512, 512, 256), DownStep(128, 128, 64, 256, 256, 128)]),
        (4, 256, [DownStep(128, 128, 64, 512, 512, 256), DownStep(128, 64, 32, 256, 256, 128)]),
        (3, 128, [DownStep(64, 64, 32, 512, 512, 256), DownStep(128, 32, 32, 256, 256, 128)]),
    ]
    pyramids = [
        BiFusionPyramid(backbone.channels, start, context, down, up, shift=5 - start, reorganise=False)
        for start, context, down in steps
    ]
    widths = (256, 512, 1024)
    merges = [ScaleMerge([w] * 3, w, out, 4, 3) for w, out in zip(pyramids[0].widths, widths, strict=True)]
    neck = BiFusionNeck(pyramids, merges, refine=[RepConv(w, w) for w in widths])
    return PRBNet(backbone, neck, AnchorHead(widths, num_classes, ANCHORS_P5))


def prb_fpn_csp(num_classes: int) -> PRBNet:
    """PRB-FPN-CSP: CSPDarknet with two pyramids that go down."""
    return _darknet_net(DarknetBackbone((64, 128, 256, 512, 1024), (2, 8, 8, 4), cspc), num_classes)


def prb_fpn_msp(num_classes: int) -> PRBNet:
    """PRB-FPN-MSP: the same neck on a backbone of MSPA blocks."""
    return _darknet_net(DarknetBackbone((64, 192, 384, 640, 1024), (2, 4, 4, 2), mspa), num_classes)


def _darknet_net(backbone: DarknetBackbone, num_classes: int) -> PRBNet:
    channels = backbone.channels
    first = [DownStep(256, 256, 128, 256, 0, 256), DownStep(128, 128, 64, 128, 0, 128)]
    second = [DownStep(128, 128, 64, 256, 0, 256), DownStep(128, 64, 32, 128, 0, 128)]
    neck = TopDownNeck(
        [SPPCSPC(channels[5], 512), SPPCSPC(channels[4], 256)],
        [
            TopDownPyramid(channels, 512, first, (2, 0), shift=0),
            TopDownPyramid(channels, 256, second, (2, 0), shift=1),
        ],
        [ScaleMerge(w, h, 2 * h, 3, 3) for w, h in (((128, 128), 128), ((256, 256), 256), ((512, 128), 512))],
    )
    return PRBNet(backbone, neck, AnchorHead((256, 512, 1024), num_classes, ANCHORS_P5, implicit=False))


def prb_nano(num_classes: int) -> PRBNet:
    """The smallest network, for CPUs: two bi-fusion pyramids with the paper's CORE blocks on a CSP backbone."""
    return _compact_net(num_classes, (12, 24, 48, 80, 112), (1, 1, 2, 1), width=24)


def prb_tiny(num_classes: int) -> PRBNet:
    """As nano, wider and deeper."""
    return _compact_net(num_classes, (16, 32, 64, 128, 192), (1, 2, 2, 1), width=44)


def _compact_net(num_classes: int, widths: Sequence[int], depths: Sequence[int], width: int) -> PRBNet:
    """Pyramids from P5 and P4 whose steps are `width` channels a scale at P3, twice at P4, three times at P5."""
    backbone = CompactBackbone(widths, depths)
    one, two, three = width, 2 * width, 3 * width
    down = [
        DownStep(two, two, one // 2, two, two, two, core=two // 2),
        DownStep(one, one, one // 2, one, one, one, core=one // 2),
    ]
    up = [UpStep(one, one, two, two), UpStep(two, two, three, three)]
    pyramids = [
        BiFusionPyramid(backbone.channels, 5, two, down, up, depth=1),
        BiFusionPyramid(backbone.channels, 4, one, down, up, shift=1, depth=1),
    ]
    heads = (2 * one, 2 * two, 2 * three)
    merges = [ScaleMerge((w, w), w, out, 1, 1) for w, out in zip(pyramids[0].widths, heads, strict=True)]
    return PRBNet(backbone, BiFusionNeck(pyramids, merges), AnchorHead(heads, num_classes, ANCHORS_PEDESTRIAN))
