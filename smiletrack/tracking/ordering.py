"""Sorting and searching, as few lines as the loops need: Numba takes seconds to compile NumPy's."""

from math import inf

from smiletrack.compiled import leaf
from smiletrack.types import Floats, Ints

_RUN = 16
"""Up to this many values, insertion is faster than anything else."""
_MOVES = 8
"""Moves a value after which insertion gives up: the values were not spread evenly."""

_COUNTED = 256
"""Up to this many values, counting is faster than bisection, half of whose branches a processor guesses wrong."""


@leaf
def sort_places(values: Floats, order: Ints, spare: Ints) -> None:
    """Fill `order` (N,) with the places of the values (N,), the smallest first; equal ones keep their order.

    Values that are spread evenly, as borders of boxes are, take a time that grows with their number alone, others
    that of merging. spare (N,): room to work in.
    """
    count = len(values)
    for place in range(count):
        order[place] = place
    if count > _RUN:
        _spread(values, order, spare)
    if _insert(values, order, 0, count, _MOVES * count):
        return
    for start in range(0, count, _RUN):
        _insert(values, order, start, min(start + _RUN, count), _RUN * _RUN)
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
def _spread(values: Floats, order: Ints, ends: Ints) -> None:
    """Put each place about where its value belongs: in one of N parts of the range, those of a part in their order."""
    lowest = highest = values[0]
    for value in values:
        lowest, highest = min(lowest, value), max(highest, value)
    count, span = len(values), highest - lowest
    scale = (count - 1) / span
    if not (0 < span < inf and scale < inf):
        return
    for part in range(count):
        ends[part] = 0
    for value in values:
        ends[_part(value - lowest, scale)] += 1
    for part in range(1, count):
        ends[part] += ends[part - 1]
    for place in range(count - 1, -1, -1):
        part = _part(values[place] - lowest, scale)
        ends[part] -= 1
        order[ends[part]] = place


@leaf
def _part(distance: float, scale: float) -> int:
    share = distance * scale
    return int(share) if share > 0 else 0  # NaN goes anywhere, but not outside


@leaf
def _insert(values: Floats, order: Ints, start: int, end: int, most: int) -> bool:
    """Sort order[start:end] by insertion; tell whether about `most` moves were enough."""
    for place in range(start + 1, end):
        taken, hole = order[place], place
        while hole > start and values[order[hole - 1]] > values[taken]:
            order[hole] = order[hole - 1]
            hole -= 1
        order[hole] = taken
        most -= place - hole
        if most < 0:
            return False
    return True


@leaf
def num_below(values: Floats, limit: float, or_equal: bool) -> int:
    """Return how many of the ascending values are below a limit, or equal to it too."""
    low, high = 0, len(values)
    while high - low > _COUNTED:
        middle = (low + high) // 2
        if values[middle] < limit or (or_equal and values[middle] == limit):
            low = middle + 1
        else:
            high = middle
    # two loops without a branch inside become instructions that compare several at once
    rest, count = values[low:high], 0
    if or_equal:
        for place in range(len(rest)):
            count += rest[place] <= limit
    else:
        for place in range(len(rest)):
            count += rest[place] < limit
    return low + count
