"""The CLEAR MOT metrics (Bernardin and Stiefelhagen, 2008, doi:10.1155/2008/246309) as TrackEval computes them."""

import math
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smiletrack.metrics.assignment import FREE, Assignment, match_frame, open_assignment, settle_tie
from smiletrack.metrics.overlap import EPS, Pairs
from smiletrack.metrics.preprocess import Comparison
from smiletrack.types import Floats, Ints

Fields = dict[str, float]
Mask = NDArray[np.bool_]

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
    matched = match_frame_by_frame(comparison, threshold)
    tp = len(matched)
    tracked = np.bincount(comparison.truth_ids[matched.truth_rows], minlength=comparison.num_truth_ids)
    present = np.bincount(comparison.truth_ids, minlength=comparison.num_truth_ids)
    ratio = tracked[present > 0] / present[present > 0]
    mt, pt = int((ratio > 0.8).sum()), int((ratio >= 0.2).sum())
    switched, resumed = switches_and_fragments(comparison, matched)
    fields = {
        "CLR_TP": tp,
        "CLR_FN": num_truth - tp,
        "CLR_FP": num_results - tp,
        "IDSW": len(switched),
        "MT": mt,
        "PT": pt - mt,
        "ML": comparison.num_truth_ids - pt,
        "Frag": len(resumed),
        "CLR_Frames": comparison.num_frames,
        "MOTP_sum": float(matched.iou.sum()),
    }
    return _finish(fields)


def combine_clear(sequences: Sequence[Fields]) -> Fields:
    """Return the fields over all sequences: counts are summed, ratios follow from them."""
    return _finish({name: sum(s[name] for s in sequences) for name in _SUMS})


def match_frame_by_frame(comparison: Comparison, threshold: float = 0.5) -> Pairs:
    """Return the pairs that are matched; a pair whose identities were matched in the frame before is worth more."""
    c = comparison
    near = c.pairs[c.pairs.iou >= threshold - EPS]
    weights = np.empty(len(near))
    assignment = open_assignment(near.truth_rows, near.result_rows, weights, len(c.truth_ids), len(c.result_ids))
    starts, ids = (c.truth_starts, c.result_starts), (c.truth_ids, c.result_ids)
    frame = -1
    while (frame := _match_until_tie(assignment, near.iou, *starts, *ids, c.num_truth_ids, frame + 1)) < c.num_frames:
        settle_tie(assignment, *c.truth_starts[frame : frame + 2], *c.result_starts[frame : frame + 2])
    return near[assignment.chosen()]


@njit(cache=True)
def _match_until_tie(
    assignment: Assignment,
    iou: Floats,
    truth_starts: Ints,
    result_starts: Ints,
    truth_ids: Ints,
    result_ids: Ints,
    num_truth_ids: int,
    first: int,
) -> int:
    """Match frame after frame from `first` on, where the one before, if any, has boxes on both sides.

    Returns the frame whose assignment is tied, which ends it, or the number of frames.
    """
    before = first - 1
    partner = np.empty(num_truth_ids, np.int64)  # each truth identity's result identity in the frame before
    for frame in range(first, len(truth_starts) - 1):
        start, end = truth_starts[frame], truth_starts[frame + 1]
        if start == end or result_starts[frame] == result_starts[frame + 1]:
            continue
        partner[:] = FREE
        for row in range(truth_starts[before], truth_starts[before + 1]) if before >= 0 else range(0):
            if assignment.column_of[row] != FREE:
                partner[truth_ids[row]] = result_ids[assignment.column_of[row]]
        for row in range(start, end):
            for pair in range(assignment.starts[row], assignment.starts[row + 1]):
                goes_on = partner[truth_ids[row]] == result_ids[assignment.columns[pair]]
                assignment.weights[pair] = iou[pair] + _CONTINUATION * goes_on
        if not match_frame(assignment, start, end):
            return frame
        before = frame
    return len(truth_starts) - 1


def switches_and_fragments(comparison: Comparison, matched: Pairs) -> tuple[Ints, Ints]:
    """Return the truth rows of identity switches and of fragmentations.

    Those are matches to another identity than at the last match, however long ago, and matches that do not follow one
    in the frame before.
    """
    both = (np.diff(comparison.truth_starts) > 0) & (np.diff(comparison.result_starts) > 0)
    frames: Ints = np.cumsum(both, dtype=np.int64)[
        comparison.truth_frames[matched.truth_rows]
    ]  # numbered over those with boxes on both sides
    truth_ids, result_ids = comparison.truth_ids[matched.truth_rows], comparison.result_ids[matched.result_rows]
    switched, resumed = _breaks(truth_ids, result_ids, frames, comparison.num_truth_ids)
    return matched.truth_rows[switched], matched.truth_rows[resumed]


@njit(cache=True)
def _breaks(truth_ids: Ints, result_ids: Ints, frames: Ints, num_truth_ids: int) -> tuple[Mask, Mask]:
    """Return which matches are to another result identity than that truth identity's last, and which follow a gap."""
    last, last_frame = np.full(num_truth_ids, FREE), np.zeros(num_truth_ids, np.int64)
    switched, resumed = np.zeros(len(frames), np.bool_), np.zeros(len(frames), np.bool_)
    for match in range(len(frames)):
        truth = truth_ids[match]
        if last[truth] != FREE:
            switched[match] = result_ids[match] != last[truth]
            resumed[match] = frames[match] != last_frame[truth] + 1
        last[truth], last_frame[truth] = result_ids[match], frames[match]
    return switched, resumed


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
