"""MOTChallenge folders and text files. Frame numbers and left-top-width-height boxes exist only here.

Read are the dialects in use from MOT15 to DanceTrack: 6 columns and more (frame, id, x, y, w, h, score, class,
visibility), separated by commas, semicolons, tabs or blanks; whole numbers written as floats; ids from 0. Numbers are
read as the float64 nearest to their text. Row i of every table is line i + 1 of its file, so that whoever finds fault
with a row can name its line.
"""

import configparser
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import xyxy_to_xywh
from smiletrack.data.number_table import parse_numbers
from smiletrack.errors import InputError
from smiletrack.files import atomic_write
from smiletrack.types import Floats, Ints, TrackTable

Column = Floats | Ints
_COLUMNS = ["frame", "id", "x", "y", "w", "h", "score", "class", "visibility"]


@dataclass(frozen=True)
class SequenceInfo:
    """What `seqinfo.ini` says of a sequence.

    frame_rate in frames a second. length in frames. width and height in pixels, 0 where the file does not say.
    image_folder: where the frames should be. image_extension: with its dot.
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


def list_sequences(root: str | Path) -> list[Path]:
    """Return the sequence folders in `root`, sorted by name; `root` itself where it is one.

    A sequence is a folder with `seqinfo.ini`, `gt/` or `det/`. Raises InputError where there is none.
    """
    root = Path(root)
    if _is_sequence(root):
        return [root]
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    folders = sorted(folder for folder in root.iterdir() if _is_sequence(folder))
    if not folders:
        raise InputError(f"{root}: no sequence in it (a folder with seqinfo.ini, gt/ or det/)")
    return folders


def _is_sequence(folder: Path) -> bool:
    return (folder / "seqinfo.ini").is_file() or (folder / "gt").is_dir() or (folder / "det").is_dir()


def read_sequence_info(folder: str | Path) -> SequenceInfo:
    """Read `folder/seqinfo.ini`; only `seqLength` has no default."""
    folder = Path(folder)
    file = folder / "seqinfo.ini"
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(file.read_text(encoding="utf-8-sig"))
        section = parser["Sequence"]
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; it must hold the section [Sequence] with seqLength") from None
    except (configparser.Error, UnicodeDecodeError, KeyError, OSError) as error:
        raise InputError(f"{file}: not readable as an ini file with a section [Sequence] ({error})") from None

    def number(key: str, default: str | None, lowest: float) -> float:
        text = section.get(key, default)
        if text is None:
            raise InputError(f"{file}: {key} is missing")
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not lowest <= value < float("inf"):
            raise InputError(f"{file}: {key}={text} must be a number of at least {lowest:g}")
        return value

    return SequenceInfo(
        name=section.get("name") or folder.name,
        folder=folder,
        frame_rate=number("frameRate", "30", 1e-6),
        length=int(number("seqLength", None, 0)),
        width=int(number("imWidth", "0", 0)),
        height=int(number("imHeight", "0", 0)),
        image_folder=folder / (section.get("imDir") or "img1"),
        image_extension=section.get("imExt") or ".jpg",
    )


def read_truth(file: str | Path, min_columns: int = 6) -> TrackTable:
    """Read annotations (`gt.txt`). `scores` is the seventh column as it stands: 0 marks rows that do not count.

    Absent columns are score 1, class 1, visibility 1. An empty file is an empty table. Raises InputError naming file
    and line for text or NaN in a number, for rows of fewer than `min_columns`, of one frame with different lengths.
    """
    return _track_table(Path(file), min_columns)


def read_results(file: str | Path, min_columns: int = 6) -> TrackTable:
    """Read a tracker's result file; the format, the defaults and the errors are those of `read_truth`.

    The eighth column, -1 in most results, is the class.
    """
    return _track_table(Path(file), min_columns)


def write_results(path: str | Path, table: TrackTable, decimals: int = 2) -> None:
    """Write a result file of 10 columns, rows in the order of the table, atomically."""
    rows = zip(table.frames, table.ids, *xyxy_to_xywh(table.boxes).T, table.scores, strict=True)
    line = "%d,%d," + f"%.{decimals}f," * 4 + "%.4f,-1,-1,-1\n"
    with atomic_write(Path(path)) as stream:
        stream.writelines(line % row for row in rows)


def read_detections(file: str | Path) -> DetectionTable:
    """Read detections. The id column is ignored; absent columns are score 1 and class 1, and so is class -1.

    An empty file is an empty table. Raises InputError as `read_truth` does, and for scores that are no numbers.
    """
    file = Path(file)
    frames, _, *box, scores, classes, _ = _read_columns(file, 6)
    _check(
        file, frames, ~np.logical_and.reduce([np.isfinite(side) for side in box]), "the box must be four finite numbers"
    )
    _check(file, frames, np.isnan(scores), "the score is not a number")
    classes = _whole(classes)
    return DetectionTable(_whole(frames), _corners(*box), _numbers(scores), np.where(classes == -1, 1, classes))


def read_warps(file: str | Path) -> Floats:
    """Read camera motion (`gmc.txt`): (T, 2, 3), row i maps pixels of frame i - 1 to frame i (0-based; row 0 is unity).

    A line is the affine matrix row by row, with or without the frame's 0-based index before it.
    """
    file = Path(file)
    columns = _parse(file, 6)
    if len(columns) not in (6, 7):
        raise InputError(f"{file}:1: a line must hold the 6 numbers of an affine matrix, with an index before or not")
    numbers = np.column_stack(columns).astype(np.float64)
    wrong = ~np.logical_and.reduce(np.isfinite(numbers), axis=1)
    if len(columns) == 7:
        wrong |= numbers[:, 0] != np.arange(len(numbers))
    _check(file, columns[0], wrong, "six finite numbers are needed, and indices that count 0, 1, 2 ...")
    return np.ascontiguousarray(numbers[:, -6:]).reshape(-1, 2, 3)


def _track_table(file: Path, min_columns: int) -> TrackTable:
    frames, ids, *box, scores, classes, visibility = _read_columns(file, min_columns)
    _check(file, frames, ~np.isfinite(ids), "the id is not a number")
    boxes = _corners(*box)
    _check(file, frames, np.logical_or.reduce(np.isnan(boxes), axis=1), "NaN in the box")
    return TrackTable(_whole(frames), _whole(ids), boxes, _numbers(scores), _whole(classes), _numbers(visibility))


def _read_columns(file: Path, min_columns: int) -> list[Column]:
    """Return 9 columns of numbers, those that are absent filled with 1; frames are checked."""
    columns = _parse(file, min_columns)[:9]
    columns += [np.ones(len(columns[0]), np.int64)] * (9 - len(columns))
    _check(file, columns[0], ~np.isfinite(columns[0]), "the frame is not a number")
    return columns


def _corners(x: Column, y: Column, width: Column, height: Column) -> Floats:
    return np.column_stack([x, y, x + width, y + height]).astype(np.float64, copy=False)


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


def _parse(file: Path, min_columns: int) -> list[Column]:
    """Return the columns of a file, one row a line: at once where all is regular, else line by line."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    if not data:
        return [np.empty(0)] * min_columns
    separator = _separator(data[: data.find(b"\n") % (len(data) + 1)])
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
        rows.append(row)
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
