"""Lines, points and bars as inline SVG: they scale, print, and need neither scripts nor network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from smiletrack.view.svg import NOTHING, SERIES, Axes, drawing, log_ticks, series_color, tag, ticks

Line = tuple[Sequence[float], Sequence[float]]
"""The xs and ys of a line."""


@dataclass(frozen=True)
class Point:
    """A point of a scatter plot. quoted: from a paper, drawn as a hollow grey mark."""

    x: float
    y: float
    label: str
    quoted: bool = False


def line_chart(
    series: Mapping[str, Line], x_label: str, y_label: str, size: tuple[int, int], first_color: int = 0
) -> Markup:
    """Return a chart of lines by name, coloured in their order from `first_color` on, without points that are NaN.

    Zero is always in it.
    """
    lines = {name: [(x, y) for x, y in zip(*line, strict=True) if math.isfinite(y)] for name, line in series.items()}
    points = [point for line in lines.values() for point in line]
    if not points:
        return NOTHING
    axes = Axes(ticks(x for x, _ in points), ticks([0.0, *(y for _, y in points)]), *size)
    parts = axes.frame(x_label, y_label, [(tick, f"{tick:g}") for tick in axes.x_ticks])
    for index, (name, line) in enumerate(lines.items(), first_color):
        path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in line)
        dash = "6 3" if index >= len(SERIES) else None
        parts.append(
            tag(
                "polyline",
                tag("title", name),
                class_="line",
                points=path,
                stroke=series_color(index),
                stroke_dasharray=dash,
            )
        )
    return drawing(parts, size, f"{y_label} over {x_label}")


def scatter(points: Sequence[Point], x_label: str, y_label: str, size: tuple[int, int]) -> Markup:
    """Return a scatter plot with a logarithmic x axis (x above 0)."""
    points = [point for point in points if point.x > 0 and math.isfinite(point.x) and math.isfinite(point.y)]
    if not points:
        return NOTHING
    decades = log_ticks(point.x for point in points)
    low, high = min(point.y for point in points), max(point.y for point in points)
    room = 0.05 * (high - low)  # no point lies on the frame
    axes = Axes([math.log10(x) for x in decades], ticks([low - room, high + room]), *size)
    parts = axes.frame(x_label, y_label, [(math.log10(x), f"{x:g}") for x in decades])
    own = 0
    written: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda p: (p.quoted, -p.y if p.quoted else 0)):
        x, y = axes.x(math.log10(point.x)), axes.y(point.y)
        anchor, shift = ("end", -9) if x > axes.width * 0.7 else ("start", 9)
        line = y + 4
        while any(abs(line - other) < 12 and abs(x - column) < 150 for column, other in written):
            line += 1
        written.append((x, line))
        mark = tag("circle", cx=x, cy=y, r=5, fill="none" if point.quoted else series_color(own))
        name = tag("text", point.label, x=x + shift, y=line, text_anchor=anchor)
        parts.append(tag("g", mark, name, class_="quoted" if point.quoted else "own"))
        own += not point.quoted
    return drawing(parts, size, f"{y_label} against {x_label}")


def bars(
    labels: Sequence[str], series: Mapping[str, Sequence[tuple[int, int]]], x_label: str, size: tuple[int, int]
) -> Markup:
    """Return a group of bars a label, one a name: the share of (total, part) in percent; pointed at, both numbers."""
    shares = {name: [100 * part / total if total else 0.0 for total, part in counts] for name, counts in series.items()}
    axes = Axes([0.0, float(max(len(labels), 1))], ticks([0.0, *(v for row in shares.values() for v in row)]), *size)
    parts = axes.frame(x_label, "missed, %", [(i + 0.5, label) for i, label in enumerate(labels)])
    width = (axes.x(1) - axes.x(0)) * 0.8 / max(len(series), 1)
    for number, (name, counts) in enumerate(series.items()):
        for index, (total, part) in enumerate(counts):
            share = shares[name][index]
            x, y = axes.x(index + 0.1) + number * width, axes.y(share)
            words = tag("title", f"{name}, {labels[index]}: {part:,} of {total:,} missed")
            color, height = series_color(number), axes.y(0) - y
            parts.append(tag("rect", words, x=x, y=y, width=width * 0.92, height=height, fill=color))
            if width > 24:
                middle = x + width * 0.46
                parts.append(tag("text", f"{share:.1f}", x=middle, y=y - 3, text_anchor="middle"))
    return drawing(parts, size, f"missed by {x_label}")
