"""Crops of people, cut once from their frames, kept in one file, and made anew when what they came from changes.

A cache is a folder: `crops.bin` (JPEG pictures end to end), `index.npz` (where each begins and ends) and
`made_from.json` (the fingerprint). While it grows, its parts are called `*.part`; a stopped run goes on where it was.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.array_files import read_arrays
from smiletrack.console import notify, progress
from smiletrack.data.image_files import read_image
from smiletrack.data.reid.identities import IdentityTable
from smiletrack.errors import InputError
from smiletrack.files import atomic_write, read_json, write_json
from smiletrack.images import Frame, cut_boxes
from smiletrack.lazy import LazyModule
from smiletrack.types import Floats, Ints

cv2 = LazyModule("cv2")

_FORMAT = 1
_BATCH = 64
"""Images decoded between two points from which a stopped run can go on."""


@dataclass(frozen=True, eq=False)
class Crops:
    """Pictures of the rows of an identity table: `crops[i]` is row i, (height, width, 3) uint8 BGR.

    Holds no open file, so it can be sent to worker processes. fingerprint: what the cache was made from.
    """

    file: Path
    starts: Ints
    ends: Ints
    fingerprint: str

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        with self.file.open("rb") as stream:
            stream.seek(self.starts[row])
            picture = np.frombuffer(stream.read(self.ends[row] - self.starts[row]), np.uint8)
        image = cv2.imdecode(picture, cv2.IMREAD_COLOR) if len(picture) else None
        if image is None:
            raise InputError(f"{self.file}: crop {row} is damaged; delete the folder, it is made anew")
        return np.asarray(image, np.uint8)


def cached_crops(
    table: IdentityTable,
    folder: Path,
    size: tuple[int, int] = (80, 224),
    margin: float = 0.0,
    quality: int = 95,
) -> Crops:
    """Return the crops of all rows, from the cache in `folder` if it was made from the same, else made now.

    size: width, height in px. margin: what to keep around a box on every side, as a share of its sides, for training
    that jitters boxes; the crops are then larger by the same share, `size` stays the size of the box itself, and where
    the margin leaves the image its border pixels are repeated. quality: JPEG, 1 to 100.
    Boxes are rounded to pixels and clipped to the image. No image is decoded twice. "The same" means rows, boxes,
    image paths, their sizes and times of change, and these settings. InputError names an image that is absent or not
    readable, and a box without area in its image.
    """
    folder = Path(folder)
    fingerprint = _fingerprint(table, {"size": size, "margin": margin, "quality": quality})
    if _is_made_from(folder / "made_from.json", fingerprint):
        try:
            return _read_index(folder, len(table), fingerprint)
        except InputError as error:
            notify(f"{error}; the crops are cut again")
    _make(table, folder, fingerprint, size, margin, quality)
    return _read_index(folder, len(table), fingerprint)


def _read_index(folder: Path, rows: int, fingerprint: str) -> Crops:
    """Return the crops of a cache that is there; InputError where its files do not fit each other."""
    arrays = read_arrays(folder / "index.npz", "starts", "ends")
    starts, ends, file = arrays["starts"], arrays["ends"], folder / "crops.bin"
    size = file.stat().st_size if file.is_file() else 0
    right = starts.dtype == ends.dtype == np.int64 and starts.shape == ends.shape == (rows,)
    if not right or not ((starts >= 0) & (starts <= ends) & (ends <= size)).all():
        raise InputError(f"{folder / 'index.npz'}: does not fit the {size} bytes of {file.name}")
    return Crops(file, starts, ends, fingerprint)


def _fingerprint(table: IdentityTable, settings: dict[str, object]) -> str:
    digest = hashlib.sha256(json.dumps({"format": _FORMAT, **settings}).encode())
    for image in table.images:
        try:
            state = image.stat()
        except OSError:
            raise InputError(f"{image}: no such image, but the identity table names it") from None
        digest.update(f"{image}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    for column in (table.image_indices, table.boxes):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _is_made_from(file: Path, fingerprint: str) -> bool:
    try:
        about = read_json(file)
    except InputError:  # absent, or damaged
        return False
    return isinstance(about, dict) and about.get("fingerprint") == fingerprint


def _make(
    table: IdentityTable, folder: Path, fingerprint: str, size: tuple[int, int], margin: float, quality: int
) -> None:
    """Fill the cache; rows are written in the order of their images, and of their rows in the table."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.argsort(table.image_indices, kind="stable")
    lengths = _resume(folder, fingerprint)
    (folder / "made_from.json").unlink(missing_ok=True)
    pending = _by_image(table, order[len(lengths) :])
    batches = [pending[i : i + _BATCH] for i in range(0, len(pending), _BATCH)]

    def encode(rows: Ints) -> list[bytes]:
        return _encode_image(table, rows, size, margin, quality)

    with (
        (folder / "crops.part").open("ab") as blobs,
        (folder / "lengths.part").open("ab") as written,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for batch in progress(batches, "cutting crops"):
            pictures = [picture for image in pool.map(encode, batch) for picture in image]
            blobs.write(b"".join(pictures))
            blobs.flush()
            lengths += [len(picture) for picture in pictures]
            written.write(np.array([len(picture) for picture in pictures], np.int64).tobytes())
            written.flush()
    _finish(folder, order, lengths, fingerprint)


def _finish(folder: Path, order: Ints, lengths: Sequence[int], fingerprint: str) -> None:
    """Put the files in place, the fingerprint last. Pictures stay in image order; the index has the table's order."""
    ends = np.empty(len(order), np.int64)
    ends[order] = np.cumsum(lengths)
    starts = ends.copy()
    starts[order] -= np.asarray(lengths, np.int64)
    (folder / "crops.part").replace(folder / "crops.bin")
    with atomic_write(folder / "index.npz", "wb") as stream:
        np.savez(stream, starts=starts, ends=ends)
    write_json(folder / "made_from.json", {"fingerprint": fingerprint, "crops": len(order)})
    for name in ("lengths.part", "part.json"):
        (folder / name).unlink(missing_ok=True)


def _resume(folder: Path, fingerprint: str) -> list[int]:
    """Return the lengths of the pictures that a stopped run left, after cutting off what it had half written."""
    parts = folder / "crops.part", folder / "lengths.part"
    if not (_is_made_from(folder / "part.json", fingerprint) and all(part.is_file() for part in parts)):
        for part in parts:
            part.unlink(missing_ok=True)
        write_json(folder / "part.json", {"fingerprint": fingerprint})
        return []
    stored = parts[1].read_bytes()
    lengths = np.frombuffer(stored[: len(stored) // 8 * 8], np.int64)
    lengths = lengths[np.cumsum(lengths) <= parts[0].stat().st_size]
    for part, length in zip(parts, (int(lengths.sum()), 8 * len(lengths)), strict=True):
        os.truncate(part, length)
    return [int(length) for length in lengths]


def _by_image(table: IdentityTable, rows: Ints) -> list[Ints]:
    """Split rows, sorted by image, into one array an image."""
    borders = np.flatnonzero(np.diff(table.image_indices[rows])) + 1
    return [part for part in np.split(rows, borders) if len(part)]


def _encode_image(table: IdentityTable, rows: Ints, size: tuple[int, int], margin: float, quality: int) -> list[bytes]:
    """Decode the image that `rows` share, once, and return a JPEG for each row."""
    path = table.images[table.image_indices[rows[0]]]
    return list(_jpegs(read_image(path), table.boxes[rows], path, size, margin, quality))


def _jpegs(
    image: Frame, boxes: Floats, path: Path, size: tuple[int, int], margin: float, quality: int
) -> Iterator[bytes]:
    crops, rows = cut_boxes(image, boxes, size, margin)
    if len(rows) < len(boxes):
        missed = np.setdiff1d(np.arange(len(boxes)), rows)[0]
        corners = ", ".join(f"{corner:g}" for corner in boxes[missed])
        raise InputError(f"{path}: box ({corners}) has no area in the image of {image.shape[1]}x{image.shape[0]}")
    for crop in crops:
        yield cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
