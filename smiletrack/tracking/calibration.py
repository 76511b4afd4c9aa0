"""What an appearance similarity is worth, learned from the sequence itself while it is tracked.

A cosine of 0.6 means "the same person" for one network and "any two people" for another, and how far the two cases lie
apart changes with the footage. Motion alone makes many matches that nobody doubts: one track, one detection, no other
near. Their similarities show what "same" looks like here, and those across such pairs show what "different" looks like.
The log-likelihood ratio of the two is evidence in nats that means the same for every network; where embeddings are
noise the two cases coincide, the evidence is zero, and motion decides alone.
"""

import numpy as np

from smiletrack.types import Floats

_MEMORY = 3000.0
"""Similarities after which older ones fade, so that the picture follows the footage."""
_AT_ONCE = 50
"""Similarities of one call are not independent: no more than this many count."""
_LEAST_VARIANCE = 1e-4
"""A standard deviation of 0.01 in cosine: sharper than any network is."""


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
        """Return log p(similarity | same) - log p(similarity | different), shrunk while few pairs were seen."""
        same, different = self.means
        variance = max(float(self.variances.mean()), _LEAST_VARIANCE)
        distance = max(float(same - different), 0.0)
        strength = self.counts[0] / (self.counts[0] + self.prior) if self.counts.all() else 0.0
        return strength * distance / variance * (similarity - (same + different) / 2)
