"""MOTChallenge's own form, written: sequence folders with truth, and result files."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from smiletrack.boxes import xyxy_to_xywh
from smiletrack.data.formats.sequence_tracks import NOBODY, SequenceTracks
from smiletrack.data.mot import write_results
from smiletrack.data.truth import Truth, write_class_names
from smiletrack.errors import InputError
from smiletrack.files import alone_in, atomic_write

Placing = Literal["link", "copy", "none"]


def tracks_of_truth(name: str, truth: Truth) -> SequenceTracks:
    """Return annotations of a `gt.txt` with the names of their classes."""
    table = replace(truth.table, classes=truth.labels + 1, scores=truth.table.counted.astype(np.float64))
    return SequenceTracks(name, table, truth.label_names, True)


def write_mot_results(folder: Path, sequences: Sequence[SequenceTracks]) -> list[Path]:
    """Write `NAME.txt` for each sequence, the boxes that count and have an identity, and `labels.txt` for classes."""
    names = list(dict.fromkeys(name for sequence in sequences for name in sequence.class_names))
    made = []
    for sequence in sequences:
        table = sequence.table
        kept = (table.ids != NOBODY) & sequence.counted
        numbers = np.array([names.index(name) + 1 for name in sequence.class_names])
        made.append(folder / f"{sequence.name}.txt")
        write_results(made[-1], replace(table, classes=numbers[table.classes - 1])[np.flatnonzero(kept)])
    write_class_names(folder / "labels.txt", names)
    return made


def write_mot_folders(folder: Path, sequences: Sequence[SequenceTracks], placing: Placing = "link") -> list[Path]:
    """Write `NAME/{seqinfo.ini,gt/gt.txt,gt/labels.txt}` for each sequence, and `img1/` where its images are known.

    placing: whether images are linked (a folder of links), copied or left. What is there already of the same images
    stays, so a conversion that was killed goes on. Raises InputError where a system makes no links, where another
    process writes into the folder, and, before anything is written, where `NAME/img1` holds something else.
    """
    if placing != "none":
        for sequence in sequences:
            _check_place(folder / sequence.name / "img1", sequence.images, placing)
    with alone_in(folder):  # folders of images are made beside their place
        for sequence in sequences:
            _write_folder(folder / sequence.name, sequence, placing)
    return [folder / sequence.name for sequence in sequences]


def _write_folder(place: Path, sequence: SequenceTracks, placing: Placing) -> None:
    lines = [f"name={sequence.name}", "imDir=img1", f"seqLength={sequence.length}"]
    lines += [f"frameRate={sequence.frame_rate:g}"] if sequence.frame_rate else []
    if sequence.width and sequence.height:
        lines += [f"imWidth={sequence.width}", f"imHeight={sequence.height}"]
    if placing != "none" and sequence.images:
        _place_images(place / "img1", sequence.images, placing)
    _write_truth(place / "gt" / "gt.txt", sequence)
    write_class_names(place / "gt" / "labels.txt", sequence.class_names, always=True)
    _write_text(place / "seqinfo.ini", "[Sequence]\n" + "".join(f"{line}\n" for line in lines))


def _write_truth(path: Path, sequence: SequenceTracks) -> None:
    table = sequence.table
    marks = sequence.counted & (table.ids != NOBODY)
    # what is nobody's gets numbers of its own: an identity is once in a frame
    ids = np.where(table.ids == NOBODY, table.ids.max(initial=0) + 1 + np.arange(len(table)), table.ids)
    columns = (table.frames, ids, *xyxy_to_xywh(table.boxes).T, marks, table.classes, table.visibility)
    with atomic_write(path) as stream:
        for frame, identity, x, y, width, height, mark, kind, share in zip(*columns, strict=True):
            box = f"{x:.3f},{y:.3f},{width:.3f},{height:.3f}"
            stream.write(f"{frame},{identity},{box},{int(mark)},{kind},{share:g}\n")


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as stream:
        stream.write(text)


def _check_place(folder: Path, images: dict[int, Path], placing: Placing) -> None:
    """Raise InputError where a folder is there with other things than these images."""
    if images and folder.exists() and not _is_placed(folder, images, placing):
        raise InputError(f"{folder}: is there already; remove it, or leave the images with --images none")


def _is_placed(folder: Path, images: dict[int, Path], placing: Placing) -> bool:
    """Tell whether a folder holds the links to these images, or copies of their sizes, and nothing else."""
    wanted = _targets(folder, images)
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != {path.name for path in wanted}:
        return False
    if placing == "copy":
        return all(path.stat().st_size == image.stat().st_size for path, image in wanted.items())
    return all(path.is_symlink() and path.resolve() == image.resolve() for path, image in wanted.items())


def _targets(folder: Path, images: dict[int, Path]) -> dict[Path, Path]:
    """Return place -> image."""
    return {folder / f"{frame:06d}{image.suffix.lower()}": image for frame, image in images.items()}


def _place_images(folder: Path, images: dict[int, Path], placing: Placing) -> None:
    """Make the folder, whole or not at all; it stays where it is there already."""
    if folder.exists():
        return
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a conversion that was killed
    partial.mkdir(parents=True)
    for target, image in _targets(partial, images).items():
        if placing == "copy":
            shutil.copyfile(image, target)
            continue
        try:
            target.symlink_to(os.path.relpath(image.resolve(), folder.resolve()))
        except OSError as error:
            raise InputError(f"{target}: no link can be made ({error.strerror}); --images copy") from None
    partial.replace(folder)
