"""Costs of the fusions, worked out by hand."""

import numpy as np
import pytest

from smiletrack.tracking import costs
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.flattening import flatten
from smiletrack.tracking.settings import read_stage
from smiletrack.tracking.stages import StageConfig
from tests.tracking.doors import door

sum_cost, minimum_cost, motion_cost = (door(f) for f in (costs.sum_cost, costs.minimum_cost, costs.motion_cost))
cost_of = door(lambda row, *given: costs.pair_cost(read_stage(row), *given))

CASES = ((0.8, 0.9), (0.8, 0.1), (0.2, 0.9), (0.8, np.nan))
"""IoU and appearance."""


def test_costs_of_the_fusions() -> None:
    assert [sum_cost(*case) for case in CASES] == pytest.approx([0.15, 0.55, 0.45, 0.2])
    found = [minimum_cost(1 - overlap, 1 - overlap, looks, 0.5, 0.25) for overlap, looks in CASES]
    assert found == pytest.approx([0.05, 0.2, 0.8, 0.2])
    assert [motion_cost(0.9, 0, 0.02), motion_cost(0.1, 5, 0.02), motion_cost(0.9, 10, 0.02)] == pytest.approx(
        [0.098, 0.982, 0.298]
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"fusion": "iou", "gate": 0.5}, [0.2, np.inf, 0.8, 0.2]),
        ({"fusion": "veto", "max_appearance_cost": 0.3}, [0.2, np.inf, 0.8, 0.2]),
        ({"fusion": "motion", "max_mahalanobis": None, "motion_weight": 0.5}, [0.55, 0.95, 0.55, np.nan]),
        ({"fusion": "motion", "max_mahalanobis": 0.5}, [np.inf] * 4),
        ({"fusion": "calibrated"}, (np.array([0.2, 0.2, 0.8, 0.2]) - np.tanh(0.5)).tolist()),
    ],
)
def test_what_a_stage_makes_of_a_pair(changed: dict[str, object], expected: list[float]) -> None:
    row = flatten(TrackerConfig(first=StageConfig(**changed)), 30.0)[1][0]  # type: ignore[arg-type]
    found = [cost_of(row, overlap, overlap, looks, 1.0, 2.0) for overlap, looks in CASES]
    np.testing.assert_allclose(found, expected)
