"""Commands killed at moments when they change files: what is there is whole, and the next start makes the rest.

A few seeded moments each; `SMILETRACK_FULL=1` takes every one.
"""

import os
import random
import signal
from pathlib import Path

import pytest

from smiletrack.config import load_config
from smiletrack.engine.show_tracks import ShowConfig, show_tracks
from smiletrack.engine.track import TrackConfig, track
from smiletrack.errors import InputError
from tests.data.mot_folders import walkers, write_sequence
from tests.faults.commands import COMMANDS, END_EARLY, FRAMES, files_of, make_data, run_track
from tests.faults.kills import run_until

MOMENTS = 1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_leaves_whole_files_and_goes_on(name: str, data: Path, tmp_path: Path) -> None:
    command = COMMANDS[name]
    (tmp_path / "whole").mkdir()
    command(data, tmp_path / "first")  # loads here what the processes below would each load
    changes = run_until(lambda: command(data, tmp_path / "whole" / "out"), tmp_path)
    expected = {k: v.replace(b"/whole/", b"/x/") for k, v in files_of(tmp_path / "whole" / "out").items()}
    assert changes >= 2 and expected
    rng = random.Random(name)
    few = rng.sample(range(1, changes + 1), min(MOMENTS, changes))
    for moment in range(1, changes + 1) if os.environ.get("SMILETRACK_FULL") else few:
        place = tmp_path / f"moment-{moment}"  # no part of a picture in base64
        place.mkdir()
        number = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
        run_until(lambda place=place: command(data, place / "out"), tmp_path, moment, number)
        here = f"/moment-{moment}/".encode()
        ended = name in END_EARLY and number != signal.SIGKILL
        for file, content in files_of(place / "out").items():
            whole = expected[file][: len(content)] if ended else expected[file]
            assert content.replace(here, b"/x/") == whole, f"{file} after {moment} changes"
        run_until(lambda place=place: command(data, place / "out"), tmp_path)
        assert {k: v.replace(here, b"/x/") for k, v in files_of(place / "out").items()} == expected, moment


def test_a_run_that_fails_leaves_the_one_before(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = run_track(data, tmp_path / "run", "bytetrack")
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in run.rglob("*") if file.is_file()}
    broken = make_data(tmp_path / "other")
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
    run = run_track(data, tmp_path / "run", "bytetrack")
    whole = files_of(run)
    changes = run_until(lambda: run_track(data, tmp_path / "other", "sort"), tmp_path)
    run_until(lambda: run_track(data, run, "sort"), tmp_path, changes - 4)
    assert files_of(run) != whole
    bare = tmp_path / "bare"
    write_sequence(bare / "A", walkers(FRAMES), walkers(FRAMES, "0.9", identified=False), 6)
    with pytest.raises(InputError, match="image"):
        track(load_config(TrackConfig, data=str(bare), output=str(run), camera_motion="flow"))
    assert files_of(run) == whole
    run_track(data, run, "sort")
    assert files_of(run) == {
        name: content.replace(b"/other", b"/run") for name, content in files_of(tmp_path / "other").items()
    }


def test_pictures_of_a_longer_run_go(data: Path, tmp_path: Path) -> None:
    for split, length in (("all", 6), ("train_half", 4)):
        run = track(load_config(TrackConfig, data=str(data), output=str(tmp_path), tracker="sort", split=split))
        show_tracks(ShowConfig(str(run), format="images", sequences=("A",)))
        assert len(list((run / "show" / "A").iterdir())) == length
