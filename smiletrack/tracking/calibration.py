"""What an appearance similarity is worth, learned from the sequence itself while it is tracked.

A cosine of 0.6 means "the same person" for one network and "any two people" for another, and how far the two cases lie
apart changes with the footage. The matches of a frame show what "same" looks like here; a matched track and a detection
beside it that went to somebody else show what "different" looks like between people who compete. The log-likelihood
ratio of the two is evidence in nats that means the same for every network; where embeddings are noise the two cases
coincide, the evidence is zero, and motion decides alone.

The picture is two normal distributions of one variance: `similarities` (3, 2) holds the counts (faded), the means and
the variances of the similarities of "same" and of "different" pairs.
"""

from math import log, sqrt

import numpy as np

from smiletrack.compiled import leaf
from smiletrack.types import Floats

SAME, DIFFERENT = 0, 1

_PRIOR = 30.0
"""Number of "same" pairs at which the evidence has half of its strength."""
MEMORY = 3000.0
"""Similarities after which older ones fade, so that the picture follows the footage."""
_AT_ONCE = 50
"""Similarities of one frame are not independent: no more than this many count."""
_LEAST_VARIANCE = 1e-4
"""A standard deviation of 0.01 in cosine: sharper than any network is."""
_SURE = 3.0
"""Standard errors by which the two cases must differ before they count as different at all."""
_BLURRED = 2.0
"""Separation, in standard deviations, at which evidence has half of its strength: where the cases overlap, the normal
curves are a poor guide and hidden people, whose crops show somebody else, weigh most."""
_USUAL, _ODD = log(1 - 0.03), log(0.03)
"""Share of pairs that look like the other case (hidden people, people dressed alike): bounds the evidence by 3.5."""


@leaf
def add_similarities(similarities: Floats, case: int, values: Floats) -> None:
    """Add the similarities (K,) of sure matches (SAME) or of pairs that are surely none (DIFFERENT); K may be 0."""
    if not len(values):
        return
    mean = variance = 0.0
    for value in values:
        mean += value / len(values)
    for value in values:
        variance += (value - mean) ** 2
    variance /= len(values)
    total = similarities[0, case] + min(len(values), _AT_ONCE)
    share = min(len(values), _AT_ONCE) / total
    step = mean - similarities[1, case]
    similarities[2, case] += share * (variance - similarities[2, case] + (1 - share) * step**2)
    similarities[1, case] += share * step
    similarities[0, case] = min(total, MEMORY)


@leaf
def evidence_line(similarities: Floats) -> tuple[float, float]:
    """Return slope and zero of the log-likelihood ratio of the two cases, a line over the similarity.

    The normal curves' ratio shrinks while few pairs were seen and where the two cases overlap:
    slope = n / (n + prior) * d^2 / (d^2 + (2 s)^2) * d / s^2, with n "same" pairs seen, the variance s^2 of both cases,
    and d the distance of their means less three standard errors.
    """
    seen, others = similarities[0, SAME], similarities[0, DIFFERENT]
    if seen == 0 or others == 0:
        return 0.0, 0.0
    same, different = similarities[1, SAME], similarities[1, DIFFERENT]
    variance = max((similarities[2, SAME] + similarities[2, DIFFERENT]) / 2, _LEAST_VARIANCE)
    error = sqrt(variance * (1 / seen + 1 / others))
    distance = max(same - different - _SURE * error, 0.0)
    strength = seen / (seen + _PRIOR) * distance**2 / (distance**2 + _BLURRED**2 * variance)
    return strength * distance / variance, (same + different) / 2


@leaf
def evidence(slope: float, zero: float, similarity: float) -> float:
    """Return log p(similarity | same) - log p(similarity | different), careful where little speaks for it.

    An odd pair in 33 belongs to the other case, so no similarity proves anything. NaN stays NaN.
    """
    ratio = slope * (similarity - zero)
    return float(np.logaddexp(_USUAL + ratio, _ODD) - np.logaddexp(_USUAL, _ODD + ratio))
