"""Pairs a number of frames apart: every figure against loops typed from its definition, and cases known by hand."""

import numpy as np
import pytest

from smiletrack.metrics.gap_pairs import (
    GapPairs,
    draw_people,
    gap_pairs,
    near_boxes,
    reassociations,
    weighted_auc,
    weighted_rate,
)


def crowd(seed: int, frames: int = 12, people: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, identities and boxes of people who are now and then not seen."""
    rng = np.random.default_rng(seed)
    rows = [(frame, person) for frame in range(3, 3 + frames) for person in range(people) if rng.random() < 0.8]
    frame_of, person_of = np.array(rows).T
    corner = np.stack((30 * person_of + 4 * rng.random(len(rows)) * frame_of, rng.uniform(0, 30, len(rows))), 1)
    size = np.stack((np.full(len(rows), 20.0), rng.uniform(35, 60, len(rows))), 1)
    return frame_of, person_of, np.concatenate((corner, corner + size), 1)


def slowly_near(a: np.ndarray, b: np.ndarray) -> bool:
    heights = (a[3] - a[1], b[3] - b[1])
    dx, dy = (a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2
    return (dx**2 + dy**2) ** 0.5 <= 1.5 * sum(heights) / 2 and max(heights) / min(heights) <= 1.35


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("gap", "every"), [(1, 1), (3, 2), (40, 1)])
def test_pairs_are_all_boxes_that_far_apart(seed: int, gap: int, every: int) -> None:
    frames, ids, boxes = crowd(seed)
    expected = set()
    for i in range(len(frames)):
        for j in range(len(frames)):
            if frames[j] - frames[i] == gap and (frames[i] - frames.min()) % every == 0:
                near = False
                for k in range(len(frames)):
                    here = frames[k] == frames[j] and ids[k] == ids[i] and slowly_near(boxes[k], boxes[j])
                    there = frames[k] == frames[i] and ids[k] == ids[j] and slowly_near(boxes[k], boxes[i])
                    near |= ids[i] != ids[j] and (here or there)
                expected.add((i, j, bool(ids[i] == ids[j]), near))
    pairs = gap_pairs(frames, ids, boxes, gap, every)
    found = list(zip(*(column.tolist() for column in vars(pairs).values()), strict=True))
    assert len(found) == len(set(found)) and set(found) == expected
    if gap < 10:
        assert pairs.near.any() and not (pairs.near | pairs.same).all()


def test_no_box_is_no_pair() -> None:
    assert len(gap_pairs(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4)), 5).same) == 0
    assert near_boxes(np.zeros((0, 4))).shape == (0, 0)


def test_area_under_the_curve_counts_people_as_often_as_they_were_drawn() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (2, 300))
    scores = np.round(rng.normal(size=300) + (first == second), 1)  # many ties
    weights = draw_people(5, 20, rng)
    found = weighted_auc(scores, first == second, first, second, weights)
    for row, weight in enumerate(weights):
        wins = total = 0.0
        for i in np.flatnonzero(first == second):
            for j in np.flatnonzero(first != second):
                w = weight[first[i]] * weight[first[j]] * weight[second[j]]
                wins += w * ((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]))
                total += w
        assert found[row] == pytest.approx(wins / total) if total else np.isnan(found[row])
    assert 0.6 < found[0] < 0.9 and len(set(found.tolist())) > 10


def test_without_both_kinds_of_pairs_there_is_no_curve() -> None:
    one = np.ones((1, 2))
    assert np.isnan(weighted_auc(np.array([1.0, 2]), np.array([True, True]), np.array([0, 1]), np.array([0, 1]), one))
    only_first = np.array([[1.0, 0.0]])
    answer = weighted_auc(np.array([1.0, 2]), np.array([True, False]), np.array([0, 0]), np.array([0, 1]), only_first)
    assert np.isnan(answer)


@pytest.mark.parametrize("seed", range(3))
def test_reassociation_takes_the_best_candidate_of_the_frame(seed: int) -> None:
    frames, ids, boxes = crowd(seed)
    pairs = gap_pairs(frames, ids, boxes, 2)
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=len(pairs.same)) + pairs.same, 1)
    expected = {}
    for query in set(pairs.earlier.tolist()):
        mine = np.flatnonzero(pairs.earlier == query)
        right, wrong = scores[mine][pairs.same[mine]], scores[mine][~pairs.same[mine]]
        if len(right) and len(wrong):
            expected[query] = bool(right[0] > max(wrong))
    queries, found = reassociations(scores, pairs)
    assert dict(zip(queries.tolist(), found.tolist(), strict=True)) == expected
    assert 0 < sum(expected.values()) < len(expected)


def test_a_tie_is_a_miss_and_a_lone_candidate_is_no_question() -> None:
    pairs = GapPairs(*map(np.array, ([0, 0, 1], [2, 3, 4], [True, False, True], [False, False, False])))
    queries, found = reassociations(np.array([0.5, 0.5, 0.9]), pairs)
    assert queries.tolist() == [0] and found.tolist() == [False]


def test_rates_weigh_values_as_people() -> None:
    values, people = np.array([1, 0, 1, 1]), np.array([0, 0, 1, 2])
    rates = weighted_rate(values, people, np.array([[1.0, 1, 1], [2, 0, 1], [0, 0, 0]]))
    np.testing.assert_allclose(rates, [3 / 4, 3 / 5, np.nan])


def test_draws_begin_with_what_was_measured() -> None:
    weights = draw_people(7, 50, np.random.default_rng(0))
    assert weights.shape == (51, 7) and (weights[0] == 1).all() and (weights.sum(1) == 7).all()
    assert draw_people(0, 3, np.random.default_rng(0)).shape == (4, 0)
