"""Scores that mean the same for every detector, without labels: what a clear person scores is brought to one value.

Detectors order boxes alike but use their scale differently: YOLOX-X gives people in the clear .95, another good
detector .6, and every threshold of a tracker misses. The running median of the scores so far, each with the weight of
its third power so that the many weak boxes do not count, says what a clear person scores here; where it is below
`PROPER`, all scores are multiplied so that it becomes `TYPICAL`.

`score_weights` (1000,) is a histogram of third powers over scores in [0, 1].
"""

import numpy as np

from smiletrack.compiled import leaf, leaf_of_sums
from smiletrack.types import Floats

SCORE_BINS = 1000
TYPICAL = 0.95
"""Score of a clear person with the detectors that thresholds are made for."""
PROPER = 0.8
"""A detector whose clear people score at least this is left as it is."""
_NOISE = 0.1
"""Scores at or below this do not count for the median."""


@leaf
def clear_score(score_weights: Floats) -> float:
    """Return the weighted median so far, the middle of its bin; `TYPICAL` before any score was seen."""
    half, above = _sum(score_weights) / 2, 0.0
    for place in range(SCORE_BINS - 1, -1, -1):  # from the top, where the median is
        above += score_weights[place]
        if above > half:
            return (place + 0.5) / SCORE_BINS
    return TYPICAL


@leaf_of_sums
def _sum(weights: Floats) -> float:
    total = 0.0
    for weight in weights:
        total += weight
    return total


@leaf
def rescale(score_weights: Floats, scores: Floats, common: Floats) -> None:
    """Take the scores of the next frame, (M,), and fill in those on the common scale; what is not finite stays."""
    for score in scores:
        if _NOISE < score < np.inf:
            score_weights[min(int(min(score, 1.0) * SCORE_BINS), SCORE_BINS - 1)] += score**3
    clear = clear_score(score_weights)
    for row in range(len(scores)):
        common[row] = scores[row]
        if clear < PROPER and scores[row] < np.inf:
            common[row] = min(scores[row] * (TYPICAL / clear), 1.0)
