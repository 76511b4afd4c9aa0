"""Charts as inline SVG: they scale, print, and need neither scripts nor network."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from smiletrack.view.colors import hex_color, identity_color
from smiletrack.view.error_analysis import Span

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Line colours that colour-blind people can tell apart (Okabe and Ito)."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 16, 14, 34


@dataclass(frozen=True)
class Point:
    """A point of a scatter plot. quoted: from a paper, drawn as a hollow grey mark."""

    x: float
    y: float
    label: str
    quoted: bool = False


@dataclass(frozen=True)
class _Axes:
    """Maps data to pixels of the drawing area."""

    x_ticks: list[float]
    y_ticks: list[float]
    width: int
    height: int

    def x(self, value: float) -> float:
        low, high = self.x_ticks[0], self.x_ticks[-1]
        return _LEFT + (value - low) / (high - low) * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return self.height - _BOTTOM - (value - low) / (high - low) * (self.height - _TOP - _BOTTOM)


def line_chart(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_label: str, y_label: str, size: tuple[int, int]
) -> str:
    """Return a chart of lines, name -> (xs, ys), coloured in the order of the names, without points that are NaN."""
    lines = {name: [(x, y) for x, y in zip(*xy, strict=True) if math.isfinite(y)] for name, xy in series.items()}
    points = [point for line in lines.values() for point in line]
    if not points:
        return '<p class="missing">Nothing to draw.</p>'
    axes = _Axes(ticks(x for x, _ in points), ticks([0.0, *(y for _, y in points)]), *size)
    parts = _frame(axes, x_label, y_label, [(tick, f"{tick:g}") for tick in axes.x_ticks])
    for index, (name, line) in enumerate(lines.items()):
        path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in line)
        color = SERIES[index % len(SERIES)]
        dash = ' stroke-dasharray="6 3"' if index >= len(SERIES) else ""
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}>'
            f"<title>{escape(name)}</title></polyline>"
        )
    return _svg(parts, size, f"{y_label} over {x_label}")


def scatter(points: Sequence[Point], x_label: str, y_label: str, size: tuple[int, int]) -> str:
    """Return a scatter plot with a logarithmic x axis (x above 0); quoted points can be hidden by their class."""
    points = [point for point in points if point.x > 0 and math.isfinite(point.x) and math.isfinite(point.y)]
    if not points:
        return '<p class="missing">Nothing to draw.</p>'
    decades = log_ticks(point.x for point in points)
    axes = _Axes([math.log10(x) for x in decades], ticks(point.y for point in points), *size)
    parts = _frame(axes, x_label, y_label, [(math.log10(x), f"{x:g}") for x in decades])
    own = 0
    written: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda p: (p.quoted, -p.y if p.quoted else 0)):
        x, y, label = axes.x(math.log10(point.x)), axes.y(point.y), escape(point.label)
        anchor, shift = ("end", -8) if x > axes.width * 0.7 else ("start", 8)
        style, kind = 'fill="none" stroke="#999"', "quoted"
        if not point.quoted:
            style, kind = f'fill="{SERIES[own % len(SERIES)]}"', "own"
            own += 1
        line = y + 4
        while any(abs(line - other) < 11 and abs(x - column) < 150 for column, other in written):
            line += 1
        written.append((x, line))
        parts.append(
            f'<g class="{kind}"><circle cx="{x:.1f}" cy="{y:.1f}" r="5" {style}/>'
            f'<text x="{x + shift:.1f}" y="{line:.1f}" text-anchor="{anchor}">{label}</text></g>'
        )
    return _svg(parts, size, f"{y_label} against {x_label}")


def bars(
    labels: Sequence[str], series: Mapping[str, Sequence[tuple[int, int]]], x_label: str, size: tuple[int, int]
) -> str:
    """Return a group of bars a label, one a name: the share of (total, part) in percent; pointed at, both numbers."""
    shares = {name: [100 * part / total if total else 0.0 for total, part in counts] for name, counts in series.items()}
    axes = _Axes([0.0, float(max(len(labels), 1))], ticks([0.0, *(v for row in shares.values() for v in row)]), *size)
    parts = _frame(axes, x_label, "missed, %", [(i + 0.5, label) for i, label in enumerate(labels)])
    width = (axes.x(1) - axes.x(0)) * 0.8 / max(len(series), 1)
    for number, (name, counts) in enumerate(series.items()):
        for index, (total, part) in enumerate(counts):
            share = shares[name][index]
            x, y = axes.x(index + 0.1) + number * width, axes.y(share)
            title = f"{escape(name)}, {escape(labels[index])}: {part} of {total} missed"
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.92:.1f}" height="{axes.y(0) - y:.1f}" '
                f'fill="{SERIES[number % len(SERIES)]}"><title>{title}</title></rect>'
            )
            if width > 26:
                middle = x + width * 0.46
                parts.append(f'<text x="{middle:.1f}" y="{y - 3:.1f}" text-anchor="middle">{share:.1f}</text>')
    return _svg(parts, size, f"missed by {x_label}")


def timeline(spans: Sequence[Span], num_frames: int) -> str:
    """Return a row a truth identity: coloured by the result identity that covered it, a grey line where it was missed.

    A black bar is a switch, a white one a resumption with the same identity after a gap.
    """
    people = list(dict.fromkeys(span.truth_id for span in spans))
    row_of = {person: row for row, person in enumerate(people)}
    left, step, width = 44, 11, 1000
    scale = (width - left - 4) / max(num_frames, 1)
    height = step * len(people) + 22
    parts = []
    for person, row in row_of.items():
        parts.append(f'<text x="{left - 6}" y="{row * step + 9}" text-anchor="end">{person}</text>')
    for span in spans:
        x, y = left + (span.first - 1) * scale, row_of[span.truth_id] * step
        length = max((span.last - span.first + 1) * scale, 0.8)
        frames = f"frames {span.first}–{span.last}"
        if span.result_id is None:
            title = f"{span.truth_id} missed, {frames}"
            parts.append(
                f'<rect x="{x:.1f}" y="{y + 5}" width="{length:.1f}" height="1.5" fill="#999">'
                f"<title>{title}</title></rect>"
            )
            continue
        color = hex_color(identity_color(span.result_id))
        event = {"": "", "switch": ", identity switch", "resumed": ", resumed after a gap"}[span.start]
        parts.append(
            f'<rect x="{x:.1f}" y="{y + 1}" width="{length:.1f}" height="8" fill="{color}">'
            f"<title>{span.truth_id} covered by {span.result_id}, {frames}{event}</title></rect>"
        )
        if span.start:
            ink = "#000" if span.start == "switch" else "#fff"
            parts.append(
                f'<rect class="{span.start}" x="{x - 1:.1f}" y="{y}" width="2" height="10" fill="{ink}" '
                f'stroke="#000" stroke-width="0.5"/>'
            )
    for tick in ticks([1.0, float(num_frames)]):
        if 0 < tick <= num_frames:
            parts.append(f'<text x="{left + tick * scale:.1f}" y="{height - 6}" text-anchor="middle">{tick:g}</text>')
    return _svg(parts, (width, height), "which result identity covered each truth identity", css="timeline")


def ticks(values: Iterable[float], count: int = 5) -> list[float]:
    """Return round numbers, at least two, from at or below the least to at or above the greatest value."""
    values = list(values)
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / count
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(v) for v in np.round(np.arange(first, last + 1) * step, 10)]


def log_ticks(values: Iterable[float]) -> list[float]:
    """Return 1, 2 and 5 times powers of ten, from at or below the least to at or above the greatest value (above 0)."""
    values = list(values)
    marks = [m * 10.0**e for e in range(-9, 10) for m in (1, 2, 5)]
    first = max(i for i, mark in enumerate(marks) if mark <= min(values) or i == 0)
    last = min(i for i, mark in enumerate(marks) if (mark >= max(values) and i > first) or i == len(marks) - 1)
    return marks[first : last + 1]


def _frame(axes: _Axes, x_label: str, y_label: str, x_marks: Sequence[tuple[float, str]]) -> list[str]:
    bottom, right = axes.height - _BOTTOM, axes.width - _RIGHT
    parts = []
    for tick in axes.y_ticks:
        y = axes.y(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for place, text in x_marks:
        parts.append(f'<text x="{axes.x(place):.1f}" y="{bottom + 14}" text-anchor="middle">{escape(text)}</text>')
    middle = (_TOP + bottom) / 2
    parts.append(f'<text x="{(_LEFT + right) / 2}" y="{axes.height - 4}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(
        f'<text x="11" y="{middle}" text-anchor="middle" transform="rotate(-90 11 {middle})">{escape(y_label)}</text>'
    )
    return parts


def _svg(parts: list[str], size: tuple[int, int], label: str, css: str = "chart") -> str:
    width, height = size
    return (
        f'<svg class="{css}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
