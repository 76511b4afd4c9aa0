"""Inline SVG: elements that escape what they are given, axes, and round numbers for their ticks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Line colours that colour-blind people can tell apart (Okabe and Ito)."""

NOTHING = Markup('<p class="absent">Nothing to draw.</p>')

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 16, 30, 36


def series_color(index: int) -> str:
    """Return the colour of a run in every chart and table."""
    return SERIES[index % len(SERIES)]


def tag(name: str, *content: str, **attributes: object) -> Markup:
    """Return an element. Content and attributes are escaped unless they are `Markup`.

    An underscore in an attribute's name is written as a hyphen, one at its end left out (`class_`); floats are rounded
    to two decimals; None leaves an attribute out.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _text(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, Markup("").join(content))


def _text(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def percent(share: float) -> str:
    """Return a share as a length of SVG and CSS."""
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"


@dataclass(frozen=True)
class Axes:
    """Maps data to pixels of a drawing of `width` x `height`; the first and last ticks are the ends of an axis."""

    x_ticks: Sequence[float]
    y_ticks: Sequence[float]
    width: int
    height: int

    def x(self, value: float) -> float:
        """Return the column of a value."""
        low, high = self.x_ticks[0], self.x_ticks[-1]
        return _LEFT + (value - low) / (high - low) * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Return the row of a value."""
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return self.height - _BOTTOM - (value - low) / (high - low) * (self.height - _TOP - _BOTTOM)

    def frame(self, x_label: str, y_label: str, x_marks: Sequence[tuple[float, str]]) -> list[Markup]:
        """Return horizontal grid lines, the one at zero stronger, and what is written along both axes."""
        bottom, right = self.height - _BOTTOM, self.width - _RIGHT
        parts = []
        for tick in self.y_ticks:
            y, kind = self.y(tick), "grid zero" if tick == 0 and self.y_ticks[0] < 0 else "grid"
            parts.append(tag("line", class_=kind, x1=_LEFT, x2=right, y1=y, y2=y))
            parts.append(tag("text", signed(f"{tick:g}"), x=_LEFT - 6, y=y + 4, text_anchor="end"))
        for place, text in x_marks:
            parts.append(tag("text", text, x=self.x(place), y=bottom + 15, text_anchor="middle"))
        middle = (_LEFT + right) / 2
        parts.append(tag("text", x_label, class_="label", x=middle, y=self.height - 4, text_anchor="middle"))
        parts.append(tag("text", y_label, class_="label", x=0, y=13))
        return parts


def drawing(parts: Sequence[Markup], size: tuple[int, int], label: str, class_: str = "chart") -> Markup:
    """Return a picture of `size` (width, height) that shrinks with the page; `label` is read out in its place."""
    width, height = size
    box = f"0 0 {width} {height}"
    return tag("svg", *parts, class_=class_, viewBox=box, width=width, height=height, role="img", aria_label=label)


def signed(number: str) -> str:
    """Return a number with a minus sign as wide as a plus, which a hyphen is not."""
    return number.replace("-", "\N{MINUS SIGN}")


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
