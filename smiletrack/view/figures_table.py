"""Tables of figures, a row a run: the best of each column, and the difference to the first run below each figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smiletrack.view.svg import signed

PERCENT = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "MOTP")
_COUNTS = ("IDSW", "Frag", "FP", "FN", "MT", "ML")
_LOW_IS_GOOD = {"IDSW", "Frag", "FP", "FN", "ML"}
METRICS = (*PERCENT, *_COUNTS)
"""Columns of the tables, named as in MOTChallenge's. The first are fractions, shown in percent, the others counts."""

SPEED = "frames/s"
"""A column after those of `METRICS`."""

Interval = tuple[float, float, float]
"""A difference and the bounds of its interval."""

Figures = Mapping[str, float | None]
"""Column -> value; None, NaN and absent ones are not known."""


@dataclass(frozen=True)
class FigureCell:
    """One figure as it is written. difference, interval: "" for none. sure: the interval leaves out zero."""

    column: str
    text: str
    best: bool = False
    difference: str = ""
    interval: str = ""
    sure: bool = False


@dataclass(frozen=True)
class FiguresTable:
    """columns: (name, arrow to where better is). rows: name of the run -> its cells."""

    columns: Sequence[tuple[str, str]]
    rows: Mapping[str, Sequence[FigureCell]]


def figures_table(
    rows: Mapping[str, Figures], differences: Mapping[str, Mapping[str, Interval]] | None = None
) -> FiguresTable:
    """Return the table of runs -> figures, of the columns that any run knows.

    differences: run -> column -> difference to the first run and its interval; where it says nothing, the difference of
    the two figures stands alone.
    """
    columns = [name for name in (*METRICS, SPEED) if any(row.get(name) is not None for row in rows.values())]
    best = {name: _best(name, [row.get(name) for row in rows.values()]) for name in columns}
    first = next(iter(rows), "")
    table = {}
    for run, row in rows.items():
        cells = []
        for name in columns:
            value, reference = row.get(name), rows[first].get(name)
            interval = (differences or {}).get(run, {}).get(name)
            told = ("", "", False)
            if run != first and value is not None and reference is not None:
                told = _difference(name, value - reference, interval)
            cells.append(FigureCell(name, _number(name, value), len(rows) > 1 and value == best[name], *told))
        table[run] = cells
    return FiguresTable([(name, "↓" if name in _LOW_IS_GOOD else "↑") for name in columns], table)


def _best(name: str, values: Sequence[float | None]) -> float | None:
    """Return the best of the values that are known; NaN, which equals nothing, where there is none."""
    known = [value for value in values if value is not None and value == value]
    return (min if name in _LOW_IS_GOOD else max)(known, default=float("nan"))


def _number(name: str, value: float | None) -> str:
    if value is None or value != value:
        return "–"
    return signed(f"{100 * value:.2f}" if name in PERCENT else f"{value:,.{_speed_digits(name, value)}f}")


def _speed_digits(name: str, value: float) -> int:
    """Return the digits after the point of a figure that is no percentage: one, of slow runs."""
    return 1 if name == SPEED and abs(value) < 100 else 0


def _difference(name: str, difference: float, interval: Interval | None) -> tuple[str, str, bool]:
    """Return a difference and its interval as they are written, and whether the interval leaves out zero."""
    scale, digits = (100, 2) if name in PERCENT else (1, _speed_digits(name, difference))
    text = signed(f"{scale * difference:+,.{digits}f}")
    if interval is None:
        return text, "", False
    _, low, high = interval
    return text, signed(f"[{scale * low:+.{digits}f}, {scale * high:+.{digits}f}]"), low > 0 or high < 0
