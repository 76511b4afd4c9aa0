"""Look at annotated sequences: contact sheets and a page of statistics, so that a wrong import is seen at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from smiletrack.config import nearest
from smiletrack.console import notify, progress, say
from smiletrack.data.image_files import read_image, write_image
from smiletrack.data.importers.annotations import AnnotatedImage
from smiletrack.data.importers.motchallenge import annotated_images
from smiletrack.data.importers.outputs import read_coco_images
from smiletrack.data.sequences import one_copy_each, open_folders
from smiletrack.data.truth import IGNORED_CLASSES
from smiletrack.errors import InputError, shown
from smiletrack.files import atomic_write, is_plain_name
from smiletrack.ranges import Checked
from smiletrack.view.contact_sheets import contact_sheet, people_sheet
from smiletrack.view.data_page import statistics_page
from smiletrack.view.drawing import Image
from smiletrack.view.sequence_statistics import statistics


@dataclass(frozen=True)
class ShowDataConfig(Checked):
    """Look at annotated data: contact sheets, people over time, and a page of statistics.

    Reads MOTChallenge folders, imported data sets or their COCO files. Writes OUTPUT/index.html with boxes per frame,
    visibility, sizes and lifetimes, and at the top what looks wrong.

      smiletrack show-data --data datasets/MOT17/train --sequences MOT17-09
      smiletrack show-data --data datasets/imported/crowdhuman --split val --output runs/crowdhuman
      smiletrack show-data --data datasets/imported/mix-ablation/annotations/train.json
    """

    data: str = ""
    """Folder of MOTChallenge sequences, one such sequence, folder of an imported data set, or one of its COCO files."""
    sequences: tuple[str, ...] = ()
    """Names of the sequences to show; empty = all."""
    split: str = "all"
    """Part of the sequences (train_half, val_half), or split of an imported data set (all = its first)."""
    frames: Annotated[int, Ge(1), Le(1000)] = 12
    """Frames on a contact sheet, spread evenly over the sequence."""
    output: str = "runs/show_data"
    """Folder for index.html and the pictures."""


def show_data(config: ShowDataConfig) -> Path:
    """Write OUTPUT/index.html, OUTPUT/<sequence>.png and OUTPUT/<sequence>-people.png; return the page."""
    if not config.data:
        raise InputError("data: name a folder to look at, e.g. --data datasets/MOT17/train")
    sequences = _read(config)
    output, figures, sheets = Path(config.output), [], {}
    for name in sequences:
        if not all(map(is_plain_name, name.split("/"))):
            raise InputError(f"{config.data}: a sequence is called {shown(name)}, which leads out of {output}")
    for name, images in progress(sequences.items(), "drawing"):
        present = [image for image in images if image.path.is_file()]
        figures.append(statistics(name, images, len(images) - len(present)))
        sheets[name] = _sheets(_spread(present, config.frames))
    for name, drawn in sheets.items():  # when all could be read: pictures and page are of one state of the data
        for suffix, (_, sheet) in zip(("", "-people"), drawn, strict=False):
            write_image(output / f"{name}{suffix}.png", sheet)
    page = output / "index.html"
    with atomic_write(page) as stream:
        stream.write(statistics_page(config.data, figures, sheets))
    notify(*(f"{sequence.name}: {fault}" for sequence in figures for fault in sequence.faults))
    say(str(page))
    return page


def _read(config: ShowDataConfig) -> dict[str, list[AnnotatedImage]]:
    """Return the annotated images of each sequence, by name."""
    file = _coco_file(Path(config.data), config.split)
    if file is None:
        opened = one_copy_each(open_folders(config.data, config.split, config.sequences), config.sequences)
        return {sequence.name: annotated_images(sequence, IGNORED_CLASSES) for sequence in opened}
    sequences: dict[str, list[AnnotatedImage]] = {}
    for image in read_coco_images(file):
        sequences.setdefault(image.sequence, []).append(image)
    for name in config.sequences:
        if name not in sequences:
            raise InputError(f"{file}: no sequence {name!r}{nearest(name, list(sequences))}")
    return {name: images for name, images in sequences.items() if name in (config.sequences or sequences)}


def _coco_file(data: Path, split: str) -> Path | None:
    """Return the COCO file that is meant, None for a folder of sequences."""
    if data.suffix == ".json":
        return data
    files = sorted((data / "annotations").glob("[!.]*.json"))
    if not files:
        return None
    chosen = next((file for file in files if file.stem == ("train" if split == "all" else split)), None)
    if chosen is None and split != "all":
        raise InputError(f"split: no {split!r} in {data}; there are {', '.join(file.stem for file in files)}")
    return chosen or files[0]


def _spread(images: Sequence[AnnotatedImage], number: int) -> list[AnnotatedImage]:
    if not images:
        return []
    chosen = np.unique(np.linspace(0, len(images) - 1, number).round().astype(int))
    return [images[i] for i in chosen.tolist()]


def _sheets(images: Sequence[AnnotatedImage]) -> list[tuple[str, Image]]:
    """Return the contact sheet and the sheet of people, with titles; nothing without images."""
    frames = [(image, read_image(image.path)) for image in images]
    if not frames:
        return []
    people = people_sheet(frames)
    sheets = [("Frames", contact_sheet(frames))]
    return sheets if people is None else [*sheets, ("People: a row is one person", people)]
