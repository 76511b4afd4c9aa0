"""A figure with its interval: averaged over sequences, of which each has been drawn anew many times."""

from dataclasses import dataclass

import numpy as np

from smiletrack.types import Floats


@dataclass(frozen=True)
class Estimate:
    """A figure, or the difference of two, with the interval that drawing anew gives."""

    value: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def mean_over_sequences(draws: Floats, rng: np.random.Generator, confidence: float = 0.95) -> Estimate:
    """Average (S, 1 + R) figures of sequences, the first column as measured; sequences without the figure are nan.

    The interval draws sequences with replacement and takes another draw in each (with one sequence only the latter), as
    `bootstrap.paired_bootstrap` does. Give differences of two networks or trackers, drawn alike, for a paired one.
    """
    draws = draws[np.isfinite(draws[:, 0])]
    if not len(draws):
        return Estimate(*[float("nan")] * 3)
    resamples = draws.shape[1] - 1
    picks = rng.integers(len(draws), size=(resamples, len(draws)))
    chosen = draws[picks, 1 + rng.integers(resamples, size=picks.shape)] if len(draws) > 1 else draws[:, 1:].T
    tail = (1 - confidence) / 2
    complete = chosen[np.isfinite(chosen).all(1)].mean(1)  # a draw may lack what the figure is made of
    low, high = np.quantile(complete, (tail, 1 - tail)) if len(complete) else (np.nan, np.nan)
    return Estimate(float(draws[:, 0].mean()), float(low), float(high))
