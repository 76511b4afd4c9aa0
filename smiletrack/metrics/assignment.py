"""The heaviest one-to-one assignment between sparse pairs, the same as the official evaluator's dense one.

Rows are matched one after the other by shortest augmenting paths (Jonker and Volgenant, 1987), which never leave the
pairs that hang together: most rows have their heaviest column for the asking. Then each frame's answer is proved by
linear-programming duality: prices for the columns that make every other choice a loss, which also shows that no other
assignment comes near. What is not proved is a tie; SciPy then solves the full matrix of the frame in file order, so
that it falls as in the official evaluator.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from smiletrack.compiled import leaf
from smiletrack.lazy import LazyModule
from smiletrack.metrics.overlap import Pairs
from smiletrack.types import Floats, Ints

optimize = LazyModule("scipy.optimize")

FREE = -1
"""The partner of a row or column that is not matched."""

_MARGIN = 1e-9  # assignments whose sums are nearer than this count as tied


class Assignment(NamedTuple):
    """Sparse pairs and who is matched to whom so far.

    starts (R + 1,): the first pair of each row, and the end. columns, weights (P,): of each pair; only those of
    positive weight are ever matched. column_of (R,), row_of (C,): partners. row_price (R,), column_price (C,): at least
    0, so that no pair weighs more than its row and its column cost, and a matched pair just as much. distance, before,
    reached, border (C,): notes of a search for a path. least_price (C,): of a proof.
    """

    starts: Ints
    columns: Ints
    weights: Floats
    column_of: Ints
    row_of: Ints
    row_price: Floats
    column_price: Floats
    distance: Floats
    before: Ints
    reached: Ints
    border: Ints
    least_price: Floats

    def chosen(self) -> Ints:
        """Return the indices of the pairs that are matched, in ascending order."""
        return _chosen(self.starts, self.columns, self.column_of)


def open_assignment(rows: Ints, columns: Ints, weights: Floats, num_rows: int, num_columns: int) -> Assignment:
    """Return an assignment of nobody. rows, columns, weights (P,): the pairs, sorted by row."""
    starts = np.zeros(num_rows + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=num_rows), out=starts[1:])
    return Assignment(
        starts,
        np.ascontiguousarray(columns),
        weights,
        column_of=np.full(num_rows, FREE),
        row_of=np.full(num_columns, FREE),
        row_price=np.zeros(num_rows),
        column_price=np.zeros(num_columns),
        distance=np.empty(num_columns),
        before=np.empty(num_columns, np.int64),
        reached=np.full(num_columns, FREE),
        border=np.empty(num_columns, np.int64),
        least_price=np.zeros(num_columns),
    )


def heaviest(rows: Ints, columns: Ints, weights: Floats) -> Ints:
    """Return the indices of pairs that make the heaviest one-to-one assignment; any of them where several do.

    rows, columns: (P,) whole numbers from 0, sorted by row. weights: (P,) positive.
    """
    assignment = open_assignment(
        rows, columns, weights, int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1
    )
    match_rows(assignment, 0, len(assignment.column_of))
    return assignment.chosen()


def best_pairs(pairs: Pairs, weights: Floats, truth_starts: Ints, result_starts: Ints) -> Ints:
    """Return the indices of the pairs that are in the assignment which maximises the sum of the weights of each frame.

    weights: (P,) positive. truth_starts, result_starts: (frames + 1,) the first row of each frame, and the end.
    """
    assignment = open_assignment(pairs.truth_rows, pairs.result_rows, weights, truth_starts[-1], result_starts[-1])
    for frame in _match_frames(assignment, truth_starts):
        settle_tie(assignment, *truth_starts[frame : frame + 2], *result_starts[frame : frame + 2])
    return assignment.chosen()


def settle_tie(assignment: Assignment, first_row: int, end_row: int, first_column: int, end_column: int) -> None:
    """Match the rows of a frame as SciPy's solver does from the full matrix."""
    matrix = np.zeros((end_row - first_row, end_column - first_column))
    part = slice(*assignment.starts[[first_row, end_row]])
    rows = np.repeat(np.arange(len(matrix)), np.diff(assignment.starts[first_row : end_row + 1]))
    matrix[rows, assignment.columns[part] - first_column] = -assignment.weights[part]
    assignment.column_of[first_row:end_row] = FREE
    rows, columns = optimize.linear_sum_assignment(matrix)
    paired = matrix[rows, columns] < 0
    assignment.column_of[first_row + rows[paired]] = first_column + columns[paired]


@njit(cache=True)
def _chosen(starts: Ints, columns: Ints, column_of: Ints) -> Ints:
    chosen = np.empty(len(column_of), np.int64)
    count = 0
    for row in range(len(column_of)):
        if column_of[row] != FREE:
            pair = starts[row]
            while columns[pair] != column_of[row]:
                pair += 1
            chosen[count] = pair
            count += 1
    return chosen[:count]


@njit(cache=True)
def _match_frames(assignment: Assignment, starts: Ints) -> list[int]:
    """Match each frame's rows; return the frames that are tied."""
    return [f for f in range(len(starts) - 1) if not match_frame(assignment, starts[f], starts[f + 1])]


@njit(cache=True)
def match_frame(assignment: Assignment, first: int, end: int) -> bool:
    """Match the rows of a frame; tell whether no other assignment comes near."""
    match_rows(assignment, first, end)
    return _is_proved(assignment, first, end)


@leaf
def match_rows(assignment: Assignment, first: int, end: int) -> None:
    """Match these rows, whose columns no other rows want, to maximise the sum of weights."""
    starts, columns, weights = assignment.starts, assignment.columns, assignment.weights
    column_price, row_of = assignment.column_price, assignment.row_of
    for row in range(first, end):
        favourite, most = FREE, 0.0
        for pair in range(starts[row], starts[row + 1]):
            gain = weights[pair] - column_price[columns[pair]]
            if gain > most:
                favourite, most = columns[pair], gain
        assignment.row_price[row] = most
        if favourite != FREE and row_of[favourite] == FREE:
            assignment.column_of[row], row_of[favourite] = favourite, row
        elif favourite != FREE:
            _rearrange(assignment, row)


@leaf
def _rearrange(assignment: Assignment, root: int) -> None:
    """Make the changes that cost least: along a path from `root` to a free column, or to a row that goes without.

    The border holds the columns that are reached: first those whose path is final, in the order of its length.
    """
    row_price, column_price, distance = assignment.row_price, assignment.column_price, assignment.distance
    border = assignment.border
    row, length, end = root, 0.0, FREE
    loser, least = root, row_price[root]
    num_final = num_reached = 0
    while True:
        for pair in range(assignment.starts[row], assignment.starts[row + 1]):
            column = assignment.columns[pair]
            # rounding must not make a final path shorter
            found = length + max(row_price[row] + column_price[column] - assignment.weights[pair], 0.0)
            if assignment.reached[column] != root:
                assignment.reached[column], border[num_reached] = root, column
                num_reached += 1
            elif found >= distance[column]:
                continue
            distance[column], assignment.before[column] = found, row
        nearest = num_final
        for place in range(num_final + 1, num_reached):
            if distance[border[place]] < distance[border[nearest]]:
                nearest = place
        if nearest == num_reached or distance[border[nearest]] >= least:
            length = least
            break
        column = border[nearest]
        length, row = distance[column], assignment.row_of[column]
        if row == FREE:
            end = column
            break
        border[num_final], border[nearest] = column, border[num_final]
        num_final += 1
        if length + row_price[row] < least:
            loser, least = row, length + row_price[row]

    row_price[root] -= length
    for column in border[:num_final]:
        row_price[assignment.row_of[column]] -= length - distance[column]
        column_price[column] += length - distance[column]
    if end == FREE and loser != root:
        end, assignment.column_of[loser] = assignment.column_of[loser], FREE
    while end != FREE:
        row = assignment.before[end]
        column = assignment.column_of[row]
        assignment.column_of[row], assignment.row_of[end] = end, row
        end = column


@njit(cache=True)
def _is_proved(assignment: Assignment, first: int, end: int) -> bool:
    """Tell whether every other assignment of these rows weighs less by a margin.

    Sought are prices of columns, at least 0, at which every row is best off with its own column, or alone without a
    price; an unmatched column must be free. The least such prices are longest paths (Bellman and Ford): from 0, a pair
    that tempts its row lifts the price of its column. They settle unless a column gets dearer than it is worth to its
    row, or paths go in circles.
    """
    starts, columns, weights = assignment.starts, assignment.columns, assignment.weights
    row_price, column_price, price = assignment.row_price, assignment.column_price, assignment.least_price
    for attempt in range(end - first + 1):
        settled = True
        for row in range(first, end):
            mine = assignment.column_of[row]
            rent = price[mine] if mine != FREE else 0.0
            if attempt > 0 and rent == 0:
                continue  # nothing has changed for this row
            worth = row_price[row] + (column_price[mine] if mine != FREE else 0.0)
            for pair in range(starts[row], starts[row + 1]):
                column = columns[pair]
                offer = rent + weights[pair] - worth + _MARGIN
                if offer > price[column] and column != mine:
                    owner = assignment.row_of[column]
                    if owner == FREE or offer > row_price[owner] + column_price[column]:
                        return False
                    price[column], settled = offer, False
        if settled:
            return True
    return False
