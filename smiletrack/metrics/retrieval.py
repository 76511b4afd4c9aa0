"""How well appearance tells identities apart: ranking (rank-1, mAP) and verification (ROC-AUC, equal error rate)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from smiletrack.types import Floats, Ints


@dataclass(frozen=True)
class RetrievalScores:
    """All in [0, 1]; nan where there is nothing to score. `eer` is better low, the rest high."""

    rank1: float
    rank5: float
    mAP: float
    AUC: float
    EER: float
    queries: int
    """Crops with at least one right and one wrong candidate."""
    pairs: int
    """Different pairs of crops that were verified."""


@dataclass(frozen=True, eq=False)
class RankedQueries:
    """What ranking gave the queries that count. rows: (Q,). first_hits: (Q,) rank of the first right one, from 0.
    precisions: (Q,) average precision."""

    rows: Ints
    first_hits: Ints
    precisions: Floats


def rank_queries(similarities: Floats, identities: Ints, candidates: NDArray[np.bool_]) -> RankedQueries:
    """Rank every row's candidates; rows without a right or without a wrong one do not count. As `retrieval_scores`."""
    rows, first_hits, precisions = [], [], []
    for row in range(len(identities)):
        gallery = np.flatnonzero(candidates[row] & (np.arange(len(identities)) != row))
        right = identities[gallery] == identities[row]
        if not right.any() or right.all():
            continue
        hits = right[np.lexsort((right, -similarities[row, gallery]))]
        places = np.flatnonzero(hits)
        rows.append(row)
        first_hits.append(places[0])
        precisions.append(np.mean(np.arange(1, len(places) + 1) / (places + 1)))
    return RankedQueries(np.array(rows, np.int64), np.array(first_hits, np.int64), np.array(precisions, np.float64))


def retrieval_scores(similarities: Floats, identities: Ints, candidates: NDArray[np.bool_]) -> RetrievalScores:
    """Score all crops against each other.

    similarities: (N, N) symmetric, up is good. identities: (N,). candidates: (N, N) symmetric, the pairs that count;
    the diagonal never does. Every row is a query whose gallery is its candidates. Ties rank the wrong ones first, so
    that an embedding that is the same for all crops scores no better than chance.
    """
    candidates = candidates & ~np.eye(len(identities), dtype=bool)
    same = identities[:, None] == identities[None, :]
    ranked = rank_queries(similarities, identities, candidates)
    upper = np.triu(candidates, 1)
    AUC, EER = verification(similarities[upper], same[upper])
    return RetrievalScores(
        rank1=_mean(ranked.first_hits < 1),
        rank5=_mean(ranked.first_hits < 5),
        mAP=_mean(ranked.precisions),
        AUC=AUC,
        EER=EER,
        queries=len(ranked.rows),
        pairs=int(upper.sum()),
    )


def verification(scores: Floats, same: NDArray[np.bool_]) -> tuple[float, float]:
    """(M,) pair scores and truths -> ROC-AUC (Mann-Whitney, ties count half) and equal error rate; nan without both.

    The equal error rate is the mean of the false accept and false reject rates at the threshold where they are nearest.
    """
    positives, negatives = int(same.sum()), int((~same).sum())
    if not positives or not negatives:
        return float("nan"), float("nan")
    AUC = (rankdata(scores)[same].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    order = np.argsort(-scores, kind="stable")
    # a threshold can only lie between different scores
    last_of_ties = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    accepted_right = np.append(0, np.cumsum(same[order])[last_of_ties])
    accepted_wrong = np.append(0, np.cumsum(~same[order])[last_of_ties])
    false_reject, false_accept = 1 - accepted_right / positives, accepted_wrong / negatives
    crossing = np.argmin(np.abs(false_reject - false_accept))
    return float(AUC), float((false_reject[crossing] + false_accept[crossing]) / 2)


def time_candidates(frames: Ints, sequences: NDArray[np.generic], least_gap: int) -> NDArray[np.bool_]:
    """(N,), (N,) -> (N, N): pairs of one sequence at least `least_gap` frames apart.

    Frame -1 means that the crop has no time: such a crop pairs with all others of its sequence.
    """
    apart = np.abs(frames[:, None] - frames[None, :]) >= least_gap
    timeless = frames < 0
    apart |= timeless[:, None] | timeless[None, :]
    return (sequences[:, None] == sequences[None, :]) & apart


def _mean(values: NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
