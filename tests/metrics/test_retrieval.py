"""Ranking and verification figures against a slow pair-by-pair version and cases known by hand."""

import math

import numpy as np
import pytest

from smiletrack.metrics.retrieval import retrieval_scores, time_candidates, verification


def slow_scores(S, ids, candidates):  # type: ignore[no-untyped-def]
    n, rank1, rank5, precisions, right, wrong = len(ids), [], [], [], [], []
    for q in range(n):
        gallery = sorted((j for j in range(n) if j != q and candidates[q, j]), key=lambda j: -S[q, j])
        hits = [ids[j] == ids[q] for j in gallery]
        if not any(hits) or all(hits):
            continue
        rank1.append(hits[0])
        rank5.append(any(hits[:5]))
        at = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits)) if hits[k]]
        precisions.append(sum(at) / len(at))
    for i in range(n):
        for j in range(i + 1, n):
            if candidates[i, j]:
                (right if ids[i] == ids[j] else wrong).append(S[i, j])
    wins = sum((r > w) + 0.5 * (r == w) for r in right for w in wrong)
    return (
        np.mean(rank1),
        np.mean(rank5),
        np.mean(precisions),
        wins / (len(right) * len(wrong)),
        len(right) + len(wrong),
    )


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_the_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids, frames = rng.integers(0, 6, 40), rng.integers(1, 60, 40)
    Z = rng.normal(size=(6, 4))[ids] + rng.normal(size=(40, 4))
    S, candidates = Z @ Z.T, time_candidates(frames, np.zeros(40), 10)
    scores = retrieval_scores(S, ids, candidates)
    expected = slow_scores(S, ids, candidates)
    assert (scores.rank1, scores.rank5, scores.mAP, scores.AUC, scores.pairs) == pytest.approx(expected)


def test_equal_error_rate_by_hand() -> None:
    # at the threshold between .6 and .5: one of four rights rejected, one of four wrongs accepted
    scores = np.array([0.9, 0.8, 0.7, 0.3, 0.6, 0.5, 0.4, 0.1])
    same = np.array([1, 1, 1, 0, 0, 1, 0, 0], bool)
    assert verification(scores, same) == (pytest.approx(15 / 16), pytest.approx(0.25))
    assert verification(np.array([2.0, 1.0]), np.array([True, False])) == (1.0, 0.0)


def test_an_embedding_that_says_nothing_scores_chance_and_ranks_last() -> None:
    ids = np.array([0, 0, 1, 1, 2, 2])
    scores = retrieval_scores(np.ones((6, 6)), ids, np.ones((6, 6), bool))
    assert scores.AUC == 0.5 and scores.EER == 0.5 and scores.rank1 == 0.0


def test_nothing_to_score_is_nan() -> None:
    scores = retrieval_scores(np.eye(3), np.zeros(3, int), np.ones((3, 3), bool))
    assert math.isnan(scores.mAP) and math.isnan(scores.AUC) and scores.queries == 0


def test_candidates_are_of_one_sequence_and_apart_in_time() -> None:
    frames, sequences = np.array([1, 6, 11, 1, -1]), np.array(["a", "a", "a", "b", "b"])
    candidates = time_candidates(frames, sequences, 10)
    assert candidates[0].tolist() == [False, False, True, False, False]
    assert candidates[3].tolist() == [False, False, False, False, True]  # no time: always
