"""What an appearance similarity is worth, learned from the sequence itself while it is tracked.

A cosine of 0.6 means "the same person" for one network and "any two people" for another, and how far the two cases lie
apart changes with the footage. The matches of a frame show what "same" looks like here; a matched track and a detection
beside it that went to somebody else show what "different" looks like between people who compete. The log-likelihood
ratio of the two is evidence in nats that means the same for every network; where embeddings are noise the two cases
coincide, the evidence is zero, and motion decides alone.
"""

import numpy as np

from smiletrack.types import Floats

_MEMORY = 3000.0
"""Similarities after which older ones fade, so that the picture follows the footage."""
_AT_ONCE = 50
"""Similarities of one call are not independent: no more than this many count."""
_LEAST_VARIANCE = 1e-4
"""A standard deviation of 0.01 in cosine: sharper than any network is."""
_SURE = 3.0
"""Standard errors by which the two cases must differ before they count as different at all."""
_BLURRED = 2.0
"""Separation, in standard deviations, at which evidence has half of its strength: where the cases overlap, the normal
curves are a poor guide and hidden people, whose crops show somebody else, weigh most."""
_ODD = 0.03
"""Share of pairs that look like the other case (hidden people, people dressed alike): bounds the evidence by 3.5."""


class Calibration:
    """Two normal distributions of one variance, fitted to the similarities of "same" and of "different" pairs.

    `prior` is the number of "same" pairs at which the evidence has half of its strength.
    """

    def __init__(self, prior: float = 30.0) -> None:
        self.prior = prior
        self.counts = np.zeros(2)
        """How many "same" and "different" similarities the picture rests on, faded."""
        self.means = np.zeros(2)
        self.variances = np.zeros(2)

    def learn(self, same: Floats, different: Floats) -> None:
        """Add the similarities (S,), (D,) of sure matches and of pairs that are surely none; either may be empty."""
        for case, values in enumerate((same, different)):
            if not len(values):
                continue
            weight = min(len(values), _AT_ONCE)
            total = self.counts[case] + weight
            share = weight / total
            step = values.mean() - self.means[case]
            self.variances[case] += share * (values.var() - self.variances[case] + (1 - share) * step**2)
            self.means[case] += share * step
            self.counts[case] = min(total, _MEMORY)

    def evidence(self, similarity: Floats) -> Floats:
        """Return log p(similarity | same) - log p(similarity | different), careful where little speaks for it.

        The normal curves' ratio shrinks while few pairs were seen and where the two cases overlap; an odd pair in 33
        belongs to the other case, so no similarity proves anything. NaN stays NaN.
        """
        if not self.counts.all():
            return np.asarray(similarity * 0.0)
        (same, different), seen = self.means, self.counts[0]
        variance = max(float(self.variances.mean()), _LEAST_VARIANCE)
        error = np.sqrt(variance * (1 / self.counts).sum())
        distance = max(float(same - different - _SURE * error), 0.0)
        strength = seen / (seen + self.prior) * distance**2 / (distance**2 + _BLURRED**2 * variance)
        ratio = strength * distance / variance * (similarity - (same + different) / 2)
        usual, odd = np.log(1 - _ODD), np.log(_ODD)
        with np.errstate(invalid="ignore"):  # NaN is a pair without appearance
            return np.asarray(np.logaddexp(usual + ratio, odd) - np.logaddexp(usual, odd + ratio))
