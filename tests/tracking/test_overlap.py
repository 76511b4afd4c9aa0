"""Candidates and their overlaps against the dense version, directions against the paper's angle."""

import math
from dataclasses import replace

import numpy as np
import pytest

from smiletrack import boxes as dense
from smiletrack.tracking.config import StageConfig, TrackerConfig
from smiletrack.tracking.intake import FrameDetections, take_in
from smiletrack.tracking.observations import direction_agreement, forget_observations
from smiletrack.tracking.ordering import ascending, num_below
from smiletrack.tracking.overlap import find_pairs, iou
from smiletrack.tracking.settings import HIGH, LOW, Rules, flatten, read_rules
from smiletrack.tracking.state import FRAME, open_memory, state_of
from smiletrack.types import Floats


def crowd(rng: np.random.Generator, count: int) -> Floats:
    corner = rng.uniform(0, 400, (count, 2))
    return np.hstack((corner, corner + rng.uniform(1, 80, (count, 2))))


def rules_of(pixel: float = 0.0, across: bool = False) -> Rules:
    config = TrackerConfig(iou_pixel=pixel, across_classes=across)
    return read_rules(flatten(config, 30.0)[0])


def scene_of(boxes: Floats, scores: Floats) -> FrameDetections:
    rules = rules_of()
    return take_in(
        rules, np.zeros(8, np.int64), boxes, scores, np.ones(len(boxes), np.int64), np.zeros((len(boxes), 0))
    )


@pytest.mark.parametrize("pixel", [0.0, 1.0])
@pytest.mark.parametrize("everything", [False, True])
def test_pairs_of_a_level_and_their_iou(everything: bool, pixel: float) -> None:
    rng = np.random.default_rng(0)
    a, b = crowd(rng, 60), crowd(rng, 45)
    b[0] = [a[2, 0], a[1, 1], a[2, 0] + 10, a[3, 3]]
    b[1] = [a[0, 2], a[0, 1], a[0, 2] + 10, a[0, 3]]  # touches a[0]: overlaps only with the extra pixel
    scores = rng.choice([0.05, 0.3, 0.9], 45)
    scene = scene_of(b, scores)
    scene.owners[np.flatnonzero(scores == 0.9)[:3]] = 7  # they are taken
    slots = rng.permutation(60)[:50]
    for level, score in ((HIGH, 0.9), (LOW, 0.3)):
        pairs = find_pairs(slots, a, np.ones(60, np.int64), scene, level, rules_of(pixel), everything)
        found = np.zeros((60, 45))
        index = np.repeat(slots, np.diff(pairs.starts))
        found[index, pairs.rows] = pairs.ious
        expected = dense.iou_matrix(a, b, pixel) * ((scores == score) & (scene.owners != 7))
        expected[np.setdiff1d(np.arange(60), slots)] = 0
        np.testing.assert_allclose(found, expected, atol=1e-12)
        free = ((scores == score) & (scene.owners != 7)).sum()
        assert len(pairs.rows) == (50 * free if everything else np.count_nonzero(expected))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_no_boxes(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a, b = crowd(rng, shape[0]), crowd(rng, shape[1])
    pairs = find_pairs(
        np.arange(shape[0]), a, np.ones(len(a), np.int64), scene_of(b, np.full(len(b), 0.9)), HIGH, rules_of(), True
    )
    assert len(pairs.rows) == 0 and pairs.starts.tolist() == [0] * (shape[0] + 1)


@pytest.mark.parametrize("everything", [False, True])
def test_pairs_of_two_classes_are_left_out_unless_the_rules_allow_them(everything: bool) -> None:
    rng = np.random.default_rng(1)
    boxes, kinds = crowd(rng, 30), rng.integers(1, 4, 30)
    scene = scene_of(boxes, np.full(30, 0.9))._replace(classes=rng.permutation(kinds))
    alike, every = (
        find_pairs(np.arange(30), boxes, kinds, scene, HIGH, rules_of(across=across), everything)
        for across in (False, True)
    )
    index = np.repeat(np.arange(30), np.diff(every.starts))
    same = kinds[index] == scene.classes[every.rows]
    assert 0 < same.sum() < len(same) and (everything is False or len(same) == 900)
    np.testing.assert_array_equal(alike.rows, every.rows[same])
    np.testing.assert_array_equal(alike.ious, every.ious[same])


def test_a_box_without_area_has_no_iou() -> None:
    point = np.full((1, 4), 5.0)
    assert iou(point, 0, point, 0, 0.0) == 0.0


def test_direction_agreement_is_the_papers_angle() -> None:
    """OC-SORT, section 4.2, spelled out for one track heading right and one heading nowhere."""
    config = replace(TrackerConfig(), first=StageConfig(boxes="observed"))
    state = state_of(open_memory(config))
    state.counters[FRAME] = 9
    for slot in (0, 1):
        forget_observations(state, slot)
        state.observed[slot] = [0.0, 0.0, 10.0, 10.0]
    state.directions[0] = [1.0, 0.0]
    ways = np.array([[7.0, 0.0, 17.0, 10.0], [0.0, -7.0, 10.0, 3.0], [-7.0, 0.0, 3.0, 10.0]])
    expected = [(math.pi / 2 - angle) / math.pi for angle in (0.0, math.pi / 2, math.pi)]
    np.testing.assert_allclose([direction_agreement(state, 0, way) for way in ways], expected, atol=1e-3)
    assert [direction_agreement(state, 1, way) for way in ways] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("count", [0, 1, 16, 17, 100, 1000])
def test_sorting_is_stable_and_searching_is_numpys(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 40, count).astype(float)
    order = ascending(values)
    np.testing.assert_array_equal(order, np.argsort(values, kind="stable"))
    for limit in (-1.0, 0.0, 7.0, 7.5, 50.0):
        assert num_below(values[order], limit, False) == np.searchsorted(values[order], limit, "left")
        assert num_below(values[order], limit, True) == np.searchsorted(values[order], limit, "right")
