"""Sorting and searching, as few lines as the loops need: Numba takes seconds to compile NumPy's."""

import numpy as np
from numba import njit

from smiletrack.types import Floats, Ints

_RUN = 16
"""Up to this many values, insertion is faster than merging."""


@njit(cache=True, error_model="numpy")
def ascending(values: Floats) -> Ints:
    """Return the places of the values (N,) from the smallest to the largest; equal ones keep their order."""
    count = len(values)
    order, merged = np.empty(count, np.int64), np.empty(count, np.int64)
    for start in range(0, count, _RUN):
        for place in range(start, min(start + _RUN, count)):
            hole = place
            while hole > start and values[order[hole - 1]] > values[place]:
                order[hole] = order[hole - 1]
                hole -= 1
            order[hole] = place
    width = _RUN
    while width < count:
        for start in range(0, count, 2 * width):
            left, right = start, min(start + width, count)
            left_end, right_end = right, min(start + 2 * width, count)
            for place in range(start, right_end):
                if right == right_end or (left < left_end and values[order[left]] <= values[order[right]]):
                    merged[place] = order[left]
                    left += 1
                else:
                    merged[place] = order[right]
                    right += 1
        order, merged = merged, order
        width *= 2
    return order


@njit(cache=True, error_model="numpy")
def num_below(values: Floats, limit: float, or_equal: bool) -> int:
    """Return how many of the ascending values are below a limit, or equal to it too."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < limit or (or_equal and values[middle] == limit):
            low = middle + 1
        else:
            high = middle
    return low
