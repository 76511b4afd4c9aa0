"""Sorting and searching, as few lines as the loops need: Numba takes seconds to compile NumPy's."""

from smiletrack.compiled import leaf
from smiletrack.types import Floats, Ints

_RUN = 16
"""Up to this many values, insertion is faster than merging."""


@leaf
def sort_places(values: Floats, order: Ints, spare: Ints) -> None:
    """Fill `order` (N,) with the places of the values (N,), the smallest first; equal ones keep their order.

    spare (N,): room to work in.
    """
    count = len(values)
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
                    spare[place] = order[left]
                    left += 1
                else:
                    spare[place] = order[right]
                    right += 1
        for place in range(count):
            order[place] = spare[place]
        width *= 2


@leaf
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
