"""How trackers fare as embeddings get worse: from perfect ones, made from the ground truth, to pure noise.

The embedding of a detection is `A u(identity) + B u(detection)`, normalised, with `u` a random direction for every
identity and for every single detection. Its quality q = A^2 / (A^2 + B^2) is the cosine that two views of one person
have on average; two people have 0. 1 is perfect, 0 is noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, MinLen

from smiletrack.boxes import iou_matrix
from smiletrack.config import load_config, preset_file
from smiletrack.console import print_table, progress, say
from smiletrack.data.mot import DetectionTable
from smiletrack.engine.studies.scored_sequences import (
    ScoredSequence,
    mean_hota,
    measure_tracker,
    with_embeddings_of,
    without_embeddings,
)
from smiletrack.files import atomic_path
from smiletrack.lazy import LazyModule
from smiletrack.metrics.table import COMBINED
from smiletrack.ranges import Checked, Seed, Share
from smiletrack.tracking.config import TrackerConfig
from smiletrack.types import Floats, Ints, TrackTable

pyplot = LazyModule("matplotlib.pyplot")

SAME_IOU = 0.5
"""A detection shows the annotated person whom it overlaps most, if by at least this much; else it is clutter."""


@dataclass(frozen=True)
class RobustnessConfig(Checked):
    """Which embeddings the trackers get, and which trackers."""

    qualities: Annotated[tuple[Share, ...], MinLen(1)] = (1.0, 0.909, 0.64, 0.4, 0.25, 0.15, 0.08, 0.03, 0.0)
    """Mean cosine similarities q of two embeddings of one person."""
    trackers: Annotated[tuple[str, ...], MinLen(1)] = ("smiletrack", "botsort-reid", "smiletrack-released")
    """Presets or YAML files. The first one is also scored without embeddings."""
    dimensions: Annotated[int, Ge(2), Le(65536)] = 128
    """Dimension of the embeddings."""
    seed: Seed = 0
    """Seed of the embeddings."""
    plot: str = ""
    """Image file (.png, .svg, .pdf) for a plot of HOTA and IDF1 over q; empty = none."""


@dataclass(frozen=True)
class RobustnessFigures:
    """HOTA and IDF1, in [0, 1], and the number of identity switches."""

    hota: float
    idf1: float
    switches: int


@dataclass(frozen=True)
class Curves:
    """What was measured. `motion`: the first tracker without embeddings. `trackers`: one value for each quality."""

    qualities: tuple[float, ...]
    motion: RobustnessFigures
    trackers: dict[str, tuple[RobustnessFigures, ...]]


def robustness(config: RobustnessConfig, problems: Sequence[ScoredSequence]) -> Curves:
    """Track the sequences with embeddings of every quality, print and draw the figures, and return them."""
    trackers = {name: load_config(TrackerConfig, preset_file("tracker", name)) for name in config.trackers}
    identities = [detected_identities(problem.given.detections, problem.truth) for problem in problems]
    motion = _figures(trackers[config.trackers[0]], [without_embeddings(problem) for problem in problems])
    found: dict[str, list[RobustnessFigures]] = {name: [] for name in trackers}
    for quality in progress(config.qualities, "embeddings"):
        seen = []
        for number, (problem, identity) in enumerate(zip(problems, identities, strict=True)):
            rng = np.random.default_rng((config.seed, number))
            made = embeddings_of_quality(quality, identity, config.dimensions, rng)
            seen.append(with_embeddings_of(problem, made))
        for name, tracker in trackers.items():
            found[name].append(_figures(tracker, seen))
    curves = Curves(config.qualities, motion, {name: tuple(figures) for name, figures in found.items()})
    _print(curves)
    if config.plot:
        draw(curves, Path(config.plot))
    return curves


def detected_identities(detections: DetectionTable, truth: TrackTable) -> Ints:
    """Return whom each detection shows: an id of the truth, or a number of its own, below zero, for clutter.

    Every row of the truth counts, whatever its mark: also those that benchmarks ignore look like somebody.
    """
    identities = -1 - np.arange(len(detections))
    for frame in np.unique(detections.frames):
        rows, known = np.flatnonzero(detections.frames == frame), np.flatnonzero(truth.frames == frame)
        if not len(known):
            continue
        overlap = iou_matrix(detections.boxes[rows], truth.boxes[known])
        shown = overlap.max(axis=1) >= SAME_IOU
        identities[rows[shown]] = truth.ids[known[overlap.argmax(axis=1)[shown]]]
    return identities


def embeddings_of_quality(quality: float, identities: Ints, dimensions: int, rng: np.random.Generator) -> Floats:
    """Return (N, dimensions) unit rows: `quality`, in [0, 1], is the mean cosine of two rows of one identity."""
    names, row = np.unique(identities, return_inverse=True)
    looks = _unit(rng.standard_normal((len(names), dimensions)))
    noise = _unit(rng.standard_normal((len(identities), dimensions)))
    return _unit(np.sqrt(quality) * looks[row] + np.sqrt(1 - quality) * noise)


def draw(curves: Curves, path: Path) -> None:
    """Draw HOTA and IDF1 over the quality of embeddings into an image file, motion alone as a dashed line."""
    figure, panes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for pane, (attribute, title) in zip(panes, (("hota", "HOTA"), ("idf1", "IDF1")), strict=True):
        for name, figures in curves.trackers.items():
            pane.plot(curves.qualities, [100 * getattr(f, attribute) for f in figures], marker="o", ms=4, label=name)
        label = f"{next(iter(curves.trackers))}, motion only"
        pane.axhline(100 * getattr(curves.motion, attribute), color="black", linestyle="--", lw=1, label=label)
        pane.set(xlabel="mean cosine of two views of one person", ylabel=title)
        pane.grid(alpha=0.3)
    panes[0].legend(fontsize="small")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format=path.suffix.removeprefix(".") or "png")
    pyplot.close(figure)


def _unit(rows: Floats) -> Floats:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _figures(tracker: TrackerConfig, problems: list[ScoredSequence]) -> RobustnessFigures:
    measures = measure_tracker(tracker, problems)[COMBINED]
    return RobustnessFigures(mean_hota(measures), float(measures["Identity"]["IDF1"]), int(measures["CLEAR"]["IDSW"]))


def _print(curves: Curves) -> None:
    rows = [
        [f"{quality:g}", *(_text(figures[row]) for figures in curves.trackers.values())]
        for row, quality in enumerate(curves.qualities)
    ]
    say("HOTA / IDF1 / identity switches")
    print_table(("quality", *curves.trackers), rows)
    say(f"motion only: {_text(curves.motion)}")


def _text(figures: RobustnessFigures) -> str:
    return f"{100 * figures.hota:.2f} / {100 * figures.idf1:.2f} / {figures.switches}"
