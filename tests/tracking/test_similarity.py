"""Similarities of pairs against the dense and the spelled-out versions."""

import math

import numpy as np
import pytest

from smiletrack import boxes as dense
from smiletrack.tracking import costs, similarity
from smiletrack.types import Floats


def crowd(rng: np.random.Generator, count: int) -> Floats:
    corner = rng.uniform(0, 400, (2, count))
    return np.concatenate((corner, corner + rng.uniform(1, 80, (2, count))))


@pytest.mark.parametrize("pixel", [0.0, 1.0])
@pytest.mark.parametrize("dense_pairs", [10**9, 0], ids=["all", "swept"])
def test_overlapping_pairs_and_their_iou(dense_pairs: int, pixel: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "DENSE_PAIRS", dense_pairs)
    rng = np.random.default_rng(0)
    a, b = crowd(rng, 60), crowd(rng, 45)
    b[:, 0] = [a[2, 0], a[1, 0], a[2, 0] + 10, a[3, 0]]  # touches a[0]: overlaps only with the extra pixel
    rows, columns = similarity.overlapping_pairs(a, b, pixel)
    assert (np.diff(rows) >= 0).all()
    found = np.zeros((60, 45))
    found[rows, columns] = similarity.pair_iou(a, b, (rows, columns), pixel)
    np.testing.assert_allclose(found, dense.iou_matrix(a.T, b.T, pixel), atol=1e-12)
    assert len(rows) == np.count_nonzero(found)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_no_boxes(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a, b = crowd(rng, shape[0]), crowd(rng, shape[1])
    assert [len(side) for side in similarity.overlapping_pairs(a, b)] == [0, 0]
    assert [len(side) for side in similarity.all_pairs(*shape)] == [0, 0]


def test_a_box_without_area_has_no_iou() -> None:
    point = np.array([[5.0], [5.0], [5.0], [5.0]])
    assert similarity.pair_iou(point, point, similarity.all_pairs(1, 1)).tolist() == [0.0]


def test_direction_agreement_is_the_papers_angle() -> None:
    """OC-SORT, section 4.2, spelled out for one track heading right and one heading nowhere."""
    origins = np.array([[0.0, 0.0], [0.0, 0.0], [10.0, 10.0], [10.0, 10.0]])
    directions = np.array([[1.0, 0.0], [0.0, 0.0]])
    ahead, up, back = (np.array([x, y, x + 10.0, y + 10.0]) for x, y in ((7.0, 0.0), (0.0, -7.0), (-7.0, 0.0)))
    boxes = np.stack((ahead, up, back), axis=1)
    found = similarity.direction_agreement(origins, directions, boxes, similarity.all_pairs(2, 3))
    expected = [(math.pi / 2 - angle) / math.pi for angle in (0.0, math.pi / 2, math.pi)]
    np.testing.assert_allclose(found[:3], expected, atol=1e-3)
    assert found[3:].tolist() == [0.0, 0.0, 0.0]


def test_costs_of_the_fusions() -> None:
    overlap, looks = np.array([0.8, 0.8, 0.2, 0.8]), np.array([0.9, 0.1, 0.9, np.nan])
    np.testing.assert_allclose(costs.sum_cost(overlap, looks), [0.15, 0.55, 0.45, 0.2])
    np.testing.assert_allclose(costs.minimum_cost(1 - overlap, 1 - overlap, looks, 0.5, 0.25), [0.05, 0.2, 0.8, 0.2])
    np.testing.assert_allclose(costs.motion_cost(looks, np.array([0, 5, 10, 1]), 0.02)[:3], [0.098, 0.982, 0.298])
    assert costs.refuse_unlike(1 - overlap, looks, 0.5).tolist() == pytest.approx([0.2, np.inf, 0.8, 0.2])
    assert costs.refuse_far(1 - overlap, np.array([9.0, 9.5, 0, 0]), 9.4877)[1] == np.inf
