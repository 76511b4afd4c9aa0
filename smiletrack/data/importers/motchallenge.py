"""MOT15, 16, 17, 20 and DanceTrack: SOURCE/<split>/<sequence>/{seqinfo.ini,gt/gt.txt,img1}."""

from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from smiletrack.data.frames import frame_images
from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage
from smiletrack.data.mot import SequenceInfo, list_sequences, read_sequence_info
from smiletrack.data.reid.identities import select_sequences
from smiletrack.data.splits import split_range
from smiletrack.data.truth import PEDESTRIAN, read_training_truth
from smiletrack.errors import InputError
from smiletrack.types import TrackTable

_IMAGES = "img1"


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
        names = [folder.name for folder in list_sequences(root)]
        if strangers := [name for name in names if not fnmatch(name, pattern)]:
            raise InputError(f"{root}: {strangers[0]!r} is not a sequence of this set, whose names are like {pattern}")
        for folder in list_sequences(root) if all_detectors else select_sequences(root):
            sequence, highest = read_annotated_sequence(folder, split, ignored_classes)
            images += [_renumbered(image, num_identities) for image in sequence]
            num_identities += highest + 1
    return images


def split_folders(source: Path, name: str) -> list[Path]:
    """Return SOURCE/name, SOURCE/*/name (an archive in a folder of its own), or its parts name1, name2 (DanceTrack)."""
    for folder in (source, *sorted(source.glob("*/"))):
        if (folder / name).is_dir():
            return [folder / name]
        if parts := sorted(folder.glob(f"{name}[0-9]/")):
            return parts
    raise InputError(f"{source}: no folder {name} in it; is it the right archive, and all of it unpacked?")


def read_annotated_sequence(
    folder: Path, split: str, ignored_classes: tuple[int, ...]
) -> tuple[list[AnnotatedImage], int]:
    """Return the frames of the split with the file's identities, and the highest one of the whole sequence."""
    info = sequence_info(folder)
    first, last = split_range(info.length, split)
    file = folder / "gt" / "gt.txt"
    if not file.is_file() and split != "test":
        raise InputError(f"{file}: no ground truth for a sequence of {split}")
    truth = (
        read_training_truth(file)
        if file.is_file()
        else TrackTable(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))
    )
    strange = np.flatnonzero((truth.frames < 1) | (truth.frames > info.length))
    if len(strange):
        raise InputError(
            f"{file}:{strange[0] + 1}: frame {truth.frames[strange[0]]}, but the sequence has frames 1 to {info.length}"
        )
    wanted = np.flatnonzero((truth.classes == PEDESTRIAN) | np.isin(truth.classes, ignored_classes))
    wanted = wanted[np.argsort(truth.frames[wanted], kind="stable")]
    frames = np.arange(first, last + 1)
    borders = np.searchsorted(truth.frames[wanted], np.append(frames, last + 1))
    paths = frame_images(info)
    digits = len(next(iter(paths.values())).stem) if paths else 6
    images = []
    for frame, start, end in zip(frames.tolist(), borders[:-1], borders[1:], strict=True):
        rows = wanted[start:end]
        path = paths.get(frame, info.image_folder / f"{frame:0{digits}d}{info.image_extension}")
        images.append(
            AnnotatedImage(
                path=path,
                boxes=truth.boxes[rows],
                identities=truth.ids[rows],
                visibility=np.clip(truth.visibility[rows], 0.0, 1.0),
                ignored=(truth.classes[rows] != PEDESTRIAN) | (truth.scores[rows] <= 0),
                sequence=info.name,
                frame=frame,
                source=file,
                lines=rows + 1,
                width=info.width,
                height=info.height,
            )
        )
    return images, int(truth.ids.max(initial=0))


def _renumbered(image: AnnotatedImage, offset: int) -> AnnotatedImage:
    return replace(image, identities=np.where(image.identities < 0, UNKNOWN, image.identities + offset))


def sequence_info(folder: Path) -> SequenceInfo:
    """Read `seqinfo.ini`, or count the images where MOT15's first archive has none."""
    if (folder / "seqinfo.ini").is_file():
        return read_sequence_info(folder)
    info = SequenceInfo(folder.name, folder, 30.0, 0, 0, 0, folder / _IMAGES, ".jpg")
    return replace(info, length=max(frame_images(info), default=0))
