"""Which tracks and detections overlap, and by how much, found without comparing all with all.

The detections lie sorted by their left border, so a track meets only those that can reach it along x: the cost of a
frame follows the number of pairs that are near, not tracks x detections.
"""

from typing import NamedTuple

from smiletrack.compiled import inner, leaf
from smiletrack.limits import MOST_OF_ALL_PAIRS, MOST_PAIRS
from smiletrack.motion.box_states import Four
from smiletrack.tracking.intake import FREE, FrameDetections
from smiletrack.tracking.ordering import num_below
from smiletrack.tracking.settings import ANY_LEVEL, Rules, StageRules
from smiletrack.tracking.state import ALIVE, TrackState, Workspace
from smiletrack.types import Floats, Ints

NEAR, ELSEWHERE, EVERYTHING = range(3)
"""How far `find_pairs` looks."""


class Candidates(NamedTuple):
    """Candidates of one stage, sorted by track.

    slots (T,): the tracks that take part. starts (T + 1,): the first pair of each, and the end. rows (P,): the
    detection of each pair. ious (P,): see `iou`.
    """

    slots: Ints
    starts: Ints
    rows: Ints
    ious: Floats


@leaf
def iou(boxes_a: Floats, a: int, boxes_b: Floats, b: int, pixel: float) -> float:
    """Return the intersection over union of rows a and b of (N, 4), (M, 4) corners; 0 where a box has no area.

    `pixel` is added to every side: 1 counts both border pixels, as PASCAL VOC's and ByteTrack's code does.
    """
    return corners_iou((boxes_a[a, 0], boxes_a[a, 1], boxes_a[a, 2], boxes_a[a, 3]), boxes_b, b, pixel)


@leaf
def corners_iou(box: Four, boxes: Floats, row: int, pixel: float) -> float:
    """Return `iou` of a box and a row of (M, 4) corners; the box in registers is read from memory once."""
    x1, y1, x2, y2 = box
    width = min(x2, boxes[row, 2]) - max(x1, boxes[row, 0]) + pixel
    height = min(y2, boxes[row, 3]) - max(y1, boxes[row, 1]) + pixel
    if not (width > 0 and height > 0):
        return 0.0
    area = (x2 - x1 + pixel) * (y2 - y1 + pixel)
    other = (boxes[row, 2] - boxes[row, 0] + pixel) * (boxes[row, 3] - boxes[row, 1] + pixel)
    union = area + other - width * height
    return width * height / union if union > 0 else 0.0


@leaf
def height_overlap(boxes_a: Floats, a: int, boxes_b: Floats, b: int) -> float:
    """Return the intersection over union of the vertical extents of two boxes, at least 0."""
    shared = min(boxes_a[a, 3], boxes_b[b, 3]) - max(boxes_a[a, 1], boxes_b[b, 1])
    spanned = max(boxes_a[a, 3], boxes_b[b, 3]) - min(boxes_a[a, 1], boxes_b[b, 1])
    return max(shared, 0.0) / spanned if spanned > 0 else 0.0


@leaf
def modulated_iou(overlap: float, power: float, boxes_a: Floats, a: int, boxes_b: Floats, b: int) -> float:
    """Return the IoU times the overlap of heights to a power (Hybrid-SORT, arXiv 2308.00783, section 3.2); 0 = off."""
    return overlap * height_overlap(boxes_a, a, boxes_b, b) ** power if power > 0 else overlap


@inner
def reach_of(stage: StageRules, everything: bool) -> int:
    """Return how far `find_pairs` has to look."""
    if everything:
        return EVERYTHING
    return ELSEWHERE if stage.observed else NEAR


@inner
def find_pairs(
    slots: Ints,
    boxes: Floats,
    classes: Ints,
    scene: FrameDetections,
    level: int,
    rules: Rules,
    reach: int,
    work: Workspace,
) -> Candidates:
    """Return the pairs of tracks (`boxes` (S, 4), `classes` (S,) by slot) and free detections of a level that overlap.

    reach: NEAR for predicted boxes, ELSEWHERE for others, EVERYTHING for all pairs, whether they overlap or not, where
    these are not more than `MOST_OF_ALL_PAIRS`. Pairs of two classes are there only where the rules allow them.
    """
    pixel = rules.iou_pixel
    if reach == EVERYTHING and len(slots) * len(scene.order) > MOST_OF_ALL_PAIRS:
        reach = ELSEWHERE
    starts, rows, ious = work.by_track[2], work.by_pair[0], work.pair_figures[0]
    starts[0] = count = 0
    for index in range(len(slots)):
        slot = slots[index]
        first, end = work.by_track[6, slot], work.by_track[7, slot]
        if reach == EVERYTHING:
            first, end = 0, len(scene.order)
        elif reach == ELSEWHERE:
            first, end = window(scene, boxes, slot, pixel)
        box = boxes[slot, 0], boxes[slot, 1], boxes[slot, 2], boxes[slot, 3]
        kind = classes[slot]
        for place in range(first, end):
            row = scene.order[place]
            if (scene.levels[row] != level and level != ANY_LEVEL) or scene.owners[row] != FREE:
                continue
            if kind != scene.classes[row] and not rules.across_classes:
                continue
            overlap = corners_iou(box, scene.boxes, row, pixel)
            if reach == EVERYTHING or overlap > 0:
                rows[count], ious[count] = row, overlap
                count += 1
        starts[index + 1] = count
    return Candidates(slots, starts[: len(slots) + 1], rows[:count], ious[:count])


@inner
def window(scene: FrameDetections, boxes: Floats, slot: int, pixel: float) -> tuple[int, int]:
    """Return the places in `order` between which all detections lie that reach a track along x."""
    first = num_below(scene.reaches, boxes[slot, 0] - pixel, True)
    end = num_below(scene.lefts, boxes[slot, 2] + pixel, False)
    return first, max(first, end)


@inner
def find_windows(state: TrackState, scene: FrameDetections, rules: Rules, work: Workspace) -> int:
    """Keep the `window` of each predicted box; return how many pairs a stage can have at most.

    They are counted one by one only where the windows could hold more than memory should.
    """
    count = 0
    for slot in state.order[: state.counters[ALIVE]]:
        first, end = window(scene, state.boxes, slot, rules.iou_pixel)
        work.by_track[6, slot], work.by_track[7, slot] = first, end
        count += end - first
    most = state.counters[ALIVE] * len(scene.order) if rules.everything else count
    if most <= MOST_OF_ALL_PAIRS:
        return most
    overlapping = _num_overlapping(state, state.boxes, scene, rules.iou_pixel)
    if rules.observes:
        overlapping = max(overlapping, _num_overlapping(state, state.observed, scene, rules.iou_pixel))
    return max(MOST_OF_ALL_PAIRS, overlapping)


@inner
def _num_overlapping(state: TrackState, boxes: Floats, scene: FrameDetections, pixel: float) -> int:
    """Return how many pairs of tracks and detections overlap, or `MOST_PAIRS` + 1 where more do."""
    count = 0
    for slot in state.order[: state.counters[ALIVE]]:
        first, end = window(scene, boxes, slot, pixel)
        for row in scene.order[first:end]:
            count += iou(boxes, slot, scene.boxes, row, pixel) > 0
        if count > MOST_PAIRS:
            return MOST_PAIRS + 1
    return count
