"""What a track expects of its next detection beside place and appearance: its score, and where its corners go.

Sources: Hybrid-SORT (arXiv 2308.00783, sections 3.2 and 3.3), TrackTrack (CVPR 2025). `expected_scores` (S, 6) holds
the score of the match before the last, and a constant-velocity filter over scores: value, rate, and the three numbers
of its covariance.
"""

from math import inf

from smiletrack.compiled import inner, leaf
from smiletrack.tracking.costs import REFUSED
from smiletrack.tracking.intake import FrameDetections
from smiletrack.tracking.observations import corner_angle
from smiletrack.tracking.overlap import Candidates
from smiletrack.tracking.settings import LOW, StageRules
from smiletrack.tracking.state import ALIVE, ELAPSED, TrackState
from smiletrack.types import Floats

_FIRST, _FIRST_RATE = 10.0, 1e4
"""Variances of a new track's score and of its rate (Hybrid-SORT's code)."""
_ADDED, _ADDED_RATE, _MEASURED = 1.0, 1e-4, 10.0
"""Variances that a frame adds, and variance of a detection's score."""


@leaf
def start_scores(expected_scores: Floats, slot: int, score: float) -> None:
    """Start what a track expects with its first detection's score."""
    row = expected_scores[slot]
    row[0], row[1], row[2] = score, score, 0.0
    row[3], row[4], row[5] = _FIRST, 0.0, _FIRST_RATE


@inner
def predict_scores(state: TrackState) -> None:
    """Move the score filters of all tracks on to this frame."""
    for slot in state.order[: state.counters[ALIVE]]:
        predict_score(state.expected_scores, slot, state.clock[ELAPSED])


@leaf
def predict_score(expected_scores: Floats, slot: int, time: float) -> None:
    """Move the score filter of a track on by some frames."""
    row = expected_scores[slot]
    row[1] += time * row[2]
    row[3] += time * (2 * row[4] + time * row[5] + _ADDED)
    row[4] += time * row[5]
    row[5] += time * _ADDED_RATE


@leaf
def learn_score(expected_scores: Floats, slot: int, last: float, score: float) -> None:
    """Let a track take in the score of its match; `last` is that of the match before."""
    row = expected_scores[slot]
    row[0] = last
    total = row[3] + _MEASURED
    gain, rate_gain, step = row[3] / total, row[4] / total, score - row[1]
    row[1] += gain * step
    row[2] += rate_gain * step
    row[5] -= rate_gain * row[4]
    row[3], row[4] = row[3] * (1 - gain), row[4] * (1 - gain)


@inner
def score_distance(state: TrackState, stage: StageRules, slot: int, score: float) -> float:
    """Return the distance of a detection's score to what the track's scores lead to.

    That is the filter's prediction, or the last score and once more its last step; within the scores of the stage.
    """
    row = state.expected_scores[slot]
    expected = row[1] if stage.filtered_score else 2 * state.scores[slot] - row[0]
    return abs(min(max(expected, stage.least_score), stage.most_score) - score)


@inner
def add_perspectives(
    state: TrackState, scene: FrameDetections, stage: StageRules, pairs: Candidates, costs: Floats
) -> None:
    """Add to the costs what the stage asks for beside place and appearance.

    Low detections cost more; scores that the track does not expect, and corners that leave its direction, too; pairs of
    little IoU are refused.
    """
    for index in range(len(pairs.slots)):
        slot = pairs.slots[index]
        for pair in range(pairs.starts[index], pairs.starts[index + 1]):
            row = pairs.rows[pair]
            if pairs.ious[pair] <= stage.min_iou:
                costs[pair] = REFUSED
                continue
            if stage.low_cost < inf and scene.levels[row] == LOW:
                costs[pair] += stage.low_cost
            if stage.score_weight > 0:
                costs[pair] += stage.score_weight * score_distance(state, stage, slot, scene.scores[row])
            if stage.corners:
                angle = max(corner_angle(state, slot, scene.boxes[row]), 0.0)
                costs[pair] += stage.direction * scene.scores[row] * angle
