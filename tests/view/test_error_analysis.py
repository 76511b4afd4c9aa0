"""The list of mistakes of small worlds that can be checked by hand, and by brute force."""

from itertools import permutations

import numpy as np
import pytest

from smiletrack.types import TrackTable
from smiletrack.view.error_analysis import Matching, false_alarms, find_switches, missed_by, spans


def idf1(covers: dict[int, str]) -> float:
    """IDF1 by trying every pairing of identities."""
    letters = sorted({c for row in covers.values() for c in row} - {".", " "})
    people = list(covers)
    slots = letters + [None] * len(people)
    best = max(
        sum(covers[p].count(l) for p, l in zip(people, choice, strict=True) if l)
        for choice in permutations(slots, len(people))
    )
    truth = sum(len(row.replace(" ", "")) for row in covers.values())
    found = sum(len(row.replace(" ", "").replace(".", "")) for row in covers.values())
    return 2 * best / (truth + found)


def test_switches_are_clears_and_sorted_by_cost(world) -> None:  # type: ignore[no-untyped-def]
    covers = {1: "AAAABBBBBB", 2: "CCC..D  CCCC"}
    switches = find_switches(world(covers))
    assert [(s.truth_id, chr(s.before_id), chr(s.after_id), s.previous_frame, s.frame) for s in switches] == [
        (1, "A", "B", 4, 5),
        (2, "C", "D", 3, 6),
        (2, "D", "C", 6, 9),
    ]
    total = idf1(covers)
    assert switches[0].cost == pytest.approx(idf1({**covers, 1: "AAAAAAAAAA"}) - total)
    assert switches[1].cost == pytest.approx(idf1({**covers, 2: "CCC..C  CCCC"}) - total)
    assert switches[2].cost == pytest.approx(idf1({**covers, 2: "CCC..D  DDDD"}) - total)
    assert switches[2].cost <= 0, "it mended the one before"
    matching = world(covers)
    assert matching.truth.frames[switches[0].last_row] == 10


def test_swap_of_two_people(world) -> None:  # type: ignore[no-untyped-def]
    covers = {1: "AAAAABBB", 2: "BBBBBAAA"}
    switches = find_switches(world(covers))
    assert len(switches) == 2
    for s in switches:
        # one of two: the other still has its identity, so nothing of this one's frames is lost twice
        mended = {**covers, s.truth_id: covers[s.truth_id][:5] + chr(s.before_id) * 3}
        assert s.cost == pytest.approx(idf1(mended) - idf1(covers))


@pytest.mark.parametrize("seed", range(8))
def test_costs_agree_with_brute_force_on_random_worlds(world, seed: int) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    covers = {p: "".join(np.repeat(rng.choice(list("ABCD."), 5), rng.integers(1, 4, 5))) for p in (1, 2, 3)}
    base = idf1(covers)
    matching = world(covers)
    for s in find_switches(matching):
        frames = [
            matching.truth.frames[r]
            for r in range(len(matching.truth))
            if matching.truth.ids[r] == s.truth_id and s.row <= r <= s.last_row and matching.partner[r] >= 0
        ]
        letters = list(covers[s.truth_id])
        for frame in frames:
            letters[frame - 1] = chr(s.before_id)
        assert s.cost == pytest.approx(idf1({**covers, s.truth_id: "".join(letters)}) - base)


def test_uncosted_switches_come_last(world) -> None:  # type: ignore[no-untyped-def]
    switches = find_switches(world({1: "AABBBBCDDD"}), max_costed=2)
    assert [np.isnan(s.cost) for s in switches] == [False, False, True]


def test_spans_tell_the_life_of_a_person(world) -> None:  # type: ignore[no-untyped-def]
    life = [(s.first, s.last, s.result_id and chr(s.result_id), s.start) for s in spans(world({5: "AA.A BB AA"}))]
    assert life == [
        (1, 2, "A", ""),
        (3, 3, None, ""),
        (4, 4, "A", "resumed"),
        (6, 7, "B", "switch"),
        (9, 10, "A", "switch"),
    ]


def test_misses_and_false_alarms(world) -> None:  # type: ignore[no-untyped-def]
    matching = world({1: "A.A.", 2: "...B"}, extra=2)
    values = matching.truth.ids.astype(float)
    assert missed_by(matching, values, (0, 1.5, 3)) == [(4, 2), (4, 3)]
    assert matching.results.ids[false_alarms(matching)].tolist() == [1000, 1001]


def test_empty_worlds(world) -> None:  # type: ignore[no-untyped-def]
    nothing = TrackTable(np.empty(0), np.empty(0), np.empty((0, 4)))
    empty = Matching(nothing, nothing, np.empty(0, np.int64), np.empty((0, 2), np.int64))
    assert find_switches(empty) == [] and spans(empty) == [] and not len(false_alarms(empty))
    only_misses = world({1: "...."})
    assert find_switches(only_misses) == [] and len(spans(only_misses)) == 1
