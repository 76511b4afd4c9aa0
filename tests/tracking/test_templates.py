"""Template policies: what a track remembers, and for how long."""

import numpy as np

from smiletrack.tracking import templates
from smiletrack.tracking.config import LifeConfig, TemplateConfig, TrackerConfig
from smiletrack.tracking.stages import StageConfig
from smiletrack.tracking.state import EMPTY
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections, Floats, Ints
from tests.tracking.doors import door, rules_of

learn, best_cosine = door(templates.learn), door(templates.best_cosine)

X, Y, Z = np.eye(3)
Bank = tuple[Floats, Ints]


def remembered(config: TemplateConfig, *seen: tuple[int, Floats]) -> Bank:
    vectors, stamps = np.zeros((2, config.capacity, 3)), np.full((2, config.capacity), float(EMPTY))
    rules = rules_of(TrackerConfig(templates=config, first=StageConfig(fusion="sum")))
    for frame, vector in seen:
        learn(rules, vectors, stamps, 1, vector, frame, 0.9)
    return vectors, stamps


def looks(bank: Bank, vector: Floats, frame: int, newest: bool = False, max_age: int = 0) -> float:
    return float(best_cosine(*bank, 1, vector, frame, newest, max_age))


def test_last_remembers_the_last_only() -> None:
    bank = remembered(TemplateConfig("last"), (1, X), (2, Y))
    assert [looks(bank, v, 3) for v in (X, Y)] == [0.0, 1.0]


def test_mean_moves_by_its_momentum_and_keeps_unit_length() -> None:
    bank = remembered(TemplateConfig("mean", momentum=0.9), (1, X), (2, Y))
    np.testing.assert_allclose(bank[0][1, 0], np.array([0.9, 0.1, 0]) / np.hypot(0.9, 0.1))


def test_bank_keeps_the_newest_and_answers_with_the_best() -> None:
    bank = remembered(TemplateConfig("bank", size=2), (1, X), (2, Y), (3, Z))
    assert [looks(bank, v, 4) for v in (X, Y, Z)] == [0.0, 1.0, 1.0]
    assert [looks(bank, v, 4, newest=True) for v in (X, Y, Z)] == [0.0, 0.0, 1.0]


def test_bank_waits_between_templates() -> None:
    bank = remembered(TemplateConfig("bank", size=3, min_gap=5), (1, X), (4, Y), (6, Z))
    assert [looks(bank, v, 7) for v in (X, Y, Z)] == [1.0, 0.0, 1.0]


def test_old_templates_do_not_count_except_the_newest() -> None:
    bank = remembered(TemplateConfig("bank", size=3), (1, X), (5, Y))
    assert [looks(bank, v, 12, max_age=10) for v in (X, Y)] == [0.0, 1.0]
    assert looks(bank, Y, 99, max_age=10) == 1.0


def test_no_template_is_no_opinion() -> None:
    assert np.isnan(looks(remembered(TemplateConfig("last")), X, 1))


def test_a_track_that_is_born_in_a_used_slot_remembers_nothing_of_the_other() -> None:
    """Tracks by looks alone: whoever comes where somebody died is somebody else."""
    stage = StageConfig(fusion="sum", overlap=False, gate=0.5, tracks="all")
    config = TrackerConfig(
        templates=TemplateConfig("bank"),
        first=stage,
        second=None,
        unconfirmed=None,
        life=LifeConfig(confirm=0, max_lost=1, duplicate_cost=None),
    )
    tracker, box = Tracker(config), [[0.0, 0.0, 40.0, 90.0]]
    found = []
    for look in (X, None, None, None, Y, X, Y):
        seen = Detections(np.zeros((0, 4)), np.zeros(0)) if look is None else Detections(box, [0.9], look[None])
        found.append(tracker.update(seen).ids.tolist())
    assert found == [[1], [], [], [], [2], [3], [2]]
