"""Necks: backbone features in; lead features for the head out, and features for an auxiliary head where asked for.

Both lists run from fine to coarse.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from smiletrack.detector.backbones import Features
from smiletrack.detector.blocks import SPPCSPC
from smiletrack.detector.fusion import BiFusionPyramid, ScaleMerge, TopDownPyramid


class BiFusionNeck(nn.Module):
    """Parallel pyramids over one backbone, merged per scale.

    `auxiliary`: where an auxiliary head reads: nowhere, from the first pyramid (a convolution a scale), or from all
    pyramids (a merge a scale). It reads features that only went down.
    """

    def __init__(
        self,
        pyramids: Sequence[BiFusionPyramid],
        merges: Sequence[ScaleMerge],
        refine: Sequence[nn.Module] = (),
        auxiliary: Literal["none", "first", "all"] = "none",
        aux: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__()
        self.pyramids = nn.ModuleList(pyramids)
        self.merges = nn.ModuleList(merges)
        self.refine = nn.ModuleList(refine)
        self.auxiliary = auxiliary
        self.aux = nn.ModuleList(aux)

    def forward(self, features: Features, auxiliary: bool = False) -> tuple[list[Tensor], list[Tensor]]:
        pyramids = [pyramid(features) for pyramid in self.pyramids]
        lead = [merge([pyramid.outputs[scale] for pyramid in pyramids]) for scale, merge in enumerate(self.merges)]
        if len(self.refine):
            lead = [refine(x) for refine, x in zip(self.refine, lead, strict=True)]
        if not auxiliary or self.auxiliary == "none":
            return lead, []
        if self.auxiliary == "first":
            return lead, [conv(x) for conv, x in zip(self.aux, pyramids[0].top_down, strict=True)]
        scales = zip(*([p.finest_half, *p.top_down[1:]] for p in pyramids), strict=True)
        return lead, [merge(list(scale)) for merge, scale in zip(self.aux, scales, strict=True)]


class TopDownNeck(nn.Module):
    """Two pyramids that only go down, one from P5, one from P4, merged per scale (the P5 CSP and MSP networks).

    P5 has no step of its own: it merges the context of P5 with the second pyramid's first lateral.
    """

    def __init__(
        self, contexts: Sequence[SPPCSPC], pyramids: Sequence[TopDownPyramid], merges: Sequence[ScaleMerge]
    ) -> None:
        super().__init__()
        self.contexts = nn.ModuleList(contexts)
        self.pyramids = nn.ModuleList(pyramids)
        self.merges = nn.ModuleList(merges)

    def forward(self, features: Features, auxiliary: bool = False) -> tuple[list[Tensor], list[Tensor]]:
        contexts = [context(features[level]) for context, level in zip(self.contexts, (5, 4), strict=True)]
        first, second = (p(features, c) for p, c in zip(self.pyramids, contexts, strict=True))
        scales = zip([*first[:-1], contexts[0]], second, strict=True)
        return [merge(list(scale)) for merge, scale in zip(self.merges, scales, strict=True)], []


class ChainedNeck(nn.Module):
    """Three short pyramids from P6, P5 and P4, one RB and one BFM block each; where two meet on a scale they are added.

    An auxiliary head reads what only went down (and the coarsest output).
    """

    def __init__(
        self, pyramids: Sequence[BiFusionPyramid], widen: Sequence[nn.Module], aux: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.pyramids = nn.ModuleList(pyramids)
        self.widen = nn.ModuleList(widen)
        self.aux = nn.ModuleList(aux)

    def forward(self, features: Features, auxiliary: bool = False) -> tuple[list[Tensor], list[Tensor]]:
        # each pyramid gives its finer and its coarser scale
        coarse, middle, fine = (pyramid(features).outputs for pyramid in self.pyramids)
        scales = [fine[0], fine[1] + middle[0], middle[1] + coarse[0], coarse[1]]
        lead = [conv(x) for conv, x in zip(self.widen, scales, strict=True)]
        if not auxiliary:
            return lead, []
        down = [fine[0], middle[0], coarse[0], coarse[1]]
        return lead, [conv(x) for conv, x in zip(self.aux, down, strict=True)]
