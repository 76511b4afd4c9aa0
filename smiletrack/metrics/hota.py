"""HOTA, higher order tracking accuracy (Luiten et al., IJCV 2021, doi:10.1007/s11263-020-01375-2).

Every threshold alpha counts a match where the overlap is at least alpha; HOTA(alpha) is the geometric mean of how well
boxes are found (DetA) and how well they keep their identity (AssA). The matches are the same for all alphas, chosen to
maximise overlap weighted by how well the two identities agree over the whole sequence.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from smiletrack.metrics.assignment import best_pairs
from smiletrack.metrics.numbering import distinct
from smiletrack.metrics.overlap import EPS
from smiletrack.metrics.preprocess import Comparison
from smiletrack.types import Floats, Ints

ALPHAS = np.arange(0.05, 0.99, 0.05)
"""The 19 localisation thresholds."""

Fields = dict[str, Any]


def hota(comparison: Comparison) -> Fields:
    """Return TrackEval's HOTA fields: arrays of 19 (one an alpha), and the scalars at alpha 0.05 named `X(0)`.

    Without results all is missed, without truth all is false; LocA is then 1 and the rest 0.
    """
    num_truth, num_results = len(comparison.truth_ids), len(comparison.result_ids)
    matched = match_globally(comparison)
    iou, identities = comparison.pairs.iou[matched], comparison.pair_identities[matched]
    passed = np.searchsorted(ALPHAS - EPS, iou, "right")  # a match counts at the first `passed` alphas

    tp = _at_alphas(np.bincount(passed, minlength=20))
    fields: Fields = {"HOTA_TP": tp, "HOTA_FN": num_truth - tp, "HOTA_FP": num_results - tp}
    fields |= _association(comparison, passed, identities, tp)
    fields["LocA"] = _location(_at_alphas(np.bincount(passed, iou, minlength=20)), tp)
    return _finish(fields)


def match_globally(comparison: Comparison) -> Ints:
    """Return the indices of the comparison's pairs that are HOTA's matches, the same at every threshold."""
    pairs = comparison.pairs
    weights = _agreement(comparison)[comparison.pair_identities] * pairs.iou
    return best_pairs(pairs, weights, comparison.truth_starts, comparison.result_starts)


def combine_hota(sequences: Sequence[Fields]) -> Fields:
    """Return the fields over all sequences: counts are summed, AssA, AssRe, AssPr and LocA weighted by matches."""
    fields: Fields = {k: np.sum([s[k] for s in sequences], axis=0) for k in ("HOTA_TP", "HOTA_FN", "HOTA_FP")}
    tp = fields["HOTA_TP"]
    for name in ("AssA", "AssRe", "AssPr", "LocA"):
        total = np.sum([s[name] * s["HOTA_TP"] for s in sequences], axis=0)
        fields[name] = _location(total, tp) if name == "LocA" else total / np.maximum(1.0, tp)
    return _finish(fields)


def _agreement(comparison: Comparison) -> Floats:
    """Return for each pair of identities their global alignment, a soft Jaccard index over the sequence."""
    pairs, identities = comparison.pairs, comparison.pair_identities
    truth_sums, result_sums = np.zeros(len(comparison.truth_ids)), np.zeros(len(comparison.result_ids))
    shared = np.zeros(len(comparison.identity_pairs))
    _share(pairs.truth_rows, pairs.result_rows, pairs.iou, identities, truth_sums, result_sums, shared)
    truth_counts, result_counts = _counts_of_identities(comparison)
    agreement: Floats = shared / (truth_counts + result_counts - shared)
    return agreement


@njit(cache=True)
def _share(
    truth_rows: Ints,
    result_rows: Ints,
    iou: Floats,
    identities: Ints,
    truth_sums: Floats,
    result_sums: Floats,
    shared: Floats,
) -> None:
    """Sum the overlaps of each box, then for each pair of identities their shares in what competes for their boxes."""
    for pair in range(len(iou)):
        truth_sums[truth_rows[pair]] += iou[pair]
        result_sums[result_rows[pair]] += iou[pair]
    for pair in range(len(iou)):
        competing = result_sums[result_rows[pair]] + truth_sums[truth_rows[pair]] - iou[pair]
        if competing > EPS:
            shared[identities[pair]] += iou[pair] / competing


def _counts_of_identities(comparison: Comparison) -> tuple[Ints, Ints]:
    """Return for each pair of identities the number of boxes of the one and of the other."""
    truth_ids, result_ids = comparison.identity_pairs.T
    truth_counts = np.bincount(comparison.truth_ids, minlength=comparison.num_truth_ids)
    result_counts = np.bincount(comparison.result_ids, minlength=comparison.num_result_ids)
    return truth_counts[truth_ids], result_counts[result_ids]


def _association(comparison: Comparison, passed: Ints, identities: Ints, tp: Floats) -> Fields:
    """Return AssA, AssRe and AssPr: over matches, how much of the two identities' boxes match each other."""
    seen, rows = distinct(identities)
    matches = _at_alphas(np.bincount(rows * 20 + passed, minlength=20 * len(seen)).reshape(-1, 20))  # (Q, 19)
    truth_counts, result_counts = (counts[seen, None] for counts in _counts_of_identities(comparison))
    weighted = matches / np.maximum(1.0, tp)

    def over_matches(size: Floats | Ints) -> Floats:
        return np.sum(weighted * matches / np.maximum(1.0, size), axis=0)

    return {
        "AssA": over_matches(truth_counts + result_counts - matches),
        "AssRe": over_matches(truth_counts),
        "AssPr": over_matches(result_counts),
    }


def _at_alphas(histogram: Floats | Ints) -> Floats:
    """(..., 20) amounts by the number of alphas passed -> (..., 19) totals at each alpha."""
    totals = np.cumsum(histogram[..., ::-1], axis=-1)[..., ::-1]
    return totals[..., 1:].astype(np.float64)


def _location(total: Floats, tp: Floats) -> Floats:
    return np.maximum(1e-10, total) / np.maximum(1e-10, tp)


def _finish(fields: Fields) -> Fields:
    """Add what follows from counts and association."""
    tp, fn, fp = (fields[k] for k in ("HOTA_TP", "HOTA_FN", "HOTA_FP"))
    fields["DetRe"] = tp / np.maximum(1.0, tp + fn)
    fields["DetPr"] = tp / np.maximum(1.0, tp + fp)
    fields["DetA"] = tp / np.maximum(1.0, tp + fn + fp)
    fields["HOTA"] = np.sqrt(fields["DetA"] * fields["AssA"])
    fields["OWTA"] = np.sqrt(fields["DetRe"] * fields["AssA"])
    fields["HOTA(0)"] = float(fields["HOTA"][0])
    fields["LocA(0)"] = float(fields["LocA"][0])
    fields["HOTALocA(0)"] = fields["HOTA(0)"] * fields["LocA(0)"]
    return fields
