"""Several processes of one run: they form a group, and what one of them refuses is said once."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import distributed

from smiletrack.errors import InputError
from smiletrack.training.launch import launch
from smiletrack.training.runtime import start_runtime


@dataclass(frozen=True)
class Job:
    folder: str
    processes: int = 2
    device: str = "cpu"


def count(job: Job) -> None:
    with start_runtime(job.device) as runtime:
        total = torch.ones(1) * (runtime.rank + 1)
        if runtime.world_size > 1:
            distributed.all_reduce(total)
        (Path(job.folder) / f"{runtime.rank}").write_text(f"{os.getpid()} {runtime.world_size} {int(total)}")


def refuse(job: Job) -> None:
    raise InputError(f"{job.folder}: nothing there")


def die(job: Job) -> None:
    os._exit(9)


def test_the_processes_form_one_group(tmp_path: Path) -> None:
    launch(count, Job(str(tmp_path)))
    written = [(tmp_path / rank).read_text().split() for rank in ("0", "1")]
    assert [row[1:] for row in written] == [["2", "3"]] * 2
    assert len({os.getpid(), *(int(row[0]) for row in written)}) == 3
    assert "RANK" not in os.environ


def test_one_process_is_this_one_and_torchrun_is_not_nested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launch(count, Job(str(tmp_path), processes=1))
    assert (tmp_path / "0").read_text() == f"{os.getpid()} 1 1"
    monkeypatch.setenv("RANK", "0")
    launch(count, Job(str(tmp_path), processes=2))
    assert (tmp_path / "0").read_text() == f"{os.getpid()} 1 1" and not (tmp_path / "1").exists()


def test_a_refusal_is_raised_here_and_so_is_a_death(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="nothing there"):
        launch(refuse, Job(str(tmp_path)))
    assert capfd.readouterr().err == ""  # the tool prints the line, and nothing stands beside it
    with pytest.raises(InputError, match=r"exit code 9.*lower the batch size"):
        launch(die, Job(str(tmp_path)))
