"""What a pair costs: IoU, appearance and motion fused, and the GATE that refuses pairs.

Everything is elementwise over pairs. `appearance` is the cosine similarity of a pair, NaN where a side has no
embedding; a comparison with NaN is false, so such a pair is neither favoured nor refused by its looks. A refused pair
costs infinity.
"""

import numpy as np

from smiletrack.types import Floats

REFUSED = np.inf


def sum_cost(overlap: Floats, appearance: Floats) -> Floats:
    """1 - (S_iou + S_app) / 2: the paper's equations 3 and 4 as a cost in [0, 1]. Without appearance 1 - S_iou."""
    return np.asarray(1 - (overlap + np.where(np.isnan(appearance), overlap, appearance)) / 2)


def minimum_cost(
    cost: Floats, iou_cost: Floats, appearance: Floats, max_iou_cost: float, max_appearance_cost: float
) -> Floats:
    """The lower of `cost` and (1 - appearance) / 2, the latter only for pairs that are near and alike.

    BoT-SORT, arXiv 2206.14651, equations 12 and 13. `cost` is the IoU cost with, `iou_cost` without detection scores.
    """
    looks = (1 - appearance) / 2
    counts = (looks <= max_appearance_cost) & (iou_cost <= max_iou_cost)
    return np.where(counts, np.minimum(cost, looks), cost)


def motion_cost(appearance: Floats, distance: Floats, weight: float) -> Floats:
    """(1 - weight) (1 - appearance) + weight distance (DeepSORT, arXiv 1703.07402, eq. 5). NaN without appearance."""
    return np.asarray((1 - weight) * (1 - appearance) + weight * distance)


def calibrated_cost(overlap: Floats, evidence: Floats, weight: float) -> Floats:
    """1 - (S_iou + weight tanh(evidence / 4)), the evidence in nats, NaN where there is none; may be negative.

    4 nats are odds of 55 to 1: beyond that more evidence changes little. Strong evidence against a pair raises its cost
    above any limit, which is GATE's first switch without a threshold of its own.
    """
    return np.asarray(1 - overlap - weight * np.tanh(np.nan_to_num(evidence) / 4))


def refuse_unlike(cost: Floats, appearance: Floats, gate: float | None) -> Floats:
    """GATE, first switch: refuse pairs less similar than `gate`, whatever their IoU (paper, "SMC GATE Function")."""
    return cost if gate is None else np.where(appearance < gate, REFUSED, cost)


def refuse_far(cost: Floats, distance: Floats, max_mahalanobis: float | None) -> Floats:
    """Refuse pairs with a squared Mahalanobis `distance` above `max_mahalanobis`."""
    return cost if max_mahalanobis is None else np.where(distance > max_mahalanobis, REFUSED, cost)
