"""How well embeddings carry people over a gap of frames, by how much of them others cover, with intervals."""

from collections.abc import Mapping, Sequence

import numpy as np

from smiletrack.data.reid.sightings import SequenceSightings
from smiletrack.metrics.estimate import Estimate, mean_over_sequences
from smiletrack.metrics.gap_pairs import (
    GapPairs,
    draw_people,
    gap_pairs,
    reassociations,
    weighted_auc,
    weighted_rate,
)
from smiletrack.metrics.retrieval import rank_queries, time_candidates
from smiletrack.types import Floats, Ints

COVERS = {"all": (0.0, 2.0), "clear": (0.0, 0.1), "partly": (0.1, 0.5), "mostly": (0.5, 2.0)}
"""Covered shares, from and below; of a pair the greater one counts."""
FIGURES = ("AUC", "AUC_near", "found", "found_near", "rank1", "mAP")
"""AUC of pairs exactly so many frames apart, wrong ones being anybody or people near each other; whether a box finds
its person among all candidates of the later frame, or those near; rank-1 and mAP of a box among all at least so far
away."""
LEAST = 20
"""Fewest right and wrong pairs, or queries, that a figure of one sequence is taken from."""

Place = tuple[int, str, str]
"""Gap in frames, key of COVERS, one of FIGURES."""
Draws = dict[Place, Floats]
"""(1 + R,) values of a figure: as measured, then for each draw of people."""


def sequence_draws(
    sightings: SequenceSightings, Z: Floats, gaps: Sequence[int], every: int, resamples: int, seed: int
) -> Draws:
    """Return the figures of one sequence; those with too little to measure are left out.

    Z: (N, D) unit rows of all boxes. every: distance of anchor frames, from which pairs start and in which all boxes
    are ranked. The draws depend on the seed and the sequence alone, so those of two networks pair.
    """
    known = sightings.known
    Z, frames, covered = Z[known], sightings.frames[known], sightings.covered[known]
    _, people = np.unique(sightings.identities[known], return_inverse=True)
    num_people = int(people.max(initial=-1)) + 1
    weights = draw_people(num_people, resamples, np.random.default_rng(seed))
    draws: Draws = {}
    for gap in gaps:
        pairs = gap_pairs(frames, people, sightings.boxes[known], gap, every)
        draws |= {(gap, *place): values for place, values in _pair_draws(pairs, Z, covered, people, weights).items()}
    anchors = np.flatnonzero(sightings.anchors(every)[known])
    for gap in gaps:
        ranked = _rank_draws(Z[anchors], frames[anchors], covered[anchors], people[anchors], gap, weights)
        draws |= {(gap, *place): values for place, values in ranked.items()}
    return draws


def _pair_draws(
    pairs: GapPairs, Z: Floats, covered: Floats, people: Ints, weights: Floats
) -> dict[tuple[str, str], Floats]:
    """Return AUC and the rate of right reassociations by cover, one number for each weighting of the people."""
    scores = np.einsum("md,md->m", Z[pairs.earlier], Z[pairs.later])
    greater = np.maximum(covered[pairs.earlier], covered[pairs.later])
    with_match = np.full(len(people), -1.0)  # of each earlier box, the cover of the right pair
    with_match[pairs.earlier[pairs.same]] = greater[pairs.same]
    draws = {}
    for suffix, counted in (("", np.ones(len(scores), bool)), ("_near", pairs.same | pairs.near)):
        queries, found = reassociations(scores[counted], pairs[counted])
        for cover, (low, high) in COVERS.items():
            chosen = counted & (greater >= low) & (greater < high)
            same = pairs.same[chosen]
            if min(same.sum(), (~same).sum()) >= LEAST:
                first, second = people[pairs.earlier[chosen]], people[pairs.later[chosen]]
                draws[cover, f"AUC{suffix}"] = weighted_auc(scores[chosen], same, first, second, weights)
            asked = (with_match[queries] >= low) & (with_match[queries] < high)
            if asked.sum() >= LEAST:
                draws[cover, f"found{suffix}"] = weighted_rate(found[asked], people[queries[asked]], weights)
    return draws


def _rank_draws(
    Z: Floats, frames: Ints, covered: Floats, people: Ints, gap: int, weights: Floats
) -> dict[tuple[str, str], Floats]:
    ranked = rank_queries(Z @ Z.T, people, time_candidates(frames, np.zeros(len(Z)), gap))
    draws = {}
    for cover, (low, high) in COVERS.items():
        asked = (covered[ranked.rows] >= low) & (covered[ranked.rows] < high)
        if asked.sum() >= LEAST:
            whose = people[ranked.rows[asked]]
            draws[cover, "rank1"] = weighted_rate(ranked.first_hits[asked] == 0, whose, weights)
            draws[cover, "mAP"] = weighted_rate(ranked.precisions[asked], whose, weights)
    return draws


def estimates(sequences: Sequence[Draws], seed: int) -> dict[Place, Estimate]:
    """Return the mean of every figure over the sequences that have it, with its interval."""
    places = dict.fromkeys(place for draws in sequences for place in draws)
    rng = np.random.default_rng(seed)
    return {
        place: mean_over_sequences(np.stack([draws[place] for draws in sequences if place in draws]), rng)
        for place in places
    }


def differences(first: Sequence[Draws], second: Sequence[Draws], seed: int) -> dict[Place, Estimate]:
    """Return first - second of every figure; the draws of both are of the same people."""
    apart = [{place: a[place] - b[place] for place in a} for a, b in zip(first, second, strict=True)]
    return estimates(apart, seed)


def nested(figures: Mapping[Place, object]) -> dict[str, dict[str, dict[str, object]]]:
    """Return figures as JSON has them: gap, cover, name."""
    answer: dict[str, dict[str, dict[str, object]]] = {}
    for (gap, cover, name), value in figures.items():
        answer.setdefault(str(gap), {}).setdefault(cover, {})[name] = value
    return answer
