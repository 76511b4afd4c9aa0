"""MOTA and IDF1 computed by an independent library, motmetrics, on the same preprocessed boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from smiletrack.console import print_table, say
from smiletrack.lazy import LazyModule
from smiletrack.metrics.preprocess import Comparison
from smiletrack.metrics.table import Measures

motmetrics = LazyModule("motmetrics")

_COUNTS = ["num_misses", "num_false_positives", "num_switches", "num_objects", "idtp", "idfp", "idfn"]


@dataclass(frozen=True)
class CrossCheck:
    """motmetrics' counts of one sequence, and what follows from them; 0 where it would divide by nothing."""

    misses: float
    false_positives: float
    switches: float
    objects: float
    idtp: float
    idfp: float
    idfn: float

    @property
    def mota(self) -> float:
        return (self.objects - self.misses - self.false_positives - self.switches) / max(1.0, self.objects)

    @property
    def idf1(self) -> float:
        return self.idtp / max(1.0, self.idtp + 0.5 * self.idfp + 0.5 * self.idfn)


def cross_check(comparison: Comparison, threshold: float = 0.5) -> CrossCheck:
    """Return motmetrics' counts; it gets the distances 1 - IoU, "impossible" (NaN) where IoU < threshold.

    Its own IoU calls a function that NumPy 2 removed, and its own preprocessing knows no MOT20, so both are done here.
    """
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    pairs = comparison.pairs
    frames = np.searchsorted(comparison.truth_starts, pairs.truth_rows, "right") - 1
    starts = np.searchsorted(frames, np.arange(comparison.num_frames + 1))
    for frame in range(comparison.num_frames):
        truth = slice(*comparison.truth_starts[frame : frame + 2])
        result = slice(*comparison.result_starts[frame : frame + 2])
        near = pairs[np.arange(starts[frame], starts[frame + 1])]
        distances = np.full((truth.stop - truth.start, result.stop - result.start), np.nan)
        close = near.iou >= threshold
        distances[near.truth_rows[close] - truth.start, near.result_rows[close] - result.start] = 1 - near.iou[close]
        accumulator.update(comparison.truth_ids[truth], comparison.result_ids[result], distances)
    counts = motmetrics.metrics.create().compute(accumulator, metrics=_COUNTS, return_dataframe=False)
    return CrossCheck(*(float(counts[name]) for name in _COUNTS))


def combine_checks(checks: Sequence[CrossCheck]) -> CrossCheck:
    """Return the sum of the counts (motmetrics' own way to combine calls what pandas 2 removed)."""
    return CrossCheck(*(sum(getattr(check, name) for check in checks) for name in CrossCheck.__dataclass_fields__))


def print_checks(measures: Mapping[str, Measures], checks: Mapping[str, CrossCheck]) -> None:
    """Print the library's figures beside ours."""
    rows = []
    for sequence, check in checks.items():
        mota, idf1 = measures[sequence]["CLEAR"]["MOTA"], measures[sequence]["Identity"]["IDF1"]
        rows.append([sequence, *(f"{100 * value:.3f}" for value in (mota, check.mota, idf1, check.idf1))])
    say("cross-check with motmetrics")
    print_table(("sequence", "MOTA", "MOTA motmetrics", "IDF1", "IDF1 motmetrics"), rows, total=True)
    say(
        "motmetrics keeps a pair from any earlier frame and then matches as many boxes as it can; TrackEval keeps only"
        " pairs of the frame before and then maximises overlap, so MOTA may differ by some hundredths. IDF1 agrees."
    )
