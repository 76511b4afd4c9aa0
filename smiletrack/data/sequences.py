"""The one way to open a sequence: which frames, where its images, detections, truth and camera motion are.

A sequence is a MOTChallenge folder or one of the generated crowd's, cut to a split and numbered from 1. Tracking,
evaluation, training, importing and reporting are loops over what `open_sequences` returns.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from smiletrack.config import nearest
from smiletrack.data.column_checks import check_frames
from smiletrack.data.image_files import FrameImages, image_size, pair_frames
from smiletrack.data.image_source import open_images
from smiletrack.data.mot import (
    SequenceInfo,
    read_sequence_info,
    read_warps,
    sequence_name,
)
from smiletrack.data.sequence_folders import select_names, sequence_folders, without_detector
from smiletrack.data.splits import cut_frames, resolve_split, split_range
from smiletrack.data.stored_detections import StoredDetections, read_stored_detections
from smiletrack.data.synthetic import WorldSequence, crowd_sequences
from smiletrack.data.truth import Truth, motchallenge_labels, read_annotations
from smiletrack.data.video import DEFAULT_RATE, FrameSource
from smiletrack.errors import InputError
from smiletrack.limits import MAX_FRAMES
from smiletrack.metrics.preprocess import Source
from smiletrack.types import Floats


@dataclass(frozen=True)
class Sequence(ABC):
    """A sequence, cut to its split. What its methods return is numbered 1 .. num_frames.

    name: its folder's, a plain file name. frame_rate: frames a second. rate_known: whether anything tells it. width,
    height: pixels, 0 where nothing tells. first: number of its first frame in the whole sequence. notes: what was
    assumed about it, one line each.
    """

    name: str
    frame_rate: float
    rate_known: bool
    num_frames: int
    width: int
    height: int
    first: int
    notes: tuple[str, ...]

    @property
    def last(self) -> int:
        """Number of the last frame in the whole sequence."""
        return self.first + self.num_frames - 1

    @property
    @abstractmethod
    def origin(self) -> str:
        """What tells these frames from those of any other sequence or split; for fingerprints and messages."""

    @abstractmethod
    def detections(self, name: str = "det", embeddings: str = "") -> StoredDetections:
        """Return the stored detections of that name, with the embeddings in the folder `embeddings`."""

    @abstractmethod
    def truth(self) -> Truth | None:
        """Return the annotations, None where there are none."""

    @abstractmethod
    def warps(self) -> Floats:
        """Return (num_frames, 2, 3) camera motion from file; row i maps pixels of frame i to frame i + 1."""

    @abstractmethod
    def image_files(self) -> dict[int, Path]:
        """Return the image of each frame that has one, ascending."""

    @abstractmethod
    def images(self) -> FrameSource:
        """Return the frames, to be read; InputError where there are no images."""


@dataclass(frozen=True)
class FolderSequence(Sequence):
    """A MOTChallenge folder: seqinfo.ini or images that tell its length; gt/gt.txt, det/NAME.txt, gmc/gmc.txt.

    length: frames of the whole sequence. info: what seqinfo.ini says.
    """

    folder: Path
    length: int
    info: SequenceInfo

    @property
    def origin(self) -> str:
        """The folder and the frames."""
        return f"{self.folder.resolve()} frames {self.first} .. {self.last}"

    @cached_property
    def _paired(self) -> FrameImages:
        return pair_frames(self.info.image_folder, self.info.image_extension, self.info.length)

    def detections(self, name: str = "det", embeddings: str = "") -> StoredDetections:
        """Return det/NAME.txt with <embeddings>/<sequence>.npz.

        Raises InputError for a file that is not there, cannot be read, does not fit the other or the sequence.
        """
        file = self.folder / "det" / f"{name}.txt"
        if not file.is_file():
            there = sorted(path.stem for path in (self.folder / "det").glob("[!.]*.txt"))
            raise InputError(
                f"detections: no file {file}{nearest(name, there)}; there are {', '.join(there) or 'none'}"
            )
        beside = Path(embeddings) / f"{self.name}.npz" if embeddings else None
        stored = read_stored_detections(file, beside, self.length, (self.width, self.height))
        return stored.cut(self.first, self.last)

    def truth(self) -> Truth | None:
        """Return gt/gt.txt, None where it is not there; InputError for a file that cannot be read or does not fit."""
        file = self.folder / "gt" / "gt.txt"
        if not file.is_file():
            return None
        truth = read_annotations(file)
        check_frames(truth.table.frames, self.length, truth.source)
        return _cut_truth(truth, self.first, self.last)

    def warps(self) -> Floats:
        """Return gmc/gmc.txt; InputError where it is not there, or ends before the last frame."""
        file = self.folder / "gmc" / "gmc.txt"
        warps = read_warps(file)
        if len(warps) < self.last:
            raise InputError(f"{file}: {len(warps)} warps for {self.length} frames")
        return _cut_warps(warps, self.first, self.last)

    def image_files(self) -> dict[int, Path]:
        """Return the image of each frame that has one, ascending; `image_files.pair_frames` says which is which."""
        paired = self._paired.by_frame
        return {n - self.first + 1: path for n, path in paired.items() if self.first <= n <= self.last}

    def image_path(self, frame: int) -> Path:
        """Return the image of a frame, or where it should be if it is not there."""
        paired, number = self._paired.by_frame, self.first + frame - 1
        if number in paired or not paired:
            return paired.get(number, self.info.image_folder / f"{number:06d}{self.info.image_extension or '.jpg'}")
        pattern = next(iter(paired.values()))
        return pattern.with_stem(f"{number:0{len(pattern.stem)}d}")

    def images(self) -> FrameSource:
        """Return the frames that have images; one without shows the frame before it once more (`video.open_images`)."""
        if not self._paired.by_frame:
            where = self.info.image_folder
            raise InputError(f"{where}: {'no images in this folder' if where.is_dir() else 'no such folder of images'}")
        rate = self.frame_rate if self.rate_known else 0.0
        return open_images(self.name, rate, self._paired.by_frame, self.first, self.last)


@dataclass(frozen=True)
class GeneratedSequence(Sequence):
    """A sequence of the generated crowd, which has no pictures."""

    world: WorldSequence

    @property
    def origin(self) -> str:
        """The name and the frames."""
        return f"generated {self.name} frames {self.first} .. {self.last}"

    def detections(self, name: str = "det", embeddings: str = "") -> StoredDetections:
        """Return the detections with their embeddings, whatever the names."""
        return StoredDetections(self.world.detections, self.world.embeddings).cut(self.first, self.last)

    def truth(self) -> Truth:
        """Return the known answer."""
        table = self.world.truth
        whole = Truth(table, Source(f"{self.name} truth"), "generated", motchallenge_labels(table.classes))
        return _cut_truth(whole, self.first, self.last)

    def warps(self) -> Floats:
        """Return the camera's true motion."""
        return _cut_warps(self.world.warps, self.first, self.last)

    def image_files(self) -> dict[int, Path]:
        """Return nothing."""
        return {}

    def images(self) -> FrameSource:
        """Raise InputError."""
        raise InputError("data: the generated crowd has no pictures; smiletrack make-world renders one that has")


SequenceT = TypeVar("SequenceT", bound=Sequence)


def open_sequences(
    data: str | Path, split: str = "all", names: Collection[str] = (), seed: int = 0, frame_rate: float = 0.0
) -> list[Sequence]:
    """Return the sequences in the folder `data` (see `open_folders`); "" is the generated crowd of `seed`."""
    if data:
        return list(open_folders(data, split, names, frame_rate))
    worlds = _crowd(seed)
    return [_generated(worlds[name], split) for name in select_names(list(worlds), names, "the generated crowd")]


def open_folders(
    data: str | Path, split: str = "all", names: Collection[str] = (), frame_rate: float = 0.0
) -> list[FolderSequence]:
    """Return the sequences in the folder `data`, sorted by name, or `data` itself where it is one.

    split: see `splits.split_range`; `val` is val_half where there is no validation folder. names: which of them, see
    `sequence_folders.select_names`. frame_rate: frames a
    second instead of what the folder says, 0 = what it says. Raises InputError for what is not there or cannot be read.
    """
    folders = {sequence_name(folder): folder for folder in sequence_folders(Path(data))}
    return [open_folder(folders[name], split, frame_rate) for name in select_names(list(folders), names, str(data))]


def one_copy_each(sequences: Iterable[SequenceT], named: Collection[str] = ()) -> list[SequenceT]:
    """Return the sequences with the first of MOT17's detector copies only, but all that are `named` in full."""
    kept: dict[str, SequenceT] = {}
    for sequence in sequences:
        kept.setdefault(sequence.name if sequence.name in named else without_detector(sequence.name), sequence)
    return list(kept.values())


def open_folder(folder: str | Path, split: str = "all", frame_rate: float = 0.0) -> FolderSequence:
    """Open one sequence folder; see `open_folders`.

    Without seqinfo.ini, or where that leaves it open, length and size are those of the images. InputError where nothing
    tells the length, or the split has no frame.
    """
    folder = Path(folder)
    info, notes = read_sequence_info(folder), []
    length, width, height = info.length, info.width, info.height
    if not length or not (width and height):
        paired = pair_frames(info.image_folder, info.image_extension, info.length)
        if not length:
            length = _length_of_images(info, paired)
            notes.append(f"{folder}: seqinfo.ini does not tell the length; its images have {length} frames")
        if not (width and height) and paired.by_frame:
            width, height = image_size(next(iter(paired.by_frame.values())))
    first, last = split_range(length, resolve_split(split, folder))
    if last < first:
        raise InputError(f"{folder}: split {split} of {length} frames has none")
    if length == 1:
        notes.append(f"{folder}: a sequence of one frame")
    return FolderSequence(
        name=sequence_name(folder),
        frame_rate=frame_rate or info.frame_rate or DEFAULT_RATE,
        rate_known=bool(frame_rate or info.frame_rate),
        num_frames=last - first + 1,
        width=width,
        height=height,
        first=first,
        notes=tuple(notes),
        folder=folder,
        length=length,
        info=info,
    )


def _length_of_images(info: SequenceInfo, paired: FrameImages) -> int:
    if not paired.by_frame:
        raise InputError(
            f"{info.image_folder}: no images in this folder, and no seqLength in {info.folder / 'seqinfo.ini'}; nothing"
            " tells how many frames there are"
        )
    if paired.last > MAX_FRAMES:
        raise InputError(f"{paired.by_frame[paired.last]}: a sequence has at most {MAX_FRAMES} frames")
    return paired.last


@lru_cache(maxsize=2)
def _crowd(seed: int) -> dict[str, WorldSequence]:
    """Return the generated crowd by name; making it takes a second or two, so it is kept."""
    return {world.name: world for world in crowd_sequences(seed=seed)}


def _generated(world: WorldSequence, split: str) -> GeneratedSequence:
    first, last = split_range(world.info.length, split)
    if last < first:
        raise InputError(f"{world.name}: split {split} of {world.info.length} frames has none")
    info = world.info
    return GeneratedSequence(
        world.name, info.frame_rate, True, last - first + 1, info.width, info.height, first, (), world
    )


def _cut_truth(truth: Truth, first: int, last: int) -> Truth:
    rows = (truth.table.frames >= first) & (truth.table.frames <= last)
    if first == 1 and rows.all():
        return truth
    return replace(truth[rows], table=cut_frames(truth.table, first, last))


def _cut_warps(warps: Floats, first: int, last: int) -> Floats:
    """Return the warps of the frames; the first frame of a clip has none before it."""
    part: Floats = warps[first - 1 : last].copy()
    part[:1] = np.eye(2, 3)
    return part
