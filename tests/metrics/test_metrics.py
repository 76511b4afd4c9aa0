"""The metrics against slow loops, and what must hold for any tracker."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smiletrack.engine.eval_mot import evaluate
from smiletrack.errors import InputError
from smiletrack.metrics.clear import clear
from smiletrack.metrics.hota import hota
from smiletrack.metrics.identity import identity
from smiletrack.metrics.preprocess import compare
from smiletrack.types import TrackTable
from tests.metrics import loops


def scene(seed: int, frames: int = 8, people: int = 6, lattice: bool = False) -> tuple[TrackTable, TrackTable]:
    """Crowded boxes of two kinds; on a lattice overlaps tie all the time. Rows of a frame come in any order."""
    rng = np.random.default_rng(seed)

    def table(classes: tuple[int, ...]) -> TrackTable:
        frame, identity = np.nonzero(rng.random((frames, people)) < 0.8)
        order = rng.permutation(len(frame))
        frame, identity = frame[order], identity[order]
        homes = rng.integers(0, 5, (people, 2)) * 10.0
        corner = np.where(
            rng.random((len(frame), 1)) < 0.6, homes[identity], rng.integers(0, 5, (len(frame), 2)) * 10.0
        )
        size = rng.choice([20.0, 30.0], (len(frame), 2))
        boxes = np.concatenate([corner, corner + size], 1) + (0 if lattice else rng.normal(0, 2, (len(frame), 4)))
        marks = (rng.random(len(frame)) < 0.9).astype(float) if len(classes) > 1 else None
        return TrackTable(frame + 1, identity, boxes, marks, rng.choice(classes, len(frame)))

    return table((1, 1, 1, 1, 2, 3, 7)), table((1,))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_loops_give_the_same(seed: int, lattice: bool) -> None:
    truth, results = scene(seed, lattice=lattice)
    ours, slow = compare(truth, results, 8), loops.Frames(truth, results, 8)
    for fast, expected in (
        (hota(ours), loops.hota(slow)),
        (clear(ours), loops.clear(slow)),
        (identity(ours), loops.identity(slow)),
    ):
        for name, value in expected.items():
            np.testing.assert_allclose(fast[name], value, rtol=0, atol=1e-9, err_msg=name)


def test_a_crowd_with_long_disputes() -> None:
    truth, results = scene(1, frames=60, people=25)
    ours, slow = compare(truth, results, 60), loops.Frames(truth, results, 60)
    for name, value in loops.clear(slow).items():
        np.testing.assert_allclose(clear(ours)[name], value, rtol=0, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(hota(ours)["HOTA"], loops.hota(slow)["HOTA"], rtol=0, atol=1e-9)
    assert identity(ours)["IDTP"] == loops.identity(slow)["IDTP"]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_perfect_tracker_scores_one(seed: int) -> None:
    truth, _ = scene(seed)
    truth = TrackTable(truth.frames, truth.ids, truth.boxes)
    combined = evaluate(truth, truth)["COMBINED"]
    assert np.allclose(combined["HOTA"]["HOTA"], 1.0, rtol=0, atol=1e-12)
    assert combined["CLEAR"]["MOTA"] == 1.0
    assert combined["Identity"]["IDF1"] == 1.0
    assert combined["CLEAR"]["IDSW"] == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(6)))
def test_names_of_identities_do_not_matter(seed: int, names: list[int]) -> None:
    truth, results = scene(seed)
    renamed = TrackTable(results.frames, 10**9 * np.array(names)[results.ids], results.boxes)
    first, second = evaluate(truth, results)["sequence"], evaluate(truth, renamed)["sequence"]
    for family in ("HOTA", "CLEAR", "Identity"):
        for name, value in first[family].items():
            np.testing.assert_allclose(second[family][name], value, rtol=0, atol=1e-12, err_msg=name)


def test_one_switch_has_the_known_figures() -> None:
    """One person over 10 frames, tracked perfectly, but renamed after the sixth."""
    frames = np.arange(1, 11)
    boxes = np.tile([0.0, 0.0, 10.0, 20.0], (10, 1))
    truth = TrackTable(frames, np.ones(10), boxes)
    results = TrackTable(frames, np.where(frames <= 6, 1, 2), boxes)
    scores = evaluate(truth, results)["sequence"]
    assert scores["CLEAR"]["IDSW"] == 1 and scores["CLEAR"]["MOTA"] == 0.9
    assert scores["Identity"]["IDF1"] == 0.6
    np.testing.assert_allclose(scores["HOTA"]["AssA"], (6 * 6 / 10 + 4 * 4 / 10) / 10, rtol=0, atol=1e-12)


def test_empty_sides_are_legal() -> None:
    truth, results = scene(3)
    nothing = results[np.zeros(len(results), bool)]
    assert evaluate(truth, nothing)["sequence"]["CLEAR"]["MOTA"] == 0.0
    assert evaluate(nothing, results)["sequence"]["CLEAR"]["CLR_FP"] == len(results)
    assert evaluate(nothing, nothing, num_frames=4)["sequence"]["Identity"]["IDF1"] == 0.0


def test_boxes_without_area_overlap_nothing_and_infinite_ones_are_refused() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 0, 10], [5, 5, 1, 1]], float)
    table = TrackTable(np.ones(3), np.arange(3), boxes)
    for wrong in (np.inf, -np.inf, np.nan):
        infinite = TrackTable([1, 1], [1, 2], [[0, 0, 9, 9], [0, 0, wrong, 9]])
        for pair in ((infinite, table), (table, infinite)):
            with pytest.raises(InputError, match=r"sequence \w+:2: a box of frame 1 is not finite"):
                evaluate(*pair)
    assert evaluate(table, table)["sequence"]["CLEAR"]["CLR_TP"] == 1


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e7, 1e12])
def test_the_unit_of_length_does_not_matter(size: float) -> None:
    truth, results = scene(5)
    scaled = [TrackTable(t.frames, t.ids, t.boxes * size, t.scores, t.classes) for t in (truth, results)]
    expected, got = evaluate(truth, results)["sequence"], evaluate(*scaled)["sequence"]
    np.testing.assert_allclose(got["HOTA"]["HOTA"], expected["HOTA"]["HOTA"], rtol=0, atol=1e-9)


def test_what_is_rejected_names_the_row() -> None:
    truth, results = scene(4)
    twice = TrackTable(np.array([1, 2, 2]), np.array([7, 7, 7]), np.tile([0.0, 0, 9, 9], (3, 1)))
    with pytest.raises(InputError, match=r"results:3: id 7 is there more than once in frame 2"):
        compare(truth, twice, 8)
    with pytest.raises(InputError, match=r"results:\d+: frame 8 is outside the sequence, 1 .. 7"):
        compare(truth[truth.frames < 8], results, 7)
    with pytest.raises(InputError, match=r"class 2 in frame \d is not pedestrian"):
        compare(truth, TrackTable(results.frames, results.ids, results.boxes, classes=np.full(len(results), 2)), 8)
    with pytest.raises(InputError, match=r"results:1: a box of frame 1 is not finite"):
        compare(truth, TrackTable(np.ones(1), np.ones(1), np.array([[0, 0, np.nan, 9]])), 8)
    with pytest.raises(InputError, match=r"benchmark: no 'MOT71' \(did you mean 'MOT1[57]'\?\)"):
        evaluate(truth, results, "MOT71")
