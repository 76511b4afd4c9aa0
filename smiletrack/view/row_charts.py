"""Charts of labelled rows that are as wide as the page lets them be: lives of identities, and figures with intervals.

Places are shares of the width, so a phone gets the whole chart without scrolling sideways.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from smiletrack.types import Ints
from smiletrack.view.colors import hex_color, identity_color
from smiletrack.view.error_analysis import Span
from smiletrack.view.svg import NOTHING, percent, series_color, signed, tag, ticks

_LIFE, _FIGURE = 12, 26
"""Height of a row in px: of somebody's life, of a figure."""
_EVENTS = {"": "", "switch": ", identity switch", "resumed": ", resumed after a gap"}


@dataclass(frozen=True)
class Mark:
    """A figure in a row, with the bounds of its interval where it has one. color: index of its run."""

    name: str
    value: float
    color: int
    interval: tuple[float, float] | None = None


def timeline(spans: Sequence[Span], num_frames: int) -> Markup:
    """Return a row a truth identity: coloured by the result identity that covered it, a grey line where it was missed.

    A black bar is a switch, a white one a resumption with the same identity after a gap.
    """
    row_of = {person: row for row, person in enumerate(dict.fromkeys(span.truth_id for span in spans))}
    axis = _FrameAxis(1, max(num_frames, 1))
    parts = []
    for span in spans:
        top, frames = row_of[span.truth_id] * _LIFE, f"frames {span.first}–{span.last}"
        if span.result_id is None:
            words = tag("title", f"{span.truth_id} missed, {frames}")
            parts.append(axis.bar(span.first, span.last, top + 5, 1.5, words, class_="missed"))
            continue
        words = tag("title", f"{span.truth_id} covered by {span.result_id}, {frames}{_EVENTS[span.start]}")
        color = hex_color(identity_color(span.result_id))
        bar = axis.bar(span.first, span.last, top + 1, _LIFE - 3, words, class_="life", color=color)
        if not span.start:
            parts.append(bar)
            continue
        mark = tag("rect", class_=span.start, x=percent(axis.place(span.first)), y=top, width=2.5, height=_LIFE - 1)
        # a page can show the card of the switch that a bar begins with
        switch = {"data_person": span.truth_id, "data_frame": span.first} if span.start == "switch" else {}
        parts.append(tag("g", bar, mark, **switch))
    return _rows([str(person) for person in row_of], _LIFE, parts, axis.ticks(), "frame", "lives")


def lives(presence: Mapping[int, Ints], first: int, last: int) -> Markup:
    """Return a row a person, a bar for each stretch of the frames `first` .. `last` without a gap.

    presence: the frames (F,) that each person is in, ascending.
    """
    in_order = sorted(presence.items(), key=lambda item: (int(item[1][0]), item[0]))
    axis = _FrameAxis(first, last)
    parts = []
    for row, (person, frames) in enumerate(in_order):
        stops = np.flatnonzero(np.diff(frames) > 1) + 1
        color = hex_color(identity_color(person))
        for start, stop in pairwise([0, *stops.tolist(), len(frames)]):
            begin, end = int(frames[start]), int(frames[stop - 1])
            words = tag("title", f"{person}: frames {begin}–{end}")
            parts.append(axis.bar(begin, end, row * _LIFE + 1, _LIFE - 3, words, class_="life", color=color))
    return _rows([str(person) for person, _ in in_order], _LIFE, parts, axis.ticks(), "frame", "lives")


def figure_rows(rows: Mapping[str, Sequence[Mark]], label: str) -> Markup:
    """Return a row a name: its marks on one line, or where they have intervals below each other, and zero in sight."""
    marks = [mark for row in rows.values() for mark in row]
    if not marks:
        return NOTHING
    bounded = any(mark.interval for mark in marks)
    bounds = [bound for mark in marks for bound in (mark.value, *(mark.interval or ()))]
    scale = ticks([*bounds, *([0.0] if bounded else [])])
    most = max(len(row) for row in rows.values())
    height = max(_FIGURE, 14 * most + 8)

    def place(value: float) -> str:
        return percent((value - scale[0]) / (scale[-1] - scale[0]))

    parts = []
    for number, row in enumerate(rows.values()):
        top = number * height
        parts.append(tag("line", class_="grid", x1="0", x2="100%", y1=top + height, y2=top + height))
        for index, mark in enumerate(row):
            y = top + height * (index + 0.5) / len(row) if bounded else top + height / 2
            color, words = series_color(mark.color), f"{mark.name}: {mark.value:.2f}"
            if mark.interval is not None:
                low, high = mark.interval
                words += f" [{low:.2f}, {high:.2f}]"
                parts.append(tag("line", x1=place(low), x2=place(high), y1=y, y2=y, stroke=color, stroke_width=2))
            parts.append(tag("circle", tag("title", words), cx=place(mark.value), cy=y, r=5, fill=color))
    marked = [((tick - scale[0]) / (scale[-1] - scale[0]), signed(f"{tick:g}")) for tick in scale]
    return _rows(list(rows), height, parts, marked, label, "marks", zero=bounded)


@dataclass(frozen=True)
class _FrameAxis:
    """Maps frames `first` .. `last` to shares of the width; a frame is as wide as one of them."""

    first: int
    last: int

    def place(self, frame: float) -> float:
        return (frame - self.first) / (self.last - self.first + 1)

    def bar(
        self, first: int, last: int, y: float, height: float, words: Markup, class_: str, color: str | None = None
    ) -> Markup:
        x, width = percent(self.place(first)), percent(self.place(last + 1) - self.place(first))
        return tag("rect", words, class_=class_, x=x, y=y, width=width, height=height, fill=color, stroke=color)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the middles of round frames, the first and the last one, and what is written there."""
        inner = [tick for tick in ticks([float(self.first), float(self.last)]) if self.first < tick < self.last]
        room = 0.06 * (self.last - self.first)
        frames = [self.first, *(t for t in inner if self.first + room < t < self.last - room), self.last]
        return [(self.place(frame + 0.5), f"{frame:g}") for frame in dict.fromkeys(frames)]


def _rows(
    labels: Sequence[str],
    height: int,
    parts: Sequence[Markup],
    marks: Sequence[tuple[float, str]],
    label: str,
    class_: str,
    zero: bool = False,
) -> Markup:
    """Return labels beside a picture of rows of `height` px, an axis above it that stays in sight.

    marks: (share of the width, what is written there); they are grid lines too. zero: the line of "0" is stronger.
    """
    names = [tag("li", name, title=name, style=f"height:{height}px;line-height:{height}px") for name in labels]
    grid = [
        tag(
            "line",
            class_="grid zero" if zero and text == "0" else "grid",
            x1=percent(x),
            x2=percent(x),
            y1="0",
            y2="100%",
        )
        for x, text in marks
    ]
    written = [tag("span", text, style=f"left:{percent(x)}") for x, text in marks]
    axis = tag("div", tag("div", label, class_="label"), tag("div", *written, class_="ticks"), class_="axis")
    picture = tag("svg", *grid, *parts, height=height * len(labels), role="img", aria_label=f"rows over {label}")
    body = tag("div", tag("ol", *names), picture, class_="body")
    return tag("div", axis, body, class_=f"rows {class_}")
