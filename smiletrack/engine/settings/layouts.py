"""Which patch layouts are trained."""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import MinLen

from smiletrack.engine.settings.train_slm import TrainSLMConfig
from smiletrack.ranges import Checked
from smiletrack.slm.config import LayoutName


@dataclass(frozen=True)
class CompareLayoutsConfig(Checked):
    """Which layouts to train, and how."""

    layouts: Annotated[tuple[LayoutName, ...], MinLen(1)] = ("A", "B", "C", "D", "E", "F", "G", "H")
    """Names of the layouts."""
    output: str = "runs/layouts"
    """Folder in which every layout gets a run folder."""
    training: TrainSLMConfig = field(default_factory=TrainSLMConfig)
    """Training of every layout; its network.layout and output are set for it."""
