"""Detections of a sequence from a file, with the embeddings that somebody made of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smiletrack.array_files import read_arrays
from smiletrack.data.column_checks import check_frames, doubts_of
from smiletrack.data.mot import DetectionTable, read_detections
from smiletrack.data.splits import cut_frames
from smiletrack.errors import InputError
from smiletrack.metrics.preprocess import Source
from smiletrack.types import Floats


@dataclass(frozen=True, eq=False)
class StoredDetections:
    """Detections in the order of their file. embeddings: (N, D) rows beside the table, D = 0 where there are none.

    doubts: one line for each column that hardly is what it is taken for.
    """

    table: DetectionTable
    embeddings: Floats
    doubts: tuple[str, ...] = ()

    def cut(self, first: int, last: int) -> "StoredDetections":
        """Return the rows of frames `first` .. `last`, renumbered from 1."""
        rows = (self.table.frames >= first) & (self.table.frames <= last)
        return StoredDetections(cut_frames(self.table, first, last), self.embeddings[rows], self.doubts)

    def every(self, stride: int) -> "StoredDetections":
        """Return the rows of frames 1, 1 + stride, 1 + 2 stride ..., under their own numbers."""
        if stride == 1:
            return self
        rows = (self.table.frames - 1) % stride == 0
        return StoredDetections(self.table[rows], self.embeddings[rows], self.doubts)


def read_stored_detections(file: Path, embeddings: Path | None, length: int, size: tuple[int, int]) -> StoredDetections:
    """Read the detections of a sequence of `length` frames of `size` (width, height in px, 0 where it is not known).

    embeddings: an `.npz` with the array `embeddings`, one row a line of `file`; None for none. Raises InputError for
    what cannot be read, does not fit the sequence, or is not what its column is for.
    """
    table, source = read_detections(file), Source(str(file))
    check_frames(table.frames, length, source)
    doubts = doubts_of(table, *size, source)
    stored = np.zeros((len(table), 0)) if embeddings is None else read_embeddings(embeddings, len(table))
    return StoredDetections(table, stored, tuple(doubts))


def read_embeddings(file: Path, num_detections: int) -> Floats:
    """Return the (N, D) array `embeddings` of an `.npz`; InputError where it is not one row a detection."""
    if not file.is_file():
        raise InputError(f"{file}: no such file (embeddings of this sequence)")
    stored = read_arrays(file, "embeddings")["embeddings"]
    if stored.dtype.kind not in "fiu":
        raise InputError(f"{file}: embeddings are {stored.dtype}, not numbers")
    embeddings = stored.astype(np.float64)
    if embeddings.ndim != 2 or len(embeddings) != num_detections:
        raise InputError(
            f"{file}: embeddings have shape {embeddings.shape}, the detection file has {num_detections} rows; one a row"
        )
    return embeddings
