"""tools/tune.py on the generated crowd."""

import optuna
import pytest

from smiletrack.config import load_config, preset_file
from smiletrack.engine.studies.scored_sequences import (
    ScoredDataConfig,
    mean_hota,
    measure_tracker,
    read_scored_sequences,
)
from smiletrack.engine.tune import RangeConfig, TuneConfig, tune
from smiletrack.errors import InputError
from smiletrack.metrics.table import COMBINED
from smiletrack.tracking.config import TrackerConfig

CROWD = ScoredDataConfig(split="train_half", sequences=("CROWD-01", "CROWD-02"))


def config(folder, **changes) -> TuneConfig:
    settings = {
        "sources": (CROWD,),
        "held_out": ("CROWD-02",),
        "space": {"first.max_cost": RangeConfig(0.01, 0.95), "life.max_lost": RangeConfig(1, 40, whole=True)},
        "tracker": load_config(TrackerConfig, preset_file("tracker", "bytetrack"), ["first.max_cost=0.05"]),
        "trials": 10,
        "output": str(folder),
    }
    return TuneConfig(**(settings | changes))


def test_a_search_finds_a_better_tracker_and_can_be_gone_on_with(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    best = tune(config(tmp_path))
    problems = read_scored_sequences(CROWD, ("CROWD-02",))
    assert [problem.given.name for problem in problems] == ["CROWD-01"]

    def hota(tracker: TrackerConfig) -> float:
        return mean_hota(measure_tracker(tracker, problems)[COMBINED])

    study = optuna.load_study(study_name="tracker", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert study.trials[0].value == pytest.approx(hota(config(tmp_path).tracker))  # the start is tried first
    assert hota(best) == pytest.approx(study.best_value) and study.best_value > study.trials[0].value + 0.05
    assert load_config(TrackerConfig, tmp_path / "best.yaml") == best
    assert "first.max_cost" in capsys.readouterr().out
    tune(config(tmp_path, trials=11))
    assert len(optuna.load_study(study_name="tracker", storage=study._storage).trials) == 11


def test_mistakes_are_told_before_anything_runs(tmp_path) -> None:
    with pytest.raises(InputError, match=r"unknown key 'first\.maxcost'"):
        tune(config(tmp_path, space={"first.maxcost": RangeConfig(0, 1)}))
    with pytest.raises(InputError, match="held out"):
        tune(config(tmp_path, held_out=("CROWD-01", "CROWD-02")))
    with pytest.raises(ValueError, match="choices, or low and high"):
        RangeConfig(low=1)
    assert not list(tmp_path.iterdir())
