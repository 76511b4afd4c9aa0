"""What a detector's score is worth, learned from labels: a monotone map to the chance that the box is a person.

Thresholds are made for YOLOX-X. On its held-out footage (the second halves of MOT17-02, 04, 09, 10 and MOT20-01, six
DanceTrack sequences, each with equal weight) the chance p of a score s follows logit p = 1.0 + 1.4 logit s, so a score
of any detector with the chance p counts as the score that YOLOX-X gives such boxes,

    s' = 1 / (1 + exp(-(logit p - 1.0) / 1.4))
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray

from smiletrack.errors import InputError
from smiletrack.ranges import Checked, Count, Share
from smiletrack.types import Floats

_BIAS, _SLOPE = 1.0, 1.4
"""Of the chance that a box of YOLOX-X is a person, over the logit of its score."""
_SURE = 1e-4
"""No chance is nearer to 0 or 1."""
_LEAST = 1e-3
"""No score of a logistic map is nearer to 0 or 1: there the logit runs away."""
_PRIOR = 0.01
"""Inverse variance of both numbers of a logistic map before any box was seen."""
_BINS = 100
"""Most steps of an isotonic map."""
_KNOTS = np.round(np.linspace(0, 1, 101), 2)


@dataclass(frozen=True)
class ScoreMap(Checked):
    """Straight lines between knots; beyond the first and the last one the chance stays."""

    scores: Annotated[tuple[float, ...], MinLen(2)]
    """Scores of the detector, ascending."""
    chances: Annotated[tuple[Share, ...], MinLen(2)]
    """Beside them the chance that the box is a person, nowhere descending."""
    method: str = ""
    """How it was fitted."""
    boxes: Count = 0
    """Boxes that it was fitted to."""
    people: Count = 0
    """How many of them were people."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.scores) != len(self.chances):
            raise ValueError(f"chances must be one for each of the {len(self.scores)} scores, not {len(self.chances)}")
        if not (np.diff(self.scores) > 0).all():
            raise ValueError("scores must be ascending")
        if not (np.diff(self.chances) >= 0).all():
            raise ValueError("chances must not descend")

    def chance(self, scores: Floats) -> Floats:
        """(N,) -> (N,) the chance of each score."""
        chances: Floats = np.interp(scores, self.scores, self.chances)
        return chances

    def common(self, scores: Floats) -> Floats:
        """(N,) -> (N,) s' of the module's equation; what is not finite stays."""
        chance = np.clip(self.chance(scores), _SURE, 1 - _SURE)
        scaled = 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) - _BIAS) / _SLOPE))
        return np.where(np.isfinite(scores), scaled, scores)


def fit_logistic(scores: Floats, person: NDArray[np.bool_], weights: Floats) -> ScoreMap:
    """Fit logit p = a + b logit s by weighted maximum likelihood; scores in [0, 1].

    A weak prior holds a near 0 and b near 1, so that labels which scores tell apart fully have an answer.
    Raises InputError where a higher score does not mean a person more often.
    """
    if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
        raise InputError("method: logistic takes scores in [0, 1]; these are not: method isotonic")
    X = np.stack((np.ones(len(scores)), _logit(scores)), axis=1)
    prior = np.array([0.0, 1.0])
    w = prior.copy()
    for _ in range(100):
        p = 1 / (1 + np.exp(-X @ w))
        gradient = X.T @ (weights * (person - p)) - _PRIOR * (w - prior)
        step = np.linalg.solve((X * (weights * p * (1 - p))[:, None]).T @ X + _PRIOR * np.eye(2), gradient)
        w = w + step / max(1.0, np.abs(step).max())
        if np.abs(step).max() < 1e-10:
            break
    if w[1] <= 0:
        raise InputError("a higher score does not mean a person more often; are these the detector's boxes?")
    chances = 1 / (1 + np.exp(-(w[0] + w[1] * _logit(_KNOTS))))
    return _map(_KNOTS, chances, "logistic", person)


def fit_isotonic(scores: Floats, person: NDArray[np.bool_], weights: Floats) -> ScoreMap:
    """Fit the best steps that nowhere descend (pool adjacent violators) over at most a hundred groups of scores.

    Each group counts half a person and half a box more than it has, so none is sure. Raises InputError for one score
    only.
    """
    values, place = np.unique(scores, return_inverse=True)
    if len(values) < 2:
        raise InputError("all boxes have one score; nothing can be learned from it")
    of_value = np.bincount(place, weights)
    group = np.minimum((np.cumsum(of_value) - of_value / 2) / of_value.sum() * _BINS, _BINS - 1).astype(int)
    _, group = np.unique(group, return_inverse=True)
    if group[-1] == 0:
        group[-1] = 1  # nearly all weight on one score
    size = np.bincount(group, of_value).astype(np.float64)
    knots = np.bincount(group, of_value * values) / size
    people = np.bincount(group, np.bincount(place, weights * person))
    return _map(knots, _ascending((people + 0.5) / (size + 1), size), "isotonic", person)


def _ascending(values: Floats, weights: Floats) -> Floats:
    """Return the weighted least-squares fit that nowhere descends."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        block = (value, weight, 1)
        while blocks and blocks[-1][0] >= block[0]:
            before = blocks.pop()
            total = before[1] + block[1]
            block = ((before[0] * before[1] + block[0] * block[1]) / total, total, before[2] + block[2])
        blocks.append(block)
    return np.repeat([value for value, _, _ in blocks], [count for _, _, count in blocks])


def _map(knots: Floats, chances: Floats, method: str, person: NDArray[np.bool_]) -> ScoreMap:
    return ScoreMap(tuple(knots.tolist()), tuple(chances.tolist()), method, len(person), int(person.sum()))


def _logit(scores: Floats) -> Floats:
    bounded = np.clip(scores, _LEAST, 1 - _LEAST)
    odds: Floats = np.log(bounded / (1 - bounded))
    return odds
