"""Which tracks and detections overlap, and by how much, found without comparing all with all.

The detections lie sorted by their left border, so a track meets only those that can reach it along x: the cost of a
frame follows the number of pairs that are near, not tracks x detections.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from smiletrack.tracking.intake import FREE, FrameDetections
from smiletrack.tracking.ordering import num_below
from smiletrack.tracking.settings import Rules
from smiletrack.types import Floats, Ints


class Candidates(NamedTuple):
    """Candidates of one stage, sorted by track.

    slots (T,): the tracks that take part. starts (T + 1,): the first pair of each, and the end. rows (P,): the
    detection of each pair. ious (P,): see `iou`.
    """

    slots: Ints
    starts: Ints
    rows: Ints
    ious: Floats


@njit(cache=True, error_model="numpy")
def iou(boxes_a: Floats, a: int, boxes_b: Floats, b: int, pixel: float) -> float:
    """Return the intersection over union of rows a and b of (N, 4), (M, 4) corners; 0 where a box has no area.

    `pixel` is added to every side: 1 counts both border pixels, as PASCAL VOC's and ByteTrack's code does.
    """
    width = min(boxes_a[a, 2], boxes_b[b, 2]) - max(boxes_a[a, 0], boxes_b[b, 0]) + pixel
    height = min(boxes_a[a, 3], boxes_b[b, 3]) - max(boxes_a[a, 1], boxes_b[b, 1]) + pixel
    if not (width > 0 and height > 0):
        return 0.0
    area_a = (boxes_a[a, 2] - boxes_a[a, 0] + pixel) * (boxes_a[a, 3] - boxes_a[a, 1] + pixel)
    area_b = (boxes_b[b, 2] - boxes_b[b, 0] + pixel) * (boxes_b[b, 3] - boxes_b[b, 1] + pixel)
    union = area_a + area_b - width * height
    return width * height / union if union > 0 else 0.0


@njit(cache=True, error_model="numpy")
def height_overlap(boxes_a: Floats, a: int, boxes_b: Floats, b: int) -> float:
    """Return the intersection over union of the vertical extents of two boxes, at least 0."""
    shared = min(boxes_a[a, 3], boxes_b[b, 3]) - max(boxes_a[a, 1], boxes_b[b, 1])
    spanned = max(boxes_a[a, 3], boxes_b[b, 3]) - min(boxes_a[a, 1], boxes_b[b, 1])
    return max(shared, 0.0) / spanned if spanned > 0 else 0.0


@njit(error_model="numpy")
def find_pairs(
    slots: Ints, boxes: Floats, classes: Ints, scene: FrameDetections, level: int, rules: Rules, everything: bool
) -> Candidates:
    """Return the pairs of tracks (`boxes` (S, 4), `classes` (S,) by slot) and free detections of a level that overlap.

    everything: all pairs, whether they overlap or not. Pairs of two classes are there only where the rules allow them.
    """
    pixel = rules.iou_pixel
    first, end = np.empty(len(slots), np.int64), np.empty(len(slots), np.int64)
    room = 0
    for index in range(len(slots)):
        first[index], end[index] = 0, len(scene.order)
        if not everything:
            first[index] = num_below(scene.reaches, boxes[slots[index], 0] - pixel, True)
            end[index] = num_below(scene.lefts, boxes[slots[index], 2] + pixel, False)
        room += max(end[index] - first[index], 0)
    starts, rows, ious = np.empty(len(slots) + 1, np.int64), np.empty(room, np.int64), np.empty(room)
    starts[0] = count = 0
    for index in range(len(slots)):
        slot = slots[index]
        for place in range(first[index], end[index]):
            row = scene.order[place]
            if scene.levels[row] != level or scene.owners[row] != FREE:
                continue
            if classes[slot] != scene.classes[row] and not rules.across_classes:
                continue
            overlap = iou(boxes, slot, scene.boxes, row, pixel)
            if everything or overlap > 0:
                rows[count], ious[count] = row, overlap
                count += 1
        starts[index + 1] = count
    return Candidates(slots, starts, rows[:count], ious[:count])
