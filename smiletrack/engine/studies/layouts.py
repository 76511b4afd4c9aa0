"""The paper's Table 4 for the similarity network: every patch layout trained and scored with the same budget."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import MinLen

from smiletrack.console import print_table
from smiletrack.engine.train_slm import TrainSLMConfig, train_slm
from smiletrack.files import read_json, write_json
from smiletrack.ranges import Checked
from smiletrack.slm.config import LayoutName
from smiletrack.slm.patches import LAYOUTS
from smiletrack.training.launch import launch


@dataclass(frozen=True)
class CompareLayoutsConfig(Checked):
    """Which layouts to train, and how."""

    layouts: Annotated[tuple[LayoutName, ...], MinLen(1)] = ("A", "B", "C", "D", "E", "F", "G", "H")
    """Names of the layouts."""
    output: str = "runs/layouts"
    """Folder in which every layout gets a run folder."""
    training: TrainSLMConfig = field(default_factory=TrainSLMConfig)
    """Training of every layout; its network.layout and output are set for it."""


def compare_layouts(config: CompareLayoutsConfig) -> dict[str, dict[str, float]]:
    """Train each layout, print the table, write layouts.json, and return the last figures by layout.

    A layout that is already trained in `output` with the same settings is not trained again.
    """
    folder = Path(config.output)
    figures: dict[str, dict[str, float]] = {}
    for layout in config.layouts:
        network = dataclasses.replace(config.training.network, layout=layout, boxes=())
        training = dataclasses.replace(config.training, network=network, output=str(folder / layout), resume=True)
        launch(train_slm, training)
        last = read_json(folder / layout / "history.json")[-1]
        figures[layout] = {name: last[name] for name in last if name.partition("_")[0] in ("AUC", "rank1", "mAP")}
    write_json(folder / "layouts.json", figures)
    _print(figures)
    return figures


def _print(figures: dict[str, dict[str, float]]) -> None:
    names = list(next(iter(figures.values())))
    rows = [
        [layout, str(len(LAYOUTS[layout])), *(f"{row[name]:.4f}" for name in names)] for layout, row in figures.items()
    ]
    print_table(("layout", "patches", *names), rows)
