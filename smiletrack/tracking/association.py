"""Optimal one-to-one assignment of tracks to detections, over the sparse pairs of a stage.

Most pairs of a frame need no search: a track whose best detection nobody else has is matched at once. The rest is
settled by shortest augmenting paths, which never leave the pairs that hang together (`metrics.assignment`).
"""

import numpy as np
from numba import njit

from smiletrack.metrics.assignment import FREE, Assignment, match_rows
from smiletrack.types import Floats, Ints


@njit(error_model="numpy")
def assign(starts: Ints, columns: Ints, gains: Floats, num_columns: int) -> Ints:
    """Return the column of each row, -1 for none, so that the sum of gains is as large as it can be.

    starts (R + 1,): the first pair of each row, and the end. columns, gains (P,): of each pair. Only pairs of a gain
    above 0 can match: with max_cost - cost this is the optimum of `lap.lapjv(cost, cost_limit=max_cost)`.
    """
    num_rows = len(starts) - 1
    column_of, row_of = np.empty(num_rows, np.int64), np.empty(num_columns, np.int64)
    row_price, column_price, distance = np.empty(num_rows), np.empty(num_columns), np.empty(num_columns)
    before, reached, border = (
        np.empty(num_columns, np.int64),
        np.empty(num_columns, np.int64),
        np.empty(num_columns, np.int64),
    )
    for row in range(num_rows):
        column_of[row] = FREE
    for column in range(num_columns):
        row_of[column] = reached[column] = FREE
        column_price[column] = 0.0
    assignment = Assignment(
        starts, columns, gains, column_of, row_of, row_price, column_price, distance, before, reached, border, distance
    )
    match_rows(assignment, 0, num_rows)
    return column_of
