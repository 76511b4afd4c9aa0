"""The table that identity training reads: which box of which image shows whom, unique over all sequences and sets."""

import os
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import area, clip_boxes
from smiletrack.data.sequences import Sequence, one_copy_each, open_sequences
from smiletrack.data.truth import Truth
from smiletrack.errors import InputError
from smiletrack.files import atomic_write
from smiletrack.lazy import LazyModule
from smiletrack.types import Floats, Ints

pandas = LazyModule("pandas")

_COLUMNS = ("image", "x1", "y1", "x2", "y2", "visibility", "identity", "frame", "sequence")


@dataclass(frozen=True, eq=False)
class IdentityTable:
    """One row a box; row i of every array is the same box.

    images: M image files. image_indices: (N,) which of them. boxes: (N, 4) xyxy pixels. visibility: (N,) in [0, 1].
    identities: (N,) person number, unique over sequences and sets. frames: (N,) time index within the sequence, -1
    where there is no time (photographs). sequences: (N,) name of the sequence or set. notes: one line for each thing to
    be told about the files it was read from.

    Raises ValueError where lengths disagree.
    """

    images: tuple[Path, ...]
    image_indices: Ints
    boxes: Floats
    visibility: Floats
    identities: Ints
    frames: Ints
    sequences: NDArray[np.str_]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows = len(self.image_indices)
        for name in ("boxes", "visibility", "identities", "frames", "sequences"):
            if len(getattr(self, name)) != rows:
                raise ValueError(f"{name} must have {rows} rows as image_indices has, not {len(getattr(self, name))}")

    def __len__(self) -> int:
        return len(self.image_indices)

    def __getitem__(self, rows: NDArray[np.generic]) -> "IdentityTable":
        """Return the rows that an index array or a boolean mask selects; images without rows are left out."""
        kept, indices = np.unique(self.image_indices[rows], return_inverse=True)
        return IdentityTable(
            tuple(self.images[i] for i in kept),
            indices.astype(np.int64),
            self.boxes[rows],
            self.visibility[rows],
            self.identities[rows],
            self.frames[rows],
            self.sequences[rows],
            self.notes,
        )

    @property
    def num_identities(self) -> int:
        """How many different people there are."""
        return len(np.unique(self.identities))


def empty_identities() -> IdentityTable:
    """Return the table without rows."""
    nothing = np.zeros(0, np.int64)
    return IdentityTable((), nothing, np.zeros((0, 4)), np.zeros(0), nothing, nothing, np.zeros(0, np.str_))


def merge_identities(tables: Iterable[IdentityTable], sets: Iterable[Hashable] | None = None) -> IdentityTable:
    """Stack tables; identities are renumbered 0, 1, 2 ... so that no two sets share one.

    sets: which set each table is of, one each if not given. Tables of one set (its `train` and `test`) share numbers.
    """
    tables = list(tables)
    sets = list(sets) if sets is not None else list(range(len(tables)))
    order = {name: i for i, name in enumerate(dict.fromkeys(sets))}
    offsets = np.cumsum([0, *(len(table.images) for table in tables)])
    stacked = [empty_identities(), *tables]
    numbers = [np.full(len(table), order[name]) for table, name in zip(tables, sets, strict=True)]
    people = np.stack(
        [np.concatenate([np.zeros(0, np.int64), *numbers]), np.concatenate([table.identities for table in stacked])]
    )
    _, identities = np.unique(people, axis=1, return_inverse=True)
    shifted = [table.image_indices + offset for table, offset in zip(tables, offsets, strict=False)]
    return IdentityTable(
        tuple(image for table in tables for image in table.images),
        np.concatenate([np.zeros(0, np.int64), *shifted]),
        np.concatenate([table.boxes for table in stacked]),
        np.concatenate([table.visibility for table in stacked]),
        identities.reshape(-1).astype(np.int64),
        np.concatenate([table.frames for table in stacked]),
        np.concatenate([table.sequences for table in stacked]),
        tuple(dict.fromkeys(note for table in tables for note in table.notes)),
    )


def write_identities(path: Path, table: IdentityTable) -> None:
    """Write the table as CSV, atomically. Images are written relative to the file's folder, so a tree can move."""
    folder = Path(path).resolve().parent
    names = np.array([os.path.relpath(image.resolve(), folder) for image in table.images], dtype=object)
    columns = [names[table.image_indices], *table.boxes.T, table.visibility]
    columns += [table.identities, table.frames, table.sequences]
    with atomic_write(path) as stream:
        pandas.DataFrame(dict(zip(_COLUMNS, columns, strict=True))).to_csv(stream, index=False)


def read_identities(path: Path) -> IdentityTable:
    """Read the table back; InputError where the file is not there, lacks a column or holds a wrong value.

    Wrong are boxes that are not finite or have no area, visibility outside [0, 1], identities below 0, frames below -1,
    and one identity twice in an image.
    """
    path = Path(path)
    try:
        rows = pandas.read_csv(path, dtype=str, na_filter=False)
        if missing := [name for name in _COLUMNS if name not in rows.columns]:
            raise InputError(f"{path}: not an identity table, it has no column {', '.join(missing)}")
        numbers = rows[list(_COLUMNS[1:6])].to_numpy(object).astype(np.float64)
        whole = rows[["identity", "frame"]].to_numpy(object).astype(np.int64)
    except FileNotFoundError:
        raise InputError(f"{path}: no such identity table; make one with smiletrack prepare-data") from None
    except InputError:
        raise
    except (ValueError, OverflowError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not an identity table ({' '.join(str(error).split())})") from None
    indices, names = pandas.factorize(rows["image"])
    _check_rows(path, indices.astype(np.int64), numbers, whole)
    return IdentityTable(
        tuple(Path(os.path.normpath(path.parent / name)) for name in names),
        indices.astype(np.int64),
        numbers[:, :4],
        numbers[:, 4],
        whole[:, 0],
        whole[:, 1],
        rows["sequence"].to_numpy(object).astype(np.str_),
    )


def _check_rows(path: Path, images: Ints, numbers: Floats, whole: Ints) -> None:
    """Raise InputError for the first wrong row. numbers: (N, 5) box and visibility. whole: (N, 2) identity, frame."""
    people = np.stack([images, whole[:, 0]], axis=1)
    again = np.ones(len(people), np.bool_)
    again[np.unique(people, axis=0, return_index=True)[1]] = False
    with np.errstate(invalid="ignore"):
        faults = (
            (~np.isfinite(numbers).all(1), "a number is not finite"),
            (~(numbers[:, 2:4] > numbers[:, :2]).all(1), "x2 and y2 must be above x1 and y1"),
            (~((numbers[:, 4] >= 0) & (numbers[:, 4] <= 1)), "the visibility is not in [0, 1]"),
            (whole[:, 0] < 0, "the identity is below 0"),
            (whole[:, 1] < -1, "the frame is below -1"),
            (again, "the identity is in the image twice"),
        )
    for wrong, message in faults:
        if wrong.any():
            raise InputError(f"{path}:{int(wrong.argmax()) + 2}: {message}")


def mot_identities(
    root: Path,
    split: str = "all",
    sequences: Collection[str] = (),
    min_visibility: float = 0.3,
    step: int = 1,
    min_height: float = 0.0,
    skip_missing: bool = False,
) -> IdentityTable:
    """Return the pedestrians of MOTChallenge folders below `root` (ground truth of class 1, not marked 0).

    split, sequences: as `sequences.open_folders` takes them; of MOT17's three copies only the first is used.
    min_visibility: boxes below it are left out. step: every which frame. min_height: px. Boxes are not clipped, but
    those without area in the image are left out. frames in the table are MOT frame numbers of the whole sequence.
    InputError names a frame in use whose image is absent, unless `skip_missing` allows to leave it out.
    """
    opened = one_copy_each(open_sequences(root, split, sequences), sequences)
    return merge_identities(
        [_sequence_people(sequence, min_visibility, step, min_height, skip_missing) for sequence in opened]
    )


def _sequence_people(
    sequence: Sequence, min_visibility: float, step: int, min_height: float, skip_missing: bool
) -> IdentityTable:
    """Return the identity table of one sequence: its targets that are seen enough, large enough and in the image."""
    annotations, present = sequence.truth(), sequence.image_files()
    if annotations is None:
        raise InputError(f"{sequence.origin}: no ground truth (gt/gt.txt)")
    truth, targets = annotations.table, annotations.targets()
    _check_unique(annotations)
    used = targets & ((truth.frames - 1) % step == 0) & (truth.visibility >= min_visibility)
    used &= (truth.boxes[:, 3] - truth.boxes[:, 1]) >= min_height
    truth = truth[used & (area(clip_boxes(truth.boxes, sequence.width, sequence.height)) > 0)]
    missing = sorted(set(truth.frames.tolist()) - present.keys())
    if missing and not skip_missing:
        raise InputError(
            f"{sequence.origin}: no image for frame {missing[0] + sequence.first - 1} ({len(missing)} frames with "
            "boxes lack theirs); unpack all images, choose another split, or allow to skip missing ones"
        )
    truth = truth[~np.isin(truth.frames, missing)]
    numbers, indices = np.unique(truth.frames, return_inverse=True)
    return IdentityTable(
        tuple(present[number] for number in numbers.tolist()),
        indices.astype(np.int64),
        truth.boxes,
        truth.visibility,
        truth.ids,
        truth.frames + sequence.first - 1,
        np.full(len(truth), sequence.name),
        (f"truth: {annotations.dialect}", *sequence.notes, *(() if targets.any() else (annotations.why_none(),))),
    )


def _check_unique(truth: Truth) -> None:
    """Raise InputError for an identity that is in a frame twice; rows marked 0 do not count."""
    counted = np.flatnonzero(truth.table.counted)
    people = np.stack([truth.table.frames[counted], truth.table.ids[counted]])
    _, first = np.unique(people, axis=1, return_index=True)
    for row in sorted(set(counted.tolist()) - set(counted[first].tolist()))[:1]:
        raise truth.source.error(row, f"identity {truth.table.ids[row]} is in the frame twice")
