"""YOLO's text labels, as Ultralytics, Roboflow, labelImg and CVAT write them: `labels/NAME.txt` to `images/NAME.jpg`.

A line is `class x_center y_center width height` in shares of the image's sides, or a class and a polygon's corners.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.data.image_files import IMAGE_SUFFIXES, image_paths
from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage
from smiletrack.data.importers.track_files import classes_by_role
from smiletrack.errors import InputError
from smiletrack.limits import MOST_CLASSES, MOST_CORNERS
from smiletrack.types import Floats
from smiletrack.yaml_text import parse_yaml

_NAMES = ("classes.txt", "obj.names", "labels/classes.txt")


@dataclass(frozen=True, eq=False)
class YoloLabels:
    """A split of a set. rows: image -> (N, 5) class from 0, centre and size in shares of its sides."""

    rows: dict[Path, Floats]
    class_names: tuple[str, ...]


def read_yolo_labels(source: Path, split: str) -> YoloLabels:
    """Read a split: the images that the data set's YAML file names, else `images/SPLIT`, `SPLIT/images` or `images`.

    source: the set's folder, or its YAML file. Names of classes are those of the YAML file, `classes.txt` or
    `obj.names`; without any, class 0 is a person. An image without a label file shows nobody. InputError: no images,
    and file and line of what is no label.
    """
    folder = source.parent if source.is_file() else source
    about = _data_file(source)
    images = _images(folder, split, about)
    labels = {image: _label_file(image) for image in images}
    if not any(label.is_file() for label in labels.values()):
        raise InputError(f"{labels[images[0]]}: no such file, nor a label of another image; are they YOLO's labels?")
    rows = {image: _read_label(label) if label.is_file() else np.zeros((0, 5)) for image, label in labels.items()}
    highest = int(max(part[:, 0].max(initial=0) for part in rows.values()))
    return YoloLabels(rows, tuple(_class_names(folder, about, highest)))


def read_yolo(source: Path, split: str, targets: Sequence[str], ignored: Sequence[str]) -> list[AnnotatedImage]:
    """Read a split as people and no people; see `read_yolo_labels`, also for errors."""
    labels = read_yolo_labels(source, split)
    roles = classes_by_role(labels.class_names, targets, ignored, source)
    return [
        _annotated(image, _label_file(image), rows, roles[rows[:, 0].astype(int)], split)
        for image, rows in labels.rows.items()
    ]


def _annotated(image: Path, label: Path, rows: Floats, roles: Any, split: str) -> AnnotatedImage:
    rows, roles = rows[roles >= 0], roles[roles >= 0]
    return AnnotatedImage(
        image,
        corners_of_shares(rows),
        np.full(len(rows), UNKNOWN),
        np.ones(len(rows)),
        roles == 0,
        split,
        label,
        relative=True,
    )


def corners_of_shares(rows: Floats) -> Floats:
    """(N, 5) class, centre and size -> (N, 4) corners, all in shares of the image's sides."""
    centers, sizes = rows[:, 1:3], rows[:, 3:5]
    return np.concatenate([centers - sizes / 2, centers + sizes / 2], 1)


def _data_file(source: Path) -> dict[str, Any]:
    """Return what the YAML file of the set says, nothing where there is none."""
    for file in [source] if source.is_file() else sorted((*source.glob("*.yaml"), *source.glob("*.yml"))):
        tree = parse_yaml(file.read_text(encoding="utf-8", errors="replace"), str(file))
        if isinstance(tree, dict) and "names" in tree:
            return tree
    return {}


def _images(source: Path, split: str, about: dict[str, Any]) -> list[Path]:
    """Return the images of a split: where the YAML file says, else in the usual folders and lists."""
    names = (split, "valid") if split == "val" else (split,)
    told: Any = next((about[name] for name in names if name in about), [])
    root = str(about.get("path") or "")
    # relative to `path`, which is relative to the file or to where the training ran; Roboflow's ../ means the file's
    roots = [place / root for place in (source, source.parent)] + [source, source.parent]
    places = [
        place / name.removeprefix("../")
        for name in map(str, told if isinstance(told, list) else [told])
        for place in roots
    ]
    for part in names:
        places += [source / "images" / part, source / part / "images", source / f"obj_{part}_data"]
    try:
        for place in (*places, source / f"{split}.txt", source / "images"):
            if images := _listed(place, source) if place.is_file() else _below(place):
                return images
    except (OSError, ValueError) as error:  # names that can be none of a file
        raise InputError(f"{source}: its images of {split} cannot be found ({error})") from None
    raise InputError(f"{source}: no images of {split}: neither in images/{split}, nor in {split}/images, nor in a list")


def _below(folder: Path) -> list[Path]:
    """Return the images in a folder and, in order, in the folders below it."""
    if not folder.is_dir():
        return []
    deeper = [path for part in sorted(folder.glob("[!.]*/")) for path in _below(part)]
    return [*image_paths(folder), *deeper]


def _listed(file: Path, source: Path) -> list[Path]:
    """Return the images of a list; names are relative to the set, with or without CVAT's `data/` before them."""
    names = [line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if any(Path(name).suffix.lower() not in IMAGE_SUFFIXES for name in names):
        return []
    found = []
    for name in names:
        places = [place / part for place in (file.parent, source, source.parent) for part in (name, name[5:])]
        wanted = places if name.startswith("data/") else places[::2]
        found.append(next((path for path in wanted if path.is_file()), wanted[0]))
    return found


def _label_file(image: Path) -> Path:
    """.../images/a/b.jpg -> .../labels/a/b.txt (the last folder `images` counts), else b.txt beside the image."""
    parts = list(image.parts)
    if "images" in parts[:-1]:
        place = len(parts) - 1 - parts[::-1].index("images")
        mirrored = Path(*parts[:place], "labels", *parts[place + 1 :]).with_suffix(".txt")
        if mirrored.is_file() or not image.with_suffix(".txt").is_file():
            return mirrored
    return image.with_suffix(".txt")


def _class_names(source: Path, about: dict[str, Any], highest: int) -> list[str]:
    """Return the names of the classes: of data.yaml, else of a file of names, else person and numbers."""
    names = about.get("names")
    if isinstance(names, dict) and all(isinstance(number, int) and 0 <= number < MOST_CLASSES for number in names):
        known = {number: str(name) for number, name in names.items()}
        found = [known.get(number, str(number)) for number in range(max(known, default=-1) + 1)]
    elif isinstance(names, list):
        found = [str(name) for name in names]
    else:
        file = next((source / name for name in _NAMES if (source / name).is_file()), None)
        lines = [] if file is None else file.read_text(encoding="utf-8", errors="replace").splitlines()
        found = [line.strip() for line in lines if line.strip()]
        found = found or ["person", *(f"class {number}" for number in range(1, highest + 1))]
    if highest >= len(found):
        raise InputError(f"{source}: a label has class {highest}, but only {len(found)} classes are named")
    return found


def _read_label(file: Path) -> Floats:
    """Return (N, 5) class, centre and size; of polygons the box around them."""
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            kind, *cells = (float(cell) for cell in line.split())
            corners = np.array(cells).reshape(-1, 2)
            if len(cells) not in (4, *range(6, MOST_CORNERS, 2)) or not 0 <= kind < MOST_CLASSES or kind % 1:
                raise ValueError
        except ValueError:
            raise InputError(
                f"{file}:{number}: not a label (class x_center y_center width height, or class and polygon)"
            ) from None
        if len(cells) > 4:
            low, high = corners.min(0), corners.max(0)
            cells = [*(low + high) / 2, *(high - low)]
        if not np.isfinite(cells).all() or max(cells) > 2:
            raise InputError(f"{file}:{number}: a box in pixels; YOLO's labels are shares of the image's sides")
        rows.append([kind, *cells])
    return np.array(rows, np.float64).reshape(-1, 5)
