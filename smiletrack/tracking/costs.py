"""What a pair costs: IoU, appearance and motion fused, and the GATE that refuses pairs.

`appearance` is the cosine similarity of a pair, NaN where a side has no embedding; a comparison with NaN is false, so
such a pair is neither favoured nor refused by appearance. A refused pair costs infinity. `scored` is the IoU times
the detection's score where the stage says so, else the IoU.
"""

from math import isnan, tanh

import numpy as np

from smiletrack.compiled import inner
from smiletrack.tracking.settings import CALIBRATED, CLIPPED, MINIMUM, MOTION, SUM, VETO, StageRules
from smiletrack.types import Floats, Ints

REFUSED = np.inf


@inner
def pair_cost(
    stage: StageRules, overlap: float, scored: float, appearance: float, distance: float, evidence: float
) -> float:
    """Return the cost of a pair by the stage's fusion.

    distance: squared Mahalanobis distance, read by `veto` and `motion`. evidence: nats, read by `calibrated`.
    """
    cost = 1 - scored
    if stage.fusion == SUM:
        cost = sum_cost(scored, appearance)
    elif stage.fusion == CLIPPED:
        cost = sum_cost(scored, 0.0 if appearance < 0 else appearance)
    elif stage.fusion == MINIMUM:
        cost = minimum_cost(cost, 1 - overlap, appearance, stage.max_iou_cost, stage.max_appearance_cost)
    elif stage.fusion == VETO:
        # a pair without appearance is judged by IoU alone
        weighted = motion_cost(appearance, distance, stage.motion_weight)
        if weighted > stage.max_appearance_cost or (not isnan(appearance) and distance > stage.max_mahalanobis):
            cost = REFUSED
    elif stage.fusion == MOTION:
        cost = motion_cost(appearance, distance, stage.motion_weight)
        if distance > stage.max_mahalanobis:
            cost = REFUSED
    elif stage.fusion == CALIBRATED:
        cost = calibrated_cost(scored, evidence, stage.appearance_weight)
    # GATE, first switch: too unlike, whatever the IoU (paper, "SMC GATE Function")
    return REFUSED if appearance < stage.gate else cost


@inner
def sum_cost(overlap: float, appearance: float) -> float:
    """1 - (S_iou + S_app) / 2: the paper's equations 3 and 4 as a cost in [0, 1]. Without appearance 1 - S_iou."""
    return 1 - (overlap + (overlap if isnan(appearance) else appearance)) / 2


@inner
def minimum_cost(
    cost: float, iou_cost: float, appearance: float, max_iou_cost: float, max_appearance_cost: float
) -> float:
    """The lower of `cost` and (1 - appearance) / 2, the latter only for pairs that are near and alike.

    BoT-SORT, arXiv 2206.14651, equations 12 and 13. `cost` is the IoU cost with, `iou_cost` without detection scores.
    """
    apart = (1 - appearance) / 2
    return min(cost, apart) if apart <= max_appearance_cost and iou_cost <= max_iou_cost else cost


@inner
def motion_cost(appearance: float, distance: float, weight: float) -> float:
    """(1 - weight) (1 - appearance) + weight distance (DeepSORT, arXiv 1703.07402, eq. 5). NaN without appearance."""
    return (1 - weight) * (1 - appearance) + weight * distance


@inner
def calibrated_cost(overlap: float, evidence: float, weight: float) -> float:
    """1 - (S_iou + weight tanh(evidence / 4)), the evidence in nats, NaN where there is none; may be negative.

    4 nats are odds of 55 to 1: beyond that more evidence changes little. Strong evidence against a pair raises its cost
    above any limit, which is GATE's first switch without a threshold of its own.
    """
    return 1 - overlap - (0.0 if isnan(evidence) else weight * tanh(evidence / 4))


@inner
def evidence_cost(similarity: float, nats: float, weight: float) -> float:
    """1 - (S + weight L): a similarity and evidence in nats, each nat worth `weight`; may be negative."""
    return 1 - similarity - weight * nats


@inner
def refuse_undecided(
    starts: Ints, rows: Ints, costs: Floats, margin: float, tracks: Floats, detections: Floats
) -> None:
    """Refuse, in place, pairs whose cost is not lower, by `margin`, than that of all others of their track and row.

    starts (T + 1,), rows (P,): see `Candidates`. tracks (2, T), detections (2, M): room to work in.
    """
    forget_ranks(tracks, detections)
    for track in range(len(starts) - 1):
        for pair in range(starts[track], starts[track + 1]):
            rank(tracks, track, costs[pair])
            rank(detections, rows[pair], costs[pair])
    for track in range(len(starts) - 1):
        for pair in range(starts[track], starts[track + 1]):
            row = rows[pair]
            if costs[pair] > min(tracks[1, track], detections[1, row]) - margin:
                costs[pair] = REFUSED


@inner
def forget_ranks(tracks: Floats, detections: Floats) -> None:
    """Start the two lowest costs of all tracks (2, T) and detections (2, M)."""
    for side in (tracks, detections):
        for place in range(side.shape[1]):
            side[0, place] = side[1, place] = REFUSED


@inner
def rank(lowest: Floats, place: int, cost: float) -> None:
    """Take in a cost among the two lowest of a place."""
    if cost < lowest[0, place]:
        lowest[0, place], lowest[1, place] = cost, lowest[0, place]
    else:
        lowest[1, place] = min(lowest[1, place], cost)
