"""Evidence of looks: the equations typed again number by number, covered shares counted by pixels, and what they do."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smiletrack.config import load_config, preset_file
from smiletrack.tracking import costs
from smiletrack.tracking import evidence as evidence_module
from smiletrack.tracking.calibration import DIFFERENT, SAME, add_similarities
from smiletrack.tracking.config import LifeConfig, TrackerConfig
from smiletrack.tracking.evidence import (
    PRIOR,
    appearance_trust,
    blindness,
    evidence_strength,
    learn_cover,
    pair_evidence,
)
from smiletrack.tracking.observer import Observer
from smiletrack.tracking.settings import HIGH, LOW
from smiletrack.tracking.stages import StageConfig
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections, Floats
from tests.tracking.doors import door

nearer_cover, refuse_undecided = door(evidence_module.nearer_cover), door(costs.refuse_undecided)

MOTION = load_config(TrackerConfig, preset_file("tracker", "smiletrack-motion"))


class PairEvidence:
    """What one sequence has learned."""

    def __init__(self) -> None:
        self.similarities, self.under_cover = PRIOR.copy(), np.zeros(5)
        self.counts, self.means, self.variances = self.similarities

    def learn(self, same: Floats, rival: Floats) -> None:
        add_similarities(self.similarities, SAME, same)
        add_similarities(self.similarities, DIFFERENT, rival)

    @property
    def trust(self) -> float:
        return appearance_trust(self.similarities)

    def of_pairs(self, cosine: Floats, cover: Floats, age: Floats) -> Floats:
        pairs = zip(cosine, cover, age, strict=True)
        return np.array(
            [pair_evidence(self.similarities, self.under_cover, float(s), float(c), float(g)) for s, c, g in pairs]
        )


def taught(same: float, rival: float, deviation: float) -> PairEvidence:
    rng, evidence = np.random.default_rng(0), PairEvidence()
    for _ in range(200):
        evidence.learn(rng.normal(same, deviation, 50), rng.normal(rival, deviation, 50))
    return evidence


@pytest.mark.parametrize(
    ("cosine", "cover", "age"), [(0.9, 0, 1), (0.4, 0.8, 1), (0.2, 0, 30), (0.6, 1, 200), (0.5, 0.3, 0.5)]
)
def test_evidence_is_the_documented_equation(cosine: float, cover: float, age: float) -> None:
    evidence = taught(0.9, 0.4, 0.18)
    same, rival = evidence.means
    u = (cosine - rival) / (same - rival)
    log_age = math.log(max(age, 1))
    learned = evidence.counts.min() - 20
    q = learned / (learned + 20) * min(1, (same - rival) ** 2 / (13.5 * evidence.variances.mean()))
    slope, middle = 13.5 - 45 * 0.2 * cover - 0.7 * log_age, 0.55 + 0.1 * cover - 0.063 * log_age
    ratio = math.exp(q * slope * (u - middle))
    expected = math.log((ratio + 0.015) / (1 + 0.015 * ratio))
    found = evidence.of_pairs(np.array([cosine]), np.array([cover]), np.array([age]))
    assert found[0] == pytest.approx(expected, rel=1e-9)
    assert abs(found[0]) <= -math.log(0.015)


@pytest.mark.parametrize(("lost", "count"), [(0.0, 400), (0.1, 30), (0.1, 400), (0.5, 400), (-0.3, 400)])
def test_what_cover_takes_is_the_documented_regression(lost: float, count: int) -> None:
    rng, evidence = np.random.default_rng(3), taught(0.9, 0.4, 0.1)
    covers = rng.random(count) ** 2
    cosines = 0.9 - 0.5 * lost * covers + rng.normal(0, 0.05, count)
    for cover, cosine in zip(covers, cosines, strict=True):
        learn_cover(evidence.under_cover, cover, cosine)
    together = np.cov(covers, cosines, bias=True)
    np.testing.assert_allclose(
        evidence.under_cover, [count, covers.mean(), cosines.mean(), together[0, 0], together[0, 1]], rtol=1e-9
    )
    apart = evidence.means[SAME] - evidence.means[DIFFERENT]
    expected = (2.5 * 0.2 - count * together[0, 1] / apart) / (2.5 + count * together[0, 0])
    learned = evidence.counts.min() - 20
    q = learned / (learned + 20) * min(1, apart**2 / (13.5 * evidence.variances.mean()))
    found = blindness(evidence.similarities, evidence.under_cover, q)
    assert found == pytest.approx(0.2 * (1 - q) + q * min(max(expected, 0), 0.2), abs=1e-12)
    if count == 400:
        assert found == pytest.approx(min(max(lost, 0), 0.2), abs=0.03)


def test_what_noise_says_of_cover_is_not_learned() -> None:
    noise = taught(0.02, 0.0, 0.09)
    for cover in np.linspace(0, 0.9, 200):
        learn_cover(noise.under_cover, cover, 0.02)
    strength = evidence_strength(noise.similarities)
    assert blindness(noise.similarities, noise.under_cover, strength) > 0.19


def test_a_network_that_sees_through_cover_is_believed_there() -> None:
    seeing, blind = taught(0.9, 0.4, 0.05), taught(0.9, 0.4, 0.05)
    for cover in np.linspace(0, 0.9, 200):
        learn_cover(seeing.under_cover, cover, 0.9)
        learn_cover(blind.under_cover, cover, 0.9 - 0.2 * cover)
    pair = np.array([0.9]), np.array([0.8]), np.ones(1)
    assert seeing.of_pairs(*pair) > blind.of_pairs(*pair) + 0.5 > 0.5
    clear = np.array([0.9]), np.zeros(1), np.ones(1)
    assert seeing.of_pairs(*clear) == blind.of_pairs(*clear)
    np.testing.assert_allclose(seeing.of_pairs(*pair), seeing.of_pairs(*clear), rtol=0.15)  # the middle moves


def test_under_cover_and_with_age_looks_say_less() -> None:
    evidence, cosine = taught(0.9, 0.4, 0.05), np.array([0.4, 0.9])
    spread = [np.ptp(evidence.of_pairs(cosine, np.full(2, c), np.full(2, g))) for c, g in ((0, 1), (0.5, 1), (1, 300))]
    assert spread[0] > spread[1] > spread[2] > 0


def test_noise_is_hardly_evidence_and_nothing_learned_is_none() -> None:
    rng, evidence = np.random.default_rng(1), taught(0.0, 0.0, 0.09)
    cosine = rng.normal(0, 0.09, 500)
    assert np.abs(evidence.of_pairs(cosine, np.zeros(500), np.ones(500))).mean() < 0.1
    assert evidence.trust < 0.02 and taught(0.9, 0.4, 0.05).trust == 1
    for nothing in (PairEvidence(), taught(0.2, 0.3, 0.05)):  # nothing seen; rivals more alike than one person's crops
        assert nothing.trust == 0 and not nothing.of_pairs(cosine, np.zeros(500), np.ones(500)).any()


def test_coverage_counts_the_pixels_of_the_nearer_confident_box() -> None:
    rng = np.random.default_rng(2)
    low = rng.integers(0, 25, (2, 12))
    boxes: Floats = np.concatenate((low, low + rng.integers(4, 15, (2, 12)))).astype(float)
    confident = np.array([0, 3, 4, 7, 9])

    def pixels(box: Floats) -> set[tuple[int, int]]:
        x1, y1, x2, y2 = box.astype(int)
        return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}

    levels = np.where(np.isin(np.arange(12), confident), HIGH, LOW)
    order = np.argsort(boxes[0])
    lefts, reaches = boxes[0, order], np.maximum.accumulate(boxes[2, order])
    cover = np.full(12, np.nan)
    nearer_cover(boxes.T.copy(), levels, order, lefts, reaches, cover)
    for number, found in enumerate(cover):
        own = pixels(boxes[:, number])
        nearer = [pixels(boxes[:, k]) for k in confident if boxes[3, k] > boxes[3, number]]
        assert found == pytest.approx(max((len(own & other) / len(own) for other in nearer), default=0.0))


def test_the_same_looks_cost_less_under_cover_and_the_template_ages() -> None:
    """A crop that looks like a rival, at the same place: in the clear, half covered, and after an absence."""
    stage = StageConfig(fusion="evidence", appearance_weight=0.2)
    config = replace(MOTION, first=stage, second=None, life=LifeConfig(confirm=0))
    place, cost = [100.0, 100, 140, 200], []
    for covered, absent in ((False, 0), (True, 0), (False, 20)):
        observer = Observer({62 + absent})
        witness = Tracker(config, observer=observer)
        other = [112.0, 105, 152, 205] if covered else [300.0, 105, 340, 205]
        for looks, hidden in (((1.0, 0.0), (0.0, 1.0)), ((1.0, 0.1), (0.6, 0.8))) * 30:
            # the other person is half covered, and there looks hardly like itself
            seen = Detections([place, [126.0, 90, 166, 190]], [0.9, 0.9], np.array([looks, hidden]))
            witness.update(seen)
        for _ in range(absent + 1):
            witness.update(Detections([[500.0, 100, 540, 200]], [0.9], np.array([(0.0, 1.0)])))
        witness.update(Detections([place, other], [0.9, 0.9], np.array([(0.45, 0.9), (0.5, 1.0)])))
        cost.append(observer.considered[62 + absent, 1, 0].cost)
    assert cost[0] > cost[1] and cost[0] > cost[2]


def test_a_tracker_learns_what_cover_takes(tmp_path: Path) -> None:
    """Two people, one of whom covers the other's box by 14 of 40 times 90 of 100 pixels; the covered crops differ."""
    stage = StageConfig(fusion="evidence", appearance_weight=0.2)
    tracker = Tracker(replace(MOTION, first=stage, life=LifeConfig(confirm=0)))
    clear, cosines = np.array([1.0, 0.0]), []
    hidden = [np.array([0.0, 1.0]), np.array([0.6, 0.8])]
    boxes = [[100.0, 100, 140, 200], [126.0, 90, 166, 190]]
    template = hidden[0]
    for frame in range(60):
        looks = hidden[frame % 2]
        tracker.update(Detections(boxes, [0.9, 0.9], np.array([clear, looks])))
        if frame:
            cosines += [(0.0, 1.0), (0.315, float(template @ looks))]
            template = 0.9 * template + 0.1 * looks
            template /= np.linalg.norm(template)
    tracker.save(tmp_path / "a.npz")
    covers, alike = np.array(cosines).T
    together = np.cov(covers, alike, bias=True)
    expected = [118, covers.mean(), alike.mean(), together[0, 0], together[0, 1]]
    with np.load(tmp_path / "a.npz") as stored:
        np.testing.assert_allclose(stored["under_cover"], expected, rtol=1e-6)


def test_a_score_counts_only_where_looks_are_missing() -> None:
    stage = StageConfig(fusion="evidence", appearance_weight=0.0, score=True)
    config = replace(MOTION, first=stage, second=None, life=LifeConfig(confirm=0))
    for looks, expected in ((np.array([[1.0, 0.0], [0.0, 1.0]]), 0.0), (None, 0.2)):
        observer = Observer({300})
        witness = Tracker(config, observer=observer)
        for _ in range(300):
            witness.update(Detections([[100.0, 100, 140, 200], [120.0, 100, 160, 200]], [0.8, 0.8], looks))
        assert observer.considered[300, 1, 0].cost == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("rate", "same"), [(30.0, False), (2.0, True)])
def test_few_frames_leave_room_for_speed(rate: float, same: bool) -> None:
    """A child that starts to run: only wide velocities follow."""
    motion = replace(MOTION.motion, noise_by_frame_rate=True)
    config = replace(MOTION, motion=motion, first=StageConfig(max_cost=0.8), second=None, unconfirmed=None)
    tracker = Tracker(replace(config, life=LifeConfig(confirm=0)), rate)
    for left in (100.0, 115.0, 148.0):
        ids = tracker.update(Detections([[left, 100, left + 40, 200]], [0.9])).ids.tolist()
    assert (ids == [1]) == same


def test_no_track_is_born_upon_a_matched_detection() -> None:
    for limit, born in ((1.0, True), (0.6, False)):
        tracker = Tracker(replace(MOTION, life=LifeConfig(max_overlap=limit, confirm=0)))
        person = [100.0, 100, 140, 200]
        tracker.update(Detections([person], [0.9]))
        tracks = tracker.update(Detections([person, [105.0, 100, 145, 200]], [0.9, 0.8]))
        assert (len(tracks) == 2) == born


def test_longer_lives_need_embeddings_that_say_something() -> None:
    stage = StageConfig(fusion="evidence", appearance_weight=0.2)
    config = replace(MOTION, first=stage, life=LifeConfig(confirm=0, max_lost=5, max_lost_with_appearance=20))
    looks = np.array([[1.0, 0.0], [0.6, 0.8]])
    for given, same in ((looks, True), (None, False)):
        tracker = Tracker(config)
        both = Detections([[100.0, 100, 140, 200], [120.0, 105, 160, 205]], [0.9, 0.9], given)
        for _ in range(200):
            tracker.update(both)
        for _ in range(15):
            tracker.update(Detections(np.zeros((0, 4)), np.zeros(0)))
        tracker.update(both)
        assert (tracker.update(both).ids.tolist() == [1, 2]) == same


def test_a_decided_pair_is_cheaper_by_the_margin_than_all_others_of_its_row_and_column() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        listed = np.unique(rng.integers(0, 4, (9, 2)), axis=0)
        cost = rng.integers(0, 8, len(listed)) / 8
        starts, found = np.searchsorted(listed[:, 0], np.arange(5)), cost.copy()
        refuse_undecided(starts, listed[:, 1].copy(), found, 0.25, np.empty((2, 4)), np.empty((2, 4)))
        for k, (row, column) in enumerate(listed):
            others = [cost[j] for j, (r, c) in enumerate(listed) if j != k and (r == row or c == column)]
            decided = all(cost[k] <= other - 0.25 for other in others)
            assert found[k] == (cost[k] if decided else np.inf)


@pytest.mark.parametrize(
    ("lookalike", "limit", "same"), [(False, None, True), (True, None, False), (False, 9.5, False)]
)
def test_the_recovery_pass_brings_back_who_is_decided_and_within_reach(
    lookalike: bool, limit: float | None, same: bool
) -> None:
    """The picture jumps and no box overlaps: looks alone tell who is who, unless two look alike or motion forbids."""
    config = load_config(TrackerConfig, preset_file("tracker", "smiletrack"))
    assert config.recovery is not None
    config = replace(config, recovery=replace(config.recovery, max_mahalanobis=limit))
    looks = np.array([[1.0, 0.0, 0.0], [0.3, 0.95, 0.0]])
    tracker, boxes = Tracker(config), np.array([[100.0, 100, 140, 200], [120.0, 105, 160, 205]])
    for _ in range(100):
        before = tracker.update(Detections(boxes, [0.9, 0.9], looks)).ids
    boxes[:, ::2] += 250
    for _ in range(2):
        after = tracker.update(Detections(boxes, [0.9, 0.9], looks[[0, 0]] if lookalike else looks)).ids
    assert before.tolist() == [1, 2]
    assert (after.tolist() == [1, 2]) == same
