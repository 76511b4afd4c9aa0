"""What appearance says about a track and a detection, in nats: evidence that knows when it is blind.

A re-identification network is nearly perfect on people in the clear, even after a second, and nearly blind where a
nearer person covers the box: its crop shows somebody else. So what a cosine is worth depends on the pair. With c the
covered share of the detection's box (`nearer_cover`), g the age of the track's template in frames at 30 a second, at
least 1, and the means mu_s, mu_d of the sequence's own cosines of one person and of rivals,

    u = (cosine - mu_d) / (mu_s - mu_d)                            0 a rival, 1 the same person
    r = q (13.5 - 45 b c - 0.7 ln g) (u - (0.55 + 0.1 c - 0.063 ln g))
    L = log (e^r + 0.015) / (1 + 0.015 e^r)                        at most 4.2 nats either way

r is the log-likelihood ratio of a logistic regression; the floors under both likelihoods say that no cosine proves
anything. q in [0, 1] is how far the sequence bears the slope out. Two normal curves of variance v have the slope
(mu_s - mu_d)^2 / v in u, and embeddings that are noise have none. With n cosines learned, of one person or of rivals
whichever are fewer, beside the 20 that the prior is worth,

    q = n / (n + 20) min(1, (mu_s - mu_d)^2 / (13.5 v))

b in [0, 0.2] is how blind cover makes this network on this sequence: what u loses under full cover, by the regression
of N cosines of one person on their c, and 0.2 as far as nothing was seen or q says that cosines tell nothing,

    b = 0.2 (1 - q) + q min(max((2.5 * 0.2 - N cov(c, u)) / (2.5 + N var(c)), 0), 0.2)

docs/appearance.md tells what was fitted to what. `similarities` (3, 2): counts, means and variances of both cases, as
`tracking.calibration` learns them, from `PRIOR` on. `under_cover` (5,): N, the means of c and of the cosines, the
variance of c and the covariance of both; zeros before any was seen.
"""

from math import exp, log, log1p

import numpy as np

from smiletrack.compiled import inner, leaf
from smiletrack.tracking.calibration import DIFFERENT, MEMORY, SAME
from smiletrack.tracking.ordering import num_below
from smiletrack.tracking.settings import HIGH
from smiletrack.types import Floats, Ints

_SLOPE, _SLOPE_OF_BLIND_COVER, _SLOPE_OF_AGE = 13.5, -45.0, -0.7
"""Nats a unit of u: on people in the clear in the next frame, and how it changes."""
_MIDDLE, _MIDDLE_OF_COVER, _MIDDLE_OF_AGE = 0.55, 0.1, -0.063
"""u that speaks neither for nor against a pair, and how it changes."""
_FLOOR = 0.015
"""Share of pairs that look like the other case, whatever the network."""
PRIOR = np.array([[20.0, 20.0], [0.85, 0.45], [0.01, 0.01]])
"""The picture before any cosine was seen: what it is worth in cosines, means, variances."""
_PRIOR_COUNT = 20.0
_BLIND, _BLIND_COUNT = 0.2, 2.5
"""b before any cosine was seen, which is also the most that counts, and the N var(c) that it is worth."""


@leaf
def learn_cover(under_cover: Floats, cover: float, cosine: float) -> None:
    """Add the cosine of a sure match whose detection is covered so far."""
    count = under_cover[0] = min(under_cover[0] + 1, MEMORY)
    apart, alike = cover - under_cover[1], cosine - under_cover[2]
    under_cover[1] += apart / count
    under_cover[2] += alike / count
    under_cover[3] += (apart * (cover - under_cover[1]) - under_cover[3]) / count
    under_cover[4] += (apart * (cosine - under_cover[2]) - under_cover[4]) / count


@leaf
def blindness(similarities: Floats, under_cover: Floats, strength: float) -> float:
    """Return the documented b. strength: q, above 0."""
    apart = similarities[1, SAME] - similarities[1, DIFFERENT]
    lost = _BLIND_COUNT * _BLIND - under_cover[0] * under_cover[4] / apart
    seen = min(max(lost / (_BLIND_COUNT + under_cover[0] * under_cover[3]), 0.0), _BLIND)
    return _BLIND + strength * (seen - _BLIND)


@leaf
def evidence_strength(similarities: Floats) -> float:
    """Return the documented q; 0 before rivals were seen, and where they are more alike than one person's crops."""
    apart = max(similarities[1, SAME] - similarities[1, DIFFERENT], 0.0)
    variance = (similarities[2, SAME] + similarities[2, DIFFERENT]) / 2
    borne_out = min(apart**2 / (variance * _SLOPE), 1.0)
    return (1 - _PRIOR_COUNT / min(similarities[0, SAME], similarities[0, DIFFERENT])) * borne_out


@leaf
def appearance_trust(similarities: Floats) -> float:
    """Return the share in which appearance takes the place of the detection score: full from q = 1/3 on."""
    return min(3 * evidence_strength(similarities), 1.0)


@leaf
def pair_evidence(similarities: Floats, under_cover: Floats, cosine: float, cover: float, age: float) -> float:
    """Return L. cover: covered share of the detection, in [0, 1]. age: of the template, in frames at 30 a second."""
    strength = evidence_strength(similarities)
    if strength <= 0:
        return 0.0
    same, rival = similarities[1, SAME], similarities[1, DIFFERENT]
    log_age = log(max(age, 1.0))
    of_cover = _SLOPE_OF_BLIND_COVER * blindness(similarities, under_cover, strength)
    slope = max(_SLOPE + of_cover * cover + _SLOPE_OF_AGE * log_age, 0.0)
    middle = _MIDDLE + _MIDDLE_OF_COVER * cover + _MIDDLE_OF_AGE * log_age
    ratio = strength * slope * ((cosine - rival) / (same - rival) - middle)
    # symmetric, so that the exponential never overflows
    shrunk = exp(-abs(ratio))
    bounded = log1p(_FLOOR * shrunk) - log(shrunk + _FLOOR)
    return bounded if ratio > 0 else -bounded


@inner
def nearer_cover(boxes: Floats, levels: Ints, order: Ints, lefts: Floats, reaches: Floats, cover: Floats) -> None:
    """Fill in the largest share of each box (M, 4) that a HIGH one nearer to the camera covers; see `FrameDetections`.

    People stand on one ground: of two boxes the one whose lower edge is further down is nearer. order, lefts, reaches:
    see `FrameDetections`; boxes that are not in `order` count 0.
    """
    for row in range(len(boxes)):
        cover[row] = 0.0
    for row in order:
        first = num_below(reaches, boxes[row, 0], True)
        end = num_below(lefts, boxes[row, 2], False)
        area = (boxes[row, 2] - boxes[row, 0]) * (boxes[row, 3] - boxes[row, 1])
        for other in order[first:end]:
            if levels[other] != HIGH or boxes[other, 3] <= boxes[row, 3]:
                continue
            width = min(boxes[row, 2], boxes[other, 2]) - max(boxes[row, 0], boxes[other, 0])
            height = min(boxes[row, 3], boxes[other, 3]) - max(boxes[row, 1], boxes[other, 1])
            if width > 0 and height > 0:
                cover[row] = max(cover[row], width * height / area)
