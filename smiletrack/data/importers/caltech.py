"""Caltech Pedestrians (Dollar et al., TPAMI 2012) in its own form: `annotations/set00/V000.vbb` and extracted frames.

A `.vbb` is a MATLAB file with one structure A: `objLists` (one cell a frame: id, pos, occl, lock, posv of each object)
and `objLbl` (the label of each object). Frames are what the authors' `dbExtract` or similar tools write: JPEG or PNG
files whose path holds set, video and 0-based frame number (`set00/V000/I00029.jpg`, `set00_V000_29.png`).
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.boxes import area, xywh_to_xyxy
from smiletrack.data.importers.annotations import AnnotatedImage
from smiletrack.data.importers.matlab import as_published, load_matlab
from smiletrack.errors import InputError
from smiletrack.types import Floats

_SETS = {"train": range(6), "test": range(6, 11)}
_FRAME = re.compile(r"set(\d\d)\D+?V(\d\d\d)\D+?(\d+)\.(?:jpe?g|png)$", re.IGNORECASE)
_PERSON = "person"
_IGNORED = ("people", "person?", "person-fa", "ignore")


def read_caltech(source: Path, split: str) -> list[AnnotatedImage]:
    """Read the extracted frames of `train` (set00 to set05) or `test` (set06 to set10).

    `person` is a target; groups, doubtful people and ignore regions are ignored. visibility: the visible box's share of
    the full one. Annotated frames that nobody extracted are not asked for: the common choice is every 30th or 3rd.
    """
    frames: dict[tuple[int, int], dict[int, Path]] = {}
    for path in source.rglob("*"):
        if match := _FRAME.search(path.as_posix()):
            number, video, frame = (int(group) for group in match.groups())
            frames.setdefault((number, video), {})[frame] = path
    files = {_video_key(file): file for file in sorted(source.rglob("V*.vbb"))}
    wanted = {key: file for key, file in files.items() if key[0] in _SETS[split]}
    if not wanted:
        raise InputError(f"{source}: no set??/V???.vbb of {split} below it; is it Caltech, with its annotations?")
    images: list[AnnotatedImage] = []
    num_identities = 0
    for key, file in sorted(wanted.items()):
        numbers = frames.get(key, {})
        video_images, num_objects = _read_video(file, numbers, num_identities)
        images += video_images
        num_identities += num_objects
    if not images:
        raise InputError(f"{source}: no frame like set00/V000/I00029.jpg below it; extract the .seq videos first")
    return images


def _video_key(file: Path) -> tuple[int, int]:
    try:
        return int(file.parent.name.removeprefix("set")), int(file.stem.removeprefix("V"))
    except ValueError:
        raise InputError(f"{file}: Caltech's annotations are called set??/V???.vbb") from None


def _read_video(file: Path, frames: dict[int, Path], offset: int) -> tuple[list[AnnotatedImage], int]:
    """Return the annotated images of one video and how many objects it has."""
    content = load_matlab(file, "A")
    images = []
    with as_published(file, "a video annotation of Caltech"):
        lists = content["objLists"][0, 0].ravel()
        labels = [str(np.ravel(label)[0]) for label in content["objLbl"][0, 0].ravel()]
        for frame, path in sorted(frames.items()):
            if frame >= len(lists):
                raise InputError(f"{path}: frame {frame}, but {file} is about {len(lists)} frames")
            images.append(_read_frame(file, path, frame, lists[frame], labels, offset))
    return images, len(labels)


def _read_frame(file: Path, path: Path, frame: int, objects: Any, labels: list[str], offset: int) -> AnnotatedImage:
    """Return one frame of a .vbb: people, and what is ignored; visibility = the visible box's share."""
    people = list(objects.ravel()) if objects.size and objects.dtype.names else []
    numbers = np.array([int(np.ravel(person["id"])[0]) - 1 for person in people], np.int64)
    if (numbers < 0).any():
        raise ValueError(f"an object of number {numbers.min() + 1}")
    names = [labels[number] for number in numbers]
    kept = [i for i, name in enumerate(names) if name == _PERSON or name in _IGNORED]
    full = _boxes([people[i]["pos"] for i in kept])
    seen = _boxes([people[i]["posv"] for i in kept])
    occluded = np.array([bool(np.ravel(people[i]["occl"])[0]) for i in kept], bool) & (area(seen) > 0)
    share = np.divide(area(seen), area(full), out=np.ones(len(full)), where=area(full) > 0)
    return AnnotatedImage(
        path=path,
        boxes=full,
        identities=numbers[kept] + offset,
        visibility=np.where(occluded, np.clip(share, 0.0, 1.0), 1.0),
        ignored=np.array([names[i] != _PERSON for i in kept], bool),
        sequence=f"{file.parent.name}-{file.stem}",
        frame=frame + 1,
        source=file,
    )


def _boxes(positions: list[Any]) -> Floats:
    return xywh_to_xyxy(np.array([np.ravel(p)[:4] for p in positions], np.float64).reshape(-1, 4))
