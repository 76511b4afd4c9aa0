"""Which patch layouts are trained, and on whom they are judged."""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import MinLen

from smiletrack.engine.settings.train_slm import TrainSLMConfig
from smiletrack.input_paths import InputPath
from smiletrack.ranges import Checked, Count, PositiveCount, Seed
from smiletrack.slm.config import LayoutName


@dataclass(frozen=True)
class CompareLayoutsConfig(Checked):
    """Which layouts to train, how, and on whom to judge them."""

    layouts: Annotated[tuple[LayoutName, ...], MinLen(1)] = ("A", "B", "C", "D", "E", "F", "G", "H")
    """Names of the layouts."""
    output: str = "runs/layouts"
    """Folder in which every training gets a run folder."""
    training: TrainSLMConfig = field(default_factory=TrainSLMConfig)
    """Training of every layout; its network.layout, output and seed are set for it."""
    seeds: tuple[Seed, ...] = ()
    """Seeds, with each of which every layout is trained; figures are means over them. Empty = the training's alone."""
    judged: tuple[InputPath, ...] = ()
    """MOTChallenge folders (FOLDER or FOLDER@SPLIT) on which the layouts are also judged by cover, with intervals of
    the differences; empty = the training's validation alone."""
    detections: tuple[str, ...] = ()
    """Names of stored detections to judge on, of which each sequence's first is taken that is there; empty = the
    annotated boxes."""
    gap: PositiveCount = 30
    """Frames between the boxes of a pair."""
    step: PositiveCount = 10
    """Judge on every n-th frame and the one that follows it by the gap."""
    resamples: Count = 100
    """Draws of people and sequences for the intervals."""
