"""Images with boxes, what a detector learns from: COCO JSON files and MOTChallenge folders in one form."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import area, xywh_to_xyxy
from smiletrack.data.coco import CocoFile, coco_image_path, coco_image_root, doubts_of_coco, read_coco_file
from smiletrack.data.image_files import image_size
from smiletrack.data.importers.yolo import corners_of_shares, read_yolo_labels
from smiletrack.data.sequences import Sequence, one_copy_each, open_sequences
from smiletrack.data.splits import source_and_split
from smiletrack.data.truth import IGNORED_CLASSES, PEDESTRIAN
from smiletrack.errors import InputError
from smiletrack.types import Floats, Ints

_LOOKED_AT = 500
"""Images of a COCO file whose size is looked at before anything is done with it."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """M boxes on N images, the boxes sorted by image.

    paths: N files. image_indices: (M,) in [0, N). boxes: (M, 4) xyxy px of the file's pixels, not clipped: a person
    at the border may reach beyond it. classes: (M,) index into `class_names`. ignored: (M,) neither target nor
    background (crowds, distractors, boxes without area). Images without boxes are legal. notes: one line for each thing
    to be told about the files.
    """

    paths: tuple[Path, ...]
    image_indices: Ints
    boxes: Floats
    classes: Ints
    ignored: NDArray[np.bool_]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    def rows(self, image: int) -> slice:
        """Return which boxes are those of an image."""
        first, last = np.searchsorted(self.image_indices, [image, image + 1])
        return slice(int(first), int(last))

    def __getitem__(self, images: Iterable[int]) -> "LabelledImages":
        """Return the images of these numbers, in this order."""
        images = list(images)
        slices = [self.rows(image) for image in images]
        rows = np.concatenate([np.arange(s.start, s.stop) for s in slices]) if slices else np.zeros(0, np.int64)
        counts = [s.stop - s.start for s in slices]
        return LabelledImages(
            tuple(self.paths[image] for image in images),
            np.repeat(np.arange(len(slices)), counts),
            self.boxes[rows],
            self.classes[rows],
            self.ignored[rows],
            self.class_names,
            self.notes,
        )


def read_labelled(
    sources: Collection[str], min_visibility: float = 0.0, step: int = 1, image_root: str = ""
) -> LabelledImages:
    """Read and merge `FILE.json` (COCO), `FILE.yaml[@SPLIT]` (YOLO's labels, the split is train if none is given) and
    `FOLDER[@SPLIT]` (MOTChallenge sequences below FOLDER, or it is one).

    `min_visibility` is for folders, as in `mot_images`, `image_root` for COCO files, as in `read_coco`. `step` takes
    every which image. Raises InputError for what
    cannot be read, and where no box is left that is not ignored.
    """
    labels = _merged(_read_source(source, min_visibility, image_root) for source in sources)
    if labels.ignored.all():
        ignored = f"all {len(labels.ignored)} boxes are ignored" if len(labels.ignored) else "there is no box"
        reasons = "; ".join([ignored, *labels.notes[-2:]])
        raise InputError(f"{', '.join(sources)}: no box to learn from or to be judged on: {reasons}")
    return labels[range(0, len(labels), step)] if step > 1 else labels


def _read_source(source: str, min_visibility: float, image_root: str) -> LabelledImages:
    if source.endswith(".json"):
        return read_coco(Path(source), image_root)
    place, split = source_and_split(source, "")
    if place.suffix.lower() in (".yaml", ".yml"):
        return yolo_images(place, split or "train")
    return mot_images(place, split or "all", min_visibility)


def _merged(parts: Iterable[LabelledImages]) -> LabelledImages:
    """Return all images in one; InputError where the parts name other classes."""
    parts = list(parts)
    names = parts[0].class_names
    for part in parts[1:]:
        if part.class_names != names:
            raise InputError(f"the data sets name other classes: {', '.join(names)} and {', '.join(part.class_names)}")
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    return LabelledImages(
        tuple(path for part in parts for path in part.paths),
        np.concatenate([part.image_indices + offset for part, offset in zip(parts, offsets, strict=False)]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.ignored for part in parts]),
        names,
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def yolo_images(file: Path, split: str) -> LabelledImages:
    """Return a split of YOLO's labels with all of its classes; see `yolo.read_yolo_labels` for its errors."""
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    labels = read_yolo_labels(file, split)
    sides = [np.array(image_size(image) * 2, np.float64) for image in labels.rows]
    rows = list(labels.rows.values())
    boxes = np.concatenate([corners_of_shares(part) * side for part, side in zip(rows, sides, strict=True)])
    return LabelledImages(
        tuple(labels.rows),
        np.repeat(np.arange(len(rows)), [len(part) for part in rows]),
        boxes,
        np.concatenate(rows)[:, 0].astype(np.int64),
        area(boxes) <= 0,
        labels.class_names,
    )


def mot_images(root: Path, split: str = "all", min_visibility: float = 0.0) -> LabelledImages:
    """Return the frames of MOTChallenge sequences with their pedestrians; of MOT17's three copies only the first.

    Rows marked 0, the classes that MOTChallenge ignores (2, 7, 8, 12) and pedestrians of whom less than
    `min_visibility` is seen are `ignored`; other classes (cars, occluders) are left out. InputError names a sequence
    without ground truth or a frame without an image.
    """
    sequences = one_copy_each(open_sequences(root, split))
    return _merged([_sequence_images(sequence, min_visibility) for sequence in sequences])


def _sequence_images(sequence: Sequence, min_visibility: float) -> LabelledImages:
    """Return the images and pedestrians of one sequence; what is hidden or does not count is ignored, no background."""
    annotations, present = sequence.truth(), sequence.image_files()
    if annotations is None:
        raise InputError(f"{sequence.origin}: no ground truth (gt/gt.txt)")
    frames = range(1, sequence.num_frames + 1)
    if len(present) < len(frames):
        missing = next(frame for frame in frames if frame not in present)
        raise InputError(
            f"{sequence.origin}: no image for frame {missing + sequence.first - 1} and "
            f"{len(frames) - len(present) - 1} others; unpack all images or choose a split that has them"
        )
    truth = annotations.table
    wanted = np.flatnonzero((truth.classes == PEDESTRIAN) | np.isin(truth.classes, IGNORED_CLASSES))
    truth = truth[wanted[np.argsort(truth.frames[wanted], kind="stable")]]
    ignored = (truth.classes != PEDESTRIAN) | ~truth.counted | (area(truth.boxes) <= 0)
    ignored |= truth.visibility < min_visibility
    why = () if annotations.targets().any() else (annotations.why_none(),)
    return LabelledImages(
        tuple(present.values()),
        truth.frames - 1,
        truth.boxes,
        np.zeros(len(truth), np.int64),
        ignored,
        ("pedestrian",),
        (f"truth: {annotations.dialect}", *sequence.notes, *why),
    )


def read_coco(file: Path, image_root: str = "") -> LabelledImages:
    """Read a COCO detection file; see `coco.read_coco_file` for its errors.

    Image files are in `image_root`; without it they are looked for beside the file, in `images/` there or one folder
    up, and in the folders below those (`images/default/`, `train2017/`). Crowds, annotations marked `ignore`, and boxes
    without area are `ignored`. InputError names an image that is not there or has another size than the file says.
    """
    coco = read_coco_file(file)
    root = Path(image_root) if image_root else coco_image_root(coco)
    paths = [coco_image_path(root, image.file_name) for image in coco.images]
    _check_images(coco, paths, image_root)
    numbers = {image.id: index for index, image in enumerate(coco.images)}
    categories = {category.id: index for index, category in enumerate(coco.categories)}
    indices = np.array([numbers[annotation.image_id] for annotation in coco.annotations], np.int64)
    order = np.argsort(indices, kind="stable")
    boxes = xywh_to_xyxy(coco.boxes_xywh())
    ignored = np.array([bool(a.iscrowd or a.ignore) for a in coco.annotations], bool) | (area(boxes) <= 0)
    classes = np.array([categories[annotation.category_id] for annotation in coco.annotations], np.int64)
    return LabelledImages(
        tuple(paths),
        indices[order],
        boxes[order],
        classes[order],
        ignored[order],
        tuple(category.name for category in coco.categories),
        tuple(doubts_of_coco(coco)),
    )


def _check_images(coco: CocoFile, paths: list[Path], image_root: str) -> None:
    """Raise InputError for an image that is not there or of another size; of many, an even choice is looked at."""
    for number in np.unique(np.linspace(0, len(paths) - 1, _LOOKED_AT).astype(int)).tolist():
        path, image = paths[number], coco.images[number]
        if not path.is_file():
            hint = "" if image_root else "; --image-root names the folder of the images"
            raise InputError(f"{coco.path}: no image {path}{hint}")
        if not (image.width and image.height):
            continue
        size = image_size(path)
        if size != (image.width, image.height):
            turned = size == (image.height, image.width)
            hint = "; its EXIF orientation turns it, the file was made without" if turned else ""
            raise InputError(
                f"{coco.path}: {path} is {size[0]}x{size[1]}, but the file is about {image.width}x{image.height}, so "
                f"its boxes do not fit{hint}"
            )
