"""BoostTrack and BoostTrack++: detections that are likely objects score higher, and what two boxes have in common.

Sources: arXiv 2408.13003 and the code of its authors, whose constants are used. Similarities are "up is good".
"""

from math import exp, inf

from smiletrack.compiled import inner, leaf
from smiletrack.motion.box_states import position_of
from smiletrack.motion.kalman import mahalanobis
from smiletrack.tracking.intake import is_usable
from smiletrack.tracking.overlap import iou
from smiletrack.tracking.settings import Rules
from smiletrack.tracking.state import ALIVE, COUPLED, ELAPSED, NOW, TrackState, Workspace
from smiletrack.types import Floats, Ints

MAX_DISTANCE = 13.2767
"""0.99 quantile of chi-square with four degrees of freedom: squared distances beyond it are no resemblance."""
_GROWN, _FADE = 7, 0.9
"""Frames of life after which a track is trusted, and the factor for each frame that is missing, or unseen."""
_IOU, _MOTION, _SHAPE = 0.5, 0.25, 0.25
"""Weights of the resemblances beside the IoU."""
_ALIKE = 0.75
"""Cosine from which half of the least IoU is enough."""
_OWN, _POWER = 0.65, 1.5
"""Share of its own score in the raised score, and the power of what a detection has in common with a track."""
_SURE, _LEAST_SURE, _SURE_STEPS = 0.95, 0.8, 20
"""Similarity that makes a detection high: for a track just seen, for one long unseen, frames between the two."""
_DETECTION_MARGIN, _TRACK_MARGIN = 0.25, 0.5
"""Share of its sides by which a box grows in the soft buffered IoU, per missing confidence of the track."""
_SAME_PERSON = 0.3
"""IoU above which two unexplained detections are one person."""


@leaf
def track_confidence(age: float, unseen: float) -> float:
    """Return how far a track is trusted: young ones little, unseen ones less each frame.

    age: frames since birth. unseen: frames since it was missed, 0 for a track matched in the look before.
    """
    return float(_FADE ** (_GROWN - age if age < _GROWN else unseen))


@leaf
def shape_similarity(boxes_a: Floats, a: int, boxes_b: Floats, b: int) -> float:
    """Return exp(-(|dw| + |dh|) / max w) in (0, 1]. The paper divides |dh| by the larger height; this is the code."""
    width_a, width_b = boxes_a[a, 2] - boxes_a[a, 0], boxes_b[b, 2] - boxes_b[b, 0]
    height_a, height_b = boxes_a[a, 3] - boxes_a[a, 1], boxes_b[b, 3] - boxes_b[b, 1]
    widest = max(width_a, width_b)
    return exp(-(abs(width_a - width_b) + abs(height_a - height_b)) / widest) if widest > 0 else 0.0


@leaf
def soft_buffered_iou(tracks: Floats, a: int, detections: Floats, b: int, confidence: float) -> float:
    """Return the IoU of two boxes that grow the more the less the track is trusted."""
    by, other_by = _TRACK_MARGIN * (1 - confidence), _DETECTION_MARGIN * (1 - confidence)
    shared = 1.0
    for low, high in ((0, 2), (1, 3)):
        side, other = tracks[a, high] - tracks[a, low], detections[b, high] - detections[b, low]
        start = max(tracks[a, low] - by * side, detections[b, low] - other_by * other)
        end = min(tracks[a, high] + by * side, detections[b, high] + other_by * other)
        shared *= max(end - start, 0.0)
    area = (tracks[a, 2] - tracks[a, 0]) * (tracks[a, 3] - tracks[a, 1]) * (1 + 2 * by) ** 2
    other_area = (detections[b, 2] - detections[b, 0]) * (detections[b, 3] - detections[b, 1]) * (1 + 2 * other_by) ** 2
    return shared / (area + other_area - shared) if shared > 0 else 0.0


@leaf
def to_motion_similarities(distances: Floats) -> None:
    """Turn the squared distances of a track to detections, (K,), into similarities, in place.

    Softmax over the detections of what is left to MAX_DISTANCE; 0 beyond it.
    """
    total = 0.0
    for distance in distances:
        total += exp(max(MAX_DISTANCE - distance, 0.0))
    for place in range(len(distances)):
        distance = distances[place]
        distances[place] = exp(MAX_DISTANCE - distance) / total if distance <= MAX_DISTANCE else 0.0


@inner
def own_distance(state: TrackState, rules: Rules, slot: int, box: Floats) -> float:
    """Return the squared Mahalanobis distance of a box (4,) to a prediction, by the prediction's covariance alone."""
    measured = position_of(rules.coordinates, box[0], box[1], box[2], box[3])
    nothing = (0.0, 0.0, 0.0, 0.0)
    return mahalanobis(state.means, state.covariances, slot, measured, nothing, state.counters[COUPLED] != 0)


@inner
def slot_confidence(state: TrackState, slot: int) -> float:
    """Return `track_confidence` of a slot."""
    return track_confidence(state.clock[NOW] - state.born_at[slot], _unseen(state, slot))


@inner
def _unseen(state: TrackState, slot: int) -> float:
    """Return the frames for which a track was looked for in vain."""
    return state.clock[NOW] - state.clock[ELAPSED] - state.seen_at[slot]


@leaf
def boosted_similarity(overlap: float, motion: float, shape: float, confidence: float, least: float) -> float:
    """Return what a pair has in common without appearance: IoU + .5 c IoU + .25 motion + .25 c shape.

    confidence: of the detection times that of the track; c is 0 where the IoU is below `least`.
    """
    c = confidence if overlap >= least else 0.0
    return overlap + _IOU * c * overlap + _MOTION * motion + _SHAPE * c * shape


@leaf
def is_acceptable(overlap: float, cosine: float, least: float) -> bool:
    """Tell whether a pair may stay matched; NaN is no cosine."""
    return overlap >= least or (overlap >= least / 2 and cosine >= _ALIKE)


@inner
def boost_scores(state: TrackState, rules: Rules, boxes: Floats, scores: Floats, work: Workspace) -> None:
    """Raise the scores (M,), in place, of a frame's detections (M, 4); reads the predicted `boxes` of the tracks."""
    rows, count = work.by_detection[4], 0
    for row in range(len(scores)):
        if scores[row] > rules.low and is_usable(boxes[row], scores[row]):
            rows[count] = row
            count += 1
    if not state.counters[ALIVE]:
        return
    rows, is_sure = rows[:count], work.by_detection[5, :count]
    nearest, likely, distances = (
        work.detection_figures[0, :count],
        work.detection_figures[1, :count],
        work.detection_figures[2, :count],
    )
    for place in range(count):
        nearest[place], likely[place], is_sure[place] = inf, 0.0, 0
    for slot in state.order[: state.counters[ALIVE]]:
        for place in range(count):
            distances[place] = own_distance(state, rules, slot, boxes[rows[place]])
            nearest[place] = min(nearest[place], distances[place])
        if rules.boost_likely:
            to_motion_similarities(distances)
            _find_likely(state, slot, boxes, rows, distances, likely, is_sure)
    if rules.boost_likely:
        for place in range(count):
            scores[rows[place]] = raised_score(scores[rows[place]], likely[place], is_sure[place] != 0, rules.high)
    if rules.boost_unexplained:
        _lift_unexplained(rules.high, boxes, scores, rows, nearest, is_sure)


@inner
def _find_likely(
    state: TrackState, slot: int, boxes: Floats, rows: Ints, motions: Floats, likely: Floats, is_sure: Ints
) -> None:
    """Raise `likely` (K,) to the similarity of each detection and a track; note where it is `is_sure`."""
    confidence = slot_confidence(state, slot)
    enough = max(_SURE - (_SURE - _LEAST_SURE) / _SURE_STEPS * _unseen(state, slot), _LEAST_SURE)
    for place in range(len(rows)):
        row = rows[place]
        shape = shape_similarity(boxes, row, state.boxes, slot)
        alike = (motions[place] + shape + soft_buffered_iou(state.boxes, slot, boxes, row, confidence)) / 3
        likely[place] = max(likely[place], alike)
        if alike > enough:
            is_sure[place] = 1


@leaf
def raised_score(score: float, likely: float, is_sure: bool, high: float) -> float:
    """Return the score of a detection that has `likely` in common with some track, at least `high` if that is sure."""
    raised = max(score, _OWN * score + (1 - _OWN) * likely**_POWER)
    return max(raised, high) if is_sure else raised


@inner
def _lift_unexplained(high: float, boxes: Floats, scores: Floats, rows: Ints, nearest: Floats, is_alone: Ints) -> None:
    """Make low detections high that are near no track, of several on one person the one that scores best."""
    for place in range(len(rows)):
        is_alone[place] = scores[rows[place]] < high and nearest[place] > MAX_DISTANCE
    for place in range(len(rows)):
        for other in range(len(rows)):
            # those that have lost against a third one still count, as in the original
            better = is_alone[other] != 0 and scores[rows[other]] > scores[rows[place]]
            if is_alone[place] == 1 and better and iou(boxes, rows[place], boxes, rows[other], 0.0) > _SAME_PERSON:
                is_alone[place] = 2
    for place in range(len(rows)):
        if is_alone[place] == 1:
            scores[rows[place]] = high
