"""What tracks looked like: up to K unit vectors a track, and the best similarity over them.

`vectors` (S, K, D) unit rows, `stamps` (S, K) times of storing, in frames, -1 = empty.
"""

from math import sqrt

import numpy as np

from smiletrack.compiled import inner, leaf, leaf_of_sums
from smiletrack.tracking.intake import FrameDetections
from smiletrack.tracking.overlap import Candidates
from smiletrack.tracking.settings import BANK, MEAN, Rules, StageRules
from smiletrack.tracking.state import EMPTY, NOW, TrackState
from smiletrack.types import Floats


@leaf_of_sums
def cosine(vector: Floats, unit: Floats) -> float:
    """Return the product of two unit vectors (D,); the order of the sum is the compiler's."""
    total = 0.0
    for d in range(len(vector)):
        total += vector[d] * unit[d]
    return total


@inner
def best_cosine(
    vectors: Floats, stamps: Floats, slot: int, unit: Floats, now: float, newest_only: bool, max_age: int
) -> float:
    """Return the cosine of a track and an embedding, the best over the track's templates; NaN where it has none.

    Templates that are older than `max_age` frames, if it is not 0, do not count, except the newest.
    """
    newest = float(EMPTY)
    for k in range(stamps.shape[1]):
        newest = max(newest, stamps[slot, k])
    if newest == EMPTY:
        return np.nan
    best = -np.inf
    for k in range(stamps.shape[1]):
        stamp = stamps[slot, k]
        counts = stamp == newest or (not newest_only and (max_age == 0 or now - stamp <= max_age))
        if stamp != EMPTY and counts:
            best = max(best, cosine(vectors[slot, k], unit))
    return best


@inner
def fill_appearances(
    state: TrackState, scene: FrameDetections, rules: Rules, stage: StageRules, pairs: Candidates, cosines: Floats
) -> None:
    """Fill in the appearance similarity of each pair, NaN where a side has none."""
    for index in range(len(pairs.slots)):
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            row = pairs.rows[pair]
            cosines[pair] = np.nan
            if scene.known[row]:
                cosines[pair] = best_cosine(
                    state.vectors,
                    state.stamps,
                    pairs.slots[index],
                    scene.units[row],
                    state.clock[NOW],
                    stage.newest_template,
                    rules.max_age,
                )


@leaf
def momentum_of(momentum: float, score: float, trust_from: float) -> float:
    """Return the weight of the old mean beside an embedding of a detection with that score (`trust_from`)."""
    if trust_from >= 1:
        return momentum
    trust = min(max((score - trust_from) / (1 - trust_from), 0.0), 1.0)
    return momentum + (1 - momentum) * (1 - trust)


@inner
def learn(rules: Rules, vectors: Floats, stamps: Floats, slot: int, unit: Floats, now: float, score: float) -> None:
    """Let a track remember an embedding (D,) of a detection as the policy says."""
    place, newest = 0, EMPTY  # an empty place, or that of the oldest
    for k in range(stamps.shape[1]):
        newest = max(newest, stamps[slot, k])
        if stamps[slot, k] < stamps[slot, place]:
            place = k
    if rules.policy == BANK and newest != EMPTY and now - newest < rules.min_gap:
        return
    template = vectors[slot, place]
    if rules.policy == MEAN:
        share = 0.0 if newest == EMPTY else momentum_of(rules.momentum, score, rules.trust_from)
        square = 0.0
        for d in range(len(unit)):
            template[d] = share * template[d] + (1 - share) * unit[d]
            square += template[d] * template[d]
        if square > 0:
            norm = sqrt(square)
            for d in range(len(unit)):
                template[d] /= norm
    else:
        for d in range(len(unit)):
            template[d] = unit[d]
    stamps[slot, place] = now
