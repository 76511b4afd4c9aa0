"""Candidates and their overlaps against the dense version, directions against the paper's angle."""

import math
from dataclasses import replace

import numpy as np
import pytest

from smiletrack import boxes as dense
from smiletrack.tracking import observations, overlap
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.ordering import num_below, sort_places
from smiletrack.tracking.overlap import ELSEWHERE, EVERYTHING, iou
from smiletrack.tracking.settings import HIGH, LOW, Rules
from smiletrack.tracking.stages import StageConfig
from smiletrack.tracking.state import FRAME, open_memory, state_views
from smiletrack.types import Floats
from tests.tracking.doors import door, open_workspace, rules_of, scene_of


def crowd(rng: np.random.Generator, count: int) -> Floats:
    corner = rng.uniform(0, 400, (count, 2))
    return np.hstack((corner, corner + rng.uniform(1, 80, (count, 2))))


find_pairs = door(lambda *given: len(overlap.find_pairs(*given).rows))
direction_agreement = door(observations.direction_agreement)


def matching_rules(pixel: float = 0.0, across: bool = False) -> Rules:
    return rules_of(TrackerConfig(iou_pixel=pixel, across_classes=across))


@pytest.mark.parametrize("pixel", [0.0, 1.0])
@pytest.mark.parametrize("everything", [False, True])
def test_pairs_of_a_level_and_their_iou(everything: bool, pixel: float) -> None:
    rng = np.random.default_rng(0)
    a, b = crowd(rng, 60), crowd(rng, 45)
    b[0] = [a[2, 0], a[1, 1], a[2, 0] + 10, a[3, 3]]
    b[1] = [a[0, 2], a[0, 1], a[0, 2] + 10, a[0, 3]]  # touches a[0]: overlaps only with the extra pixel
    scores = rng.choice([0.05, 0.3, 0.9], 45)
    work = open_workspace(60, 45, 60 * 45)
    scene = scene_of(TrackerConfig(), b, scores, work)
    scene.owners[np.flatnonzero(scores == 0.9)[:3]] = 7  # they are taken
    slots = rng.permutation(60)[:50]
    for level, score in ((HIGH, 0.9), (LOW, 0.3)):
        rules = matching_rules(pixel)
        count = find_pairs(
            slots, a, np.ones(60, np.int64), scene, level, rules, EVERYTHING if everything else ELSEWHERE, work
        )
        found = np.zeros((60, 45))
        index = np.repeat(slots, np.diff(work.by_track[2, : len(slots) + 1]))
        found[index, work.by_pair[0, :count]] = work.pair_figures[0, :count]
        expected = dense.iou_matrix(a, b, pixel) * ((scores == score) & (scene.owners != 7))
        expected[np.setdiff1d(np.arange(60), slots)] = 0
        np.testing.assert_allclose(found, expected, atol=1e-12)
        free = ((scores == score) & (scene.owners != 7)).sum()
        assert count == (50 * free if everything else np.count_nonzero(expected))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_no_boxes(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a, b = crowd(rng, shape[0]), crowd(rng, shape[1])
    work = open_workspace(*shape, 0)
    scene = scene_of(TrackerConfig(), b, np.full(len(b), 0.9), work)
    assert (
        find_pairs(np.arange(shape[0]), a, np.ones(len(a), np.int64), scene, HIGH, matching_rules(), EVERYTHING, work)
        == 0
    )
    assert work.by_track[2].tolist() == [0] * (shape[0] + 1)


@pytest.mark.parametrize("everything", [False, True])
def test_pairs_of_two_classes_are_left_out_unless_the_rules_allow_them(everything: bool) -> None:
    rng = np.random.default_rng(1)
    boxes, kinds = crowd(rng, 30), rng.integers(1, 4, 30)
    work = open_workspace(30, 30, 900)
    scene = scene_of(TrackerConfig(), boxes, np.full(30, 0.9), work)._replace(classes=rng.permutation(kinds))
    found = []
    reach = EVERYTHING if everything else ELSEWHERE
    for across in (False, True):
        count = find_pairs(np.arange(30), boxes, kinds, scene, HIGH, matching_rules(across=across), reach, work)
        index = np.repeat(np.arange(30), np.diff(work.by_track[2]))
        found.append(np.column_stack((index, work.by_pair[0, :count], work.pair_figures[0, :count])))
    alike, every = found
    same = kinds[every[:, 0].astype(int)] == scene.classes[every[:, 1].astype(int)]
    assert 0 < same.sum() < len(same) and (everything is False or len(same) == 900)
    np.testing.assert_array_equal(alike, every[same])


def test_a_box_without_area_has_no_iou() -> None:
    point = np.full((1, 4), 5.0)
    assert iou(point, 0, point, 0, 0.0) == 0.0


def test_direction_agreement_is_the_papers_angle() -> None:
    """OC-SORT, section 4.2, spelled out for one track heading right and one heading nowhere."""
    config = replace(TrackerConfig(), first=StageConfig(boxes="observed"))
    state = state_views(open_memory(config))
    state.counters[FRAME] = 9
    state.observed[:2] = [0.0, 0.0, 10.0, 10.0]
    state.directions[0] = [1.0, 0.0]
    ways = np.array([[7.0, 0.0, 17.0, 10.0], [0.0, -7.0, 10.0, 3.0], [-7.0, 0.0, 3.0, 10.0]])
    expected = [(math.pi / 2 - angle) / math.pi for angle in (0.0, math.pi / 2, math.pi)]
    np.testing.assert_allclose([direction_agreement(state, 0, way) for way in ways], expected, atol=1e-3)
    assert [direction_agreement(state, 1, way) for way in ways] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("count", [0, 1, 16, 17, 100, 1000])
def test_sorting_is_stable_and_searching_is_numpys(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 40, count).astype(float)
    order = np.zeros(count, np.int64)
    sort_places(values, order, np.zeros(count, np.int64))
    np.testing.assert_array_equal(order, np.argsort(values, kind="stable"))
    for limit in (-1.0, 0.0, 7.0, 7.5, 50.0):
        assert num_below(values[order], limit, False) == np.searchsorted(values[order], limit, "left")
        assert num_below(values[order], limit, True) == np.searchsorted(values[order], limit, "right")


@pytest.mark.parametrize("far", [[1e12], [-1e308, 1e308], [-np.inf, np.inf], [5e-324], []])
def test_values_that_are_spread_unevenly_are_sorted_too(far: list[float]) -> None:
    values = np.concatenate((np.random.default_rng(0).random(500) if far != [5e-324] else np.zeros(500), far))
    order = np.zeros(len(values), np.int64)
    sort_places(values, order, np.zeros(len(values), np.int64))
    np.testing.assert_array_equal(order, np.argsort(values, kind="stable"))
