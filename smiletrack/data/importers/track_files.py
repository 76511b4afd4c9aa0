"""Sets whose files hold tracks of several classes - KITTI, VisDrone, CVAT, video COCO - as annotated images."""

import glob
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from smiletrack.boxes import xywh_to_xyxy
from smiletrack.data.class_names import find_class
from smiletrack.data.coco import (
    CocoAnnotation,
    Key,
    coco_image_path,
    coco_image_root,
    doubts_of_coco,
    read_coco_file,
)
from smiletrack.data.formats.coco_video import read_coco_video
from smiletrack.data.formats.cvat import read_cvat
from smiletrack.data.formats.kitti import read_kitti
from smiletrack.data.formats.sequence_tracks import NOBODY, SequenceTracks, by_name
from smiletrack.data.formats.visdrone import is_visdrone, read_visdrone
from smiletrack.data.image_files import pair_frames
from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage
from smiletrack.errors import InputError
from smiletrack.types import Ints


def classes_by_role(names: Sequence[str], targets: Sequence[str], ignored: Sequence[str], where: object) -> Ints:
    """Return for each of a set's class names 1 for a target, 0 for an ignored class, -1 for one that is left out.

    The only class of a set is the target. Raises InputError where no target is among the names.
    """
    roles = np.full(len(names), -1)
    for role, wanted in ((0, ignored), (1, targets)):
        found = [find_class(name, names) for name in wanted]
        roles[[index for index in found if index is not None]] = role
    if len(names) == 1:
        roles[:] = 1
    if not (roles == 1).any():
        raise InputError(
            f"{where}: none of its classes ({', '.join(names)}) is {' or '.join(targets)}; data.targets names another"
        )
    return roles


def read_tracked_set(
    source: Path, split: str, form: str, targets: Sequence[str], ignored: Sequence[str]
) -> list[AnnotatedImage]:
    """Read a split of a set in one of the forms `kitti`, `visdrone`, `cvat`.

    kitti has `training/` only, which is the split train. visdrone: SOURCE, SOURCE/SPLIT or SOURCE/*-SPLIT. cvat: all
    `.xml` in SOURCE or a folder below, of a folder called SPLIT if there is one, each with its images in a folder
    `images`, `img1`, or one called like the file or the task beside it. InputError: nothing of the kind.
    """
    readers: dict[str, Callable[[Path, str], list[SequenceTracks]]] = {
        "kitti": lambda folder, _: read_kitti(folder),
        "visdrone": lambda folder, part: read_visdrone(_visdrone_split(folder, part)),
        "cvat": _read_cvat_files,
    }
    return annotated_tracks(readers[form](source, split), source, targets, ignored)


def annotated_tracks(
    sequences: Sequence[SequenceTracks], source: Path, targets: Sequence[str], ignored: Sequence[str]
) -> list[AnnotatedImage]:
    """Return the frames of sequences; identities are unique over all of them.

    Boxes of classes in `ignored`, and of targets that do not count, are ignored; other classes are left out. InputError
    for a sequence without images, and two of one name.
    """
    images: list[AnnotatedImage] = []
    people = 0
    for sequence in by_name(source, sequences).values():
        if not sequence.images:
            raise InputError(f"{source}: no images of the sequence {sequence.name} found beside its annotations")
        roles = classes_by_role(sequence.class_names, targets, ignored, source)
        table = sequence.table
        role = roles[table.classes - 1]
        role[(role == 1) & ~sequence.counted] = 0
        for frame, path in sequence.images.items():
            rows = np.flatnonzero((table.frames == frame) & (role >= 0))
            named = (role[rows] == 1) & (table.ids[rows] != NOBODY)
            images.append(
                AnnotatedImage(
                    path,
                    table.boxes[rows],
                    np.where(named, table.ids[rows] + people, UNKNOWN),
                    table.visibility[rows],
                    role[rows] == 0,
                    sequence.name,
                    source,
                    frame,
                    width=sequence.width,
                    height=sequence.height,
                )
            )
        people += int(table.ids.max(initial=0)) + 1
    return images


def read_coco_set(source: Path, split: str, targets: Sequence[str], ignored: Sequence[str]) -> list[AnnotatedImage]:
    """Read a split of a COCO set, of photographs or of videos.

    Its file is SOURCE/SPLIT.json, SOURCE/annotations/SPLIT.json, .../instances_SPLIT*.json or
    SOURCE/SPLIT/_annotations.coco.json. InputError: no such file, and what `read_coco_file` raises.
    """
    file = _coco_file(source, split)
    coco = read_coco_file(file)
    if any(image.video_id not in (None, NOBODY) for image in coco.images):
        return annotated_tracks(read_coco_video(file), file, targets, ignored)
    roles = classes_by_role([category.name for category in coco.categories], targets, ignored, file)
    role_of = {category.id: int(role) for category, role in zip(coco.categories, roles, strict=True)}
    of_image: dict[Key, list[CocoAnnotation]] = {image.id: [] for image in coco.images}
    for annotation in coco.annotations:
        if role_of[annotation.category_id] >= 0:
            of_image[annotation.image_id].append(annotation)
    root, doubts = coco_image_root(coco), "; ".join(doubts_of_coco(coco))
    return [
        AnnotatedImage(
            coco_image_path(root, image.file_name),
            xywh_to_xyxy(np.array([row.bbox for row in of_image[image.id]], np.float64).reshape(-1, 4)),
            np.full(len(of_image[image.id]), UNKNOWN),
            np.ones(len(of_image[image.id])),
            np.array(
                [bool(row.iscrowd or row.ignore or not role_of[row.category_id]) for row in of_image[image.id]], bool
            ),
            source.name,
            file,
            dialect=doubts,
            width=int(image.width),
            height=int(image.height),
        )
        for image in coco.images
    ]


def _coco_file(source: Path, split: str) -> Path:
    patterns = (
        "{}.json",
        "annotations/{}.json",
        "annotations/instances_{}*.json",
        "{}/_annotations.coco.json",
    )
    for pattern in patterns:
        if files := sorted(source.glob(pattern.format(glob.escape(split)))):
            return files[0]
    raise InputError(
        f"{source}: none of the files {', '.join(patterns).format(*[split] * 4)} in it; data.splits names the splits"
    )


def _visdrone_split(source: Path, split: str) -> Path:
    for folder in (source / split, *sorted(source.glob(f"*-{glob.escape(split)}/")), source):
        if is_visdrone(folder):
            return folder
    raise InputError(f"{source}: no folders sequences and annotations in it, nor in {split}; is it VisDrone-MOT?")


def _read_cvat_files(source: Path, split: str) -> list[SequenceTracks]:
    folder = source / split if (source / split).is_dir() else source
    files = sorted((*folder.glob("[!.]*.xml"), *folder.glob("[!.]*/[!.]*.xml")))
    if not files:
        raise InputError(f"{folder}: no .xml file in it; export the task from CVAT as 'CVAT for video 1.1'")
    found = []
    for file in files:
        sequence = read_cvat(file)
        places = (file.with_suffix(""), *(file.parent / name for name in (sequence.name, "images", "img1")))
        images = next((paired.by_frame for place in places if (paired := pair_frames(place)).by_frame), {})
        name = file.parent.name if sequence.name == "annotations" else sequence.name
        found.append(SequenceTracks(**{**vars(sequence), "images": images, "name": name}))
    return found
