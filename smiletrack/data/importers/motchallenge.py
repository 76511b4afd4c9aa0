"""MOT15, 16, 17, 20 and DanceTrack: SOURCE/<split>/<sequence>/{seqinfo.ini,gt/gt.txt,img1}."""

import glob
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage
from smiletrack.data.sequences import FolderSequence, one_copy_each, open_folder, open_folders
from smiletrack.data.truth import PEDESTRIAN, Truth
from smiletrack.errors import InputError
from smiletrack.limits import MOST_MISSING_IMAGES
from smiletrack.metrics.preprocess import Source
from smiletrack.types import TrackTable

_NOBODY = TrackTable(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))


def read_motchallenge(
    source: Path,
    split: str,
    pattern: str = "*",
    ignored_classes: tuple[int, ...] = (),
    all_detectors: bool = False,
) -> list[AnnotatedImage]:
    """Read one split; `train_half` and `val_half` are halves of the sequences in `train`.

    Pedestrians (class 1) marked to count are targets; those marked 0 and `ignored_classes` are ignored; other classes
    are left out. pattern: what names of sequences look like, so that another archive is not taken for this one.
    all_detectors: take every copy of MOT17's sequences (one for each public detector), not the first of each.
    A sequence without `gt/` has no boxes, which is right for test sets only. InputError: no folder of the split,
    sequences of another set, annotated frames beyond the length in `seqinfo.ini`.
    """
    images: list[AnnotatedImage] = []
    num_identities = 0
    for root in split_folders(source, "train" if split in ("train_half", "val_half") else split):
        sequences = open_folders(root, split)
        if strangers := [sequence.name for sequence in sequences if not fnmatch(sequence.name, pattern)]:
            raise InputError(f"{root}: {strangers[0]!r} is not a sequence of this set, whose names are like {pattern}")
        for sequence in sequences if all_detectors else one_copy_each(sequences):
            annotated = annotated_images(sequence, ignored_classes, needs_truth=split != "test")
            images += [_renumbered(image, num_identities) for image in annotated]
            num_identities += _highest_identity(sequence) + 1
    return images


def split_folders(source: Path, name: str) -> list[Path]:
    """Return SOURCE/name, SOURCE/*/name (an archive in a folder of its own), or its parts name1, name2 (DanceTrack)."""
    for folder in (source, *sorted(source.glob("*/"))):
        if (folder / name).is_dir():
            return [folder / name]
        if parts := sorted(folder.glob(f"{glob.escape(name)}[0-9]/")):
            return parts
    there = [part for part in ("train", "val", "test") if any(source.glob(part)) or any(source.glob(f"*/{part}"))]
    hint = f"; data.splits={','.join(there)} imports what is there" if there else ""
    raise InputError(f"{source}: no folder {name} in it; is it the right archive, and all of it unpacked?{hint}")


def annotated_images(
    sequence: FolderSequence, ignored_classes: tuple[int, ...], needs_truth: bool = True
) -> list[AnnotatedImage]:
    """Return the frames of a sequence with the file's identities, and the path where each image is or should be.

    Raises InputError where there is no truth, but it is needed.
    """
    annotations = sequence.truth()
    if annotations is None and needs_truth:
        raise InputError(f"{sequence.folder / 'gt' / 'gt.txt'}: no ground truth")
    if sequence.num_frames - len(sequence.image_files()) > MOST_MISSING_IMAGES:
        raise InputError(f"{sequence.folder}: {sequence.num_frames} frames, {len(sequence.image_files())} images")
    annotations = annotations or Truth(_NOBODY, Source(str(sequence.folder)), "", _NOBODY.classes)
    truth = annotations.table
    wanted = np.flatnonzero((truth.classes == PEDESTRIAN) | np.isin(truth.classes, ignored_classes))
    wanted = wanted[np.argsort(truth.frames[wanted], kind="stable")]
    borders = np.searchsorted(truth.frames[wanted], np.arange(1, sequence.num_frames + 2))
    images = []
    for frame, start, end in zip(range(1, sequence.num_frames + 1), borders[:-1], borders[1:], strict=True):
        rows = wanted[start:end]
        images.append(
            AnnotatedImage(
                path=sequence.image_path(frame),
                boxes=truth.boxes[rows],
                identities=truth.ids[rows],
                visibility=truth.visibility[rows],
                ignored=(truth.classes[rows] != PEDESTRIAN) | ~truth.counted[rows],
                sequence=sequence.name,
                frame=sequence.first + frame - 1,
                source=Path(annotations.source.name),
                dialect=annotations.dialect,
                lines=np.array([annotations.line(row) for row in rows.tolist()], np.int64),
                width=sequence.info.width,
                height=sequence.info.height,
            )
        )
    return images


def _highest_identity(sequence: FolderSequence) -> int:
    """Return the highest identity of the whole sequence, so that its halves number their people alike."""
    truth = open_folder(sequence.folder).truth()
    return 0 if truth is None else int(truth.table.ids.max(initial=0))


def _renumbered(image: AnnotatedImage, offset: int) -> AnnotatedImage:
    return replace(image, identities=np.where(image.identities < 0, UNKNOWN, image.identities + offset))
