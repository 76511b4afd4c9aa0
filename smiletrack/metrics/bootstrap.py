"""How sure a difference between two trackers is: a paired bootstrap over sequences and blocks of frames.

Neighbouring frames tell the same story, so not frames but blocks of them are drawn, and both trackers get the same draw
(Efron and Tibshirani, 1993, chapter 8; Künsch, 1989, doi:10.1214/aos/1176347265). Boxes keep the matches that the whole
sequence gave them; every count that a metric is made of is summed over the drawn blocks, as often as each was drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from smiletrack.metrics import clear, hota
from smiletrack.metrics.assignment import heaviest
from smiletrack.metrics.overlap import EPS
from smiletrack.metrics.preprocess import Comparison
from smiletrack.types import Floats, Ints

METRICS = ("HOTA", "DetA", "AssA", "MOTA", "IDF1")
COMBINED = "COMBINED"


@dataclass(frozen=True)
class Difference:
    """One metric of two trackers, in [0, 1] (MOTA may be below): values, second - first, and its interval."""

    first: float
    second: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.second - self.first

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    runs: Mapping[str, tuple[Comparison, Comparison]],
    block: int = 50,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, Difference]]:
    """Return `{sequence: {metric: Difference}, ..., "COMBINED": ...}` for two trackers on the same sequences.

    block: frames drawn together. A sequence's interval comes from its blocks; the combined one draws sequences and
    then blocks inside each (with one sequence only blocks). The same seed gives the same intervals.
    """
    rng = np.random.default_rng(seed)
    answer: dict[str, dict[str, Difference]] = {}
    totals, drawn = [], []
    for name, pair in runs.items():
        tallies = [_Tally(comparison, block) for comparison in pair]
        count = len(tallies[0].truth)
        draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
        totals.append([tally.sums(np.ones((1, count))) for tally in tallies])
        drawn.append([tally.sums(draws) for tally in tallies])
        answer[name] = _differences([_figures(s) for s in totals[-1]], [_figures(s) for s in drawn[-1]], confidence)
    if not totals:
        return {}
    whole = [_figures(np.sum([t[side] for t in totals], axis=0)) for side in (0, 1)]
    picks = rng.integers(len(drawn), size=(resamples, len(drawn)))
    rows = rng.integers(resamples, size=picks.shape)
    resampled = [
        _figures(np.stack([d[side] for d in drawn])[picks, rows].sum(axis=1))  # the same picks on both sides
        for side in (0, 1)
    ]
    if len(drawn) == 1:
        resampled = [_figures(sums) for sums in drawn[0]]
    answer[COMBINED] = _differences(whole, resampled, confidence)
    return answer


def block_draws(comparison: Comparison, block: int = 50, resamples: int = 1000, seed: int = 0) -> Floats:
    """Return (1 + R, 5) METRICS of one tracker on one sequence: as measured, then for each draw of blocks.

    The draws depend on the length of the sequence, `block` and `seed` alone: those of two trackers pair, and their
    differences can be averaged over sequences with `estimate.mean_over_sequences`. A block is at most a tenth of the
    sequence, so that there is something to draw from.
    """
    tally = _Tally(comparison, max(1, min(block, comparison.num_frames // 10)))
    draws = np.random.default_rng(seed).multinomial(tally.count, np.full(tally.count, 1 / tally.count), size=resamples)
    return _figures(tally.sums(np.concatenate((np.ones((1, tally.count), draws.dtype), draws))))


class _Tally:
    """The counts of one comparison by block of frames; `sums` adds them up for any choice of blocks."""

    def __init__(self, comparison: Comparison, block: int) -> None:
        frames = np.arange(comparison.num_frames)
        self.count = max(1, -(-comparison.num_frames // block))
        block_of_frame = frames // block
        truth_blocks = np.repeat(block_of_frame, np.diff(comparison.truth_starts))
        result_blocks = np.repeat(block_of_frame, np.diff(comparison.result_starts))
        self.truth = np.bincount(truth_blocks, minlength=self.count)
        self.results = np.bincount(result_blocks, minlength=self.count)
        self.truth_of_id = self._table(comparison.truth_ids, truth_blocks, comparison.num_truth_ids)
        self.results_of_id = self._table(comparison.result_ids, result_blocks, comparison.num_result_ids)

        pairs, pair_blocks = comparison.pairs, truth_blocks[comparison.pairs.truth_rows]
        matched = hota.match_globally(comparison)
        passed = np.searchsorted(hota.ALPHAS - EPS, pairs.iou[matched], "right")
        seen, rows = np.unique(comparison.pair_identities[matched], return_inverse=True)
        self.identities = comparison.identity_pairs[seen]
        levels = self._table(rows * 20 + passed, pair_blocks[matched], len(seen) * 20).reshape(
            len(seen), 20, self.count
        )
        self.matches = np.ascontiguousarray(levels[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:])  # (Q, 19, blocks)

        close = pairs.iou >= 0.5
        seen, rows = np.unique(comparison.pair_identities[close], return_inverse=True)
        self.candidates = comparison.identity_pairs[seen]
        self.explained = self._table(rows, pair_blocks[close], len(seen))  # (Q', blocks)

        found = clear.match_frame_by_frame(comparison)
        switched, _ = clear.switches_and_fragments(comparison, found)
        self.found = np.bincount(truth_blocks[found.truth_rows], minlength=self.count)
        self.switches = np.bincount(truth_blocks[switched], minlength=self.count)

    def sums(self, draws: Floats | Ints) -> Floats:
        """(R, blocks) times each block was drawn -> (R, 43): TP and sum of A (19 alphas each), IDTP and four counts."""
        return np.stack([self._sum(weights.astype(np.float64)) for weights in draws])

    def _sum(self, weights: Floats) -> Floats:
        c = self.matches @ weights  # (Q, 19)
        sizes = (self.truth_of_id @ weights)[self.identities[:, 0]] + (self.results_of_id @ weights)[
            self.identities[:, 1]
        ]
        association = (c * c / np.maximum(1.0, sizes[:, None] - c)).sum(axis=0)
        explained = self.explained @ weights
        some = explained > 0
        chosen = heaviest(self.candidates[some, 0], self.candidates[some, 1], explained[some])
        counts = [self.truth, self.results, self.found, self.switches]
        return np.concatenate(
            (c.sum(axis=0), association, [explained[some][chosen].sum()], [weights @ count for count in counts])
        )

    def _table(self, rows: Ints, blocks: Ints, height: int) -> Floats:
        flat = np.bincount(rows * self.count + blocks, minlength=height * self.count)
        return flat.reshape(height, self.count).astype(np.float64)


def _figures(sums: Floats) -> Floats:
    """(R, 43) sums -> (R, 5) METRICS."""
    tp, association = sums[:, :19], sums[:, 19:38]
    idtp, truth, results, found, switches = sums[:, 38:].T
    det_a = tp / np.maximum(1.0, truth[:, None] + results[:, None] - tp)
    ass_a = association / np.maximum(1.0, tp)
    return np.stack(
        (
            np.sqrt(det_a * ass_a).mean(axis=1),
            det_a.mean(axis=1),
            ass_a.mean(axis=1),
            (2 * found - results - switches) / np.maximum(1.0, truth),
            2 * idtp / np.maximum(1.0, truth + results),
        ),
        axis=1,
    )


def _differences(whole: list[Floats], resampled: list[Floats], confidence: float) -> dict[str, Difference]:
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled[1] - resampled[0], (tail, 1 - tail), axis=0)
    return {
        metric: Difference(float(whole[0][0, k]), float(whole[1][0, k]), float(low[k]), float(high[k]))
        for k, metric in enumerate(METRICS)
    }
