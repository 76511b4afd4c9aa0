"""COCO detection files: what they say, checked before anybody works with it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.data.column_checks import look_like_corners
from smiletrack.errors import InputError
from smiletrack.lazy import LazyModule
from smiletrack.limits import LARGEST_NUMBER, LONGEST_SIDE
from smiletrack.types import Floats

pydantic = LazyModule("pydantic")

Key = int | str
Number = int | float
_LONGEST_PART = 255
"""Bytes of a file's name in the usual file systems."""


@dataclass(frozen=True)
class CocoImage:
    """An image. width, height: px, 0 where the file does not say. Other keys are as found."""

    id: Key
    file_name: str
    width: Number = 0
    height: Number = 0
    video_id: Any = None
    frame_id: Any = None
    frame_index: Any = None
    frame: Any = None


@dataclass(frozen=True, kw_only=True)
class CocoAnnotation:
    """A box: left, top, width and height in px. iscrowd, ignore: it is neither target nor background where one is true.

    area: px, of the box or of a mask in it. Other keys are as found.
    """

    id: Key = ""
    image_id: Key
    category_id: Key
    bbox: tuple[float, float, float, float]
    area: Any = None
    iscrowd: Number | bool | None = 0
    ignore: Number | bool | None = 0
    track_id: Any = None
    instance_id: Any = None
    visibility: Any = None
    score: Any = None


@dataclass(frozen=True)
class CocoCategory:
    """A class."""

    id: Key
    name: str


@dataclass(frozen=True)
class CocoVideo:
    """A video that images are frames of."""

    id: Key
    name: str


@dataclass(frozen=True)
class CocoFile:
    """All that a file says of boxes. Every annotation has an image and a class, and ids are there once."""

    path: Path
    images: tuple[CocoImage, ...]
    annotations: tuple[CocoAnnotation, ...]
    categories: tuple[CocoCategory, ...]
    videos: tuple[CocoVideo, ...]

    def boxes_xywh(self) -> Floats:
        """Return (N, 4) boxes as they stand."""
        return np.array([annotation.bbox for annotation in self.annotations], np.float64).reshape(-1, 4)


@dataclass(frozen=True)
class _Content:
    """The keys of a file that are read."""

    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]
    videos: list[CocoVideo] = field(default_factory=list)


def read_coco_file(file: Path) -> CocoFile:
    """Read and check a COCO detection file; keys that are not needed for boxes may hold anything.

    Raises InputError, naming what, for a file that is not there or not JSON, a key that is missing or of another type,
    no images or classes, an id that is there twice, an annotation of an image or class that is not listed, and boxes
    that cannot be left, top, width and height in pixels.
    """
    try:
        data = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
        content = pydantic.TypeAdapter(_Content).validate_json(data, strict=True)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except pydantic.ValidationError as failure:
        raise InputError(f"{file}: {_fault(failure.errors(include_url=False)[0])}") from None
    coco = CocoFile(
        file, tuple(content.images), tuple(content.annotations), tuple(content.categories), tuple(content.videos)
    )
    _check_ids(coco)
    _check_boxes(coco)
    return coco


def _fault(first: dict[str, object]) -> str:
    """Return what is wrong with a file's structure, in words."""
    location = first["loc"]
    assert isinstance(location, tuple)
    if first["type"] == "json_invalid":
        return f"not valid JSON ({first['msg']})"
    if len(location) < 2:
        return "not a COCO detection file; it needs the lists images, annotations and categories"
    name, index, *keys = location
    where = f"{name}[{index}]" + "".join(f".{key}" for key in keys if isinstance(key, str) and key.islower())
    if "bbox" in keys[:1] and keys[1:]:
        return f"{where} must be [left, top, width, height] in pixels"
    if first["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {str(first['msg'])[:1].lower()}{str(first['msg'])[1:]}"


def _check_ids(coco: CocoFile) -> None:
    """Refuse ids that repeat or lead nowhere, sizes that no image has, and names that no file has."""
    for kind, entries in (("image", coco.images), ("class", coco.categories)):
        if not entries:
            raise InputError(f"{coco.path}: no {'images' if kind == 'image' else 'classes (categories)'} in it")
        if twice := _repeated(entry.id for entry in entries):
            raise InputError(f"{coco.path}: the {kind} id {twice[0]!r} is there {twice[1]} times; ids must differ")
    for image in coco.images:
        if not (0 <= image.width <= LONGEST_SIDE and 0 <= image.height <= LONGEST_SIDE):
            raise InputError(f"{coco.path}: image {image.id} has the size {image.width} x {image.height}")
        if "\0" in image.file_name or max(len(part.encode()) for part in image.file_name.split("/")) > _LONGEST_PART:
            raise InputError(f"{coco.path}: image {image.id}: its file_name cannot be that of a file")
    images = {image.id for image in coco.images}
    categories = {category.id for category in coco.categories}
    for annotation in coco.annotations:
        where = f"{coco.path}: annotation {annotation.id}"
        if annotation.category_id not in categories:
            known = ", ".join(map(str, categories))
            raise InputError(f"{where} has the unknown class {annotation.category_id!r}; there are {known}")
        if annotation.image_id not in images:
            raise InputError(f"{where} is on the image {annotation.image_id!r}, which the file does not list")


def _repeated(ids: Iterable[Key]) -> tuple[Key, int] | None:
    """Return the first id that is there more than once, and how often."""
    return next(((key, number) for key, number in Counter(ids).items() if number > 1), None)


def _check_boxes(coco: CocoFile) -> None:
    """Refuse boxes that are not finite, or by their values shares of the image or corners."""
    boxes = coco.boxes_xywh()
    wrong = ~np.isfinite(boxes).all(1)
    if wrong.any():
        annotation = coco.annotations[int(wrong.argmax())]
        raise InputError(
            f"{coco.path}: annotation {annotation.id} has the box {list(annotation.bbox)}; it must be "
            "[left, top, width, height] in pixels"
        )
    if len(boxes) and (boxes >= -0.01).all() and (boxes <= 1.01).all():
        raise InputError(
            f"{coco.path}: boxes are in pixels; these lie between 0 and 1 and look like shares of the image"
        )
    if len(boxes) and _areas_of_corners([annotation.area for annotation in coco.annotations], boxes):
        raise InputError(
            f"{coco.path}: by their areas the boxes are left, top, right, bottom; bbox must be left, top, width, height"
        )


def _areas_of_corners(areas: list[Any], boxes: Floats) -> bool:
    """Tell whether the annotated areas are those of boxes (N, 4) read as xyxy, and none of them as xywh."""
    if not all(isinstance(area, (int, float)) and abs(area) < LARGEST_NUMBER for area in areas):
        return False
    area, sides = np.array(areas, np.float64), boxes[:, 2:] - boxes[:, :2]
    fits = (sides > 0).all() and np.allclose(area, sides.prod(1), rtol=0.02)
    return bool(fits and not np.isclose(area, boxes[:, 2:].prod(1), rtol=0.02).any())


def doubts_of_coco(coco: CocoFile) -> list[str]:
    """Return one line for each thing that hardly is what it is taken for."""
    doubts = []
    if twice := _repeated(annotation.id for annotation in coco.annotations if annotation.id != ""):
        doubts.append(f"{coco.path}: the annotation id {twice[0]!r} is there {twice[1]} times")
    if twice := _repeated(image.file_name for image in coco.images):
        doubts.append(f"{coco.path}: the image {twice[0]} is there {twice[1]} times")
    boxes_of = [(a.image_id, a.category_id, a.bbox) for a in coco.annotations]
    if again := len(boxes_of) - len(set(boxes_of)):
        doubts.append(f"{coco.path}: boxes that are there once more, of the same class in the same image: {again}")
    sizes = {image.id: (image.width, image.height) for image in coco.images}
    limits = np.array([sizes[a.image_id] for a in coco.annotations], np.float64).reshape(-1, 2)
    boxes = coco.boxes_xywh()
    if look_like_corners(boxes[:, :2], boxes[:, 2:], limits):
        doubts.append(f"{coco.path}: bbox looks like left, top, right and bottom, not like left, top, width and height")
    return doubts


def coco_image_root(coco: CocoFile) -> Path:
    """Return the folder that the names of images are relative to: the first of the usual ones that has the first."""
    here = coco.path.parent
    above = here.resolve().parent
    usual = [here, here / "images", above / "images", above]
    below = [folder for place in (here / "images", above / "images", above) for folder in _folders(place)]
    name = coco.images[0].file_name
    return next((root for root in (*usual, *below) if coco_image_path(root, name).is_file()), here)


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def coco_image_path(root: Path, name: str) -> Path:
    """Return the path of an image; names that Windows wrote have other separators."""
    path = root / name
    return root / name.replace("\\", "/") if "\\" in name and not path.exists() else path
