"""Figures by cover: embeddings with a known answer, on a scene whose covers are set by hand."""

from pathlib import Path

import numpy as np
import pytest

from smiletrack.data.reid.sightings import NOBODY, SequenceSightings
from smiletrack.engine.studies.appearance_by_cover import differences, estimates, nested, sequence_draws
from smiletrack.metrics.retrieval import retrieval_scores, time_candidates

PEOPLE, FRAMES = 10, 41


def scene(seed: int = 0) -> tuple[SequenceSightings, np.ndarray, np.ndarray]:
    """People in a row, half of whose boxes are mostly covered; one box of a frame shows nobody."""
    rng = np.random.default_rng(seed)
    frames = np.repeat(np.arange(1, FRAMES + 1), PEOPLE + 1)
    people = np.tile(np.arange(PEOPLE + 1), FRAMES)
    identities = np.where(people == PEOPLE, NOBODY, 3 * people + 1)
    x = 12.0 * people
    boxes = np.stack((x, np.zeros(len(x)), x + 10, np.full(len(x), 20.0)), 1)
    covered = np.where(rng.random(len(x)) < 0.5, 0.7, 0.0)
    indices = frames - 1
    images = tuple(Path(f"{n}.jpg") for n in range(FRAMES))
    return SequenceSightings("ROW", images, indices, frames, boxes, identities, covered, 1 - covered), people, covered


def embeddings(people: np.ndarray, covered: np.ndarray, noise: float, seed: int = 1) -> np.ndarray:
    """Everybody's own direction; where mostly covered, with noise."""
    rng = np.random.default_rng(seed)
    Z = np.eye(PEOPLE + 1)[people] + noise * (covered > 0.5)[:, None] * rng.normal(size=(len(people), PEOPLE + 1))
    return Z / np.linalg.norm(Z, axis=1, keepdims=True)


def test_figures_are_right_where_the_answer_is_known() -> None:
    sightings, people, covered = scene()
    draws = sequence_draws(sightings, embeddings(people, covered, 1.0), (1, 5), 2, 30, 0)
    values = {place: float(figure[0]) for place, figure in draws.items()}
    assert {gap for gap, _, _ in values} == {1, 5} and {cover for _, cover, _ in values} == {"all", "clear", "mostly"}
    for gap in (1, 5):
        for name in ("AUC", "AUC_near", "found", "found_near"):
            assert values[gap, "clear", name] == 1.0
            assert 0.3 < values[gap, "mostly", name] < values[gap, "all", name] < 1.0
        assert values[gap, "mostly", "mAP"] < values[gap, "clear", "mAP"]
        assert values[gap, "mostly", "found"] < values[gap, "mostly", "found_near"]  # fewer candidates
    assert all(len(figure) == 31 for figure in draws.values())


def test_ranking_is_that_of_the_anchors_boxes() -> None:
    sightings, people, covered = scene()
    Z = embeddings(people, covered, 1.0)
    draws = sequence_draws(sightings, Z, (5,), 5, 0, 0)
    rows = np.flatnonzero((people < PEOPLE) & ((sightings.frames - 1) % 5 == 0))
    candidates = time_candidates(sightings.frames[rows], np.zeros(len(rows)), 5)
    scores = retrieval_scores(Z[rows] @ Z[rows].T, people[rows], candidates)
    assert draws[5, "all", "mAP"][0] == pytest.approx(scores.mAP)
    assert draws[5, "all", "rank1"][0] == pytest.approx(scores.rank1)


def test_a_better_network_is_ahead_by_a_sure_interval_and_itself_by_none() -> None:
    sightings, people, covered = scene()
    good, bad = ([sequence_draws(sightings, embeddings(people, covered, noise), (1,), 2, 100, 0)] for noise in (0.3, 2))
    ahead = differences(good, bad, 0)[1, "mostly", "AUC"]
    assert ahead.sure and ahead.low > 0.05
    level = differences(good, good, 0)[1, "mostly", "AUC"]
    assert (level.value, level.low, level.high) == (0, 0, 0) and not level.sure
    estimate = estimates(good, 0)[1, "mostly", "AUC"]
    assert estimate.low <= estimate.value <= estimate.high
    assert nested({(1, "mostly", "AUC"): 0.5}) == {"1": {"mostly": {"AUC": 0.5}}}


def test_too_little_is_no_figure() -> None:
    sightings, people, covered = scene()
    draws = sequence_draws(sightings, embeddings(people, covered, 1.0), (40, 90), 1, 5, 0)
    assert not any(gap == 90 for gap, _, _ in draws)
    assert not any(gap == 40 and name == "AUC" for gap, _, name in draws)  # ten right pairs in all
