"""The halves of a training sequence that the field trains and validates on (ByteTrack's rule)."""

from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar, get_args

from smiletrack.config import nearest
from smiletrack.data.mot import DetectionTable
from smiletrack.errors import InputError
from smiletrack.types import TrackTable

Split = Literal["all", "train", "val", "test", "train_half", "val_half"]
TableT = TypeVar("TableT", TrackTable, DetectionTable)


def split_range(length: int, split: str) -> tuple[int, int]:
    """Return the first and last frame number (from 1, inclusive) of a split of a sequence of `length` frames.

    `train_half` is 1 .. length // 2 + 1, `val_half` the rest (empty, last < first, below 3 frames); `all`, `train`,
    `val` and `test` are the whole sequence: they name folders (see `resolve_split`).
    """
    if split not in get_args(Split):
        raise InputError(
            f"split: no {split!r}{nearest(split, get_args(Split))}; there are {', '.join(get_args(Split))}"
        )
    middle = min(length // 2 + 1, length)
    return {"train_half": (1, middle), "val_half": (middle + 1, length)}.get(split, (1, length))


def resolve_split(split: str, root: str | Path) -> str:
    """Return `val_half` for the `val` of a data set that has no validation folder, `split` else.

    MOT17 and MOT20 have none: there `root` is a folder named `train` (or a sequence in it). DanceTrack has one.
    """
    path = Path(root).resolve()
    return "val_half" if split == "val" and "train" in (path.name, path.parent.name) else split


def cut_frames(table: TableT, first: int, last: int) -> TableT:
    """Return the rows of frames `first` .. `last`, renumbered from 1."""
    part = table[(table.frames >= first) & (table.frames <= last)]
    return replace(part, frames=part.frames - (first - 1))


def source_and_split(source: str, default: str) -> tuple[Path, str]:
    """Return folder and split of FOLDER or FOLDER@SPLIT; without a split it is `default`.

    The last word is a split only if it is one, so that folders may have `@` in their names. Raises InputError for a
    word that comes near to one, after a folder that is there.
    """
    folder, separator, word = source.rpartition("@")
    if not separator or Path(source).is_dir():
        return Path(source), default
    if word in get_args(Split):
        return Path(folder), word
    if Path(folder).is_dir():
        split_range(1, word)  # says what it is not
    return Path(source), default
