"""Two commands in one run folder: the second is told so in one line, or both end with a right result.

The first one stands still at a moment when it changes a file, the second runs to its end, and the first goes on.
`SMILETRACK_FULL=1` takes more of these moments.
"""

import os
import random
from pathlib import Path

import pytest

from smiletrack.engine.eval_mot import EvalConfig, eval_mot
from tests.faults.commands import COMMANDS, Command, files_of, make_data, run_track
from tests.faults.kills import run_beside, run_until

SHARED = {"best.yaml"}
"""Files of a search, which two processes share: one more trial is drawn from another state."""
FULL = os.environ.get("SMILETRACK_FULL")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


def seen(folder: Path) -> dict[str, bytes]:
    """Return the files below `folder / out` as they would be anywhere."""
    here = f"/{folder.name}/".encode()
    return {file: content.replace(here, b"/x/") for file, content in files_of(folder / "out").items()}


def run_pairs(name: str, first: Command, second: Command, data: Path, tmp_path: Path) -> set[int]:
    """Let the second command in while the first is at work, at some of its moments; return how the second ended."""
    place = tmp_path / "alone-0"
    place.mkdir()
    first(data, tmp_path / "loaded" / "out")
    changes = run_until(lambda: first(data, place / "out"), tmp_path)
    expected, ends = seen(place), set()
    moments = random.Random(name).sample(range(1, changes + 1), min(6 if FULL else 1, changes))
    for moment in moments:
        place = tmp_path / f"moment-{moment}"
        place.mkdir()
        ended, beside = run_beside(
            lambda place=place: first(data, place / "out"), lambda place=place: second(data, place / "out"),
            tmp_path, moment,
        )  # fmt: skip
        assert 0 in (ended, beside) and {ended, beside} <= {0, 2}, (moment, ended, beside)
        found = seen(place)
        for file, content in expected.items():
            assert found[file] == content or file in SHARED, (file, moment)
        ends.add(beside)
    return ends


@pytest.mark.skipif(not FULL, reason="a minute; SMILETRACK_FULL=1")
@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_command_twice(name: str, data: Path, tmp_path: Path) -> None:
    run_pairs(name, COMMANDS[name], COMMANDS[name], data, tmp_path)


def test_another_tracker_is_kept_out(data: Path, tmp_path: Path) -> None:
    run_pairs("other", run_track, lambda data, output: run_track(data, output, "bytetrack"), data, tmp_path)


def test_a_run_is_not_read_while_it_is_written(data: Path, tmp_path: Path) -> None:
    """Half of its sequences would pass for all of them."""
    ends = run_pairs("read", run_track, lambda _, run: eval_mot(EvalConfig(results=str(run))), data, tmp_path)
    assert ends == {2}


def test_figures_go_with_the_run_that_they_are_of(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_track(data, tmp_path / "run")
    eval_mot(EvalConfig(results=str(run)))
    run_track(data, run, "bytetrack")
    assert not (run / "summary.json").exists()
    (run / ".before").mkdir()  # what a killed one leaves
    capsys.readouterr()
    eval_mot(EvalConfig(results=str(run)))
    assert "the run was stopped before its end" in capsys.readouterr().out
