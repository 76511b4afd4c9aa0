"""The report: one HTML file that needs no network. What it shows comes in as the dataclasses below.

Figures are fractions (0.693), shown in percent. None and absent keys are "not known" and shown as a dash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from smiletrack.view.charts import Point, bars, line_chart, scatter
from smiletrack.view.error_analysis import HEIGHT_EDGES, VISIBILITY_EDGES, Span
from smiletrack.view.figures_table import SPEED, FiguresTable, Interval, figures_table
from smiletrack.view.pages import render_page
from smiletrack.view.published_results import TABLES
from smiletrack.view.row_charts import Mark, figure_rows, timeline
from smiletrack.view.svg import series_color
from smiletrack.view.switch_causes import CAUSES
from smiletrack.view.switch_gallery import SwitchCard, costly_first, count_causes

_COMPARED = ("HOTA", "DetA", "AssA", "MOTA", "IDF1")
_CURVES = ("HOTA", "DetA", "AssA")
_CHART = (420, 290)
_ALPHA = "alpha (IoU asked for)"

Differences = Mapping[str, Mapping[str, Interval]]
"""Run -> metric -> difference to the first run with its interval, where known."""


@dataclass(frozen=True)
class SequenceReport:
    """What is known of one sequence of a run.

    missed_*: (truth boxes, missed ones) for each bin of `error_analysis.*_EDGES`.
    """

    name: str
    num_frames: int
    figures: Mapping[str, float] = field(default_factory=dict)
    switches: Sequence[SwitchCard] = ()
    spans: Sequence[Span] = ()
    missed_by_height: Sequence[tuple[int, int]] = ()
    missed_by_visibility: Sequence[tuple[int, int]] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RunReport:
    """One run. figures: over all sequences. curves: HOTA, DetA and AssA over the alphas. notes: what is missing."""

    name: str
    figures: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    frames_per_second: float | None = None
    stage_ms: Mapping[str, float] = field(default_factory=dict)
    sequences: Sequence[SequenceReport] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def render_report(
    runs: Sequence[RunReport],
    alphas: Sequence[float],
    differences: Differences | None = None,
    benchmark: str = "MOT17",
) -> str:
    """Return the page of runs with distinct names, at least one.

    benchmark: whose table of the paper (MOT17, MOT20) can be shown beside the runs' speed and HOTA.
    """
    names = [run.name for run in runs]
    rows = {run.name: {**run.figures, SPEED: run.frames_per_second} for run in runs}
    cards = costly_first([card for run in runs for sequence in run.sequences for card in sequence.switches])
    return render_page(
        "report.html.j2",
        script="report.js",
        title=", ".join(names),
        runs=runs,
        colors={name: series_color(index) for index, name in enumerate(names)},
        overview=figures_table(rows, differences),
        with_intervals=bool(differences),
        curves=_difference_curves(runs, alphas) if len(runs) > 1 else _curves(runs[0], alphas),
        curve_colors={name: series_color(i) for i, name in (list(enumerate(names))[1:] or enumerate(_CURVES))},
        difference_rows=_difference_rows(runs, differences or {}),
        speed=_speed(runs, benchmark),
        sequences=_sequence_tables(runs),
        sequence_rows=_sequence_rows(runs),
        timelines=_timelines(runs),
        cards=cards,
        causes=count_causes(cards, names),
        meanings=CAUSES,
        misses=_misses(runs),
        missing=_missing(runs),
    )


def _missing(runs: Sequence[RunReport]) -> list[tuple[str, list[str]]]:
    """Return what is missing, each with the runs and sequences that it is missing from."""
    found: dict[str, list[str]] = {}
    for run in runs:
        for note in run.notes:
            found.setdefault(note, []).append(run.name)
        for sequence in run.sequences:
            for note in sequence.notes:
                found.setdefault(note, []).append(f"{run.name} {sequence.name}")
    return list(found.items())


def _curves(run: RunReport, alphas: Sequence[float]) -> list[Markup]:
    """Return one chart with the curves of a run."""
    series = {name: (alphas, [100 * value for value in run.curves[name]]) for name in _CURVES if name in run.curves}
    return [line_chart(series, _ALPHA, "%", _CHART)] if series else []


def _difference_curves(runs: Sequence[RunReport], alphas: Sequence[float]) -> list[Markup]:
    """Return a chart a metric: by how much each run differs from the first one at each alpha."""
    first, *others = runs
    charts = []
    for name in _CURVES:
        series = {
            run.name: (alphas, [100 * (a - b) for a, b in zip(run.curves[name], first.curves[name], strict=True)])
            for run in others
            if name in run.curves and name in first.curves
        }
        if series:
            charts.append(line_chart(series, _ALPHA, f"{name}, points", _CHART, first_color=1))
    return charts


def _difference_rows(runs: Sequence[RunReport], differences: Differences) -> Markup | None:
    """Return a row a metric with each run's difference to the first one in points; None for one run."""
    rows: dict[str, list[Mark]] = {}
    for index, run in enumerate(runs[1:], 1):
        for name in _COMPARED:
            known = differences.get(run.name, {}).get(name)
            if known is not None:
                difference, low, high = (100 * value for value in known)
                rows.setdefault(name, []).append(Mark(run.name, difference, index, (low, high)))
            elif name in run.figures and name in runs[0].figures:
                difference = 100 * (run.figures[name] - runs[0].figures[name])
                rows.setdefault(name, []).append(Mark(run.name, difference, index, (difference, difference)))
    return figure_rows(rows, "points") if rows else None


def _speed(runs: Sequence[RunReport], benchmark: str) -> dict[str, Any]:
    """Return the table of stages, ms a frame, and the scatter plots without and with what the paper quotes."""
    known = [run for run in runs if run.frames_per_second is not None and "HOTA" in run.figures]
    own = [Point(run.frames_per_second or 0.0, 100 * run.figures["HOTA"], run.name) for run in known]
    quoted = [Point(row.frames_per_second, row.hota, row.method, quoted=True) for row in TABLES.get(benchmark, ())]
    labels = "frames a second", "HOTA, %"
    return {
        "stages": list(dict.fromkeys(stage for run in runs for stage in run.stage_ms)),
        "own": scatter(own, *labels, _CHART) if len(own) > 1 else None,
        "quoted": scatter([*own, *quoted], *labels, (640, 380)) if quoted else None,
        "benchmark": benchmark,
    }


def _sequence_tables(runs: Sequence[RunReport]) -> dict[str, FiguresTable]:
    return {
        name: figures_table({run.name: s.figures for run in runs for s in run.sequences if s.name == name})
        for name in _sequence_names(runs)
    }


def _sequence_names(runs: Sequence[RunReport]) -> list[str]:
    return list(dict.fromkeys(sequence.name for run in runs for sequence in run.sequences))


def _sequence_rows(runs: Sequence[RunReport]) -> Markup | None:
    """Return a row a sequence with each run's HOTA; None where no row would have two marks to compare, nor two rows."""
    rows: dict[str, list[Mark]] = {}
    for index, run in enumerate(runs):
        for sequence in run.sequences:
            if "HOTA" in sequence.figures:
                rows.setdefault(sequence.name, []).append(Mark(run.name, 100 * sequence.figures["HOTA"], index))
    return figure_rows(rows, "HOTA, %") if sum(map(len, rows.values())) > 1 else None


def _timelines(runs: Sequence[RunReport]) -> list[dict[str, Any]]:
    """Return the charts, those of one sequence beside each other."""
    return [
        {
            "run": run.name,
            "sequence": sequence.name,
            "people": len({span.truth_id for span in sequence.spans}),
            "switches": sum(span.start == "switch" for span in sequence.spans),
            "chart": timeline(sequence.spans, sequence.num_frames),
        }
        for name in _sequence_names(runs)
        for run in runs
        for sequence in run.sequences
        if sequence.name == name and sequence.spans
    ]


def _misses(runs: Sequence[RunReport]) -> list[Markup]:
    """Return the bars by height and by visibility, of the runs whose truth is known."""
    known = {run.name: [s for s in run.sequences if s.missed_by_height] for run in runs}
    if not any(known.values()):
        return []
    height = {name: _sum([s.missed_by_height for s in sequences]) for name, sequences in known.items()}
    visibility = {name: _sum([s.missed_by_visibility for s in sequences]) for name, sequences in known.items()}
    return [
        bars(_bins(HEIGHT_EDGES, 1), height, "height of the person, px", _CHART),
        bars(_bins(VISIBILITY_EDGES, 100), visibility, "visible part, %", _CHART),
    ]


def _sum(tables: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    return [(sum(t for t, _ in column), sum(m for _, m in column)) for column in zip(*tables, strict=True)]


def _bins(edges: Sequence[float], scale: float) -> list[str]:
    return [
        f"{scale * low:.0f}–{scale * high:.0f}" if high != float("inf") else f"above {scale * low:.0f}"
        for low, high in pairwise(edges)
    ]
