"""Assignments against exhaustive search, against lap's cost limit, and without lap."""

from itertools import permutations

import numpy as np
import pytest

from smiletrack.tracking import association
from smiletrack.tracking.association import assign, solve
from smiletrack.tracking.similarity import all_pairs
from smiletrack.types import Floats


def sparse_case(rng: np.random.Generator, rows: int, columns: int, density: float) -> Floats:
    """Costs with infinity where a pair is no candidate."""
    cost = rng.uniform(0, 1, (rows, columns))
    cost[rng.uniform(size=cost.shape) > density] = np.inf
    return cost


def matched_gain(cost: Floats, limit: float) -> tuple[float, set[tuple[int, int]]]:
    """Run `assign` on the finite pairs; return the sum of (cost - limit) and the matches."""
    pairs = np.nonzero(np.isfinite(cost))
    rows, columns = assign(pairs, cost[pairs], limit)
    assert len(set(rows)) == len(rows) and len(set(columns)) == len(columns)
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


def test_without_lap_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = np.random.default_rng(5).uniform(size=(association.LAP_FROM, association.LAP_FROM + 20))
    with_lap = solve(cost)
    monkeypatch.setattr(association, "lap", None)
    without = solve(cost)
    np.testing.assert_array_equal(with_lap[0], without[0])
    np.testing.assert_array_equal(with_lap[1], without[1])


def test_nothing_to_match() -> None:
    rows, columns = assign(all_pairs(0, 3), np.zeros(0), 0.8)
    assert len(rows) == len(columns) == 0
    rows, columns = assign(all_pairs(2, 2), np.full(4, 0.8), 0.8)  # a cost equal to the limit is too much
    assert len(rows) == len(columns) == 0
