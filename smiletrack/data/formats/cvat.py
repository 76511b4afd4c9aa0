"""CVAT's "CVAT for video 1.1" XML: one task, tracks of boxes with frames from 0, corners in pixels.

A box is a keyframe, or lies on the straight line between the keyframes before and after it; a track is there from its
first box until one that says `outside="1"`, or to the end of the task. (docs.cvat.ai, "XML annotation format")
"""

from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np
from numpy.typing import NDArray

from smiletrack.data.formats.plain_xml import read_xml, xml_text
from smiletrack.data.formats.sequence_tracks import SequenceTracks, joined_rows, no_rows
from smiletrack.errors import InputError, shown
from smiletrack.files import atomic_write, is_plain_name
from smiletrack.limits import MAX_FRAMES, MOST_BOXES
from smiletrack.types import Floats, Ints, TrackTable

_CORNERS = ("xtl", "ytl", "xbr", "ybr")
_META = ("task", "job", "project/tasks/task")


def read_cvat(file: Path) -> SequenceTracks:
    """Read the export of one task or job; frames between keyframes are filled in. Boxes marked as outside are none.

    The sequence is called like the task, else like the file. Raises InputError for other XML, an export of several
    tasks or of images without tracks, and for attributes that are missing or no numbers.
    """
    root = read_xml(file)
    if root.tag != "annotations":
        raise InputError(f"{file}: its root is <{root.tag}>, not <annotations>; export as 'CVAT for video 1.1'")
    if root.find("meta/project") is not None and len(root.findall("meta/project/tasks/task")) > 1:
        raise InputError(f"{file}: the export of a project of several tasks; export the tasks one by one")
    tracks = root.findall("track")
    if not tracks and root.find("image") is not None:
        raise InputError(f"{file}: 'CVAT for images' has no tracks; export as 'CVAT for video 1.1'")
    meta = next((found for tag in _META if (found := root.find(f"meta/{tag}")) is not None), None)
    size, start = _number(file, meta, "size"), _number(file, meta, "start_frame")
    step = max(1, _number(file, meta, "frame_filter", "step="))
    names = {label.findtext("name", ""): None for label in root.iterfind("meta//labels/label")}
    names |= {track.get("label", ""): None for track in tracks}
    numbers = {name: number for number, name in enumerate(names, 1)}
    parts, total = [no_rows()], 0
    for place, track in enumerate(tracks):
        try:
            identity = int(track.get("id", place))
            frames, boxes = _seen(*_shapes(track, start, step), size, MOST_BOXES - total)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{file}: track {track.get('id', place)}: {error}") from None
        total += len(frames)
        kind = np.full(len(frames), numbers[track.get("label", "")])
        parts.append(TrackTable(frames + 1, np.full(len(frames), identity), boxes, classes=kind))
    name = "" if meta is None else meta.findtext("name", "")
    return SequenceTracks(
        name if is_plain_name(name) else file.stem,
        joined_rows(file, parts),
        tuple(names) or ("pedestrian",),
        True,
        size,
        _number(file, meta, "original_size/width"),
        _number(file, meta, "original_size/height"),
    )


def _number(file: Path, meta: Element | None, path: str, prefix: str = "") -> int:
    """Return a whole number of the meta data, 0 where it is absent."""
    text = ("" if meta is None else meta.findtext(path, "")).strip()
    if not text:
        return 0
    number = text.removeprefix(prefix)
    if not number.isdecimal() or len(number) > 8 or int(number) > MAX_FRAMES:
        raise InputError(f"{file}: {path} is {shown(text)}, not a number of frames or pixels")
    return int(number)


def _shapes(track: Element, start: int, step: int) -> tuple[Ints, NDArray[np.bool_], Floats]:
    """Return frame from 0 in the task, whether outside, and the box of each shape, ascending."""
    shapes = list(track.iterfind("box"))
    frames = np.array([int(shape.attrib["frame"]) for shape in shapes if _has(shape, "frame")], np.int64) - start
    if (frames % step != 0).any():
        raise ValueError(f"frame {(frames + start)[(frames % step).argmax()]} is none of its task's")
    boxes = [[float(shape.attrib[name]) for name in _CORNERS if _has(shape, name)] for shape in shapes]
    if not np.isfinite(boxes).all():
        raise ValueError("a box that is not four finite numbers")
    outside = np.array([shape.get("outside") == "1" for shape in shapes], np.bool_)
    order = np.argsort(frames, kind="stable")
    return frames[order] // step, outside[order], np.array(boxes, np.float64).reshape(-1, 4)[order]


def _has(shape: Element, name: str) -> bool:
    if name not in shape.attrib:
        raise ValueError(f"a box without {name}")
    return True


def _seen(frames: Ints, outside: NDArray[np.bool_], boxes: Floats, size: int, most: int) -> tuple[Ints, Floats]:
    """Return all frames that a track is seen in, and its boxes there. size: frames of the task, 0 = not known."""
    if not len(frames):
        return frames, boxes
    if (np.diff(frames) == 0).any() or frames[0] < 0:
        raise ValueError("two boxes in one frame, or a frame before the first")
    ends = np.append(frames[1:], max(frames[-1] + 1, size))
    counts = np.where(outside, 0, ends - frames)
    if counts.sum() > most:
        raise ValueError(f"more than {MOST_BOXES} boxes in all")
    shape = np.repeat(np.arange(len(frames)), counts)
    seen = np.concatenate([np.arange(a, b) for a, b in zip(frames[~outside], ends[~outside], strict=True)] or [frames])
    following = np.minimum(shape + 1, len(frames) - 1)
    share = (seen - frames[shape]) / np.maximum(frames[following] - frames[shape], 1)
    return seen, boxes[shape] + share[:, None] * (boxes[following] - boxes[shape])


def write_cvat(path: Path, sequence: SequenceTracks, tolerance: float = 0.0) -> tuple[int, int]:
    """Write the tracks of a sequence for "Upload annotations" in CVAT; return the numbers of boxes and of keyframes.

    The task must have the same frames. Boxes that lie within `tolerance` px of the line between two others are left to
    CVAT, so that a correction by hand moves a stretch of a track rather than one frame of it; 0 keeps all. A gap in a
    track is an `outside` box. Boxes that do not count are left out.
    """
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    for key, value in (("name", sequence.name), ("size", sequence.length), ("mode", "interpolation")):
        SubElement(task, key).text = str(value)
    labels = SubElement(task, "labels")
    words = [xml_text(name) for name in sequence.class_names]
    for name in words:
        SubElement(SubElement(labels, "label"), "name").text = name
    if sequence.width and sequence.height:
        size = SubElement(task, "original_size")
        SubElement(size, "width").text, SubElement(size, "height").text = str(sequence.width), str(sequence.height)
    table = sequence.table
    kept = np.flatnonzero(sequence.counted)
    keyframes = 0
    for identity in np.unique(table.ids[kept]).tolist():
        rows = kept[table.ids[kept] == identity]
        rows = rows[np.argsort(table.frames[rows], kind="stable")]
        kinds, votes = np.unique(table.classes[rows], return_counts=True)
        label = words[kinds[votes.argmax()] - 1]
        track = SubElement(root, "track", id=str(identity), label=label, source="auto")
        keyframes += _write_shapes(track, table.frames[rows] - 1, table.boxes[rows], sequence.length, tolerance)
    indent(root)
    with atomic_write(path, "wb") as stream:
        ElementTree(root).write(stream, "utf-8", xml_declaration=True)
    return len(kept), keyframes


def _write_shapes(track: Element, frames: Ints, boxes: Floats, length: int, tolerance: float) -> int:
    """Write one track's boxes; return how many are keyframes."""
    ends = np.flatnonzero(np.diff(frames) > 1) + 1
    written = 0
    for part, piece in zip(np.split(frames, ends), np.split(boxes, ends), strict=True):
        for row in keyframes_of(part, piece, tolerance):
            _write_box(track, int(part[row]), piece[row], False)
            written += 1
        if part[-1] + 1 < length:  # else the task's end ends the track
            _write_box(track, int(part[-1]) + 1, piece[-1], True)
    return written


def _write_box(track: Element, frame: int, box: Floats, outside: bool) -> None:
    corners = {name: f"{side:.2f}" for name, side in zip(_CORNERS, box, strict=True)}
    flags = {"frame": str(frame), "keyframe": "1", "outside": str(int(outside)), "occluded": "0"}
    SubElement(track, "box", {**flags, **corners, "z_order": "0"})


def keyframes_of(frames: Ints, boxes: Floats, tolerance: float) -> list[int]:
    """Return which boxes to keep so that the lines between them pass all others within `tolerance` px.

    frames: (N,) ascending. Halves the stretch at its worst box until none is worse (Douglas and Peucker, 1973).
    """
    if tolerance <= 0 or len(frames) < 3:
        return list(range(len(frames)))
    kept, open_parts = {0, len(frames) - 1}, [(0, len(frames) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        inner = np.arange(first + 1, last)
        share = (frames[inner] - frames[first]) / (frames[last] - frames[first])
        line = boxes[first] + share[:, None] * (boxes[last] - boxes[first])
        error = np.abs(boxes[inner] - line).max(1)
        if error.max() > tolerance:
            worst = int(inner[error.argmax()])
            kept.add(worst)
            open_parts += [(first, worst), (worst, last)]
    return sorted(kept)
