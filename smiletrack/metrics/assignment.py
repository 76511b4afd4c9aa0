"""The heaviest one-to-one assignment between sparse pairs, the same as the official evaluator's dense one.

Everything is guessed at once: the heaviest pair of its row and its column is taken, again and again. Then the guess is
proved by linear-programming duality: prices for the columns that make every other choice a loss, which also shows that
no other assignment comes near. Where the proof fails, SciPy solves that component of the graph. What is still unproved
is a tie; SciPy then solves the full matrix of the frame in file order, so that it falls as in the official evaluator.
"""

import numpy as np
from numpy.typing import NDArray

from smiletrack.lazy import LazyModule
from smiletrack.metrics.numbering import distinct, stable_order
from smiletrack.metrics.overlap import Pairs
from smiletrack.types import Floats, Ints

csgraph = LazyModule("scipy.sparse.csgraph")
optimize = LazyModule("scipy.optimize")
sparse = LazyModule("scipy.sparse")

Mask = NDArray[np.bool_]

_MARGIN = 1e-9  # assignments whose sums are nearer than this count as tied
_ROUNDS = 8  # of rising prices; a tie would let them rise by the margin for ever


def best_pairs(pairs: Pairs, weights: Floats, truth_starts: Ints, result_starts: Ints) -> Mask:
    """Return which pairs are in the assignment that maximises the sum of the weights of each frame.

    weights: (P,) positive. truth_starts, result_starts: (frames + 1,) the first row of each frame, and the end.
    """
    rows, columns = pairs.truth_rows, pairs.result_rows
    chosen = _guess(rows, columns, weights)
    doubtful = np.zeros(len(truth_starts), np.bool_)
    doubtful[np.searchsorted(truth_starts, rows[_unproved(rows, columns, weights, chosen)], "right") - 1] = True
    if doubtful.any():
        ends = np.searchsorted(rows, truth_starts)  # pairs lie frame by frame
        part = np.flatnonzero(np.repeat(doubtful[:-1], np.diff(ends)))
        chosen[part], tied = heaviest(rows[part], columns[part], weights[part])
        settle_ties(chosen, part[tied], pairs, weights, truth_starts, result_starts)
    return chosen


def settle_ties(
    chosen: Mask, tied: Ints, pairs: Pairs, weights: Floats, truth_starts: Ints, result_starts: Ints
) -> Ints:
    """Change `chosen` to the official evaluator's choice in every frame that has a tied pair; return those frames."""
    frames = np.unique(np.searchsorted(truth_starts, pairs.truth_rows[tied], "right") - 1)
    for frame in frames:
        (first_row, end_row), (first_column, end_column) = (s[frame : frame + 2] for s in (truth_starts, result_starts))
        part = slice(*np.searchsorted(pairs.truth_rows, (first_row, end_row)))  # pairs lie frame by frame
        rows, columns = pairs.truth_rows[part] - first_row, pairs.result_rows[part] - first_column
        chosen[part] = _solve(rows, columns, weights[part], (end_row - first_row, end_column - first_column))
    return frames


def heaviest(rows: Ints, columns: Ints, weights: Floats) -> tuple[Mask, Ints]:
    """Return which pairs make the heaviest one-to-one assignment, and the indices of pairs that (nearly) tie with it.

    rows, columns: (P,) whole numbers from 0. weights: (P,) positive.
    """
    chosen = _guess(rows, columns, weights)
    doubtful = _unproved(rows, columns, weights, chosen)
    if not len(doubtful):
        return chosen, doubtful
    labels = components(rows, columns)
    pairs = np.flatnonzero(np.isin(labels, labels[doubtful]))
    pairs = pairs[stable_order(labels[pairs])]
    for part in np.split(pairs, np.flatnonzero(np.diff(labels[pairs])) + 1):
        r, c = (np.unique(side[part], return_inverse=True)[1] for side in (rows, columns))
        chosen[part] = _solve(r, c, weights[part], (int(r.max()) + 1, int(c.max()) + 1))
    return chosen, pairs[_unproved(rows[pairs], columns[pairs], weights[pairs], chosen[pairs])]


def components(rows: Ints, columns: Ints) -> Ints:
    """Return for each pair the number, from 0, of the connected component of the graph that it is in."""
    (_, r), (_, c) = distinct(rows), distinct(columns)
    size = _size(r) + _size(c)
    graph = sparse.coo_array((np.ones(len(r), np.bool_), (r, c + _size(r))), shape=(size, size))
    labels: Ints = csgraph.connected_components(graph, directed=False)[1][r]
    return labels


def _guess(rows: Ints, columns: Ints, weights: Floats) -> Mask:
    """Take every pair that is the heaviest of its row and of its column, and again among what is left."""
    num_rows, num_columns = _size(rows), _size(columns)
    chosen = np.zeros(len(weights), np.bool_)
    left = np.arange(len(weights))
    while len(left):
        r, c, w = rows[left], columns[left], weights[left]
        row_best, column_best = np.zeros(num_rows), np.zeros(num_columns)
        np.maximum.at(row_best, r, w)
        np.maximum.at(column_best, c, w)
        top = np.flatnonzero((w == row_best[r]) & (w == column_best[c]))
        # of equally heavy pairs that share a row or a column, one may be taken
        row_last, column_last = np.zeros(num_rows, np.int64), np.zeros(num_columns, np.int64)
        row_last[r[top]] = column_last[c[top]] = top
        top = top[(row_last[r[top]] == top) & (column_last[c[top]] == top)]
        chosen[left[top]] = True
        row_last[r[top]] = column_last[c[top]] = -1
        left = left[(row_last[r] >= 0) & (column_last[c] >= 0)]
    return chosen


def _unproved(rows: Ints, columns: Ints, weights: Floats, chosen: Mask) -> Ints:
    """Return the indices of pairs that stand against the proof that `chosen` is best by a margin; none: proved.

    Sought are prices of columns, at least 0, at which every row is best off with its chosen column, or alone without a
    price; an unchosen column must be free. The least such prices are longest paths: from 0, a pair that tempts its row
    lifts the price of its column. They settle in few rounds, unless a column gets dearer than it is worth to its row.
    """
    alone = _size(columns)
    worth, partner = np.zeros(_size(rows)), np.full(_size(rows), alone)
    limit, price, owner = np.zeros(alone + 1), np.zeros(alone + 1), np.full(alone + 1, -1)
    index = np.flatnonzero(chosen)
    r, c = rows[index], columns[index]
    worth[r], partner[r], limit[c], owner[c] = weights[index], c, weights[index], r

    against = []
    active = np.flatnonzero((weights > worth[rows] - _MARGIN) & ~chosen)
    for _ in range(_ROUNDS):
        row, column = rows[active], columns[active]
        offer = price[partner[row]] + weights[active] - worth[row] + _MARGIN
        failed = offer > limit[column]
        against.append(active[failed])
        rising = ~failed & (offer > price[column])
        if not rising.any():
            return np.concatenate(against)
        np.maximum.at(price, column[rising], offer[rising])
        dearer = np.zeros(len(worth), np.bool_)
        dearer[owner[column[rising]]] = True
        active = np.flatnonzero(~chosen & dearer[rows])
    return np.concatenate([*against, active])


def _solve(rows: Ints, columns: Ints, weights: Floats, shape: tuple[int, int]) -> Mask:
    """Return which pairs SciPy's solver chooses from the full matrix."""
    matrix = np.zeros(shape)
    matrix[rows, columns] = -weights
    partner = np.full(shape[0], -1)
    assigned_rows, assigned_columns = optimize.linear_sum_assignment(matrix)
    partner[assigned_rows] = assigned_columns
    return np.asarray(partner[rows] == columns, np.bool_)


def _size(numbers: Ints) -> int:
    return int(numbers.max(initial=-1)) + 1
