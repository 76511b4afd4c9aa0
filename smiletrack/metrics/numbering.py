"""Whole numbers put in order and renumbered, without comparing them where they lie close."""

import numpy as np
from numba import njit

from smiletrack.types import Ints


def distinct(numbers: Ints) -> tuple[Ints, Ints]:
    """Return the sorted distinct numbers and each number's place among them; no sorting where they lie close."""
    lowest, highest = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    if highest - lowest > max(8 * len(numbers), 1 << 10):
        values, places = np.unique(numbers, return_inverse=True)
        return values, places
    values, places = np.empty(highest - lowest + 1, np.int64), np.empty_like(numbers)
    count = _number(numbers, lowest, values, places)
    return values[:count], places


@njit(cache=True)
def _number(numbers: Ints, lowest: int, values: Ints, places: Ints) -> int:
    """Fill `values` with the sorted distinct numbers and `places`; return how many are distinct."""
    place_of = np.zeros(len(values), np.int32)
    for number in numbers:
        place_of[number - lowest] = 1
    count = 0
    for number in range(len(place_of)):
        if place_of[number]:
            values[count], place_of[number] = number + lowest, count
            count += 1
    for k in range(len(numbers)):
        places[k] = place_of[numbers[k] - lowest]
    return count
