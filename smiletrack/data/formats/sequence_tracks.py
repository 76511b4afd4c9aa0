"""The neutral form between two formats: the tracks of one sequence, with what is known about its frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import xywh_to_xyxy
from smiletrack.errors import InputError, shown
from smiletrack.files import is_plain_name
from smiletrack.limits import LARGEST_NUMBER, MAX_FRAMES
from smiletrack.types import Floats, Ints, TrackTable

NOBODY = -1
"""The identity of a box that is nobody's in particular."""


@dataclass(frozen=True, eq=False)
class SequenceTracks:
    """The tracks of one sequence, truth or result.

    table: frames from 1; `classes` count `class_names` from 1; ids NOBODY where the format names nobody; `scores` are
    confidences, or where `truth` is set marks, 0 for boxes that do not count. num_frames: 0 where nothing tells it.
    width, height: px, 0 where nothing tells. frame_rate: frames a second, 0 where nothing tells. images: frame number
    -> image file, those that are known.

    Raises InputError for a name that is none of a file: paths are made of it.
    """

    name: str
    table: TrackTable
    class_names: tuple[str, ...] = ("pedestrian",)
    truth: bool = False
    num_frames: int = 0
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    images: dict[int, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_plain_name(self.name):
            raise InputError(f"a sequence is called {shown(self.name)}, which is not the name of a file")

    @property
    def length(self) -> int:
        """Frames of the sequence, at least up to the last box and the last image."""
        return max(self.num_frames, int(self.table.frames.max(initial=0)), *self.images, 0)

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(N,) the boxes that count: all of a result, of truth those whose mark is not 0."""
        return self.table.counted if self.truth else np.ones(len(self.table), np.bool_)

    def class_name(self, row: int) -> str:
        """Return what the class of a row is called."""
        return self.class_names[self.table.classes[row] - 1]


def by_name(source: Path, sequences: Sequence[SequenceTracks]) -> dict[str, SequenceTracks]:
    """Return sequences by name; InputError where two have one, whose files or frames would become one."""
    found: dict[str, SequenceTracks] = {}
    for sequence in sequences:
        if found.setdefault(sequence.name, sequence) is not sequence:
            raise InputError(f"{source}: two sequences in it are called {shown(sequence.name)}; rename one")
    return found


def table_of_rows(
    file: Path, rows: Sequence[tuple[int, int, float, float, float, float, float, int, float]], corners: bool = False
) -> TrackTable:
    """Return rows of frame, id, box, score, class and visibility as a table, in order of frames, then of the file.

    corners: boxes are xyxy and not xywh. Raises InputError for a frame outside 1 .. MAX_FRAMES, a box that is not
    finite, and an identity twice in one frame.
    """
    if not rows:
        return no_rows()
    cells = np.array(rows, np.float64)
    boxes = cells[:, 2:6] if corners else xywh_to_xyxy(cells[:, 2:6])
    if (np.abs(cells[:, :2]) >= LARGEST_NUMBER).any():
        raise InputError(f"{file}: a frame or an identity is 2^53 or more, where numbers are not exact")
    frames, ids = whole_numbers(cells[:, 0]), whole_numbers(cells[:, 1])
    table = TrackTable(frames, ids, boxes, cells[:, 6], whole_numbers(cells[:, 7]), cells[:, 8])
    check_rows(file, table)
    return table[np.argsort(frames, kind="stable")]


def no_rows() -> TrackTable:
    """Return the table without rows."""
    return TrackTable(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))


def joined_rows(file: Path, parts: Sequence[TrackTable]) -> TrackTable:
    """Return tables as one, in order of frames; raises InputError as `table_of_rows` does."""
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("frames", "ids", "boxes", "scores", "classes", "visibility")
    }
    table = TrackTable(**columns)
    check_rows(file, table)
    return table[np.argsort(table.frames, kind="stable")]


def whole_numbers(column: Floats) -> Ints:
    """Return a column of whole numbers as such."""
    return np.asarray(column).astype(np.int64)


def check_rows(file: Path, table: TrackTable) -> None:
    """Raise InputError for a frame that cannot be, a box that is not finite, an identity twice in one frame."""
    outside = (table.frames < 1) | (table.frames > MAX_FRAMES)
    if outside.any():
        raise InputError(
            f"{file}: frame {table.frames[outside.argmax()]} (from 1) is outside of 1 .. {MAX_FRAMES}, the longest "
            "sequence that is read"
        )
    odd = ~np.isfinite(table.boxes).all(1)
    if odd.any():
        raise InputError(f"{file}: a box of frame {table.frames[odd.argmax()]} is not four finite numbers")
    named = np.flatnonzero(table.ids != NOBODY)
    keys = np.column_stack((table.frames, table.ids))[named]
    _, first, counts = np.unique(keys, axis=0, return_index=True, return_counts=True)
    if (counts > 1).any():
        frame, identity = keys[first[(counts > 1).argmax()]]
        raise InputError(f"{file}: identity {identity} is more than once in frame {frame}")
