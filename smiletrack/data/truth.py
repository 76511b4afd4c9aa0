"""Ground truth: what the columns of a `gt.txt` mean, decided by the values in them, and which rows count.

All dialects begin with frame, id, left, top, width, height, mark. What follows is read from the numbers, never from
the file's name or separators: MOT16's class and visibility, MOT15's position on the ground, VisDrone's classes, or
classes that a `labels.txt` beside the file names, as CVAT exports them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smiletrack.data.class_names import MOTCHALLENGE, VISDRONE, plain_name
from smiletrack.data.mot import Column, is_whole, read_columns, track_table
from smiletrack.errors import InputError
from smiletrack.files import atomic_write
from smiletrack.metrics.preprocess import Source
from smiletrack.types import Floats, Ints, TrackTable

PEDESTRIAN = 1
IGNORED_CLASSES = (2, 7, 8, 12)
"""Person on vehicle, static person, distractor, reflection: neither target nor background (MOT16, arXiv:1603.00831)."""
_PEOPLE = ("pedestrian", "person", "people", "human")
"""Names of classes, in files that have names, that are the target."""
_OTHER = 3
"""Class of everything else that a file names: like a car it is neither learned nor scored."""
_VISDRONE = np.array([8, 1, 2, *[_OTHER] * 9])
"""VisDrone's ignored region, pedestrian, people (who sit or ride), nine kinds of vehicle -> MOTChallenge's class."""
VISDRONE_SHARES = np.array([1.0, 0.75, 0.25])
"""Middle of the visible share that VisDrone's occlusion 0 (none), 1 (up to a half), 2 (more) stands for."""


@dataclass(frozen=True, eq=False)
class Truth:
    """Annotations of a sequence, or of a part of one.

    table: classes are MOTChallenge's (1 = pedestrian), visibility is in [0, 1]. source: the file and the line of each
    row, for messages. dialect: what the columns were taken for, to be told. labels: (N,) the class of each row in the
    file's own `label_names`, from 0; -1 for rows of no class in it, which do not count.
    """

    table: TrackTable
    source: Source
    dialect: str
    labels: Ints
    label_names: tuple[str, ...] = MOTCHALLENGE

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: NDArray[np.bool_]) -> "Truth":
        """Return the rows that a boolean mask selects."""
        lines = np.flatnonzero(rows) + 1 if self.source.lines is None else self.source.lines[rows]
        source = replace(self.source, lines=lines)
        return replace(self, table=self.table[rows], source=source, labels=self.labels[rows])

    def line(self, row: int) -> int:
        """Return the line of a row in its file."""
        return row + 1 if self.source.lines is None else int(self.source.lines[row])

    def targets(self) -> NDArray[np.bool_]:
        """Return (N,) which rows are pedestrians that count; distractors and rows marked 0 are none."""
        return self.table.counted & (self.table.classes == PEDESTRIAN)

    def why_none(self) -> str:
        """Return in one line why no row is a target: 0 of 20 rows count: 20 of class 2, person on vehicle."""
        if not len(self):
            return f"{self.source.name}: no rows in these frames"
        marked = int((~self.table.counted).sum())
        reasons = [f"{marked} marked 0"] if marked else []
        numbers, counts = np.unique(self.table.classes[self.table.counted], return_counts=True)
        reasons += [f"{n} of class {c}, {MOTCHALLENGE[c - 1]}" for c, n in zip(numbers.tolist(), counts, strict=True)]
        return f"{self.source.name}: 0 of {len(self)} rows count: {'; '.join(reasons)}"


def read_annotations(file: str | Path) -> Truth:
    """Read a `gt.txt` of any dialect; an empty file is an empty table.

    Raises InputError as `mot.read_truth` does, and in rows that count for an id below 0 and for a class outside
    MOTChallenge's 1 .. 13 beside others in it.
    """
    file = Path(file)
    columns = read_columns(file, 6)
    table = track_table(file, columns, whole=True)
    classes, visibility, dialect, *labels = _meaning(file, columns)
    table = replace(table, classes=classes, visibility=visibility)
    source = Source(str(file))
    strange = table.counted & ((classes < 1) | (classes > len(MOTCHALLENGE)))
    if strange.any():
        row = int(strange.argmax())
        raise source.error(row, f"class {classes[row]} is none of MOTChallenge's, 1 .. {len(MOTCHALLENGE)}")
    negative = table.counted & (table.ids < 0)
    if negative.any():
        row = int(negative.argmax())
        raise source.error(row, f"the id {table.ids[row]} is below 0; people are counted from 0 or 1")
    return Truth(table, source, dialect, *(labels or [motchallenge_labels(classes)]))


def motchallenge_labels(classes: Ints) -> Ints:
    """Return (N,) indices into MOTChallenge's names of its class numbers, -1 for what is none of them."""
    return np.where((classes >= 1) & (classes <= len(MOTCHALLENGE)), classes - 1, -1)


def _meaning(file: Path, columns: Sequence[Column]) -> tuple[Any, ...]:
    """Return classes, visibility, the words for what was found; of files with classes of their own those and names."""
    rows, number = len(columns[0]), len(columns)
    people, in_full_view = np.full(rows, PEDESTRIAN), np.ones(rows)
    if number < 8:
        return people, in_full_view, f"{number} columns: every row is a pedestrian in full view"
    names = file.with_name("labels.txt")
    if names.is_file() and is_whole(columns[7]).all():
        classes, words, label_names = _named(names, columns[7].astype(np.int64))
        return classes, *_visibility(columns, words), columns[7].astype(np.int64) - 1, label_names
    if _is_visdrone(columns):
        occlusion = columns[9].astype(np.int64)
        words = "VisDrone's columns: pedestrians count, people and ignored regions are ignored, vehicles left out"
        labels = columns[7].astype(np.int64)
        return _VISDRONE[labels], VISDRONE_SHARES[occlusion], words, labels, VISDRONE
    valid = is_whole(columns[7]) & (columns[7] >= 1) & (columns[7] <= len(MOTCHALLENGE))
    if number >= 10 and not (valid.all() and _is_share(columns[8])):
        words = "MOT15's columns, without classes: every row is a pedestrian in full view"
        return people, in_full_view, words
    if rows and not valid.any():
        return people, *_visibility(columns, "no class in column 8: every row is a pedestrian")
    with np.errstate(invalid="ignore"):
        return columns[7].astype(np.int64), *_visibility(columns, "MOT16's columns: mark, class")


def read_class_names(file: Path) -> tuple[str, ...]:
    """Return the names in a `labels.txt`, one a line; the first is class 1."""
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def write_class_names(file: Path, names: Sequence[str], always: bool = False) -> None:
    """Write a `labels.txt`, a name a line; unless `always`, none where the only class is a person, as without one."""
    if always or list(names) not in ([], ["person"], ["pedestrian"]):
        with atomic_write(file) as stream:
            stream.writelines(f"{' '.join(name.split()) or '?'}\n" for name in names)


def _named(file: Path, numbers: Ints) -> tuple[Ints, str, tuple[str, ...]]:
    """Return MOTChallenge's class of each number by the names in `labels.txt`, words about it, and the names."""
    names = read_class_names(file)
    outside = (numbers < 1) | (numbers > len(names))
    if outside.any():
        row = int(outside.argmax())
        raise InputError(f"{file}: {len(names)} names, but class {numbers[row]} is in line {row + 1} of gt.txt")
    classes = np.array([_class_of(name, len(names) == 1) for name in names], np.int64)
    taken = [name for name, number in zip(names, classes, strict=True) if number == PEDESTRIAN]
    left = [name for name, number in zip(names, classes, strict=True) if number != PEDESTRIAN]
    words = f"classes of labels.txt: {', '.join(taken) or 'none of them'} counts"
    return classes[numbers - 1], words + (f", not {', '.join(left)}" if left else ""), names


def _class_of(name: str, alone: bool) -> int:
    words = plain_name(name)
    if alone or words in _PEOPLE:
        return PEDESTRIAN
    short = {"non mot vehicle": 6, "occluder on grnd": 10}  # as CVAT's own list of MOTChallenge's classes has them
    return short.get(words, MOTCHALLENGE.index(words) + 1 if words in MOTCHALLENGE else _OTHER)


def _is_visdrone(columns: Sequence[Column]) -> bool:
    """Tell class 0 .. 11, truncation 0 or 1, occlusion 0 .. 2 from positions on the ground."""
    if len(columns) != 10 or not len(columns[0]):
        return False
    coded = zip(columns[7:], (11, 1, 2), strict=True)
    fits = all(bool((np.isin(column, np.arange(most + 1))).all()) for column, most in coded)
    return fits and bool((columns[7] > 0).any())


def _is_share(column: Column) -> bool:
    known = column[~np.isnan(column)]
    return bool(((known >= 0) & (known <= 1)).all())


def _visibility(columns: Sequence[Column], words: str) -> tuple[Floats, str]:
    """Return column 9 where it holds shares (NaN: full view), else full view, and `words` with what was done."""
    if len(columns) < 9:
        return np.ones(len(columns[0])), f"{words}; all in full view"
    if not _is_share(columns[8]):
        return np.ones(len(columns[0])), f"{words}; column 9 is no visible share, all in full view"
    return np.nan_to_num(columns[8].astype(np.float64), nan=1.0), f"{words}, visibility"
