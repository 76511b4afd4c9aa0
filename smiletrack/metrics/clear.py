"""The CLEAR MOT metrics (Bernardin and Stiefelhagen, 2008, doi:10.1155/2008/246309) as TrackEval computes them."""

import math
from collections.abc import Sequence

import numpy as np

from smiletrack.metrics.assignment import components, heaviest, settle_ties
from smiletrack.metrics.numbering import distinct, stable_order
from smiletrack.metrics.overlap import EPS
from smiletrack.metrics.preprocess import Comparison
from smiletrack.types import Ints

Fields = dict[str, float]

_CONTINUATION = 1000.0  # worth of keeping the identity of the frame before, in units of IoU
_SUMS = ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW", "MT", "PT", "ML", "Frag", "CLR_Frames", "MOTP_sum")
_RATIOS = ("MTR", "PTR", "MLR", "CLR_Re", "CLR_Pr", "MODA", "MOTA", "MOTP", "sMOTA", "CLR_F1", "FP_per_frame", "MOTAL")


def clear(comparison: Comparison, threshold: float = 0.5) -> Fields:
    """Return TrackEval's CLEAR fields; boxes may match where IoU >= threshold.

    "The frame before" is the last one with boxes on both sides; frames with an empty side break nothing. A sequence
    without results or without truth has its misses or false positives counted, and all ratios 0 but MLR = 1.
    """
    num_truth, num_results = len(comparison.truth_ids), len(comparison.result_ids)
    if num_truth == 0 or num_results == 0:
        fields = dict.fromkeys((*_SUMS, *_RATIOS), 0.0)
        return fields | {"CLR_FN": num_truth, "CLR_FP": num_results, "ML": comparison.num_truth_ids, "MLR": 1.0}
    partner, iou_sum = match_frame_by_frame(comparison, threshold)
    tp = int((partner >= 0).sum())
    tracked = np.bincount(comparison.truth_ids[partner >= 0], minlength=comparison.num_truth_ids)
    present = np.bincount(comparison.truth_ids, minlength=comparison.num_truth_ids)
    ratio = tracked[present > 0] / present[present > 0]
    mt, pt = int((ratio > 0.8).sum()), int((ratio >= 0.2).sum())
    switches, fragments = _switches_and_fragments(comparison, partner)
    fields = {
        "CLR_TP": tp,
        "CLR_FN": num_truth - tp,
        "CLR_FP": num_results - tp,
        "IDSW": switches,
        "MT": mt,
        "PT": pt - mt,
        "ML": comparison.num_truth_ids - pt,
        "Frag": fragments,
        "CLR_Frames": comparison.num_frames,
        "MOTP_sum": iou_sum,
    }
    return _finish(fields)


def combine_clear(sequences: Sequence[Fields]) -> Fields:
    """Return the fields over all sequences: counts are summed, ratios follow from them."""
    return _finish({name: sum(s[name] for s in sequences) for name in _SUMS})


def match_frame_by_frame(comparison: Comparison, threshold: float = 0.5) -> tuple[Ints, float]:
    """Return the result identity of each truth row, -1 for none, and the sum of IoU over matches.

    A frame's matches depend on those of the frame before, since a pair that goes on is worth more. All frames are
    matched at once, as if only undisputed pairs went on; then groups of boxes whose continuations changed are matched
    again, until none does. Each round settles at least the next frame, so the end is what frame by frame would give.
    """
    near = comparison.pairs[comparison.pairs.iou >= threshold - EPS]
    rows, columns = near.truth_rows, near.result_rows
    result_ids = comparison.result_ids[columns]
    chosen = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    partner = np.full(len(comparison.truth_ids) + 1, -1)  # the last row stands for "no row before"
    undisputed = np.flatnonzero(chosen)
    partner[rows[undisputed]] = result_ids[undisputed]

    before = _row_before(comparison)[rows]
    disputed = np.flatnonzero(~chosen)
    r, c = distinct(rows[disputed])[1], distinct(columns[disputed])[1]
    groups = components(r, c)
    ids, row_before = result_ids[disputed], before[disputed]
    goes_on = partner[row_before] == ids
    again = np.arange(len(disputed))
    while len(again):
        part = disputed[again]
        weights = near.iou[part] + _CONTINUATION * goes_on[again]
        chosen[part], tied = heaviest(distinct(r[again])[1], distinct(c[again])[1], weights)
        if len(tied):  # the whole frame decides, now and whenever any of it changes
            weights = near.iou + _CONTINUATION * (partner[before] == result_ids)
            frames = settle_ties(chosen, part[tied], near, weights, comparison.truth_starts, comparison.result_starts)
            whole = np.isin(comparison.truth_frames[rows[disputed]], frames)
            groups[whole] = len(disputed) + comparison.truth_frames[rows[disputed[whole]]]
            part = np.union1d(part, disputed[whole])
        partner[rows[part]] = -1
        kept = part[chosen[part]]
        partner[rows[kept]] = result_ids[kept]
        touched = np.zeros(len(partner), np.bool_)
        touched[rows[part]] = True
        follow = np.flatnonzero(touched[row_before])
        changed = follow[(partner[row_before[follow]] == ids[follow]) != goes_on[follow]]
        goes_on[changed] = ~goes_on[changed]
        stirred = np.zeros(len(disputed) + comparison.num_frames, np.bool_)
        stirred[groups[changed]] = True
        again = np.flatnonzero(stirred[groups])
    return partner[:-1], float(near.iou[chosen].sum())


def _row_before(comparison: Comparison) -> Ints:
    """Return for each truth row that of the same identity in the last frame with boxes on both sides, -1 for none."""
    order, frames = _by_identity(comparison)
    follows = (np.diff(comparison.truth_ids[order]) == 0) & (np.diff(frames) == 1)
    before = np.full(len(comparison.truth_ids), -1)
    before[order[1:][follows]] = order[:-1][follows]
    return before


def _by_identity(comparison: Comparison) -> tuple[Ints, Ints]:
    """Return truth rows sorted by identity, then frame, without frames that have no results, and their frames.

    Frames are numbered over those that have boxes on both sides.
    """
    counts = np.diff(comparison.truth_starts)
    both = (counts > 0) & (np.diff(comparison.result_starts) > 0)
    number = np.repeat(np.where(both, np.cumsum(both), -1), counts)
    order = stable_order(comparison.truth_ids)
    order = order[number[order] >= 0]
    return order, number[order]


def _switches_and_fragments(comparison: Comparison, partner: Ints) -> tuple[int, int]:
    """Return IDSW, changes of partner since the last match however long ago, and Frag, resumptions of a match."""
    order, frames = _by_identity(comparison)
    matched = partner[order] >= 0
    order, frames = order[matched], frames[matched]
    same_truth = np.diff(comparison.truth_ids[order]) == 0
    switches = same_truth & (np.diff(partner[order]) != 0)
    fragments = same_truth & (np.diff(frames) != 1)
    return int(switches.sum()), int(fragments.sum())


def _finish(fields: Fields) -> Fields:
    """Add the ratios."""
    tp, fn, fp, idsw = (fields[name] for name in ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW"))
    truth = max(1.0, tp + fn)
    identities = max(1.0, fields["MT"] + fields["PT"] + fields["ML"])
    fields |= {f"{name}R": fields[name] / identities for name in ("MT", "PT", "ML")}
    fields["CLR_Re"] = tp / truth
    fields["CLR_Pr"] = tp / max(1.0, tp + fp)
    fields["MODA"] = (tp - fp) / truth
    fields["MOTA"] = (tp - fp - idsw) / truth
    fields["MOTP"] = fields["MOTP_sum"] / max(1.0, tp)
    fields["sMOTA"] = (fields["MOTP_sum"] - fp - idsw) / truth
    fields["CLR_F1"] = tp / max(1.0, tp + 0.5 * fn + 0.5 * fp)
    fields["FP_per_frame"] = fp / max(1.0, fields["CLR_Frames"])
    fields["MOTAL"] = (tp - fp - (math.log10(idsw) if idsw > 0 else idsw)) / truth
    return fields
