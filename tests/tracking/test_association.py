"""Assignments against exhaustive search and against lap's cost limit."""

from itertools import permutations

import numpy as np
import pytest

from smiletrack.tracking import association
from smiletrack.types import Floats
from tests.tracking.doors import door, open_workspace

assign = door(association.assign)


def sparse_case(rng: np.random.Generator, rows: int, columns: int, density: float) -> Floats:
    """Costs with infinity where a pair is no candidate."""
    cost = rng.uniform(0, 1, (rows, columns))
    cost[rng.uniform(size=cost.shape) > density] = np.inf
    return cost


def matched_gain(cost: Floats, limit: float) -> tuple[float, set[tuple[int, int]]]:
    """Run `assign` on the finite pairs; return the sum of (cost - limit) and the matches."""
    starts = np.concatenate(([0], np.cumsum(np.isfinite(cost).sum(axis=1))))
    pairs = np.nonzero(np.isfinite(cost))
    work = open_workspace(cost.shape[0], cost.shape[1], len(pairs[0]))
    assign(starts, np.ascontiguousarray(pairs[1]), limit - cost[pairs], cost.shape[1], work)
    found = work.by_track[4, : cost.shape[0]]
    rows = np.flatnonzero(found >= 0)
    columns = found[rows]
    assert len(set(columns)) == len(columns)
    assert (cost[rows, columns] < limit).all()
    return float((cost[rows, columns] - limit).sum()), set(zip(rows.tolist(), columns.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(40))
def test_optimum_of_all_one_to_one_choices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 6, 2)
    cost = sparse_case(rng, rows, columns, 0.6)
    gain = np.minimum(cost - 0.8, 0.0)  # a refused pair counts as no match
    wide = gain if rows <= columns else gain.T
    best = min(sum(wide[i, j] for i, j in enumerate(p)) for p in permutations(range(wide.shape[1]), len(wide)))
    assert matched_gain(cost, 0.8)[0] == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("size", [(30, 40), (200, 170)])
def test_same_matches_as_lap_with_its_cost_limit(size: tuple[int, int]) -> None:
    lap = pytest.importorskip("lap")
    cost = sparse_case(np.random.default_rng(3), *size, density=0.05)
    expected = lap.lapjv(np.where(np.isfinite(cost), cost, 1e6), extend_cost=True, cost_limit=0.8)[1]
    assert matched_gain(cost, 0.8)[1] == {(i, j) for i, j in enumerate(expected.tolist()) if j >= 0}


def test_nothing_to_match() -> None:
    assert matched_gain(np.zeros((0, 3)), 0.8) == (0.0, set())
    assert matched_gain(np.full((2, 2), 0.8), 0.8) == (0.0, set())  # a cost equal to the limit is too much
