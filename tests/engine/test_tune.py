"""tools/tune.py on the generated crowd."""

import math
import socket
from pathlib import Path
from typing import Any

import numpy as np
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
    before = (tmp_path / "config.yaml").read_text()
    for other in ({"space": {"first.max_cost": RangeConfig(0.01, 0.9)}}, {"sources": (CROWD, CROWD)}):
        with pytest.raises(InputError, match=rf"study\.db: is of another search: {next(iter(other))} was .*--output"):
            tune(config(tmp_path, **other))
    assert (tmp_path / "config.yaml").read_text() == before


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trial 3 is interrupted, and another process that is gone has left one that seems to run."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    fails_at = -1
    measured = 0

    def measure(tracker: TrackerConfig, _: Any) -> Any:
        nonlocal measured
        measured += 1
        if measured == fails_at:
            raise KeyboardInterrupt
        return {COMBINED: {"HOTA": {"HOTA": np.array(tracker.first.max_cost - tracker.life.max_lost / 100)}}}

    monkeypatch.setattr("smiletrack.engine.tune.measure_tracker", measure)
    tune(config(whole, trials=13))
    measured, fails_at = 0, 4
    with pytest.raises(KeyboardInterrupt):
        tune(config(stopped, trials=13))
    study = optuna.load_study(study_name="tracker", storage=f"sqlite:///{stopped / 'study.db'}")
    study.ask().set_user_attr("process", [socket.gethostname(), 2**22 + 1])
    tune(config(stopped, trials=13))

    def tried(folder: Path) -> list[Any]:
        known = optuna.load_study(study_name="tracker", storage=f"sqlite:///{folder / 'study.db'}")
        return [(t.params, t.value) for t in known.get_trials(states=(optuna.trial.TrialState.COMPLETE,))]

    assert tried(stopped) == tried(whole) and len(tried(whole)) == 13
    assert (stopped / "best.yaml").read_text() == (whole / "best.yaml").read_text()


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(4096)])
def test_a_damaged_store_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.db").write_bytes(content)
    with pytest.raises(InputError, match=r"study\.db: not a whole study") as caught:
        tune(config(tmp_path))
    assert "\n" not in str(caught.value) and [path.name for path in tmp_path.iterdir()] == ["study.db"]


def test_mistakes_are_told_before_anything_runs(tmp_path) -> None:
    with pytest.raises(InputError, match=r"unknown key 'first\.maxcost'"):
        tune(config(tmp_path, space={"first.maxcost": RangeConfig(0, 1)}))
    with pytest.raises(InputError, match="held out"):
        tune(config(tmp_path, held_out=("CROWD-01", "CROWD-02")))
    for space, message in (
        ({"first.max_cost": RangeConfig(0.1, 0.9)}, r"starts at 0\.05, which is not in 0\.1 \.\. 0\.9"),
        ({"first.max_cost": RangeConfig(0.01, 7)}, r"first\.max_cost must be"),
        ({"life.max_lost": RangeConfig(choices=(1, 2))}, "starts at 30, which is not in 1, 2"),
        ({"first": RangeConfig(0, 1)}, "first"),
    ):
        with pytest.raises(InputError, match=message):
            tune(config(tmp_path, space=space))
    for wrong, message in (
        ({"low": 1}, "choices, or low and high"),
        ({"low": 0.5, "high": 3, "whole": True}, "whole numbers"),
        ({"low": 0, "high": 3, "log": True}, "above 0"),
        ({"choices": ([1],)}, "numbers, words or truth values"),
        ({"choices": (math.nan,)}, "numbers, words or truth values"),
    ):
        with pytest.raises(ValueError, match=message):
            RangeConfig(**wrong)
    assert not list(tmp_path.iterdir())
