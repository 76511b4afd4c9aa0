"""Linking on small worlds with known answers, its looks and its assignment against slow versions."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from smiletrack.boxes import covered_shares
from smiletrack.tracking.evidence import pair_evidence
from smiletrack.tracking.linking import LinkingConfig, _Crops, link_tracks, mean_embedding, run_similarities
from smiletrack.types import Floats, Ints, TrackTable

RATE = 10.0
Walk = tuple[int, int, int, int, float, float]
"""Id, person, first and last frame, left border in frame 0 and pixels a frame; boxes are 40 x 100."""
ANNA, BEN = (1, 0, 1, 60, 0.0, 6.0), (2, 1, 1, 60, 900.0, 0.0)
CROWD: list[Walk] = [ANNA, BEN, *((9 + k, 2 + k, 1, 60, 2000.0 + 400 * k, 0.0) for k in range(6))]
"""People in view all along, so that the run can tell what cosines mean."""


def world(walks: list[Walk], noise: float = 0.3, seed: int = 0) -> tuple[TrackTable, Floats]:
    """Return tracks in random order, and embeddings: the person's direction and noise."""
    rng = np.random.default_rng(seed)
    rows = [(f, i, who, left + speed * f) for i, who, first, last, left, speed in walks for f in range(first, last + 1)]
    rows = [rows[k] for k in rng.permutation(len(rows))]
    frames, ids, people, lefts = (np.array(column) for column in zip(*rows, strict=True))
    boxes = np.stack((lefts, np.full(len(rows), 100.0), lefts + 40, np.full(len(rows), 200.0)), axis=1)
    looks = np.eye(16)[people] + noise * rng.standard_normal((len(rows), 16)) / 4
    return TrackTable(frames, ids, boxes), looks / np.linalg.norm(looks, axis=1, keepdims=True)


def ids_of(table: TrackTable, given: TrackTable, walk: Walk) -> set[int]:
    """Return the ids that the rows of a walk of the world have now."""
    return set(table.ids[given.ids == walk[0]].tolist())


def test_who_returns_with_a_new_id_gets_the_old_one() -> None:
    """Anna is hidden for two seconds; rows, their order and all else stay."""
    before, after = (1, 0, 1, 60, 0.0, 6.0), (5, 0, 81, 140, 0.0, 6.0)
    given, looks = world([*CROWD, after])
    linked = link_tracks(given, looks, RATE)
    assert ids_of(linked, given, before) == ids_of(linked, given, after) == {1}
    others = given.ids != 5
    np.testing.assert_array_equal(linked.ids[others], given.ids[others])
    np.testing.assert_array_equal(linked.boxes, given.boxes)
    np.testing.assert_array_equal(linked.frames, given.frames)


@pytest.mark.parametrize(
    ("after", "config"),
    [
        ((5, 9, 81, 140, 0.0, 6.0), LinkingConfig()),  # somebody else, where Anna would be
        ((5, 0, 81, 140, 300.0, 6.0), LinkingConfig()),  # three heights from where she would be
        ((5, 0, 81, 140, 0.0, 6.0), LinkingConfig(max_gap_s=2.0)),  # 2.1 seconds
        ((5, 0, 81, 140, 0.0, 6.0), LinkingConfig(min_evidence=4.3)),  # more than any cosine says
        ((5, 0, 60, 140, 0.0, 6.0), LinkingConfig()),  # both in frame 60
    ],
)
def test_what_is_no_return_is_not_linked(after: Walk, config: LinkingConfig) -> None:
    given, looks = world([*CROWD, after])
    assert ids_of(link_tracks(given, looks, RATE, None, config), given, after) == {5}


def test_another_class_is_not_linked() -> None:
    after = (5, 0, 81, 140, 0.0, 6.0)
    given, looks = world([*CROWD, after])
    given = replace(given, classes=np.where(given.ids == 5, 2, 1))
    assert ids_of(link_tracks(given, looks, RATE), given, after) == {5}


def test_a_camera_that_moves_changes_nothing() -> None:
    """The same walk from a camera that turns while Anna is hidden: out of reach, were the warps not known."""
    after = (5, 0, 81, 140, 0.0, 6.0)
    given, looks = world([*CROWD, after])
    moved = replace(given, boxes=given.boxes + 400.0 * (given.frames > 70)[:, None] * (1, 0, 1, 0))
    warps = np.repeat(np.eye(2, 3)[None], 140, axis=0)
    warps[70, 0, 2] = 400
    warps[5] = np.nan  # counts as still, as the tracker takes it
    assert ids_of(link_tracks(moved, looks, RATE, warps), given, after) == {1}
    assert ids_of(link_tracks(moved, looks, RATE), given, after) == {5}


def test_a_track_that_goes_over_to_somebody_else_is_split_and_linked_anew() -> None:
    """Ids 1 and 2 swap people in frame 31, where they cross; a few foreign crops alone split nothing."""
    walks: list[Walk] = [(1, 0, 1, 30, 0.0, 6.0), (3, 1, 31, 60, 0.0, 6.0), (2, 1, 1, 30, 372.0, -6.0)]
    walks += [
        (4, 0, 31, 60, 372.0, -6.0),
        *CROWD[2:],
        *((19 + k, 8 + k % 7, 1, 60, 5000.0 + 99 * k, 0.0) for k in range(30)),
    ]
    given, looks = world(walks)
    swapped = replace(given, ids=np.where(given.ids == 3, 1, np.where(given.ids == 4, 2, given.ids)))
    linked = link_tracks(swapped, looks, RATE)
    for person in (0, 1):
        assert len({i for walk in walks[:4] if walk[1] == person for i in ids_of(linked, given, walk)}) == 1
    np.testing.assert_array_equal(
        link_tracks(swapped, looks, RATE, None, LinkingConfig(split_evidence=None)).ids, swapped.ids
    )
    given, looks = world(CROWD)
    odd = (given.ids == 1) & (given.frames > 20) & (given.frames < 26)
    looks[odd] = looks[given.ids == 2][:5]
    np.testing.assert_array_equal(link_tracks(given, looks, RATE).ids, given.ids)


def test_without_looks_nothing_changes() -> None:
    given, looks = world([*CROWD, (5, 0, 81, 140, 0.0, 6.0)])
    for nothing in (np.zeros_like(looks), np.zeros((len(given), 0))):
        assert link_tracks(given, nothing, RATE) is given
    empty = TrackTable(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4)))
    assert len(link_tracks(empty, np.zeros((0, 16)), RATE)) == 0
    few = given[given.ids == 1]
    np.testing.assert_array_equal(link_tracks(few, looks[given.ids == 1], RATE).ids, few.ids)


def test_means_and_similarities_are_those_of_plain_loops() -> None:
    given, looks = world(CROWD, noise=1.0)
    covered = np.random.default_rng(3).random(len(given)) / 2
    weights = (1 - covered) ** 4
    rows = [np.flatnonzero(given.ids == i) for i in np.unique(given.ids)]
    rows = [r[np.argsort(given.frames[r])] for r in rows]

    def mean(chosen: Ints) -> Floats:
        total = sum(weights[k] * looks[k] for k in chosen)
        answer: Floats = total / np.sqrt(sum(x * x for x in total))
        return answer

    known = _Crops(looks, weights, covered)
    found = mean_embedding(known, rows[0])
    np.testing.assert_allclose(found.unit, mean(rows[0]))
    assert found.covered == pytest.approx(np.average(covered[rows[0]], weights=weights[rows[0]]))
    same = [float(mean(r[:30]) @ mean(r[30:])) for r in rows]
    rivals = [float(mean(a) @ mean(b)) for a, b in combinations(rows, 2)]
    expected = [[20 + 8, 20 + 28], [np.mean(same), np.mean(rivals)], [np.var(same), np.var(rivals)]]
    np.testing.assert_allclose(run_similarities(given, known, rows), expected)


@pytest.mark.parametrize("seed", range(4))
def test_the_links_together_have_the_most_evidence(seed: int) -> None:
    """Three people alike to a degree leave near each other and three come back: all ways to pair them are tried."""
    rng = np.random.default_rng(seed)
    ends: list[Walk] = [(20 + k, 8 + k, 1, 30, float(rng.uniform(0, 80)), 0.0) for k in range(3)]
    starts: list[Walk] = [
        (30 + k, 8 + int(p), 45, 75, float(rng.uniform(0, 80)), 0.0) for k, p in enumerate(rng.permutation(3))
    ]
    given, looks = world([*CROWD[1:], *ends, *starts], noise=1.2, seed=seed)
    given = replace(given, boxes=given.boxes + (given.ids >= 20)[:, None] * (given.ids * 200.0)[:, None] * (0, 1, 0, 1))
    given = replace(
        given, boxes=np.where((given.ids >= 20)[:, None], given.boxes * (1, 0, 1, 0) + (0, 50, 0, 900), given.boxes)
    )
    known = _Crops(looks, np.ones(len(given)), np.zeros(len(given)))
    for frame in np.unique(given.frames):
        here = given.frames == frame
        known.covered[here] = covered_shares(given.boxes[here], given.boxes[here])
    known = known._replace(weights=(1 - known.covered) ** 4)
    rows = {i: np.flatnonzero(given.ids == i) for i in np.unique(given.ids).tolist()}
    rows = {i: r[np.argsort(given.frames[r])] for i, r in rows.items()}
    similarities = run_similarities(given, known, list(rows.values()))
    gain = {}
    for end in ends:
        for start in starts:
            a, b = (mean_embedding(known, rows[walk[0]]) for walk in (end, start))
            nats = pair_evidence(similarities, np.zeros(5), float(a.unit @ b.unit), max(a.covered, b.covered), 45.0)
            away = (start[4] - end[4]) / ((0.1 + 0.2 * 1.5) * 850)
            if nats >= 0.5 and abs(away) <= 3:
                gain[end[0], start[0]] = nats + (9 - away**2) / 2
    best = max(
        (
            chosen
            for size in range(4)
            for chosen in combinations(gain, size)
            if len({a for a, _ in chosen}) == len({b for _, b in chosen}) == size
        ),
        key=lambda chosen: sum(gain[pair] for pair in chosen),
    )
    linked = link_tracks(given, looks, RATE, None, LinkingConfig(min_evidence=0.5, split_evidence=None))
    for end in ends:
        for start in starts:
            assert (ids_of(linked, given, start) == ids_of(linked, given, end)) == ((end[0], start[0]) in best)
