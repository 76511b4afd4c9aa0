"""Pairs of boxes a number of frames apart: does appearance know who is who, as a tracker needs it?

Every figure takes weights of the people, so that an interval can be had by drawing people with replacement: the boxes
of one person tell one story, and two who look alike tell it many times (Efron and Tibshirani, 1993, chapter 8).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smiletrack.types import Floats, Ints

Mask = NDArray[np.bool_]

NEAR_HEIGHTS, NEAR_RATIO = 1.5, 1.35
"""Two people stand near each other if the centres of their boxes are at most so many (mean) heights apart, and the
taller box is at most so many times as tall as the other."""


@dataclass(frozen=True, eq=False)
class GapPairs:
    """Pairs of a box and one that comes `gap` frames later; entry i of every array is pair i.

    earlier, later: (M,) rows of the boxes. same: (M,) whether both show one person. near: (M,) whether the two people
    stand near each other in the frame of either box, so that a tracker may confuse them.
    """

    earlier: Ints
    later: Ints
    same: Mask
    near: Mask

    def __getitem__(self, pairs: Mask) -> "GapPairs":
        return GapPairs(self.earlier[pairs], self.later[pairs], self.same[pairs], self.near[pairs])


def gap_pairs(frames: Ints, identities: Ints, boxes: Floats, gap: int, every: int = 1) -> GapPairs:
    """Return all pairs of rows of one sequence that lie exactly `gap` frames apart, the earlier in an anchor frame.

    frames: (N,) numbers. identities: (N,), a person at most once in a frame. boxes: (N, 4). every: the anchor frames
    are the first frame and every which one from there.
    """
    nothing = np.zeros(0, np.int64)
    parts = [(nothing, nothing, nothing.astype(bool), nothing.astype(bool))]
    anchors = range(int(frames.min()), int(frames.max()) - gap + 1, every) if len(frames) else ()
    for number in anchors:
        before, after = np.flatnonzero(frames == number), np.flatnonzero(frames == number + gap)
        same = identities[before][:, None] == identities[after]
        # who stands near whom, where both are seen in one of the two frames
        near = same.astype(np.int64) @ near_boxes(boxes[after]) + near_boxes(boxes[before]) @ same.astype(np.int64) > 0
        i, j = np.indices(same.shape).reshape(2, -1)
        parts.append((before[i], after[j], same.ravel(), (near & ~same).ravel()))
    earlier, later, same, near = (np.concatenate(column) for column in zip(*parts, strict=True))
    return GapPairs(earlier, later, same, near)


def near_boxes(boxes: Floats) -> Mask:
    """(N, 4) boxes of one frame -> (N, N): which stand near each other; nobody stands near himself."""
    heights = np.maximum(boxes[:, 3] - boxes[:, 1], 1e-9)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2) / ((heights[:, None] + heights) / 2)
    ratio = np.maximum(heights[:, None] / heights, heights / heights[:, None])
    return (apart <= NEAR_HEIGHTS) & (ratio <= NEAR_RATIO) & ~np.eye(len(boxes), dtype=bool)


def draw_people(people: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Return (1 + resamples, people) weights: a row of ones, then how often each person is drawn with replacement."""
    drawn = rng.multinomial(people, np.full(people, 1 / max(people, 1)), size=resamples) if people else np.zeros((0, 0))
    return np.concatenate((np.ones((1, people)), drawn.reshape(resamples, people)))


def weighted_auc(scores: Floats, same: Mask, first: Ints, second: Ints, weights: Floats) -> Floats:
    """Return (R,) areas under the ROC curve, one for each row of weights; nan where one of the two kinds has no weight.

    scores, same: (M,) of pairs; ties count half. first, second: (M,) whose boxes a pair joins, columns of `weights` (R,
    people). A pair of two people weighs the product of their weights, one of the same person that person's weight.
    """
    levels, places = np.unique(scores, return_inverse=True)
    answers = np.full(len(weights), np.nan)
    for row, weight in enumerate(weights):
        right = np.bincount(places[same], weight[first[same]], minlength=len(levels))
        wrong = np.bincount(places[~same], weight[first[~same]] * weight[second[~same]], minlength=len(levels))
        if right.any() and wrong.any():
            below = np.cumsum(wrong) - wrong
            answers[row] = right @ (below + wrong / 2) / (right.sum() * wrong.sum())
    return answers


def reassociations(scores: Floats, pairs: GapPairs) -> tuple[Ints, Mask]:
    """Return the queries and whether each finds its person among the later boxes that it is paired with.

    scores: (M,) of the pairs. A query is an earlier box that is paired with one of its person and with one of somebody
    else at least; it finds its person where that one's score is above all others', a tie is a miss.
    """
    queries, places = np.unique(pairs.earlier, return_inverse=True)
    best = np.full((2, len(queries)), -np.inf)
    for row, kind in enumerate((pairs.same, ~pairs.same)):
        np.maximum.at(best[row], places[kind], scores[kind])
    counted = np.isfinite(best).all(0)
    return queries[counted], best[0, counted] > best[1, counted]


def weighted_rate(values: NDArray[np.generic], people: Ints, weights: Floats) -> Floats:
    """Return (R,) means of (Q,) values, each weighed as its person is; nan where nobody has weight."""
    chosen = weights[:, people]
    total = chosen.sum(1)
    nobody = np.full(len(weights), np.nan)
    return np.divide(chosen @ values.astype(np.float64), total, out=nobody, where=total > 0)
