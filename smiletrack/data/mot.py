"""MOTChallenge folders and text files. Frame numbers and left-top-width-height boxes exist only here.

Read are the dialects in use from MOT15 to DanceTrack: 6 columns and more (frame, id, x, y, w, h, score, class,
visibility), separated by commas, semicolons, tabs or blanks; whole numbers written as floats; ids from 0. Numbers are
read as the float64 nearest to their text. Row i of every table is line i + 1 of its file, so that whoever finds fault
with a row can name its line.
"""

import configparser
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import xyxy_to_xywh
from smiletrack.data.number_table import parse_numbers
from smiletrack.errors import InputError
from smiletrack.files import atomic_write, is_plain_name
from smiletrack.limits import LARGEST_NUMBER, LONGEST_SIDE, MAX_FRAMES
from smiletrack.types import Floats, Ints, TrackTable

Column = Floats | Ints
_MOST_FILLED = 16
"""Columns that are kept of rows that differ in length: one long row must not make all others as long."""
_COLUMNS = ["frame", "id", "x", "y", "w", "h", "score", "class", "visibility"]


@dataclass(frozen=True)
class SequenceInfo:
    """What `seqinfo.ini` says of a sequence; 0 and "" stand for what it does not say.

    frame_rate in frames a second. length in frames. width and height in pixels. image_folder: where the frames should
    be. image_extension: with its dot.
    """

    name: str
    folder: Path
    frame_rate: float
    length: int
    width: int
    height: int
    image_folder: Path
    image_extension: str


@dataclass(frozen=True, eq=False)
class DetectionTable:
    """All detections of a sequence, in the order of their file.

    frames: (N,) MOT frame numbers, from 1. boxes: (N, 4) xyxy pixels. scores: (N,). classes: (N,), 1 = pedestrian.
    """

    frames: Ints
    boxes: Floats
    scores: Floats
    classes: Ints

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: NDArray[np.generic]) -> "DetectionTable":
        """Return the rows that an index array or a boolean mask selects."""
        return DetectionTable(self.frames[rows], self.boxes[rows], self.scores[rows], self.classes[rows])

    def frame(self, number: int) -> Ints:
        """Return the indices of the rows of one frame, in file order; empty where there are none."""
        order, sorted_frames = self._by_frame
        first, last = np.searchsorted(sorted_frames, (number, number + 1))
        return order[first:last]

    @cached_property
    def _by_frame(self) -> tuple[Ints, Ints]:
        order = np.argsort(self.frames, kind="stable")
        return order, self.frames[order]


def read_sequence_info(folder: str | Path) -> SequenceInfo:
    """Read `folder/seqinfo.ini`; nothing is said where it is not there.

    Raises InputError naming the key that is not a number in its range. The sequence is called like its folder, whatever
    the file says.
    """
    folder = Path(folder)
    file = folder / "seqinfo.ini"
    section = _ini_section(file) if file.is_file() else {}

    def number(key: str, lowest: float, highest: float, whole: bool = True) -> float:
        text = " ".join(section.get(key, "").split())
        try:
            value = float(text or "0")
        except ValueError:
            value = math.nan
        if text and not (lowest <= value <= highest and (value.is_integer() or not whole)):
            kind = "whole number" if whole else "number"
            raise InputError(f"{file}: {key}={text} must be a {kind} from {lowest:g} to {highest:g}")
        return value

    images = " ".join(section.get("imDir", "").split()) or "img1"
    if not is_plain_name(images):
        raise InputError(f"{file}: imDir={images} is not the name of a folder in the sequence's own")
    return SequenceInfo(
        name=sequence_name(folder),
        folder=folder,
        frame_rate=number("frameRate", 1e-3, 1e6, whole=False),
        length=int(number("seqLength", 1, MAX_FRAMES)),
        width=int(number("imWidth", 0, LONGEST_SIDE)),
        height=int(number("imHeight", 0, LONGEST_SIDE)),
        image_folder=folder / images,
        image_extension=section.get("imExt", ""),
    )


def sequence_name(folder: str | Path) -> str:
    """Return what a sequence is called: its folder's own name, also where that is given as `.`."""
    path = Path(folder)
    return path.name if path.name not in ("", "..") else path.resolve().name


def _ini_section(file: Path) -> Mapping[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(file.read_text(encoding="utf-8-sig"))
        return parser["Sequence"]
    except (configparser.Error, UnicodeDecodeError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file}: not readable as an ini file with a section [Sequence] ({reason})") from None


def read_truth(file: str | Path, min_columns: int = 6) -> TrackTable:
    """Read annotations (`gt.txt`) of MOT16 and later as they stand; `truth.read_annotations` knows other dialects.

    `scores` is the seventh column: 0 marks rows that do not count. Absent columns are score 1, class 1, visibility 1.
    An empty file is an empty table. Raises InputError naming file and line for text or NaN in a number, for rows of
    fewer than `min_columns`, of one frame with different lengths, and for frames or ids that are no whole numbers.
    """
    return track_table(Path(file), read_columns(Path(file), min_columns), whole=True)


def read_results(file: str | Path, min_columns: int = 6, whole: bool = True) -> TrackTable:
    """Read a tracker's result file; the format, the defaults and the errors are those of `read_truth`.

    The eighth column, -1 in most results, is the class. whole=False: fractions of frames and ids are cut, as the
    official evaluator does.
    """
    return track_table(Path(file), read_columns(Path(file), min_columns), whole)


def write_results(path: str | Path, table: TrackTable, decimals: int = 2) -> None:
    """Write a result file of 10 columns, rows in the order of the table, atomically.

    The eighth is the class where there is another than 1, else -1 as MOTChallenge has it.
    """
    classes = table.classes if (table.classes > 1).any() else np.full(len(table), -1)
    rows = zip(table.frames, table.ids, *xyxy_to_xywh(table.boxes).T, table.scores, classes, strict=True)
    line = "%d,%d," + f"%.{decimals}f," * 4 + "%.4f,%d,-1,-1\n"
    with atomic_write(Path(path)) as stream:
        stream.writelines(line % row for row in rows)


def read_detections(file: str | Path) -> DetectionTable:
    """Read detections. The id column is ignored; absent columns are score 1 and class 1, and so is class -1.

    An empty file is an empty table. Raises InputError as `read_truth` does, and for scores that are no numbers.
    """
    file = Path(file)
    frames, _, *box, scores, classes, _ = _filled(read_columns(file, 6))
    _check(file, frames, ~np.isfinite(frames), "the frame is not a number")
    _check(file, frames, ~is_whole(frames), "the frame is not a whole number")
    _check(
        file, frames, ~np.logical_and.reduce([np.isfinite(side) for side in box]), "the box must be four finite numbers"
    )
    _check(file, frames, np.isnan(scores), "the score is not a number")
    # fractions are MOT15's positions on the ground
    classes = _whole(classes) if is_whole(classes).all() else np.ones(len(frames), np.int64)
    return DetectionTable(_whole(frames), _corners(*box), _numbers(scores), np.where(classes == -1, 1, classes))


def read_warps(file: str | Path) -> Floats:
    """Read camera motion (`gmc.txt`): (T, 2, 3), row i maps pixels of frame i - 1 to frame i (0-based; row 0 is unity).

    A line is the affine matrix row by row, with or without the frame's 0-based index before it.
    """
    file = Path(file)
    columns = read_columns(file, 6)
    if len(columns) not in (6, 7):
        raise InputError(f"{file}:1: a line must hold the 6 numbers of an affine matrix, with an index before or not")
    numbers = np.column_stack(columns).astype(np.float64)
    wrong = ~np.logical_and.reduce(np.isfinite(numbers), axis=1)
    if len(columns) == 7:
        wrong |= numbers[:, 0] != np.arange(len(numbers))
    _check(file, columns[0], wrong, "six finite numbers are needed, and indices that count 0, 1, 2 ...")
    return np.ascontiguousarray(numbers[:, -6:]).reshape(-1, 2, 3)


def track_table(file: Path, columns: Sequence[Column], whole: bool) -> TrackTable:
    """Return the table of a file's columns; see `read_truth` and `read_results` for defaults and errors."""
    frames, ids, *box, scores, classes, visibility = _filled(columns)
    for name, column in (("frame", frames), ("id", ids)):
        _check(file, frames, ~np.isfinite(column), f"the {name} is not a number")
        _check(
            file, frames, np.abs(column) >= LARGEST_NUMBER, f"the {name} is 2^53 or more, where numbers are not exact"
        )
        if whole:
            _check(file, frames, ~is_whole(column), f"the {name} is not a whole number")
    boxes = _corners(*box)
    if np.isnan(boxes.sum()):  # asking every row takes as long as half of reading them
        _check(file, frames, np.logical_or.reduce(np.isnan(boxes), axis=1), "NaN in the box")
    return TrackTable(_whole(frames), _whole(ids), boxes, _numbers(scores), _whole(classes), _numbers(visibility))


def _filled(columns: Sequence[Column]) -> list[Column]:
    """Return the first 9 columns, those that are absent filled with 1."""
    return [*columns[:9], *[np.ones(len(columns[0]), np.int64)] * (9 - len(columns))]


def _corners(x: Column, y: Column, width: Column, height: Column) -> Floats:
    return np.column_stack([x, y, x + width, y + height]).astype(np.float64, copy=False)


def is_whole(column: Column) -> NDArray[np.bool_]:
    """Return (N,) whether each number is a whole one."""
    if column.dtype == np.int64:
        return np.ones(len(column), np.bool_)
    return (np.rint(column) == column) & np.isfinite(column)


def _numbers(column: Column) -> Floats:
    return column.astype(np.float64, copy=False)


def _whole(column: Column) -> Ints:
    """Cut towards zero as the official evaluator does; what is not finite becomes the lowest integer."""
    with np.errstate(invalid="ignore"):
        return column.astype(np.int64, copy=False)


def _check(file: Path, frames: Column, wrong: NDArray[np.bool_], message: str) -> None:
    """Raise InputError for the first row that is wrong."""
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(f"{file}:{row + 1}: {message} (frame {frames[row]:g})")


def read_columns(file: Path, min_columns: int) -> list[Column]:
    """Return the columns of a file of numbers, one row a line; an empty file has `min_columns` empty ones.

    Raises InputError naming the line of what is no number, and of rows that are too short (see `read_truth`).
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    if not data:
        return [np.empty(0)] * min_columns
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{file}: UTF-16 text; save it as UTF-8")
    first = data[: data.find(b"\n") % (len(data) + 1)]
    if b";" in first and b"," in first:  # a spreadsheet's, in a language that writes 0,9 for 0.9
        data, first = data.replace(b",", b"."), first.replace(b",", b".")
    separator = _separator(first)
    regular = parse_numbers(data, separator)
    if regular is not None and len(regular) >= min_columns:
        return list(regular)
    return _parse_lines(file, data, separator, min_columns)


def _separator(line: bytes) -> str | None:
    """Return the character that separates columns, None for any run of blanks and tabs."""
    return next((mark for mark in (",", ";") if mark.encode() in line), None)


def _parse_lines(file: Path, data: bytes, separator: str | None, min_columns: int) -> list[Column]:
    """Read line by line; rows of different frames may differ in length and are filled with 1.

    Raises InputError with the line of the first cell that is no number, the first blank line, the first short row.
    """
    rows: list[list[float]] = []
    length_of_frame: dict[float, int] = {}
    text = data.decode("utf-8-sig", "replace").removesuffix("\n")
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{file}:{number}"
        if not line.strip():
            raise InputError(f"{where}: a blank line; every line must hold numbers")
        cells = line.strip("\r").split(separator)
        row = [_cell(cell, column, where) for column, cell in enumerate(cells[:-1] if not cells[-1].strip() else cells)]
        if len(row) < min_columns:
            raise InputError(f"{where}: {len(row)} columns, at least {min_columns} are needed ({_start(min_columns)})")
        if length_of_frame.setdefault(row[0], len(row)) != len(row):
            raise InputError(f"{where}: {len(row)} columns, but {length_of_frame[row[0]]} before in frame {row[0]:g}")
        rows.append(row[:_MOST_FILLED])
    width = max(map(len, rows))
    return list(np.array([row + [1.0] * (width - len(row)) for row in rows]).T)


def _cell(text: str, column: int, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        name = f" ({_COLUMNS[column]})" if column < len(_COLUMNS) else ""
        raise InputError(f"{where}: column {column + 1}{name} is {text.strip()!r}, not a number") from None


def _start(columns: int) -> str:
    return ",".join(_COLUMNS[:columns])
