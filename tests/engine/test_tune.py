"""tools/tune.py on the generated crowd."""

import math
import multiprocessing
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from smiletrack.config import load_config, preset_file
from smiletrack.engine.studies.scored_sequences import (
    ScoredDataConfig,
    mean_hota,
    measure_tracker,
    read_scored_sequences,
    tracked_hota,
)
from smiletrack.engine.studies.search_processes import Search, run_search
from smiletrack.engine.studies.search_space import RangeConfig
from smiletrack.engine.studies.stored_study import StoredStudy
from smiletrack.engine.tune import TuneConfig, _made_for, tune
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
        "processes": 1,
        "output": str(folder),
    }
    return TuneConfig(**(settings | changes))


def test_a_search_finds_a_better_tracker_and_can_be_gone_on_with(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    best = tune(config(tmp_path))
    problems = read_scored_sequences(CROWD, ("CROWD-02",))
    assert [problem.given.name for problem in problems] == ["CROWD-01"]

    def hota(tracker: TrackerConfig) -> float:
        return mean_hota(measure_tracker(tracker, problems)[COMBINED])

    assert hota(best) == tracked_hota(best, problems)
    before = (tmp_path / "config.yaml").read_text()
    for other in (
        {"space": {"first.max_cost": RangeConfig(0.01, 0.9)}},
        {"sources": (CROWD, CROWD)},
        {"tracker": replace(best, first=replace(best.first, max_cost=0.1))},
    ):
        with pytest.raises(
            InputError, match=rf"study\.journal: is of another search: {next(iter(other))} was .*--output"
        ):
            tune(config(tmp_path, **other))
    with pytest.raises(InputError, match="another search: sequences was"):
        tune(config(tmp_path, held_out=("CROWD-01",)))
    assert (tmp_path / "config.yaml").read_text() == before
    assert load_config(TrackerConfig, tmp_path / "best.yaml") == best
    assert "first.max_cost" in capsys.readouterr().out

    study = StoredStudy(str(tmp_path / "study.journal"), _made_for(config(tmp_path), [problems]))
    assert study.num_done() == 10
    first = tried(study)[0]
    assert first.value == pytest.approx(hota(config(tmp_path).tracker))  # the start is tried first
    assert hota(best) == pytest.approx(study.best().value) and study.best().value > first.value + 0.05
    tune(config(tmp_path, trials=11))
    assert study.num_done() == 11


SPACE = {"x": RangeConfig(0.0, 1.0), "n": RangeConfig(1, 9, whole=True), "word": RangeConfig(choices=("a", "b"))}


def tried(study: StoredStudy) -> list[Any]:
    return study._trials("COMPLETE")


def score(folder: Path, values: Mapping[str, Any]) -> list[float]:
    """A score with a maximum, of whose processes the folder tells; one combination is no tracker."""
    if values["n"] == 1:
        raise InputError("no such tracker")
    (folder / str(os.getpid())).touch()
    return [values["x"] - abs(values["n"] - 5) / 10 + (values["word"] == "a")]


def search(folder: Path, trials: int, scored: Any = score) -> Search:
    (folder / "pids").mkdir(exist_ok=True)
    return Search(str(folder / "study.journal"), {"space": "1"}, SPACE, partial(scored, folder / "pids"), trials)


def test_processes_share_a_study(tmp_path: Path) -> None:
    study = run_search(search(tmp_path, 13), processes=2)
    assert study.num_done() == 13 and len({str(trial.params) for trial in study._study.trials}) == 13
    assert len(list((tmp_path / "pids").iterdir())) == 3  # this one tries the first
    assert study.best().params["word"] == "a"
    assert run_search(search(tmp_path, 20), processes=2).num_done() == 20


def killed(folder: Path, values: Mapping[str, Any]) -> list[float]:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_a_killed_trial_is_not_done(tmp_path: Path) -> None:
    child = multiprocessing.get_context("fork").Process(target=run_search, args=(search(tmp_path, 2, killed), 1))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    study = run_search(search(tmp_path, 2), processes=1)
    assert study.num_done() == 2 and len(study._study.trials) == 3


def test_a_process_that_dies_ends_the_search_in_one_line(tmp_path: Path) -> None:
    parent = os.getpid()

    def fatal_elsewhere(folder: Path, values: Mapping[str, Any]) -> list[float]:
        return score(folder, values | {"n": 2}) if os.getpid() == parent else killed(folder, values)

    with pytest.raises(InputError, match="ended with status -9; the same command goes on"):
        run_search(search(tmp_path, 9, fatal_elsewhere), processes=2)


def interrupted(folder: Path, values: Mapping[str, Any]) -> list[float]:
    if len(list(folder.iterdir())) == 5:
        (folder / "stopped").touch()
        raise KeyboardInterrupt
    (folder / str(values["x"])).touch()
    return score(folder.parent, values)


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    """One trial is interrupted, and another process that is gone has left one that seems to run."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir(), stopped.mkdir()
    found = [(trial.params, trial.value) for trial in tried(run_search(search(whole, 14), processes=1))]
    with pytest.raises(KeyboardInterrupt):
        run_search(search(stopped, 14, interrupted), processes=1)
    study = search(stopped, 14).open()
    study._study.ask().set_user_attr("process", [socket.gethostname(), 2**22 + 1])
    again = [(trial.params, trial.value) for trial in tried(run_search(search(stopped, 14), processes=1))]
    assert again == found and len(found) > 10


def test_the_start_is_tried_first_and_once(tmp_path: Path) -> None:
    start = {"x": 0.5, "n": 3, "word": "b"}
    for trials in (1, 4):
        search(tmp_path, trials).open().begin_with(start)
        study = run_search(search(tmp_path, trials), processes=1)
    assert [trial.params == start for trial in study._study.trials] == [True, False, False, False]


def test_a_study_may_lie_in_a_database(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'study.db'}"
    study = StoredStudy(address, {"space": "1"})
    trial, values = study.draw(SPACE)
    study.tell(trial, [0.25, 0.75])
    assert StoredStudy(address, {"space": "1"}).best().value == 0.5 and set(values) == set(SPACE)
    with pytest.raises(InputError, match="another search: space was '1', now it is '2'"):
        StoredStudy(address, {"space": "2"})


@pytest.mark.parametrize(
    "damage", [b"{}\n{}\n", b"no journal\n{\n", b"\xff\n\n", b"[1]\n2\n", b'{"op_code":99}\n{"op_code":0}\n']
)
def test_a_damaged_study_is_one_line(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "study.journal"
    file.write_bytes(damage)
    with pytest.raises(InputError, match=r"study\.journal: not a whole study \(.*\); remove it") as caught:
        StoredStudy(str(file), {"space": "1"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"first.maxcost": RangeConfig(0, 1)}, r"unknown key 'first\.maxcost'"),
        (
            {"first.max_cost": RangeConfig(0.1, 0.95)},
            r"space\.first\.max_cost: 0\.1 to 0\.95 does not hold the start, 0\.05",
        ),
        ({"first.max_cost": RangeConfig(0.01, 90)}, r"first\.max_cost must be in \(0, 2\], not 90"),
        ({"life.max_lost": RangeConfig(1, 40)}, r"life\.max_lost must be a whole number"),
        ({"motion.state": RangeConfig(choices=("xyah", "xyz"))}, r"motion\.state must be .*not 'xyz'"),
        ({"motion.state": RangeConfig(choices=("xysr",))}, r"xysr does not hold the start, 'xyah'"),
        ({"life": RangeConfig(choices=(1, 2))}, "life is a section"),
    ],
)
def test_bad_spaces_are_refused_before_anything_runs(tmp_path, space: dict[str, RangeConfig], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tune(config(tmp_path, space=space))
    assert not list(tmp_path.iterdir())


def test_mistakes_are_told_before_anything_runs(tmp_path) -> None:
    with pytest.raises(InputError, match="held out"):
        tune(config(tmp_path, held_out=("CROWD-01", "CROWD-02")))
    for given, message in (
        ({"low": 1}, "choices, or low and high"),
        ({"low": 2, "high": 1}, "low must not be above high"),
        ({"low": 0, "high": 1, "log": True}, "low must be above 0"),
        ({"low": 0.5, "high": 3, "whole": True}, "must be whole numbers"),
        ({"choices": ([1],)}, "must be numbers, words or truth values"),
        ({"choices": (math.nan,)}, "must be numbers, words or truth values"),
    ):
        with pytest.raises(ValueError, match=message):
            RangeConfig(**given)
    assert not list(tmp_path.iterdir())
