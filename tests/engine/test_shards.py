"""Three processes share a job, one of them is killed: the others do what it left, and nothing tells the difference."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from smiletrack.engine import eval_mot as eval_module
from smiletrack.engine import prepare_data as prepare_module
from smiletrack.engine import track as track_module
from smiletrack.engine.eval_mot import EvalConfig, eval_mot
from smiletrack.engine.prepare_data import DataConfig, PrepareDataConfig, prepare_data
from smiletrack.engine.run_folders.shards import Shard, SharedJob, this_shard
from smiletrack.engine.track import TrackConfig, track
from smiletrack.errors import InputError
from smiletrack.files import atomic_write, read_json
from tests.data.mot_folders import write_images, write_sequence

NAMES = [f"S-{number}" for number in range(1, 6)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Five sequences of six frames in which one person walks."""
    root = tmp_path / "MOT17" / "train"
    for name in NAMES:
        rows = "".join(f"{f},1,{10 + 2 * f},8,12,32,1,1,1\n" for f in range(1, 7))
        folder = write_sequence(root / name, rows, length=6)
        (folder / "det").mkdir(exist_ok=True)
        (folder / "det" / "det.txt").write_text(rows.replace(",1,1,1\n", ",0.9\n"))
    return root


@contextmanager
def killed_halfway(
    work: Callable[[Any], object], config: object, module: Any, slow: str, begin: Callable[[], object], folder: Path
) -> Iterator[None]:
    """Run `work(config)` in a process that gets as far as `module.slow`, does `begin` there and no more; then kill it.

    The block runs while it is at it.
    """
    there = folder / "there"

    def hang(*_: object) -> None:
        begin()
        there.touch()
        signal.pause()

    def child() -> None:
        setattr(module, slow, hang)
        work(config)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    while not there.exists():
        assert process.is_alive()
        process.join(0.005)
    try:
        yield
    finally:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_tracking(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def config(shard: str, output: str = "run") -> TrackConfig:
        return TrackConfig(data=str(data), output=str(tmp_path / output), shard=shard)

    opened = []

    def half_a_file() -> None:
        opened.append(atomic_write(tmp_path / "run/tracks/S-1.txt"))
        opened[0].__enter__().write("1,1,")

    alone = track(config("", "alone"))
    with killed_halfway(track, config("1/3"), track_module, "write_results", half_a_file, tmp_path):
        capsys.readouterr()
        run = track(config("2/3"))
        assert "4 of 5 sequences are done; other processes have 1" in capsys.readouterr().out
        assert [name for name in contents(run / "tracks") if name[0] != "."] == [f"{name}.txt" for name in NAMES[1:]]
        assert any(name.startswith(".S-1.") for name in contents(run / "tracks"))
        with pytest.raises(InputError, match="another process is at work in it"):
            track(TrackConfig(data=str(data), output=str(run), shard="2/3", split="val_half"))
        with pytest.raises(InputError, match="another process is at work in it"):
            track(config(""))
    times = [(run / "tracks" / f"{name}.txt").stat().st_mtime_ns for name in NAMES[1:]]
    track(config("3/3"))
    assert contents(run / "tracks") == contents(alone / "tracks")
    assert times == [(run / "tracks" / f"{name}.txt").stat().st_mtime_ns for name in NAMES[1:]]
    assert set(read_json(run / "timing.json")) == set(NAMES)
    assert (run / "config.yaml").read_text().replace("/run", "/alone") == (alone / "config.yaml").read_text()
    track(TrackConfig(data=str(data), output=str(run), shard="1/2", split="val_half"))  # another job: from the start
    assert (run / "tracks/S-1.txt").read_bytes() != (alone / "tracks/S-1.txt").read_bytes()


def test_scoring(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = track(TrackConfig(data=str(data), output=str(tmp_path / "run")))
    alone = eval_mot(EvalConfig(results=str(run)))
    summary = (run / "summary.json").read_bytes()
    (run / "summary.json").unlink()
    table = capsys.readouterr().out[-300:]
    with killed_halfway(
        eval_mot, EvalConfig(results=str(run), shard="1/3"), eval_module, "measure", lambda: None, tmp_path
    ):
        assert eval_mot(EvalConfig(results=str(run), shard="3/3")) == {}
        assert "4 of 5 sequences are scored" in capsys.readouterr().out
    shared = eval_mot(EvalConfig(results=str(run), shard="2/3"))
    assert (run / "summary.json").read_bytes() == summary and capsys.readouterr().out[-300:] == table
    assert list(shared) == list(alone) and shared["COMBINED"]["CLEAR"] == alone["COMBINED"]["CLEAR"]

    def refuse(*_: object) -> None:
        raise AssertionError("scored twice")

    file = run / "tracks" / "S-2.txt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eval_module, "measure", refuse)
        assert eval_mot(EvalConfig(results=str(run), shard="2/3")).keys() == alone.keys()
        file.write_text(file.read_text().replace("1,1,", "1,2,", 1))  # another result is scored again
        with pytest.raises(AssertionError, match="twice"):
            eval_mot(EvalConfig(results=str(run), shard="2/3"))


def test_importing(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        write_images(data / name / "img1", [f"{frame:06d}.jpg" for frame in range(1, 7)])

    def config(shard: str, output: str = "shared") -> PrepareDataConfig:
        settings = DataConfig(splits=("train",))
        return PrepareDataConfig(settings, str(data.parent), str(tmp_path / output / "out"), shard=shard)

    alone = prepare_data(config("", "alone"))
    with killed_halfway(prepare_data, config("1/3"), prepare_module, "probe_images", lambda: None, tmp_path):
        assert prepare_data(config("2/3")) == []
        assert "other processes are still looking" in capsys.readouterr().err
    assert prepare_data(config("3/3")) == alone
    assert prepare_data(config("1/3")) == [] and "is written already" in capsys.readouterr().err
    assert contents(tmp_path / "shared/out/annotations") == contents(tmp_path / "alone/out/annotations")
    assert contents(tmp_path / "shared/out/identities") == contents(tmp_path / "alone/out/identities")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("", None),
        ("RANK=0 WORLD_SIZE=1", None),
        ("RANK=3 WORLD_SIZE=8", Shard(3, 8)),
        ("SLURM_PROCID=1 SLURM_NTASKS=2", Shard(1, 2)),
        ("SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=2", Shard(2, 3)),
        ("SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_COUNT=3 SLURM_PROCID=1 SLURM_NTASKS=2", Shard(3, 6)),
        ("RANK=8 WORLD_SIZE=8", "names process 8 of 8"),
        ("RANK=x WORLD_SIZE=8", "RANK: 'x' in the environment is no number"),
    ],
)
def test_launchers(environment: str, expected: Shard | str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in environment.split():
        monkeypatch.setenv(*variable.split("="))
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            this_shard("")
    else:
        assert this_shard("") == expected
    assert this_shard("2/7") == Shard(1, 7)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "-1/3", "a/b", "1/3/5"])
def test_a_share_is_a_part_of_a_whole(text: str) -> None:
    with pytest.raises(ValueError, match="shard must be I/N"):
        TrackConfig(shard=text)


def test_shares_cover_all_and_end_with_what_others_left(tmp_path: Path) -> None:
    parts = [f"{i}" for i in range(7)]
    job = SharedJob(tmp_path, "x", Shard(1, 3))
    with job.running(EvalConfig(), lambda: None):
        assert list(job.claimed(parts, lambda part: False)) == ["1", "4", "6", "5", "3", "2", "0"]
        assert list(job.claimed(parts, lambda part: part in "0246")) == ["1", "5", "3"]
