"""Assignment over all pairs first, after which matches that are too poor are dropped (SORT, OC-SORT and their kin)."""

from smiletrack.compiled import inner
from smiletrack.tracking.association import assign, settle
from smiletrack.tracking.intake import FREE, FrameDetections
from smiletrack.tracking.observations import direction_agreement
from smiletrack.tracking.overlap import EVERYTHING, Candidates, find_pairs, reach_of
from smiletrack.tracking.settings import Rules, StageRules
from smiletrack.tracking.state import TrackState, Workspace
from smiletrack.types import Floats, Ints


@inner
def match_then_filter(
    state: TrackState,
    scene: FrameDetections,
    rules: Rules,
    stage: StageRules,
    slots: Ints,
    boxes: Floats,
    work: Workspace,
) -> None:
    """SORT's and OC-SORT's assignment: the best over all pairs, afterwards those of too little IoU are dropped.

    Where nobody competes for near pairs, these are the answer, as in the original. Pairs that do not overlap change the
    sum only if directions count.
    """
    least = 1 - stage.max_cost
    pairs = find_pairs(slots, boxes, state.classes, scene, stage.level, rules, reach_of(stage, least <= 0), work)
    clear = _nobody_competes(pairs, least, len(scene.scores), work.by_detection[4])
    if not clear and stage.direction > 0:
        pairs = find_pairs(slots, boxes, state.classes, scene, stage.level, rules, EVERYTHING, work)
    gains = work.pair_figures[3]
    for index in range(len(slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            row, overlap = pairs.rows[pair], pairs.ious[pair]
            gains[pair] = overlap
            if clear and overlap < least:
                gains[pair] = 0.0
            elif not clear and stage.direction > 0:
                agreement = direction_agreement(state, slots[index], scene.boxes[row])
                # 1 makes all of them gains, so that as many pairs as there can be are matched
                gains[pair] += 1 + stage.direction * agreement * scene.scores[row]
    assign(pairs.starts, pairs.rows, gains, len(scene.scores), work)
    found = work.by_track[4]
    for index in range(len(slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            if pairs.rows[pair] == found[index] and pairs.ious[pair] < least:
                found[index] = FREE
                break
    settle(state, scene, slots, found)


@inner
def _nobody_competes(pairs: Candidates, least: float, num_detections: int, taken: Ints) -> bool:
    """Tell whether no track and no detection has two partners of at least this IoU."""
    for row in range(num_detections):
        taken[row] = 0
    for index in range(len(pairs.slots)):
        num_near = 0
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            if pairs.ious[pair] >= least:
                if taken[pairs.rows[pair]] or num_near:
                    return False
                taken[pairs.rows[pair]] = num_near = 1
    return True
