"""Commands killed at moments when they change files: what is there is whole, and the next start makes the rest.

A few seeded moments each; `SMILETRACK_FULL=1` takes every one.
"""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from smiletrack.config import load_config
from smiletrack.data.world.config import SceneConfig
from smiletrack.engine.convert import ConvertConfig, convert
from smiletrack.engine.eval_mot import EvalConfig, eval_mot
from smiletrack.engine.make_world import MakeWorldConfig, make_world
from smiletrack.engine.prepare_data import PrepareDataConfig, prepare_data
from smiletrack.engine.report import ReportConfig, report
from smiletrack.engine.show_data import ShowDataConfig, show_data
from smiletrack.engine.show_tracks import ShowConfig, show_tracks
from smiletrack.engine.track import TrackConfig, track
from smiletrack.errors import InputError
from smiletrack.training.loop import FitConfig, fit
from smiletrack.training.recipe import Evaluation
from tests.data.mot_folders import walkers, write_sequence
from tests.faults.kills import run_until
from tests.training.product_task import network, recipe

FRAMES = range(1, 7)
MOMENTS = 1
VARIES = {"timing.json", "environment.json", "looked_at.tsv", "report.html", "summary.json", "history.json", "last.pt"}
"""Files that hold times of day, or speeds."""


def _data(folder: Path) -> Path:
    images = [f"{frame:06d}.png" for frame in FRAMES]
    for name in ("A", "B"):
        write_sequence(
            folder / "train" / name, walkers(FRAMES), walkers(FRAMES, "0.9", identified=False), 6, images, "imExt=.png"
        )
    return folder / "train"


def _track(data: Path, output: Path, preset: str = "sort") -> Path:
    return track(load_config(TrackConfig, data=str(data), output=str(output), tracker=preset))


def _prepare(data: Path, output: Path) -> object:
    overrides = ["data.format=motchallenge", "data.splits=train"]
    return prepare_data(load_config(PrepareDataConfig, None, overrides, source=str(data.parent), output=str(output)))


def _world(_: Path, output: Path) -> object:
    scene = SceneConfig(width=96, height=64, length=2, people=2)
    sizes = {"train_sequences": 2, "val_sequences": 0, "situations": (), "workers": 1}
    return make_world(MakeWorldConfig(output=str(output), scene=scene, **sizes))  # type: ignore[arg-type]


def _train(_: Path, output: Path) -> object:
    """Train, or go on, with dropout, shuffling and averaging."""
    network_of_run = network(dropout=0.3)
    task = recipe(network=network_of_run, evaluate=lambda net: Evaluation({"score": 1.0}), monitor="score")
    return fit(task, FitConfig(epochs=2, learning_rate=0.05, checkpoint_s=1e-9), output, resume=True)


def _after_track(command: Callable[[Path], object]) -> Callable[[Path, Path], object]:
    def run(data: Path, output: Path) -> object:
        if not (output / "tracks/B.txt").exists():
            _track(data, output)
        return command(output)

    return run


COMMANDS: dict[str, Callable[[Path, Path], object]] = {
    "track": _track,
    "prepare-data": _prepare,
    "make-world": _world,
    "eval": _after_track(lambda run: eval_mot(EvalConfig(results=str(run)))),
    "report": _after_track(lambda run: report(ReportConfig((str(run),), resamples=0))),
    "show-tracks": _after_track(lambda run: show_tracks(ShowConfig(str(run), format="images"))),
    "convert": _after_track(lambda run: convert(ConvertConfig(str(run), "mot-folders", str(run / "export")))),
    "convert-copy": _after_track(
        lambda run: convert(ConvertConfig(str(run), "mot-folders", str(run / "export"), images="copy"))
    ),
    "train": _train,
    "show-data": lambda data, output: show_data(ShowDataConfig(str(data), output=str(output), frames=2)),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _data(tmp_path_factory.mktemp("data"))


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what a user sees: files that are not hidden, with their content where that is the same each time."""
    seen = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    seen = [path for path in seen if not any(part[0] == "." or part == "tensorboard" for part in path.parts)]
    return {str(path): b"" if path.name in VARIES else (folder / path).read_bytes() for path in seen}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_leaves_whole_files_and_goes_on(name: str, data: Path, tmp_path: Path) -> None:
    command = COMMANDS[name]
    (tmp_path / "whole").mkdir()
    command(data, tmp_path / "first")  # loads here what the processes below would each load
    changes = run_until(lambda: command(data, tmp_path / "whole" / "out"), tmp_path)
    expected = {k: v.replace(b"/whole/", b"/x/") for k, v in files_of(tmp_path / "whole" / "out").items()}
    assert changes >= 4 and expected
    rng = random.Random(name)
    few = rng.sample(range(1, changes + 1), min(MOMENTS, changes))
    for moment in range(1, changes + 1) if os.environ.get("SMILETRACK_FULL") else few:
        place = tmp_path / f"moment-{moment}"  # no part of a picture in base64
        place.mkdir()
        number = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
        run_until(lambda place=place: command(data, place / "out"), tmp_path, moment, number)
        here = f"/moment-{moment}/".encode()
        for file, content in files_of(place / "out").items():
            assert content.replace(here, b"/x/") == expected[file], f"{file} after {moment} changes"
        run_until(lambda place=place: command(data, place / "out"), tmp_path)
        assert {k: v.replace(here, b"/x/") for k, v in files_of(place / "out").items()} == expected, moment


def test_a_run_that_fails_leaves_the_one_before(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = _track(data, tmp_path / "run", "bytetrack")
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in run.rglob("*") if file.is_file()}
    broken = _data(tmp_path / "other")
    for image in (broken / "B/img1").iterdir():
        image.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"000001\.png"):
        track(load_config(TrackConfig, data=str(broken), output=str(run), camera_motion="flow"))
    visible = [file for file in run.rglob("*") if file.is_file() and "detections" not in file.parts]
    after = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in visible if file in before}
    assert after == {file: state for file, state in before.items() if ".shards" not in file.parts} | {
        file: state for file, state in after.items() if ".shards" in file.parts
    }
    assert "the run that was there before is as it was" in capfd.readouterr().err
    assert {file.name for file in (run / "tracks").iterdir()} == {"A.txt", "B.txt"}


def test_a_killed_run_does_not_cost_the_one_before(data: Path, tmp_path: Path) -> None:
    """Killed, tried again in vain: the last whole run is back."""
    run = _track(data, tmp_path / "run", "bytetrack")
    whole = files_of(run)
    changes = run_until(lambda: _track(data, tmp_path / "other", "sort"), tmp_path)
    run_until(lambda: _track(data, run, "sort"), tmp_path, changes - 4)
    assert files_of(run) != whole
    bare = tmp_path / "bare"
    write_sequence(bare / "A", walkers(FRAMES), walkers(FRAMES, "0.9", identified=False), 6)
    with pytest.raises(InputError, match="image"):
        track(load_config(TrackConfig, data=str(bare), output=str(run), camera_motion="flow"))
    assert files_of(run) == whole
    _track(data, run, "sort")
    assert files_of(run) == {
        name: content.replace(b"/other", b"/run") for name, content in files_of(tmp_path / "other").items()
    }


def test_two_commands_that_make_one_world_do_not_meet(data: Path, tmp_path: Path) -> None:
    """The second one is told, or comes when all is there."""
    _world(data, tmp_path / "one")

    def start() -> int:
        if child := os.fork():
            return child
        status = 1
        try:
            _world(data, tmp_path / "two")
            status = 0
        except InputError as error:
            status = 2 if "another process is at work" in str(error) else 3
        finally:
            os._exit(status)

    others = [start() for _ in range(2)]
    ends = [os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) for other in others]
    assert 0 in ends and set(ends) <= {0, 2}
    assert files_of(tmp_path / "two") | {"world.yaml": b""} == files_of(tmp_path / "one") | {"world.yaml": b""}
