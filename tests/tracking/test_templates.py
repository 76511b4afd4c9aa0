"""Template policies: what a track remembers, and for how long."""

import numpy as np
import pytest

from smiletrack.tracking.config import TemplateConfig
from smiletrack.tracking.templates import TemplateBank

X, Y, Z = np.eye(3)
ONE = np.array([0])


def remembered(config: TemplateConfig, *seen: tuple[int, np.ndarray]) -> TemplateBank:
    bank = TemplateBank(config)
    bank.append(1)
    for frame, vector in seen:
        bank.learn(ONE, vector[None], frame)
    return bank


def similarity(bank: TemplateBank, vector: np.ndarray, frame: int, newest: bool = False) -> float:
    return float(bank.similarity(vector[None], np.ones(1, bool), (ONE, ONE), frame, newest)[0])


def test_last_remembers_the_last_only() -> None:
    bank = remembered(TemplateConfig("last"), (1, X), (2, Y))
    assert [similarity(bank, v, 3) for v in (X, Y)] == [0.0, 1.0]


def test_mean_moves_by_its_momentum_and_keeps_unit_length() -> None:
    bank = remembered(TemplateConfig("mean", momentum=0.9), (1, X), (2, Y))
    np.testing.assert_allclose(bank.vectors[0, 0], np.array([0.9, 0.1, 0]) / np.hypot(0.9, 0.1))


def test_bank_keeps_the_newest_and_answers_with_the_best() -> None:
    bank = remembered(TemplateConfig("bank", size=2), (1, X), (2, Y), (3, Z))
    assert [similarity(bank, v, 4) for v in (X, Y, Z)] == [0.0, 1.0, 1.0]
    assert [similarity(bank, v, 4, newest=True) for v in (X, Y, Z)] == [0.0, 0.0, 1.0]


def test_bank_waits_between_templates() -> None:
    bank = remembered(TemplateConfig("bank", size=3, min_gap=5), (1, X), (4, Y), (6, Z))
    assert [similarity(bank, v, 7) for v in (X, Y, Z)] == [1.0, 0.0, 1.0]


def test_old_templates_do_not_count_except_the_newest() -> None:
    bank = remembered(TemplateConfig("bank", size=3, max_age=10), (1, X), (5, Y))
    assert [similarity(bank, v, 12) for v in (X, Y)] == [0.0, 1.0]
    assert similarity(bank, Y, 99) == 1.0


def test_no_template_or_no_embedding_is_no_opinion() -> None:
    bank = remembered(TemplateConfig("last"))
    assert np.isnan(similarity(bank, X, 1))
    bank.learn(ONE, X[None], 1)
    assert np.isnan(bank.similarity(X[None], np.zeros(1, bool), (ONE, ONE), 2)[0])


@pytest.mark.parametrize("config", [TemplateConfig("last"), TemplateConfig("bank")])
def test_tracks_come_and_go(config: TemplateConfig) -> None:
    bank = remembered(config, (1, X))
    bank.append(2)
    bank.learn(np.array([2]), Y[None], 2)
    bank.keep(np.array([0, 2]))
    pairs = np.array([0, 1]), np.array([0, 0])
    assert bank.similarity(Y[None], np.ones(1, bool), pairs, 3).tolist() == [0.0, 1.0]
