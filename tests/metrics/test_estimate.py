"""The mean over sequences with its interval, in a world with a known answer."""

import numpy as np
import pytest

from smiletrack.metrics.estimate import mean_over_sequences


def test_the_interval_of_a_mean_is_the_spread_over_sequences_and_people() -> None:
    """A normal world with a known answer: figures 0, 1 ... of n sequences, people's noise of a known deviation."""
    rng = np.random.default_rng(1)
    centres = rng.normal(0.0, 1.0, 40)
    draws = np.concatenate((centres[:, None], centres[:, None] + rng.normal(0, 0.5, (40, 2000))), 1)
    estimate = mean_over_sequences(draws, rng)
    deviation = np.sqrt((centres.var() + 0.25) / 40)
    assert estimate.value == pytest.approx(centres.mean())
    assert (estimate.high - estimate.low) / 2 == pytest.approx(1.96 * deviation, rel=0.08)
    alone = mean_over_sequences(draws[:1], rng)
    assert (alone.high - alone.low) / 2 == pytest.approx(1.96 * 0.5, rel=0.08)
    absent = np.full((1, 2001), np.nan)
    again = mean_over_sequences(np.concatenate((absent, draws)), np.random.default_rng(2))
    assert again.value == estimate.value
    assert np.isnan(mean_over_sequences(absent, rng).value) and not mean_over_sequences(absent, rng).sure
