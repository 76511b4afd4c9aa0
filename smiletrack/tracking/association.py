"""Optimal one-to-one assignment of tracks to detections.

Most pairs of a frame need no solver: a track whose only candidate has no other candidate is matched at once. What is
left is small, and SciPy's solver is the faster one there; `lap` takes over for large blocks, where it is installed.
"""

import numpy as np

from smiletrack.lazy import LazyModule
from smiletrack.tracking.similarity import Pairs
from smiletrack.types import Floats, Ints

try:
    import lap
except Exception:  # missing, or built against another NumPy: SciPy finds the same optimum
    lap = None

_scipy = LazyModule("scipy.optimize")

LAP_FROM = 150
"""Size of the smaller side of a block from which `lap` is faster than SciPy."""


def assign(pairs: Pairs, cost: Floats, max_cost: float) -> Pairs:
    """Return the matches, a subset of `pairs`, that minimise the sum of (cost - max_cost) over one-to-one choices.

    Only pairs with cost < max_cost can match; this is the optimum of `lap.lapjv(..., cost_limit=max_cost)`. `pairs` are
    the candidates, `cost` one number a pair; pairs not listed cannot match. Matches come sorted by row.
    """
    cheap = (cost < max_cost).nonzero()[0]
    rows, columns, cost = pairs[0].take(cheap), pairs[1].take(cheap), cost.take(cheap)
    if not len(rows):
        return rows, columns
    contested = (np.bincount(rows).take(rows) + np.bincount(columns).take(columns) > 2).nonzero()[0]
    if not len(contested):
        return rows, columns
    keep = np.ones(len(rows), np.bool_)
    keep[contested] = False
    keep[contested[_solve_block(rows.take(contested), columns.take(contested), cost.take(contested), max_cost)]] = True
    chosen = keep.nonzero()[0]
    return rows.take(chosen), columns.take(chosen)


def _solve_block(rows: Ints, columns: Ints, cost: Floats, max_cost: float) -> Ints:
    """Return which of the listed pairs are in the optimum, by one dense assignment."""
    (row, num_rows), (column, num_columns) = _renumbered(rows), _renumbered(columns)
    block = np.zeros((num_rows, num_columns))
    block[row, column] = cost - max_cost
    matched = np.full(num_rows, -1)
    found = solve(block)
    matched[found[0]] = found[1]
    return np.asarray((matched.take(row) == column).nonzero()[0])


def _renumbered(numbers: Ints) -> tuple[Ints, int]:
    """Return whole numbers renumbered from 0 without gaps, in order, and how many there are.

    The same as `np.unique` with its inverse, without sorting.
    """
    present = np.zeros(int(numbers.max()) + 1, np.int64)
    present[numbers] = 1
    upto = present.cumsum()
    return upto.take(numbers) - 1, int(upto[-1])


def solve(cost: Floats) -> Pairs:
    """(N, M) finite costs -> rows and columns of the cheapest assignment of min(N, M) pairs, sorted by row."""
    if lap is not None and min(cost.shape) >= LAP_FROM:
        column_of_row = lap.lapjv(cost, extend_cost=True, return_cost=False)[0]
        rows = (column_of_row >= 0).nonzero()[0]
        return rows, column_of_row.take(rows).astype(np.int64)
    rows, columns = _scipy.linear_sum_assignment(cost)
    return rows, columns
