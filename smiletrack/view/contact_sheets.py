"""Pictures of annotated sequences: a sheet of frames with their boxes, and a sheet with a row a person."""

from collections.abc import Sequence

import numpy as np

from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage
from smiletrack.images import cut_boxes
from smiletrack.lazy import LazyModule
from smiletrack.view.colors import identity_color
from smiletrack.view.drawing import Image, draw_box, draw_lines
from smiletrack.view.sequence_statistics import named_rows

cv2 = LazyModule("cv2")

_CELL_WIDTH, _COLUMNS, _GAP = 640, 3, 4
_CROP = (60, 168)
_PEOPLE = 10
_MOST_LABELS = 30
"""Boxes in a frame up to which each has its identity written above it."""
_GREY, _NOBODY = (150, 150, 150), (80, 200, 80)


def contact_sheet(frames: Sequence[tuple[AnnotatedImage, Image]]) -> Image:
    """Return a BGR sheet of frames with their boxes: a colour an identity, green for unnamed, dashed grey for ignored.

    frames: at least one pair of annotation and BGR picture.
    """
    cells = [_cell(annotated, picture) for annotated, picture in frames]
    height = max(len(cell) for cell in cells)
    cells = [np.pad(cell, [(0, height - len(cell) + _GAP), (0, _GAP), (0, 0)], constant_values=255) for cell in cells]
    blank = np.full_like(cells[0], 255)
    rows = [cells[i : i + _COLUMNS] for i in range(0, len(cells), _COLUMNS)]
    columns = min(_COLUMNS, len(cells))
    return np.concatenate([np.concatenate([*row, *[blank] * (columns - len(row))], 1) for row in rows])


def _cell(annotated: AnnotatedImage, picture: Image) -> Image:
    """Return a frame of the sheet, of its width, with boxes and a line about how many they are."""
    scale = _CELL_WIDTH / picture.shape[1]
    size = (_CELL_WIDTH, max(1, round(picture.shape[0] * scale)))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    cell = cv2.resize(picture, size, interpolation=smooth)
    labels = len(annotated.boxes) <= _MOST_LABELS
    for box, identity, ignored in zip(
        annotated.boxes * scale, annotated.identities.tolist(), annotated.ignored.tolist(), strict=True
    ):
        named = identity != UNKNOWN
        color = _GREY if ignored else identity_color(identity) if named else _NOBODY
        draw_box(cell, box, color, str(identity) if labels and named and not ignored else "", dashed=ignored)
    frame = f"frame {annotated.frame}" if annotated.frame != UNKNOWN else annotated.path.name
    draw_lines(cell, [f"{frame}: {int((~annotated.ignored).sum())} people, {int(annotated.ignored.sum())} ignored"])
    return cell


def people_sheet(frames: Sequence[tuple[AnnotatedImage, Image]]) -> Image | None:
    """Return a BGR sheet, a row a person, of who is seen best in these frames; None where nobody is named.

    Each row must show one person. A grey field is a frame that the person is not in.
    """
    seen = np.concatenate([annotated.identities[named_rows(annotated)] for annotated, _ in frames])
    visibility = np.concatenate([annotated.visibility[named_rows(annotated)] for annotated, _ in frames])
    people, row_of = np.unique(seen, return_inverse=True)
    if not len(people):
        return None
    clearest = np.argsort(-np.bincount(row_of, visibility), kind="stable")[:_PEOPLE]
    rows = []
    for person in people[clearest].tolist():
        crops = [_crop(annotated, picture, person) for annotated, picture in frames]
        bar = np.full((_CROP[1], 8, 3), identity_color(person), np.uint8)
        rows.append(np.concatenate([bar, *crops], 1))
    return np.concatenate([np.pad(row, [(0, _GAP), (0, 0), (0, 0)], constant_values=255) for row in rows])


def _crop(annotated: AnnotatedImage, picture: Image, person: int) -> Image:
    rows = np.flatnonzero(named_rows(annotated) & (annotated.identities == person))
    crops, _ = cut_boxes(picture, annotated.boxes[rows[:1]], _CROP)
    return crops[0] if len(crops) else np.full((_CROP[1], _CROP[0], 3), 200, np.uint8)
