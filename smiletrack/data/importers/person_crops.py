"""Folders of crops as Market-1501 has them: `0002_c1s1_000451_03.jpg` is person 2, seen by camera 1 in frame 451."""

import re
from pathlib import Path

import numpy as np

from smiletrack.data.importers.annotations import AnnotatedImage
from smiletrack.errors import InputError

_FOLDERS = {"train": "bounding_box_train", "test": "bounding_box_test", "query": "query"}
_NAME = re.compile(r"(?P<person>-?\d+)_c(?P<camera>\d+)(?:s(?P<part>\d+))?(?:_f?(?P<frame>\d+))?")
_JUNK, _DISTRACTOR = -1, 0


def read_person_crops(source: Path, split: str) -> list[AnnotatedImage]:
    """Read `train`, `test` or `query`; the box of a crop is the whole image.

    Junk (-1) and distractors (0) show nobody whole and nobody named: they have no box. InputError: no such folder,
    a file that is not called like a crop.
    """
    folder = source / _FOLDERS[split]
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; is it a set like Market-1501?")
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp"))
    if not images:
        raise InputError(f"{folder}: no crops in it")
    return [_read_crop(image, source.name) for image in images]


def _read_crop(image: Path, name: str) -> AnnotatedImage:
    """Return one crop of Market-1501's kind; who it shows and when stands in its name."""
    match = _NAME.match(image.stem)
    if not match:
        raise InputError(f"{image}: not called like a crop (0002_c1s1_000451_03.jpg: person, camera, frame)")
    person = int(match["person"])
    rows = int(person not in (_JUNK, _DISTRACTOR))
    return AnnotatedImage(
        path=image,
        boxes=np.tile([0.0, 0.0, 1.0, 1.0], (rows, 1)),
        identities=np.full(rows, person),
        visibility=np.ones(rows),
        ignored=np.zeros(rows, bool),
        sequence=f"{name}-c{match['camera']}" + (f"s{match['part']}" if match["part"] else ""),
        frame=int(match["frame"]) if match["frame"] else -1,
        source=image,
        relative=True,
    )
