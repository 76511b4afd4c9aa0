"""Optimal one-to-one assignment of tracks to detections, over the sparse pairs of a stage.

Most pairs of a frame need no search: a track whose best detection nobody else has is matched at once. The rest is
settled by shortest augmenting paths, which never leave the pairs that hang together (`metrics.assignment`).
"""

from smiletrack.compiled import inner
from smiletrack.metrics.assignment import FREE, Assignment, match_rows
from smiletrack.tracking.intake import FrameDetections
from smiletrack.tracking.state import TrackState, Workspace
from smiletrack.types import Floats, Ints

_STEP = 0.05
"""By which the limit of the iterative assignment falls each time."""


@inner
def assign(starts: Ints, columns: Ints, gains: Floats, num_columns: int, work: Workspace) -> None:
    """Find the column of each row, -1 for none, so that the sum of gains is as large as it can be.

    They are written to `work.by_track[4]`.

    starts (R + 1,): the first pair of each row, and the end. columns, gains (P,): of each pair. Only pairs of a gain
    above 0 can match: with max_cost - cost this is the optimum of `lap.lapjv(cost, cost_limit=max_cost)`.
    """
    num_rows = len(starts) - 1
    column_of, row_of, reached = work.by_track[4, :num_rows], work.by_detection[4], work.by_detection[6]
    column_price = work.detection_figures[2]
    for row in range(num_rows):
        column_of[row] = FREE
    for column in range(num_columns):
        row_of[column] = reached[column] = FREE
        column_price[column] = 0.0
    assignment = Assignment(
        starts,
        columns,
        gains,
        column_of,
        row_of,
        work.track_figures[0],
        column_price,
        work.detection_figures[3],
        work.by_detection[5],
        reached,
        work.by_detection[7],
        column_price,
    )
    match_rows(assignment, 0, num_rows)


@inner
def assign_mutual(
    starts: Ints, columns: Ints, costs: Floats, max_cost: float, num_columns: int, work: Workspace
) -> None:
    """Match pairs that are the cheapest of both sides and cost less than `max_cost`, which then falls, until none is.

    Arguments and answer as `assign`. Iterative assignment of TrackTrack (CVPR 2025); of equal costs the first counts.
    """
    num_rows = len(starts) - 1
    column_of, best_of_row = work.by_track[4, :num_rows], work.by_track[3, :num_rows]
    row_of, best_of_column = work.by_detection[4], work.by_detection[5]
    for row in range(num_rows):
        column_of[row] = FREE
    for column in range(num_columns):
        row_of[column] = FREE
    num_matched = 1
    while num_matched:
        num_matched = 0
        for column in range(num_columns):
            best_of_column[column] = FREE
        for row in range(num_rows):
            best_of_row[row] = FREE
            for pair in range(starts[row], starts[row + 1]):
                column = columns[pair]
                if column_of[row] != FREE or row_of[column] != FREE or not costs[pair] < max_cost:
                    continue
                best = best_of_row[row]
                if best == FREE or _is_cheaper(costs, columns, pair, best):
                    best_of_row[row] = pair
                if best_of_column[column] == FREE or costs[pair] < costs[best_of_column[column]]:
                    best_of_column[column] = pair
        for row in range(num_rows):
            best = best_of_row[row]
            if best != FREE and best_of_column[columns[best]] == best:
                column_of[row], row_of[columns[best]] = columns[best], row
                num_matched += 1
        max_cost -= _STEP


@inner
def _is_cheaper(costs: Floats, columns: Ints, pair: int, other: int) -> bool:
    """Tell which of two pairs of a row goes first: the cheaper one, of equal ones that of the first column."""
    return costs[pair] < costs[other] or (costs[pair] == costs[other] and columns[pair] < columns[other])


@inner
def settle(state: TrackState, scene: FrameDetections, slots: Ints, found: Ints) -> None:
    """Write down the detection of each track, -1 for none."""
    for index in range(len(slots)):
        if found[index] != FREE:
            state.matches[slots[index]] = found[index]
            scene.owners[found[index]] = slots[index]
