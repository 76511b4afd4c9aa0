"""The report: one HTML file that needs no network. What it shows comes in as the dataclasses below.

Figures are fractions (0.693), shown in percent. None and absent keys are "not known" and shown as a dash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path

from smiletrack.view.error_analysis import HEIGHT_EDGES, VISIBILITY_EDGES, Span
from smiletrack.view.published_results import TABLES
from smiletrack.view.svg import SERIES, Point, bars, line_chart, scatter, timeline
from smiletrack.view.switch_gallery import SwitchCard, gallery

Interval = tuple[float, float, float]
"""A difference and the bounds of its interval."""

_FOLDER = Path(__file__).parent
_PERCENT = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "MOTP")
_COUNTS = ("IDSW", "Frag", "FP", "FN", "MT", "ML")
_LOW_IS_GOOD = {"IDSW", "Frag", "FP", "FN", "ML"}
METRICS = (*_PERCENT, *_COUNTS)
"""Columns of the tables, named as in MOTChallenge's."""


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


def render(
    title: str,
    runs: Sequence[RunReport],
    alphas: Sequence[float],
    differences: Mapping[str, Mapping[str, Interval]] | None = None,
    benchmark: str = "MOT17",
) -> str:
    """Return the page. differences: run -> metric -> difference to the first run with its interval, where known.

    benchmark: whose table of the paper (MOT17, MOT20) is quoted beside the scatter plot.
    """
    sections = [
        _missing(runs),
        _overview(runs, differences or {}),
        _curves(runs, alphas),
        _speed(runs, benchmark),
        _per_sequence(runs),
        _timelines(runs),
        gallery([card for run in runs for sequence in run.sequences for card in sequence.switches]),
        _misses(runs),
    ]
    style, script = ((_FOLDER / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    # an empty icon: without it browsers ask the network for one
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><header><h1>{escape(title)}</h1>{_navigation()}</header>"
        f"<main>{''.join(sections)}</main><script>{script}</script></body></html>\n"
    )


def _navigation() -> str:
    links = {
        "overview": "Figures",
        "curves": "Curves",
        "speed": "Speed",
        "sequences": "Sequences",
        "timelines": "Timelines",
        "switches": "Switches",
        "misses": "Misses",
    }
    return "<nav>" + "".join(f'<a href="#{key}">{text}</a>' for key, text in links.items()) + "</nav>"


def _missing(runs: Sequence[RunReport]) -> str:
    notes = [(run.name, "", note) for run in runs for note in run.notes]
    notes += [(run.name, seq.name, note) for run in runs for seq in run.sequences for note in seq.notes]
    if not notes:
        return ""
    items = "".join(
        f"<li><b>{escape(run)}</b> {escape(sequence)}: {escape(note)}</li>" for run, sequence, note in notes
    )
    return f'<section id="missing" class="notes"><h2>What is missing</h2><ul>{items}</ul></section>'


def _overview(runs: Sequence[RunReport], differences: Mapping[str, Mapping[str, Interval]]) -> str:
    rows = {run.name: {**run.figures, "frames/s": run.frames_per_second} for run in runs}
    about = "".join(_about(run) for run in runs)
    hint = "<p>Best in bold; below, the difference to the first run" + (
        " and its 95 % interval.</p>" if differences else ".</p>"
    )
    table = figures_table(rows, differences, ("frames/s",))
    return f'<section id="overview"><h2>Figures</h2>{hint if len(runs) > 1 else ""}{table}{about}</section>'


def figures_table(
    rows: Mapping[str, Mapping[str, float | None]],
    differences: Mapping[str, Mapping[str, Interval]] | None = None,
    extra: Sequence[str] = (),
) -> str:
    """Return a table, a row a run; best of each column bold, differences to the first row below where given."""
    columns = [name for name in (*METRICS, *extra) if any(row.get(name) is not None for row in rows.values())]
    if not columns:
        return '<p class="missing">No figures: there is no ground truth to compare with.</p>'
    best = {name: _best(name, [row.get(name) for row in rows.values()]) for name in columns}
    first = next(iter(rows.values()))
    body = []
    for number, (run, row) in enumerate(rows.items()):
        cells = []
        for name in columns:
            value, below = row.get(name), ""
            if number and value is not None and first.get(name) is not None:
                below = _difference(name, value, first[name] or 0.0, (differences or {}).get(run, {}).get(name))
            text = _number(name, value)
            bold = value is not None and value == best[name] and len(rows) > 1
            cells.append(f"<td>{f'<b>{text}</b>' if bold else text}{below}</td>")
        mark = f'<span class="key" style="background:{SERIES[number % len(SERIES)]}"></span>'
        body.append(f"<tr><th>{mark}{escape(run)}</th>{''.join(cells)}</tr>")
    head = "".join(f"<th>{name} {'↓' if name in _LOW_IS_GOOD else '↑'}</th>" for name in columns)
    table = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _best(name: str, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and value == value]
    return (min if name in _LOW_IS_GOOD else max)(known) if known else None


def _number(name: str, value: float | None) -> str:
    if value is None or value != value:
        return "–"
    return f"{100 * value:.2f}" if name in _PERCENT else f"{value:.1f}" if name == "frames/s" else f"{value:.0f}"


def _difference(name: str, value: float, first: float, interval: Interval | None) -> str:
    scale, digits = (100, 2) if name in _PERCENT else (1, 1 if name == "frames/s" else 0)
    text = f"{scale * (value - first):+.{digits}f}"
    sure = ""
    if interval is not None:
        _, low, high = interval
        text += f"<br>[{scale * low:+.{digits}f}, {scale * high:+.{digits}f}]"
        sure = " sure" if low > 0 or high < 0 else ""
    return f'<small class="difference{sure}">{text}</small>'


def _about(run: RunReport) -> str:
    facts = dict(run.about)
    if run.stage_ms:
        facts["time a frame"] = ", ".join(f"{stage} {time_ms:.2f} ms" for stage, time_ms in run.stage_ms.items())
    if not facts:
        return ""
    items = "".join(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in facts.items())
    return f"<details><summary>{escape(run.name)}: how it was made</summary><dl>{items}</dl></details>"


def _curves(runs: Sequence[RunReport], alphas: Sequence[float]) -> str:
    charts = []
    for name in ("HOTA", "DetA", "AssA"):
        series = {run.name: (alphas, [100 * v for v in run.curves[name]]) for run in runs if name in run.curves}
        charts.append(line_chart(series, "alpha (IoU asked for)", f"{name}, %", (420, 280)))
    return (
        f'<section id="curves"><h2>HOTA, DetA and AssA over the thresholds</h2>{legend([run.name for run in runs])}'
        f'<div class="charts">{"".join(charts)}</div></section>'
    )


def legend(names: Sequence[str]) -> str:
    """Return the colours of the runs in all charts of the page."""
    keys = (
        f'<span><span class="key" style="background:{SERIES[i % len(SERIES)]}"></span>{escape(name)}</span>'
        for i, name in enumerate(names)
    )
    return f'<p class="legend">{"".join(keys)}</p>'


def _speed(runs: Sequence[RunReport], benchmark: str) -> str:
    quoted = TABLES.get(benchmark, ())
    known = [run for run in runs if run.frames_per_second is not None and "HOTA" in run.figures]
    points = [Point(run.frames_per_second or 0.0, 100 * run.figures["HOTA"], run.name) for run in known]
    points += [Point(row.frames_per_second, row.hota, row.method, quoted=True) for row in quoted]
    reference = (
        '<label><input type="checkbox" id="show-quoted" checked> show the figures that the paper quotes for the '
        f"{benchmark} test set (grey: detection and all else counted, other machines and sequences than here)</label>"
    )
    hidden = "" if known else '<p class="missing">No run here has both a HOTA and a speed.</p>'
    counted = "".join(f"<li>{escape(run.name)}: {escape(', '.join(run.stage_ms))}</li>" for run in known)
    stages = f"<p>Counted in the frames a second of each run:</p><ul>{counted}</ul>" if counted else ""
    return (
        f'<section id="speed"><h2>Speed and HOTA</h2>{hidden}{stages}{reference if quoted else ""}'
        f"{scatter(points, 'frames a second', 'HOTA, %', (760, 380))}</section>"
    )


def _per_sequence(runs: Sequence[RunReport]) -> str:
    names = list(dict.fromkeys(sequence.name for run in runs for sequence in run.sequences))
    blocks = []
    for name in names:
        rows: dict[str, Mapping[str, float | None]] = {
            run.name: dict(sequence.figures) for run in runs for sequence in run.sequences if sequence.name == name
        }
        blocks.append(f"<h3>{escape(name)}</h3>{figures_table(rows)}")
    return f'<section id="sequences"><h2>Sequence by sequence</h2>{"".join(blocks)}</section>'


def _timelines(runs: Sequence[RunReport]) -> str:
    blocks: list[str] = []
    for run in runs:
        for sequence in run.sequences:
            if not sequence.spans:
                continue
            people = len({span.truth_id for span in sequence.spans})
            switches = sum(span.start == "switch" for span in sequence.spans)
            blocks.append(
                f"<details{'' if blocks else ' open'}><summary>{escape(run.name)} · {escape(sequence.name)}: {people} "
                f'identities, {switches} switches</summary><div class="scroll tall">'
                f"{timeline(sequence.spans, sequence.num_frames)}</div></details>"
            )
    text = (
        "<p>A row is a ground-truth identity, a colour the result identity that covered it, grey where it was missed. "
        "A black mark is an identity switch, a white one a resumption after a gap (fragmentation).</p>"
    )
    body = text + "".join(blocks) if blocks else '<p class="missing">No ground truth, no timelines.</p>'
    return f'<section id="timelines"><h2>Who was covered by whom</h2>{body}</section>'


def _misses(runs: Sequence[RunReport]) -> str:
    known = {run.name: [s for s in run.sequences if s.missed_by_height] for run in runs}
    height = {name: _sum([s.missed_by_height for s in sequences]) for name, sequences in known.items()}
    visibility = {name: _sum([s.missed_by_visibility for s in sequences]) for name, sequences in known.items()}
    if not any(known.values()):
        body = '<p class="missing">No ground truth, no misses.</p>'
    else:
        body = (
            f'{legend(list(known))}<div class="charts">'
            f"{bars(_bins(HEIGHT_EDGES, 1), height, 'height of the person, px', (640, 300))}"
            f"{bars(_bins(VISIBILITY_EDGES, 100), visibility, 'visible part, %', (640, 300))}</div>"
        )
    return f'<section id="misses"><h2>Misses by size and visibility</h2>{body}</section>'


def _sum(tables: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    return [(sum(t for t, _ in column), sum(m for _, m in column)) for column in zip(*tables, strict=True)]


def _bins(edges: Sequence[float], scale: float) -> list[str]:
    return [
        f"{scale * low:.0f}–{scale * high:.0f}" if high != float("inf") else f"above {scale * low:.0f}"
        for low, high in pairwise(edges)
    ]
