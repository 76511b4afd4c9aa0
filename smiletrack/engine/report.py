"""Gather what runs left and what is known of their truth into one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from smiletrack.config import load_config
from smiletrack.console import progress, say
from smiletrack.engine.inputs.sequence_inputs import SequenceInput, sequence_inputs
from smiletrack.engine.reports.switch_evidence import Evidence, observer_of
from smiletrack.engine.reports.switch_pictures import switch_pictures
from smiletrack.engine.run_folders.folder import latest_run
from smiletrack.engine.run_folders.records import RunEnvironment, frames_per_second, read_environment
from smiletrack.engine.run_folders.results import Run, SequenceRun, benchmark_of, read_run, read_sequence_run
from smiletrack.engine.track import TrackConfig
from smiletrack.errors import InputError
from smiletrack.files import atomic_write
from smiletrack.metrics.bootstrap import paired_bootstrap
from smiletrack.metrics.hota import ALPHAS
from smiletrack.metrics.preprocess import Comparison
from smiletrack.metrics.table import COMBINED, Measures, combine, measure
from smiletrack.ranges import Checked, Count
from smiletrack.view.error_analysis import (
    HEIGHT_EDGES,
    VISIBILITY_EDGES,
    find_switches,
    missed_by,
    spans,
)
from smiletrack.view.figures_table import METRICS, Interval
from smiletrack.view.report_page import RunReport, SequenceReport, render_report
from smiletrack.view.switch_causes import SwitchCauses
from smiletrack.view.switch_gallery import SwitchCard

Comparisons = dict[str, Comparison]


@dataclass(frozen=True)
class ReportConfig(Checked):
    """Put runs on one HTML page: tables, curves, timelines, and every identity switch in pictures.

    Reads run folders, the first of which is the baseline, and the images and ground truth they were made from. Writes
    one self-contained file that needs no network. Without images, without ground truth or with an unfinished run, the
    page shows what there is and names what is missing.

      smiletrack report                                                  # the last run below runs/
      smiletrack report runs/bytetrack runs/smiletrack --output compare.html
      smiletrack report runs/mine --gt datasets/MOT17/train --split val_half
    """

    runs: tuple[str, ...] = ()
    """Run folders, the first of which is the baseline; empty = the last run below runs/."""

    gt: str = ""
    """Folder of the sequences with images and ground truth; empty = the data of each run."""

    split: Literal["auto", "all", "train", "val", "test", "train_half", "val_half"] = "auto"
    """Part of each sequence that was tracked; auto = as in each run's configuration."""

    benchmark: Literal["auto", "MOT15", "MOT16", "MOT17", "MOT20", "DanceTrack"] = "auto"
    """Benchmark whose preprocessing rules apply; auto = the one named in the path of the ground truth, else MOT17."""

    pictures: Count = 60
    """Maximum number of identity switches per sequence that are shown in pictures, the most costly first."""

    resamples: Count = 1000
    """Bootstrap resamples for the intervals of differences from the first run; 0 = no intervals."""

    output: str = ""
    """HTML file to write; empty = report.html in the first run's folder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.resamples < 10:
            raise ValueError(f"resamples must be 0 or at least 10, not {self.resamples}")


def report(config: ReportConfig) -> Path:
    """Write the report of the runs; return its path. What is missing is left out of it and named in it."""
    runs = [read_run(folder) for folder in config.runs or (str(latest_run()),)]
    names = distinct_names([run.folder for run in runs])
    benchmark = _benchmark(config, runs[0])
    compared: list[Comparisons] = []
    made = []
    for run, name in zip(runs, names, strict=True):
        run_report, comparisons = _run_report(run, name, config)
        made.append(run_report)
        compared.append(comparisons)
    differences = _differences(names, compared, config.resamples)
    path = Path(config.output) if config.output else runs[0].folder / "report.html"
    page = render_report(made, ALPHAS.tolist(), differences, benchmark)
    with atomic_write(path) as stream:
        stream.write(page)
    missing = sum(len(run.notes) + sum(len(sequence.notes) for sequence in run.sequences) for run in made)
    note = f"; {missing} things are missing, the page names them" if missing else ""
    say(f"{path} ({path.stat().st_size / 1e6:.1f} MB){note}")
    return path


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """Return the folders' own names, with as many parents before them as it takes to tell them apart."""
    parts = [folder.resolve().parts[1:] for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(set(parts)):
            break
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, 1)]


def _benchmark(config: ReportConfig, run: Run) -> str:
    return benchmark_of(run.data_root(config.gt)) if config.benchmark == "auto" else config.benchmark


def _differences(names: list[str], compared: list[Comparisons], resamples: int) -> dict[str, dict[str, Interval]]:
    """Return run -> metric -> difference to the first run and its interval, for runs of the same sequences as that."""
    first = compared[0]
    differences = {}
    for name, other in zip(names[1:], compared[1:], strict=True):
        same = first.keys() == other.keys() and all(first[key].num_frames == other[key].num_frames for key in first)
        if resamples and first and same:
            drawn = paired_bootstrap({key: (first[key], other[key]) for key in first}, resamples=resamples)[COMBINED]
            differences[name] = {metric: (d.difference, d.low, d.high) for metric, d in drawn.items()}
    return differences


def _run_report(run: Run, name: str, config: ReportConfig) -> tuple[RunReport, Comparisons]:
    """Return what the page shows of a run, and its sequences as they were compared with their truth."""
    settings, notes = _settings(run)
    measures: dict[str, Measures] = {}
    comparisons: Comparisons = {}
    sequences = []
    for key in progress(list(run.results), name):
        try:
            sequence = read_sequence_run(run, key, config.gt, config.split, _benchmark(config, run))
        except InputError as error:
            sequences.append(SequenceReport(key, 0, _figures(run.summary.get(key, {})), notes=[str(error)]))
            continue
        if sequence.comparison is not None:
            comparisons[key] = sequence.comparison
            measures[key] = measure(sequence.comparison)
        figures = _figures(measures[key]) if key in measures else _figures(run.summary.get(key, {}))
        sequences.append(_sequence_report(run, name, sequence, figures, settings, config))
    combined: Mapping[str, Any] = combine(measures) if measures else run.summary.get(COMBINED, {})
    about, complaint = _about(run)
    made = RunReport(
        name=name,
        figures=_figures(combined),
        curves={key: curve for key, curve in _family(combined, "HOTA").items() if np.size(curve) == len(ALPHAS)},
        frames_per_second=frames_per_second(run.timing),
        stage_ms=_stage_ms(run),
        sequences=sequences,
        about=about,
        notes=[*run.damaged, *run.notes, *notes, *complaint],
    )
    return made, comparisons


def _settings(run: Run) -> tuple[TrackConfig | None, list[str]]:
    """Return the configuration of `smiletrack track` that the run was made with."""
    if run.settings is None:
        return None, []
    try:
        return load_config(TrackConfig, run.folder / "config.yaml"), []
    except InputError as error:
        return None, [f"its configuration is not one of smiletrack track, so switches are not explained ({error})"]


def _figures(measures: Mapping[str, Any]) -> dict[str, float]:
    """Return the columns of the tables from measures by family; summary.json has the same shape."""
    found = {
        name: value for family in ("HOTA", "CLEAR", "Identity") for name, value in _family(measures, family).items()
    }
    found |= {short: found[f"CLR_{short}"] for short in ("FP", "FN") if f"CLR_{short}" in found}
    return {name: float(np.mean(found[name])) for name in METRICS if name in found}


def _family(measures: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the fields of a metric family, {} where the measures have none."""
    family = measures.get(name, {})
    return family if isinstance(family, Mapping) else {}


def _stage_ms(run: Run) -> dict[str, float]:
    """Return the time a frame of each stage that counts, over all sequences whose time is known."""
    seconds: dict[str, float] = {}
    for entry in run.timing.values():
        for stage, time_s in entry.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + time_s
    frames = sum(entry.frames for entry in run.timing.values())
    return {stage: 1000 * time_s / frames for stage, time_s in seconds.items() if frames}


def _about(run: Run) -> tuple[dict[str, str], list[str]]:
    """Return where, when and from what a run was made, and a note where that cannot be read."""
    environment, complaint = RunEnvironment(), []
    try:
        environment = read_environment(run.folder)
    except InputError as error:
        complaint = [f"where and when it was made is not known ({error})"]
    facts = {"folder": str(run.folder)} | asdict(environment)
    if run.settings is not None:
        facts |= {key: getattr(run.settings, key) for key in ("data", "source", "split", "detections", "camera_motion")}
    return {key: text for key, text in facts.items() if text}, complaint


def _sequence_report(
    run: Run,
    name: str,
    sequence: SequenceRun,
    figures: dict[str, float],
    settings: TrackConfig | None,
    config: ReportConfig,
) -> SequenceReport:
    """Return what the page shows of a sequence: with truth, its mistakes too, and why they happened."""
    matching = sequence.matching
    if matching is None:
        return SequenceReport(sequence.name, sequence.num_frames, figures, notes=sequence.notes)
    switches = find_switches(matching)
    notes = list(sequence.notes)
    cards: list[SwitchCard] = []
    if switches:
        seen, complaint = _seen(run, settings, sequence.name)
        notes += complaint
        observer = None
        if seen is not None and settings is not None:
            observer = observer_of(seen, settings, sequence.results, switches)
            notes += (
                [] if observer else ["tracking again gives other tracks, so the tracker's own scores are not shown"]
            )
        evidence = Evidence(sequence.results, seen, observer)
        causes = SwitchCauses(matching)
        cards = [evidence.card(name, sequence.name, matching, switch, causes) for switch in switches]
        pictures, complaint = switch_pictures(sequence, matching, switches[: config.pictures], evidence)
        notes += complaint
        cards = [replace(card, crops=pictures.get(card.switch, ())) for card in cards]
    heights = matching.truth.boxes[:, 3] - matching.truth.boxes[:, 1]
    return SequenceReport(
        name=sequence.name,
        num_frames=sequence.num_frames,
        figures=figures,
        switches=cards,
        spans=spans(matching),
        missed_by_height=missed_by(matching, heights, HEIGHT_EDGES),
        missed_by_visibility=missed_by(matching, matching.truth.visibility, VISIBILITY_EDGES),
        notes=notes,
    )


def _seen(run: Run, settings: TrackConfig | None, name: str) -> tuple[SequenceInput | None, list[str]]:
    """Return what the tracker was given of a sequence, as far as it is still there; no network runs for it."""
    if settings is None:
        return None, []
    cache = Path(settings.cache or run.folder / "detections")
    by_networks = not settings.stored or settings.slm not in ("", "none")
    if by_networks and not (cache / f"{name}.npz").is_file():
        return None, [f"what the networks saw is gone ({cache / name}.npz), so switches are not explained"]
    try:
        return next(iter(sequence_inputs(replace(settings, sequences=(name,)), cache))), []
    except InputError as error:
        return None, [f"its detections are gone, so switches are not explained ({error})"]
