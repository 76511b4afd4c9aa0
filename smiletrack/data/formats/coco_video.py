"""Video COCO, as ByteTrack, MMTracking and TAO write it: COCO JSON whose images are frames, whose boxes have tracks."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.boxes import xyxy_to_xywh
from smiletrack.data.coco import CocoFile, CocoImage, Key, coco_image_path, coco_image_root, read_coco_file
from smiletrack.data.formats.sequence_tracks import NOBODY, SequenceTracks, table_of_rows
from smiletrack.errors import InputError, shown
from smiletrack.files import atomic_write, is_plain_name
from smiletrack.limits import MAX_FRAMES


def read_coco_video(file: Path, image_root: str = "") -> list[SequenceTracks]:
    """Read the videos of a file, frames in the order of `frame_id` (from 0 or 1), else of the list.

    `track_id` or `instance_id` is the identity; boxes without, crowds and those marked `ignore` are nobody's or do not
    count. Raises InputError for a file without videos, besides `read_coco_file`'s.
    """
    coco = read_coco_file(file)
    root = Path(image_root) if image_root else coco_image_root(coco)
    of_video: dict[Key, list[CocoImage]] = {}
    for image in coco.images:
        if image.video_id in (None, NOBODY):
            continue
        if type(image.video_id) not in (int, str):
            raise InputError(f"{file}: image {image.id}: its video_id is {shown(image.video_id)}, no number or text")
        of_video.setdefault(image.video_id, []).append(image)
    if not of_video:
        raise InputError(f"{file}: no image has a video_id; these are photographs and no tracks")
    names = _names(coco, list(of_video))
    return [_sequence(coco, root, name, images) for name, images in zip(names, of_video.values(), strict=True)]


def _names(coco: CocoFile, videos: Sequence[Key]) -> list[str]:
    """Return the last part of each video's name, which may be a path (TAO); all of it where that is another's too."""
    told = {video.id: video.name for video in coco.videos}
    paths = [told.get(video, str(video)).replace("\\", "/").strip("/") for video in videos]
    plain = [path.rpartition("/")[2] for path in paths]
    often = Counter(plain)
    names = [path.replace("/", "-") if often[name] > 1 else name for path, name in zip(paths, plain, strict=True)]
    return [name if is_plain_name(name) else f"video-{number}" for number, name in enumerate(names, 1)]


def _sequence(coco: CocoFile, root: Path, name: str, images: list[CocoImage]) -> SequenceTracks:
    """Return the tracks of one video; annotations without a number are nobody's."""
    numbers = _frame_numbers(coco.path, images)
    frames: dict[Key, int] = {image.id: number for image, number in zip(images, numbers, strict=True)}
    kinds = {category.id: number for number, category in enumerate(coco.categories, 1)}
    rows = []
    for annotation in coco.annotations:
        if annotation.image_id in frames:
            told = annotation.track_id if annotation.track_id is not None else annotation.instance_id
            identity = told if type(told) is int and 0 <= told < 2**53 else NOBODY
            counts = float(not (annotation.iscrowd or annotation.ignore))
            share = annotation.visibility if type(annotation.visibility) in (int, float) else 1.0
            kind = kinds[annotation.category_id]
            score = annotation.score if type(annotation.score) in (int, float) else counts
            rows.append((frames[annotation.image_id], identity, *annotation.bbox, score, kind, share))
    truth = not any(annotation.score is not None for annotation in coco.annotations)
    paths = {number: coco_image_path(root, image.file_name) for image, number in zip(images, numbers, strict=True)}
    return SequenceTracks(
        name,
        table_of_rows(coco.path, rows),
        tuple(category.name for category in coco.categories),
        truth,
        max(numbers),
        int(images[0].width),
        int(images[0].height),
        images=dict(sorted(paths.items())),
    )


def _frame_numbers(file: Path, images: list[CocoImage]) -> list[int]:
    """Return the number from 1 of each image in its video."""
    told = [image.frame_id if image.frame_id is not None else image.frame_index for image in images]
    if any(type(number) is not int for number in told):
        return list(range(1, len(images) + 1))
    if len(set(told)) < len(told) or min(told) < 0 or max(told) > MAX_FRAMES:
        raise InputError(f"{file}: two images of one video have one frame_id, or one is outside of 0 .. {MAX_FRAMES}")
    return [number + (min(told) == 0) for number in told]


def write_coco_video(path: Path, sequences: Sequence[SequenceTracks]) -> Path:
    """Write all sequences as one file: COCO's keys, `videos`, `video_id`, `frame_id` (from 1), `track_id`, and `score`.

    Images are named as far as they are known, relative to the file's folder where they are below it, else as
    `SEQUENCE/000001.jpg`. Boxes that do not count are crowds with `ignore`.
    """
    kinds = {name: number for number, name in enumerate(dict.fromkeys(n for s in sequences for n in s.class_names), 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for video, sequence in enumerate(sequences, 1):
        table, before = sequence.table, len(images)
        for frame in range(1, sequence.length + 1):
            images.append(
                {
                    "id": before + frame, "file_name": _file_name(path, sequence, frame), "width": sequence.width,
                    "height": sequence.height, "video_id": video, "frame_id": frame,
                }
            )  # fmt: skip
        counted = sequence.counted
        boxes = np.round(xyxy_to_xywh(table.boxes), 3).tolist()
        for row, box in enumerate(boxes):
            kind, ignored = kinds[sequence.class_name(row)], int(not counted[row])
            annotation = {
                "id": len(annotations) + 1, "image_id": before + int(table.frames[row]), "category_id": kind,
                "bbox": box, "area": round(box[2] * box[3], 3), "iscrowd": ignored, "ignore": ignored,
                "track_id": int(table.ids[row]),
            }  # fmt: skip
            annotations.append(annotation | ({} if sequence.truth else {"score": float(table.scores[row])}))
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in kinds.items()],
        "videos": [{"id": video, "name": sequence.name} for video, sequence in enumerate(sequences, 1)],
    }
    with atomic_write(path) as stream:
        stream.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")))
    return path


def _file_name(path: Path, sequence: SequenceTracks, frame: int) -> str:
    if frame not in sequence.images:
        return f"{sequence.name}/{frame:06d}.jpg"
    image, folder = sequence.images[frame].resolve(), path.resolve().parent
    return (image.relative_to(folder) if image.is_relative_to(folder) else image).as_posix()
