"""Parallel residual bi-fusion: what PRB-Net puts between backbone and head (Chen et al. 2021, arXiv:2012.01724).

Several pyramids read the backbone, each one level shallower than the one before (its `shift`). A pyramid goes down
from a context block by RB blocks, which fuse three neighbouring levels, and up again by BFM blocks; after each fusion
the features are purified. Last, each scale merges what all pyramids found there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from smiletrack.detector.backbones import Features
from smiletrack.detector.blocks import CSPB, SPPCSPC, Bottleneck, Conv, space_to_depth, upsample


class RBBlock(nn.Module):
    """Fuse the backbone's level i ("current"), level i-1 ("shallow") and the pyramid's level i+1 ("deep").

    `current` and `shallow` are (channels, out, stride) of a 1x1; the strides bring both to the fused level. Deep is
    upsampled. With `core` (the paper's form) a 1x1 to `core` channels comes before the upsampling, and one halving of
    shallow is space-to-depth, which drops no pixel.
    """

    def __init__(
        self,
        current: tuple[int, int, int],
        shallow: tuple[int, int, int],
        deep: int,
        out: int,
        core: int | None = None,
    ) -> None:
        super().__init__()
        self.reorganise = core is not None
        channels, width, stride = shallow
        self.current = Conv(current[0], current[1], 1, current[2])
        self.shallow = Conv(4 * channels, width, 1, stride // 2) if core else Conv(channels, width, 1, stride)
        self.deep = nn.Identity() if core is None else Conv(deep, core)
        self.merge = Conv(current[1] + width + (core or deep), out)

    def forward(self, current: Tensor, shallow: Tensor, deep: Tensor) -> Tensor:
        shallow = space_to_depth(shallow) if self.reorganise else shallow
        sources = [self.current(current), self.shallow(shallow), upsample(self.deep(deep))]
        y: Tensor = self.merge(torch.cat(sources, 1))
        return y


class BFM(nn.Module):
    """Bottom-up fusion: the finer level, halved, with the top-down feature of the level itself.

    The finer one is halved by space-to-depth, or by the 1x1's stride where not `reorganise`.
    """

    def __init__(self, finer: tuple[int, int], coarser: tuple[int, int], out: int, reorganise: bool = True) -> None:
        super().__init__()
        self.reorganise = reorganise
        channels, width = finer
        self.finer = Conv(4 * channels, width) if reorganise else Conv(channels, width, 1, 2)
        self.coarser = Conv(*coarser)
        self.merge = Conv(width + coarser[1], out)

    def forward(self, finer: Tensor, coarser: Tensor) -> Tensor:
        finer = space_to_depth(finer) if self.reorganise else finer
        y: Tensor = self.merge(torch.cat([self.finer(finer), self.coarser(coarser)], 1))
        return y


@dataclass(frozen=True)
class DownStep:
    """Widths of one step towards finer levels: lateral 1x1, then RB block, then purification."""

    lateral: int
    """Channels of the 1x1 that hands the coarser feature on."""
    current: int
    """Channels taken from the backbone's level."""
    shallow: int
    """Channels taken from the backbone's next finer level."""
    fused: int
    """Channels of the RB block."""
    bottleneck: int
    """Channels of the bottleneck (half of it hidden)."""
    out: int
    """Channels of the CSP block, the result."""
    core: int | None = None
    """Channels of the 1x1 on the deep feature in the paper's CORE form; None for the released simpler form."""


@dataclass(frozen=True)
class UpStep:
    """Widths of one step towards coarser levels: BFM block, then purification."""

    finer: int
    """Channels taken from the finer level."""
    coarser: int
    """Channels taken from the top-down feature."""
    fused: int
    """Channels of the BFM block."""
    out: int
    """Channels of the CSP block, the result."""
    bottleneck: int = 0
    """Channels of the bottleneck (half of it hidden); 0 for as many as the BFM block."""


def rb_block(channels: Sequence[int], scale: int, shift: int, step: DownStep) -> RBBlock:
    """Return the RB block that fuses backbone levels scale - shift and scale - shift - 1 at stride 2**scale."""
    current, shallow = scale - shift, scale - shift - 1
    return RBBlock(
        (channels[current], step.current, 2**shift),
        # level 0 is a second half-size map
        (channels[shallow], step.shallow, 2 ** (scale - max(1, shallow))),
        step.lateral,
        step.fused,
        step.core,
    )


class Purified(nn.Module):
    """A fusion block followed by its purification, a bottleneck and a CSP block."""

    def __init__(self, fuse: nn.Module, fused: int, bottleneck: int, out: int, depth: int) -> None:
        super().__init__()
        self.fuse = fuse
        self.bottleneck = Bottleneck(fused, bottleneck, bottleneck // 2)
        self.csp = CSPB(bottleneck, out, depth)

    def forward(self, *sources: Tensor) -> tuple[Tensor, Tensor]:
        """Return the purified feature and the one before the CSP block (an auxiliary head reads it)."""
        half = self.bottleneck(self.fuse(*sources))
        return self.csp(half), half


class PyramidFeatures(NamedTuple):
    """What a pyramid found. Lists run from fine to coarse."""

    outputs: list[Tensor]
    """One feature a scale, after both directions."""
    top_down: list[Tensor]
    """One feature a scale, after the way down only; the coarsest is the first lateral."""
    finest_half: Tensor
    """The finest scale before its CSP block."""


class BiFusionPyramid(nn.Module):
    """One pyramid: context on level `start`, `down` steps to finer scales, `up` steps back.

    The first lateral has stride 2**shift, so that every pyramid ends on the same scales though it reads shallower
    levels.
    """

    def __init__(
        self,
        channels: Sequence[int],
        start: int,
        context: int,
        down: Sequence[DownStep],
        up: Sequence[UpStep],
        shift: int = 0,
        reorganise: bool = True,
        depth: int = 2,
    ) -> None:
        super().__init__()
        self.start = start
        self.context = SPPCSPC(channels[start], context)
        self.sources: list[tuple[int, int]] = []
        laterals, steps, width = [], [], context
        for number, step in enumerate(down):
            scale = start + shift - 1 - number
            self.sources.append((scale - shift, scale - shift - 1))
            laterals.append(Conv(width, step.lateral, 1, 1 if number else 2**shift))
            rb = rb_block(channels, scale, shift, step)
            steps.append(Purified(rb, step.fused, step.bottleneck, step.out, depth))
            width = step.out
        self.laterals = nn.ModuleList(laterals)
        self.down = nn.ModuleList(steps)
        self.widths = [width]
        ups = []
        for step_up, lateral in zip(up, [s.lateral for s in reversed(down)], strict=True):
            bfm = BFM((width, step_up.finer), (lateral, step_up.coarser), step_up.fused, reorganise)
            ups.append(Purified(bfm, step_up.fused, step_up.bottleneck or step_up.fused, step_up.out, depth))
            width = step_up.out
            self.widths.append(width)
        self.up = nn.ModuleList(ups)

    def forward(self, features: Features) -> PyramidFeatures:
        x = self.context(features[self.start])
        laterals, tops = [], []
        for lateral, step, (current, shallow) in zip(self.laterals, self.down, self.sources, strict=True):
            laterals.append(lateral(x))
            x, half = step(features[current], features[shallow], laterals[-1])
            tops.append(x)
        outputs = [x]
        for step, coarser in zip(self.up, reversed(laterals), strict=True):
            outputs.append(step(outputs[-1], coarser)[0])
        return PyramidFeatures(outputs, [*reversed(tops), laterals[0]], half)


class ScaleMerge(nn.Module):
    """Merge the features of one scale, one a pyramid, the last pyramid first; then widen for the head."""

    def __init__(self, channels: Sequence[int], hidden: int, out: int, depth: int, kernel: int) -> None:
        super().__init__()
        self.csp = CSPB(sum(channels), hidden, depth)
        self.widen = Conv(hidden, out, kernel)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        y: Tensor = self.widen(self.csp(torch.cat(tuple(reversed(features)), 1)))
        return y


class ConvPurified(nn.Module):
    """An RB block purified by plain convolutions and, where `depth` > 0, a CSP block (the P5 CSP and MSP networks)."""

    def __init__(self, fuse: RBBlock, width: int, depth: int) -> None:
        super().__init__()
        self.fuse = fuse
        self.convs = nn.Sequential(Conv(width, width, 3), Conv(width, width), Conv(width, width, 3))
        self.csp = CSPB(width, width, depth) if depth else nn.Identity()

    def forward(self, current: Tensor, shallow: Tensor, deep: Tensor) -> Tensor:
        y: Tensor = self.csp(self.convs(self.fuse(current, shallow, deep)))
        return y


class TopDownPyramid(nn.Module):
    """A pyramid that only goes down, P5 to P3, in the P5 CSP and MSP networks. `depths`: CSP blocks after each step."""

    def __init__(
        self,
        channels: Sequence[int],
        context: int,
        steps: Sequence[DownStep],
        depths: Sequence[int],
        shift: int,
    ) -> None:
        super().__init__()
        self.shift = shift
        widths = [context, *(step.out for step in steps)]
        self.laterals = nn.ModuleList(
            Conv(width, step.lateral, 1, 1 if number else 2**shift)
            for number, (width, step) in enumerate(zip(widths, steps, strict=False))
        )
        self.down = nn.ModuleList(
            ConvPurified(rb_block(channels, 4 - number, shift, step), step.out, depth)
            for number, (step, depth) in enumerate(zip(steps, depths, strict=True))
        )

    def forward(self, features: Features, context: Tensor) -> list[Tensor]:
        """Return P3, P4 and the first lateral (P5)."""
        x, found = context, []
        for number, (lateral, step) in enumerate(zip(self.laterals, self.down, strict=True)):
            deep = lateral(x)
            found += [] if number else [deep]
            level = 4 - number - self.shift
            x = step(features[level], features[level - 1], deep)
            found.append(x)
        return found[::-1]
