"""The form that JDE (arXiv:1909.12605) made common: `labels_with_ids/NAME.txt` beside `images/NAME.jpg`.

A line is `class identity x_center y_center width height`, the box as shares of the image's sides, identity -1 for
nobody in particular. CityPersons, ETHZ, Caltech, CUHK-SYSU and PRW are passed on like this, with lists of image paths.
"""

import re
from pathlib import Path

import numpy as np

from smiletrack.data.importers.annotations import AnnotatedImage
from smiletrack.errors import InputError

_SUFFIXES = (".jpg", ".jpeg", ".png")
_NUMBERED = re.compile(r"(?P<video>.*?)(?P<number>\d+)$")


def read_labels_with_ids(source: Path, image_list: str = "", videos: bool = False) -> list[AnnotatedImage]:
    """Read the images that `image_list` names, one path a line, or all below a folder `images`.

    Paths of the list are relative to SOURCE or to the folder it is in, as in JDE's `data/*.train`; the list is looked
    for in both. videos: the images are frames, numbered by the last digits of their names (ETHZ, Caltech, PRW).
    A label that is not there is an image without people (JDE reads it so). InputError: no image at all, a list that is
    not there, file and line of a label that is not six numbers.
    """
    images = _listed(source, image_list) if image_list else _found(source)
    if not images:
        raise InputError(f"{source}: no image in a folder 'images' below it; is it the labels_with_ids form?")
    labelled = sum(label_file(image).is_file() for image in images)
    if not labelled:
        raise InputError(f"{label_file(images[0])}: no such file, nor another label; is it the labels_with_ids form?")
    return [_read_image(image, source.name, videos) for image in images]


def label_file(image: Path) -> Path:
    """.../images/a/b.jpg -> .../labels_with_ids/a/b.txt (the last folder `images` counts)."""
    parts = list(image.parts)
    if "images" not in parts[:-1]:
        raise InputError(f"{image}: no folder 'images' in this path, so there is no labels_with_ids beside it")
    parts[len(parts) - 1 - parts[::-1].index("images")] = "labels_with_ids"
    return Path(*parts).with_suffix(".txt")


def _found(source: Path) -> list[Path]:
    images = [path for path in source.rglob("*") if path.suffix.lower() in _SUFFIXES and "images" in path.parts[:-1]]
    return sorted(images)


def _listed(source: Path, name: str) -> list[Path]:
    places = (Path(name), source / name, source.parent / name)
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise InputError(f"{name}: no such list of images, neither here nor in {source} nor beside it")
    names = [
        line.strip() for line in file.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if line.strip()
    ]
    if not names:
        raise InputError(f"{file}: an empty list of images")
    root = next((root for root in (source, source.parent) if (root / names[0]).is_file()), source)
    return [root / name for name in names]


def _read_image(image: Path, name: str, videos: bool) -> AnnotatedImage:
    """Return one image with its labels of JDE's format: class, identity, centre and size as shares of the image."""
    file = label_file(image)
    rows, lines = _read_label(file) if file.is_file() else (np.zeros((0, 6)), [])
    centers, sizes = rows[:, 2:4], rows[:, 4:6]
    numbered = _NUMBERED.match(image.stem) if videos else None
    video = f"{image.parent}/{numbered['video']}" if numbered else ""
    return AnnotatedImage(
        path=image,
        boxes=np.concatenate([centers - sizes / 2, centers + sizes / 2], 1),
        identities=rows[:, 1].astype(np.int64),
        visibility=np.ones(len(rows)),
        ignored=np.zeros(len(rows), bool),
        sequence=_video_name(video) or name,
        frame=int(numbered["number"]) + 1 if numbered else -1,
        source=file,
        lines=np.array(lines, np.int64),
        relative=True,
    )


def _video_name(video: str) -> str:
    """.../eth01/images/ -> eth01; .../PRW/images/c1s1_ -> PRW-c1s1."""
    parts = [part for part in video.rstrip("/_-").split("/") if part]
    parts = parts[-(parts[::-1].index("images") + 2) :] if "images" in parts else parts[-1:]
    return "-".join(part.strip("_") for part in parts if part != "images")


def _read_label(file: Path) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], list[int]]:
    """Return the (N, 6) numbers and the line of each row."""
    rows, lines = [], []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = [float(cell) for cell in line.split()]
        except ValueError:
            row = []
        if len(row) != 6:
            raise InputError(f"{file}:{number}: not six numbers (class identity x_center y_center width height)")
        rows.append(row)
        lines.append(number)
    return np.array(rows, np.float64).reshape(-1, 6), lines
