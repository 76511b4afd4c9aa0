"""The two files that training reads: COCO JSON for detectors, a table of identities for similarity networks.

Both name images relative to their own folder, so a tree of data sets can move as a whole.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.boxes import xywh_to_xyxy, xyxy_to_xywh
from smiletrack.data.coco import CocoAnnotation, CocoFile, CocoImage, Key, read_coco_file
from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage, Counts
from smiletrack.data.reid.identities import IdentityTable
from smiletrack.errors import InputError
from smiletrack.files import atomic_write

CATEGORIES = [{"id": 1, "name": "pedestrian"}]
_DIGITS = 3
"""Decimals of a box in px; the sets' own annotations have fewer."""


def write_coco(path: Path, images: Sequence[AnnotatedImage]) -> None:
    """Write a COCO detection file that pycocotools loads.

    Beside COCO's keys, images have `video_id`, `frame_id` (from 1 in this file), `frame` (in the video), all -1 for
    photographs; annotations have `track_id` (-1: nobody in particular), `visibility`, and `ignore`, which is
    `iscrowd` once more: boxes that are neither right nor wrong.
    """
    folder = path.resolve().parent
    videos = {name: i + 1 for i, name in enumerate(dict.fromkeys(im.sequence for im in images if im.frame != UNKNOWN))}
    first = _first_frames(images)
    records: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, 1):
        video = image.frame != UNKNOWN
        records.append(
            {
                "id": number,
                "file_name": os.path.relpath(image.path.resolve(), folder),
                "width": image.width,
                "height": image.height,
                "video_id": videos[image.sequence] if video else UNKNOWN,
                "frame_id": image.frame - first[image.sequence] + 1 if video else UNKNOWN,
                "frame": image.frame,
            }
        )
        annotations += _annotations(image, number, len(annotations))
    _write(path, records, annotations, [{"id": number, "name": name} for name, number in videos.items()])


def read_coco_images(file: Path) -> list[AnnotatedImage]:
    """Read back what `write_coco` wrote; InputError where the file is another's, or damaged."""
    coco = _read_imported(file)
    videos = {video.id: video.name for video in coco.videos}
    of_image: dict[Key, list[CocoAnnotation]] = {image.id: [] for image in coco.images}
    for annotation in coco.annotations:
        of_image[annotation.image_id].append(annotation)
    return [_annotated(file, image, of_image[image.id], videos) for image in coco.images]


def _read_imported(file: Path) -> CocoFile:
    """Read a file of ours: the one class, and whole numbers for videos, frames and people."""
    coco = read_coco_file(file)
    if [(category.id, category.name) for category in coco.categories] != [(1, "pedestrian")]:
        raise InputError(f"{file}: not made by smiletrack prepare-data, its classes are others")
    whole: list[Any] = [video.id for video in coco.videos]
    whole += [number for image in coco.images for number in (image.id, image.video_id, image.frame_id, image.frame)]
    whole += [number for row in coco.annotations for number in (row.id, row.track_id)]
    if not all(type(number) is int and abs(number) < 2**53 for number in whole):
        raise InputError(
            f"{file}: not made by smiletrack prepare-data (ids, video_id, frame or track_id are no numbers)"
        )
    for share in (row.visibility for row in coco.annotations):
        if type(share) not in (int, float) or not 0 <= share <= 1:
            raise InputError(f"{file}: the visibility {share!r} is not in [0, 1]")
    return coco


def _annotated(file: Path, image: CocoImage, rows: Sequence[CocoAnnotation], videos: dict[Key, str]) -> AnnotatedImage:
    return AnnotatedImage(
        path=Path(os.path.normpath(file.parent / image.file_name)),
        boxes=xywh_to_xyxy(np.array([row.bbox for row in rows], np.float64).reshape(-1, 4)),
        identities=np.array([row.track_id for row in rows], np.int64),
        visibility=np.array([row.visibility for row in rows], np.float64),
        ignored=np.array([bool(row.ignore) for row in rows], bool),
        sequence=videos.get(image.video_id, file.resolve().parent.parent.name),
        source=file,
        frame=image.frame,
        width=int(image.width),
        height=int(image.height),
    )


def _annotations(image: AnnotatedImage, number: int, offset: int) -> list[dict[str, Any]]:
    """Return the COCO annotations of one image; their ids go on from `offset`."""
    boxes_xywh = np.round(xyxy_to_xywh(image.boxes), _DIGITS)
    columns = (boxes_xywh.tolist(), image.identities.tolist(), image.visibility.tolist(), image.ignored.tolist())
    return [
        {
            "id": offset + row,
            "image_id": number,
            "category_id": 1,
            "bbox": box,
            "area": round(box[2] * box[3], _DIGITS),
            "iscrowd": int(ignored),
            "ignore": int(ignored),
            "track_id": identity,
            "visibility": round(visibility, 5),
        }
        for row, (box, identity, visibility, ignored) in enumerate(zip(*columns, strict=True), 1)
    ]


def _first_frames(images: Sequence[AnnotatedImage]) -> dict[str, int]:
    first: dict[str, int] = {}
    for image in images:
        first[image.sequence] = min(first.get(image.sequence, image.frame), image.frame)
    return first


def merge_coco(files: Sequence[Path], path: Path) -> Counts:
    """Write the images of several files as one, and count them; no two files share a video, no two folders a person.

    Files of one folder (`train` and `val` of a set) number their people together, so those keep common numbers.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    videos: list[dict[str, Any]] = []
    people: dict[Path, int] = {}
    parts = [_read_imported(file) for file in files]
    for coco in parts:
        tracks = max((a.track_id for a in coco.annotations), default=UNKNOWN)
        people[coco.path.parent] = max(people.get(coco.path.parent, 0), tracks + 1)
    starts = dict(zip(people, np.cumsum([0, *people.values()]).tolist(), strict=False))
    for coco in parts:
        moved = (len(images), len(annotations), len(videos))
        for image in coco.images:
            name = os.path.relpath(coco.path.resolve().parent / image.file_name, path.resolve().parent)
            video = image.video_id + moved[2] if image.video_id != UNKNOWN else UNKNOWN
            images.append(_told(image) | {"id": int(image.id) + moved[0], "file_name": name, "video_id": video})
        for a in coco.annotations:
            track = a.track_id + starts[coco.path.parent] if a.track_id != UNKNOWN else UNKNOWN
            shifted = {"id": int(a.id) + moved[1], "image_id": int(a.image_id) + moved[0], "track_id": track}
            annotations.append(_told(a) | shifted)
        videos += [{"id": int(video.id) + moved[2], "name": video.name} for video in coco.videos]
    _write(path, images, annotations, videos)
    targets = [a for a in annotations if not a["ignore"]]
    return Counts(len(images), len({a["track_id"] for a in targets} - {UNKNOWN}), len(targets))


def _told(entry: CocoImage | CocoAnnotation) -> dict[str, Any]:
    """Return the keys of an entry that say something."""
    return {key: value for key, value in vars(entry).items() if value is not None}


def _write(
    path: Path, images: list[dict[str, Any]], annotations: list[dict[str, Any]], videos: list[dict[str, Any]]
) -> None:
    content = {
        "info": {"description": f"{path.parent.parent.name} {path.stem}"},
        "images": images,
        "annotations": annotations,
        "categories": CATEGORIES,
        "videos": videos,
    }
    with atomic_write(path) as stream:
        stream.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")))  # several times faster than dump


def identity_table(images: Sequence[AnnotatedImage]) -> IdentityTable:
    """Return the people that are named and not ignored."""
    named = [~image.ignored & (image.identities != UNKNOWN) for image in images]
    used = [(image, rows) for image, rows in zip(images, named, strict=True) if rows.any()]
    counts = [int(rows.sum()) for _, rows in used]
    return IdentityTable(
        tuple(image.path for image, _ in used),
        np.repeat(np.arange(len(used)), counts),
        np.concatenate([np.zeros((0, 4)), *(image.boxes[rows] for image, rows in used)]),
        np.concatenate([np.zeros(0), *(image.visibility[rows] for image, rows in used)]),
        np.concatenate([np.zeros(0, np.int64), *(image.identities[rows] for image, rows in used)]),
        np.repeat(np.array([image.frame for image, _ in used], np.int64), counts),
        np.repeat(np.array([image.sequence for image, _ in used], np.str_), counts),
    )
