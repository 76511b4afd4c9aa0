"""CUHK-SYSU person search (arXiv:1604.01850): `Image/SSM/*.jpg`, all boxes in `annotation/Images.mat`.

Who is who stands elsewhere: `Train.mat` (5,532 people) and `TestG50.mat` (2,900 people: a query and where they are in
its gallery). `pool.mat` names the test images.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.boxes import xywh_to_xyxy
from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage
from smiletrack.data.importers.matlab import as_published, load_matlab
from smiletrack.errors import InputError
from smiletrack.types import Floats, Ints

_TRAIN_PEOPLE = 100_000
"""Test people are numbered from here, so that no number means two people."""


def read_cuhk_sysu(source: Path, split: str) -> list[AnnotatedImage]:
    """Read `train` or `test`. People whom the set does not name have identity -1; visibility is not told, so 1.

    InputError: a file that is not there, a person at a place where `Images.mat` has no box.
    """
    folder = source / "annotation"
    with as_published(folder, "CUHK-SYSU's annotations"):
        return _read(source, folder, split == "test")


def _read(source: Path, folder: Path, test: bool) -> list[AnnotatedImage]:
    """Return the images of one part, with people numbered where the annotation of queries names them."""
    file = folder / "Images.mat"
    everything = load_matlab(file, "Img").ravel()
    pool = {_text(name) for name in load_matlab(folder / "pool.mat", "pool").ravel()}
    boxes = {_text(name): _boxes_xywh(entries) for name, _, entries in everything}
    identities = {name: np.full(len(rows), UNKNOWN) for name, rows in boxes.items()}
    people = _test_people(folder) if test else _train_people(folder)
    for number, name, box in people:
        if name not in boxes:
            raise InputError(f"{file}: no image {name!r}, but a person is said to be in it")
        match = np.flatnonzero((boxes[name] == box).all(1))
        if not len(match):
            raise InputError(f"{file}: image {name} has no box ({', '.join(f'{side:g}' for side in box)}) of a person")
        identities[name][match[0]] = number
    return [
        _image(source, file, name, rows, identities[name]) for name, rows in boxes.items() if (name in pool) == test
    ]


def _image(source: Path, file: Path, name: str, boxes_xywh: Floats, identities: Ints) -> AnnotatedImage:
    return AnnotatedImage(
        path=source / "Image" / "SSM" / name,
        boxes=xywh_to_xyxy(boxes_xywh),
        identities=identities,
        visibility=np.ones(len(identities)),
        ignored=np.zeros(len(identities), bool),
        sequence="CUHK-SYSU",
        source=file,
    )


def _train_people(folder: Path) -> Iterator[tuple[int, str, Floats]]:
    """Yield the number, image and xywh box of each appearance of a training person."""
    people = load_matlab(folder / "test" / "train_test" / "Train.mat", "Train").ravel()
    for number, person in enumerate(people):
        for name, box, _ in person[0, 0]["scene"].ravel():
            yield number, _text(name), np.ravel(box).astype(np.float64)


def _test_people(folder: Path) -> Iterator[tuple[int, str, Floats]]:
    """Yield the same of test people: their query, then the gallery images that show them, which come first."""
    people = load_matlab(folder / "test" / "train_test" / "TestG50.mat", "TestG50").ravel()
    for number, person in enumerate(people, _TRAIN_PEOPLE):
        for appearance in (*person["Query"].ravel(), *person["Gallery"].ravel()):
            name, box = _text(appearance["imname"]), np.ravel(appearance["idlocate"])
            if not len(box):
                break
            yield number, name, box.astype(np.float64)


def _boxes_xywh(entries: Any) -> Floats:
    return np.array([np.ravel(entry["idlocate"]) for entry in entries.ravel()], np.float64).reshape(-1, 4)


def _text(cell: Any) -> str:
    return str(np.ravel(cell)[0])
