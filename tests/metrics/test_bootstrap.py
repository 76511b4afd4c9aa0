"""The paired bootstrap: its figures are the metrics', its intervals cover what they should."""

import numpy as np
import pytest

from smiletrack.metrics.bootstrap import COMBINED, METRICS, _figures, _Tally, block_draws, paired_bootstrap
from smiletrack.metrics.preprocess import compare
from smiletrack.metrics.table import combine, measure
from smiletrack.types import TrackTable


def sequence(seed: int, noise: float, switch: float = 0.0, frames: int = 120, people: int = 6):
    """People on parallel lines; results jitter, miss one in ten, and change identity with probability `switch`."""
    rng = np.random.default_rng(seed)
    t, person = (grid.ravel() for grid in np.meshgrid(np.arange(frames), np.arange(people), indexing="ij"))
    x, y = 3.0 * t, 25.0 * person
    boxes = np.stack((x, y, x + 20, y + 40), axis=1)
    truth = TrackTable(t + 1, person, boxes)
    kept = rng.random(len(t)) > 0.1
    changes = np.cumsum((rng.random((frames, people)) < switch), axis=0).ravel()
    moved = boxes + rng.normal(0, noise, boxes.shape)
    return truth, TrackTable(t[kept] + 1, (person + 100 * changes)[kept], moved[kept]), frames


def comparison(*arguments: float):
    truth, results, frames = sequence(*arguments)  # type: ignore[arg-type]
    return compare(truth, results, frames)


def figures_of(measures) -> np.ndarray:
    pick = {m: measures["HOTA"][m].mean() for m in ("HOTA", "DetA", "AssA")}
    return np.array([*pick.values(), measures["CLEAR"]["MOTA"], measures["Identity"]["IDF1"]])


def test_with_every_block_once_the_figures_are_the_metrics() -> None:
    runs = {
        "a": comparison(0, 1.0, 0.01),
        "b": comparison(1, 2.0, 0.03),
        "nothing found": compare(sequence(2, 1)[0], TrackTable([], [], []), 120),
    }
    runs["longer than its truth"] = compare(*sequence(2, 1)[:2], 200)
    answer = paired_bootstrap({k: (c, c) for k, c in runs.items()}, resamples=3)
    parts = {name: measure(c) for name, c in runs.items()}
    for name, measures in (*parts.items(), (COMBINED, combine(parts))):
        got = [answer[name][m].first for m in METRICS]
        np.testing.assert_allclose(got, figures_of(measures), rtol=1e-12)


def test_a_block_drawn_twice_counts_as_the_sequence_with_it_appended() -> None:
    """Weights 2, 0 of two halves are the first half played twice by the same identities."""
    truth, results, frames = sequence(3, 1.0)
    half = frames // 2

    def twice(table: TrackTable) -> TrackTable:
        first = table[table.frames <= half]
        later = TrackTable(first.frames + half, first.ids, first.boxes)
        return TrackTable(*(np.concatenate((getattr(first, n), getattr(later, n))) for n in ("frames", "ids", "boxes")))

    got = _figures(_Tally(compare(truth, results, frames), half).sums(np.array([[2, 0]])))[0]
    expected = figures_of(measure(compare(twice(truth), twice(results), frames)))
    # HOTA's matches are those of the whole sequence; here nobody competes, so they are the same
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_same_tracker_twice_differs_by_nothing_and_a_worse_one_surely() -> None:
    same = {"a": (comparison(0, 1.0), comparison(0, 1.0))}
    assert all(
        d.low == d.high == d.difference == 0 and not d.sure for d in paired_bootstrap(same, resamples=50)["a"].values()
    )
    worse = {str(k): (comparison(k, 1.0), comparison(k, 3.0, 0.02)) for k in range(4)}
    answer = paired_bootstrap(worse, resamples=200)[COMBINED]
    assert answer["HOTA"].sure and answer["HOTA"].high < 0 and answer["IDF1"].sure
    assert answer == paired_bootstrap(worse, resamples=200)[COMBINED]


def test_draws_of_two_trackers_are_of_the_same_blocks() -> None:
    first, second = comparison(0, 1.0), comparison(0, 2.0, 0.02)
    draws = [block_draws(c, block=12, resamples=30, seed=3) for c in (first, second)]
    blocks = np.random.default_rng(3).multinomial(10, np.full(10, 0.1), size=30)
    for c, got in zip((first, second), draws, strict=True):
        np.testing.assert_allclose(got[0], figures_of(measure(c)), rtol=1e-12)
        np.testing.assert_array_equal(got[1:], _figures(_Tally(c, 12).sums(blocks)))
    short = compare(*sequence(2, 1.0, frames=30))
    assert len(np.unique(block_draws(short, block=50, resamples=20)[1:, 0])) > 1, "one block is no interval"


@pytest.mark.slow
def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    """Two trackers of equal quality, independent noise: the 90 % interval should leave zero out about 1 time in 10."""
    outside = 0
    for seed in range(40):
        runs = {"a": (comparison(2 * seed, 2.0, 0.01, 400), comparison(2 * seed + 1, 2.0, 0.01, 400))}
        outside += paired_bootstrap(runs, block=20, resamples=200, confidence=0.9)["a"]["DetA"].sure
    assert 1 <= outside <= 10
