"""The paper's Table 4 for the similarity network: every patch layout trained and scored with the same budget."""

import dataclasses
from pathlib import Path

from smiletrack.console import print_table
from smiletrack.engine.settings.layouts import CompareLayoutsConfig
from smiletrack.files import read_json, write_json
from smiletrack.lazy import LazyModule

launching = LazyModule("smiletrack.training.launch")
patches = LazyModule("smiletrack.slm.patches")
slm_training = LazyModule("smiletrack.engine.train_slm")


def compare_layouts(config: CompareLayoutsConfig) -> dict[str, dict[str, float]]:
    """Train each layout, print the table, write layouts.json, and return the last figures by layout.

    A layout that is already trained in `output` with the same settings is not trained again.
    """
    folder = Path(config.output)
    figures: dict[str, dict[str, float]] = {}
    for layout in config.layouts:
        network = dataclasses.replace(config.training.network, layout=layout, boxes=())
        training = dataclasses.replace(config.training, network=network, output=str(folder / layout), resume=True)
        launching.launch(slm_training.train_slm, training)
        last = read_json(folder / layout / "history.json")[-1]
        figures[layout] = {name: last[name] for name in last if name.partition("_")[0] in ("AUC", "rank1", "mAP")}
    write_json(folder / "layouts.json", figures)
    _print(figures)
    return figures


def _print(figures: dict[str, dict[str, float]]) -> None:
    names = list(next(iter(figures.values())))
    rows = [
        [layout, str(len(patches.LAYOUTS[layout])), *(f"{row[name]:.4f}" for name in names)]
        for layout, row in figures.items()
    ]
    print_table(("layout", "patches", *names), rows)
