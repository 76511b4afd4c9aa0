"""Whole numbers put in order and renumbered, without comparing them where that can be avoided."""

import numpy as np

from smiletrack.types import Ints


def stable_order(numbers: Ints) -> Ints:
    """Return a stable argsort of whole numbers from 0; NumPy sorts 16-bit ones by radix, ten times faster."""
    small = len(numbers) and numbers.max() < 1 << 16
    return np.argsort(numbers.astype(np.uint16) if small else numbers, kind="stable")


def distinct(numbers: Ints) -> tuple[Ints, Ints]:
    """Return the sorted distinct numbers and each number's place among them; no sorting where they lie close."""
    lowest, highest = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    if highest - lowest > max(8 * len(numbers), 1 << 10):
        values, places = np.unique(numbers, return_inverse=True)
        return values, places
    present = np.zeros(highest - lowest + 1, np.bool_)
    present[numbers - lowest] = True
    return np.flatnonzero(present) + lowest, (np.cumsum(present) - 1)[numbers - lowest]
