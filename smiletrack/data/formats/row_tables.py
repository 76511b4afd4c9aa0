"""Tracks as one table of rows for spreadsheets and data frames, CSV or Parquet: a row a box, a name a column."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from smiletrack.data.formats.sequence_tracks import SequenceTracks, check_rows
from smiletrack.errors import InputError, shown
from smiletrack.files import atomic_path, atomic_write, is_plain_name
from smiletrack.lazy import LazyModule, missing_extras
from smiletrack.types import Floats, Ints, TrackTable

pyarrow = LazyModule("pyarrow")
parquet = LazyModule("pyarrow.parquet")

COLUMNS = ("sequence", "frame", "identity", "class", "score", "x1", "y1", "x2", "y2")
"""frame counts from 1, corners are in pixels, score is a mark (0 = does not count) in truth."""
_MAY_LACK = {"sequence": "", "class": "pedestrian", "score": 1.0}
Value = TypeVar("Value")


def write_row_table(path: Path, sequences: Sequence[SequenceTracks]) -> Path:
    """Write all sequences as one `.csv` or `.parquet`; InputError where Parquet's package, pyarrow, is absent."""
    parts = [_columns(sequence) for sequence in sequences]
    columns = {name: [value for part in parts for value in part[name]] for name in COLUMNS}
    if path.suffix == ".csv":
        with atomic_write(path) as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(zip(*columns.values(), strict=True))
        return path
    with atomic_path(path) as temporary:
        _with_arrow(lambda: parquet.write_table(pyarrow.table(columns), temporary))
    return path


def read_row_table(path: Path) -> list[SequenceTracks]:
    """Read what `write_row_table` wrote, or any table with its columns; more columns, in any order, are no fault.

    `sequence`, `class` and `score` may be absent. Raises InputError naming the column that is absent or holds no
    numbers.
    """
    columns = _read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path)
    rows = len(next(iter(columns.values()), ()))
    for name in COLUMNS:
        if name not in columns and name not in _MAY_LACK:
            raise InputError(f"{path}: no column {name}; there are {shown(list(columns), 200)}")
    filled = {name: columns.get(name, [_MAY_LACK.get(name)] * rows) for name in COLUMNS}
    numbers = {name: _numbers(path, name, filled[name]) for name in COLUMNS if name not in ("sequence", "class")}
    names = np.array([str(name) or path.stem for name in filled["sequence"]], np.str_)
    kinds = np.array([str(kind) for kind in filled["class"]], np.str_)
    return [_sequence(path, name, np.flatnonzero(names == name), numbers, kinds) for name in np.unique(names).tolist()]


def _columns(sequence: SequenceTracks) -> dict[str, list[Any]]:
    table = sequence.table
    names = [sequence.class_name(row) for row in range(len(table))]
    columns = (table.frames.tolist(), table.ids.tolist(), names, table.scores.tolist(), *table.boxes.T.tolist())
    return dict(zip(COLUMNS, ([sequence.name] * len(table), *columns), strict=True))


def _read_csv(path: Path) -> dict[str, list[Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            names, rows = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: no table that can be read ({error})") from None
    return {name.strip(): [row[name] for row in rows] for name in names}


def _read_parquet(path: Path) -> dict[str, list[Any]]:
    def read() -> dict[str, list[Any]]:
        try:
            return dict(parquet.read_table(path).to_pydict())
        except (pyarrow.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: no table that can be read ({reason})") from None

    return _with_arrow(read)


def _with_arrow(work: Callable[[], Value]) -> Value:
    try:
        return work()
    except ImportError:
        raise InputError(f"{missing_extras('pyarrow')}; .csv holds the same") from None


def _numbers(path: Path, name: str, values: Sequence[Any]) -> NDArray[Any]:
    """Return a column as numbers, `frame` and `identity` as whole ones."""
    whole = name in ("frame", "identity")
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            numbers[row] = float(value)
        except (TypeError, ValueError):
            numbers[row] = np.nan
    odd = ~np.isfinite(numbers) | (whole & (np.rint(numbers) != numbers)) | (np.abs(numbers) >= 2.0**53)
    if odd.any():
        kind = "whole number" if whole else "number"
        row = int(odd.argmax())
        raise InputError(f"{path}: {name} is {values[row]!r} in row {row + 1}, not a {kind}")
    return numbers.astype(np.int64) if whole else numbers


def _sequence(
    path: Path, name: str, rows: Ints, numbers: Mapping[str, Floats | Ints], kinds: NDArray[np.str_]
) -> SequenceTracks:
    """Return the tracks of the rows of one sequence, by frame, classes numbered as they appear."""
    if not is_plain_name(name):
        raise InputError(f"{path}: the sequence {name!r} is not called like a file")
    names = tuple(dict.fromkeys(kinds[rows].tolist()))
    classes = np.array([names.index(kind) + 1 for kind in kinds[rows].tolist()], np.int64)
    boxes = np.column_stack([numbers[side][rows].astype(np.float64) for side in ("x1", "y1", "x2", "y2")])
    table = TrackTable(
        numbers["frame"][rows].astype(np.int64),
        numbers["identity"][rows].astype(np.int64),
        boxes,
        numbers["score"][rows].astype(np.float64),
        classes,
    )
    check_rows(path, table)
    return SequenceTracks(name, table[np.argsort(table.frames, kind="stable")], names)
