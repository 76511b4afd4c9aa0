"""The paper's Table 4 for the similarity network: every patch layout trained and scored with the same budget."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.console import print_table, say
from smiletrack.data.reid.sightings import SequenceSightings
from smiletrack.engine.settings.layouts import CompareLayoutsConfig
from smiletrack.engine.studies.appearance_by_cover import COVERS, Draws, differences, estimates, nested, sequence_draws
from smiletrack.files import read_json, write_json
from smiletrack.lazy import LazyModule
from smiletrack.slm.config import LayoutName
from smiletrack.types import Floats

launching = LazyModule("smiletrack.training.launch")
patches = LazyModule("smiletrack.slm.patches")
slm_training = LazyModule("smiletrack.engine.train_slm")
slm_scores = LazyModule("smiletrack.engine.eval_slm")
checkpoint = LazyModule("smiletrack.slm.checkpoint")
heads = LazyModule("smiletrack.slm.heads")
person_crops = LazyModule("smiletrack.engine.inputs.person_crops")
embedders = LazyModule("smiletrack.slm.embedder")

PAPERS = "E"
"""The paper's layout, with which the others are compared."""
SHOWN = ("AUC", "AUC_near", "mAP")
"""Figures by cover in the tables."""


def compare_layouts(config: CompareLayoutsConfig) -> dict[str, dict[str, Any]]:
    """Train each layout, print the tables, write layouts.json, and return the last figures by layout.

    A layout that is already trained in `output` with the same settings is not trained again.
    """
    folder = Path(config.output)
    runs: dict[str, list[Path]] = {layout: _trained(config, layout, folder) for layout in config.layouts}
    figures: dict[str, dict[str, Any]] = {layout: dict(_last_figures(runs[layout])) for layout in runs}
    _print(figures)
    if config.judged:
        draws = _draws_by_cover(config, runs)
        for layout, own in draws.items():
            figures[layout]["cover"] = nested(_as_dicts(estimates(own, config.training.seed)))
            if PAPERS in draws and layout != PAPERS:
                ahead = differences(draws[PAPERS], own, config.training.seed)
                figures[layout][f"{PAPERS}_is_ahead_by"] = nested(_as_dicts(ahead))
        _print_by_cover(config, figures)
    write_json(folder / "layouts.json", figures)
    return figures


def _trained(config: CompareLayoutsConfig, layout: LayoutName, folder: Path) -> list[Path]:
    """Return the run folders of a layout's trainings, one a seed."""
    network = dataclasses.replace(config.training.network, layout=layout, boxes=())
    runs = []
    for seed in config.seeds or (config.training.seed,):
        runs.append(folder / (f"{layout}-seed{seed}" if config.seeds else layout))
        training = dataclasses.replace(config.training, network=network, output=str(runs[-1]), seed=seed, resume=True)
        launching.launch(slm_training.train_slm, training)
    return runs


def _last_figures(runs: Sequence[Path]) -> dict[str, float]:
    """Return the means over the runs of their last figures."""
    last = [read_json(run / "history.json")[-1] for run in runs]
    names = [name for name in last[0] if name.partition("_")[0] in ("AUC", "rank1", "mAP")]
    return {name: float(np.mean([figures[name] for figures in last])) for name in names}


def _draws_by_cover(config: CompareLayoutsConfig, runs: Mapping[str, Sequence[Path]]) -> dict[str, list[Draws]]:
    """Return for each layout the figures of each sequence, means over the seeds in every draw of people."""
    gaps = (config.gap,)
    sequences = person_crops.read_sightings(config.judged, "val_half", config.detections, config.step, gaps)
    files = [folder / "model.safetensors" for folders in runs.values() for folder in folders]
    training = config.training
    share = training.versions and (training.backbone or training.weights)
    rows = iter((_rows_behind_one if share else _rows_of_each)(files, sequences))
    return {
        layout: [
            _mean_draws([sequence_draws(sequence, z, gaps, config.step, config.resamples, 0) for z in Z])
            for sequence, Z in zip(sequences, zip(*(next(rows) for _ in folders), strict=True), strict=True)
        ]
        for layout, folders in runs.items()
    }


def _rows_of_each(files: Sequence[Path], sequences: Sequence[SequenceSightings]) -> list[list[Floats]]:
    """Return for each network the embeddings of each sequence's boxes."""
    networks = [embedders.load_embedder(file) for file in files]
    return [Z for Z, _ in slm_scores.embed_sightings(networks, sequences)]


def _rows_behind_one(files: Sequence[Path], sequences: Sequence[SequenceSightings]) -> list[list[Floats]]:
    """Return what `_rows_of_each` does where the networks share a frozen backbone, which runs once for all."""
    networks, preprocessings = zip(*(checkpoint.load_slm_network(file) for file in files), strict=True)
    joined = heads.SideBySide(networks)
    network = embedders.Embedder(joined, preprocessings[0], "side by side", mask_grid=joined.mask_grid)
    [(Z, _)] = slm_scores.embed_sightings([network], sequences)
    # a row of all is of length 1, and each network's share of it the same
    apart = [np.split(rows * np.sqrt(len(files)), len(files), axis=1) for rows in Z]
    return [[parts[i] for parts in apart] for i in range(len(files))]


def _mean_draws(draws: Sequence[Draws]) -> Draws:
    return {place: np.mean([own[place] for own in draws], axis=0) for place in draws[0]}


def _as_dicts(figures: Mapping[Any, Any]) -> dict[Any, dict[str, float]]:
    return {place: dataclasses.asdict(estimate) for place, estimate in figures.items()}


def _print(figures: Mapping[str, Mapping[str, float]]) -> None:
    names = list(next(iter(figures.values())))
    rows = [
        [layout, str(len(patches.LAYOUTS[layout])), *(f"{row[name]:.4f}" for name in names)]
        for layout, row in figures.items()
    ]
    print_table(("layout", "patches", *names), rows)


def _print_by_cover(config: CompareLayoutsConfig, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Print every layout's figures by cover, and how far the paper's is ahead."""
    gap = str(config.gap)
    kinds = [("cover", "{value:.4f}", "")]
    if PAPERS in figures:
        kinds.append((f"{PAPERS}_is_ahead_by", "{value:+.3f} [{low:+.3f}, {high:+.3f}]", f"how far {PAPERS} is ahead"))
    for key, form, heading in kinds:
        rows = []
        for layout, own in figures.items():
            covers = own.get(key, {}).get(gap, {})
            for cover in (cover for cover in COVERS if cover in covers):
                shown = [form.format(**covers[cover][name]) if name in covers[cover] else "" for name in SHOWN]
                rows.append([layout, cover, *shown])
        if rows:
            say("", *([heading] if heading else []))
            print_table(("layout", "cover", *SHOWN), rows, names=2)
