"""Two processes of one run, with gloo on the CPU: what ends one of them ends the other, soon and with the same line."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smiletrack.errors import InputError
from smiletrack.training.launch import launch
from smiletrack.training.loop import FitConfig, fit
from smiletrack.training.peers import Agreement, Peers
from smiletrack.training.recipe import Evaluation
from smiletrack.training.runtime import Runtime, start_runtime
from smiletrack.training.state import load_state
from smiletrack.weights import load_weights
from tests.training.product_task import INPUTS, TARGETS, loss_function, network, recipe

SOON_S = 120.0
"""Two processes that load PyTorch on a busy machine, train and end; the group itself would wait for ten minutes."""

FULL = pytest.mark.skipif("SMILETRACK_FULL" not in os.environ, reason="ten seconds; SMILETRACK_FULL=1 runs it")


@dataclass(frozen=True)
class Job:
    folder: str
    what: str = ""
    culprit: int = 1
    resume: bool = False
    apart: bool = False
    epochs: int = 2
    processes: int = 2
    device: str = "cpu"


def train(job: Job) -> None:
    """Train on halves of the batches; process `culprit` does `what` at its fourth batch."""
    with start_runtime(job.device, threads=1) as runtime:
        mine = slice(runtime.rank, None, runtime.world_size)
        halves = [[x[mine], y[mine]] for x, y in zip(INPUTS.split(8), TARGETS.split(8), strict=True)]
        guilty = runtime.rank == job.culprit

        def batches(epoch: int) -> "Halves":
            return Halves(halves, 3 if guilty and job.what == "data" else -1)

        def loss(net: nn.Module, batch: list[Tensor]) -> tuple[Tensor, Mapping[str, Any]]:
            if guilty and torch.equal(batch[0], halves[3][0]):
                act(job.what)
            return loss_function(net, batch)

        def evaluate(net: nn.Module) -> Evaluation:
            act(job.what.removeprefix("evaluation "))
            return Evaluation({"x": 1.0})

        folder = Path(job.folder) / (str(runtime.rank) if job.apart else "")
        net = network(dropout=0.3)
        task = recipe(network=net, loss=loss, batches=batches, evaluate=evaluate if "evaluation" in job.what else None)
        fit(task, FitConfig(epochs=job.epochs, learning_rate=0.05), folder, runtime=runtime, resume=job.resume)


class Halves(list[Any]):
    """Batches, of which one cannot be read."""

    def __init__(self, batches: list[Any], damaged: int) -> None:
        super().__init__(batches)
        self.damaged = damaged

    def __iter__(self) -> Any:
        for number, batch in enumerate(super().__iter__()):
            if number == self.damaged:
                raise InputError("frames/000004.jpg: not a readable image")
            yield batch


def act(what: str) -> None:
    if what == "error":
        raise InputError("the fourth batch cannot be learned from")
    if what == "fault":
        raise KeyError("fourth")
    if what == "Ctrl-C":
        os.kill(os.getpid(), signal.SIGINT)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "slow":
        time.sleep(3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "culprit", "line"),
    [
        ("error", 1, "^the fourth batch cannot be learned from$"),
        pytest.param("fault", 0, r"^process 0 of the run failed \(KeyError: 'fourth'\)$", marks=FULL),
        pytest.param(
            "kill", 0, r"SIGKILL; where memory ran out|^another process of the run ended without a word", marks=FULL
        ),
        ("kill", 1, r"SIGKILL; where memory ran out|^another process of the run ended without a word"),
        pytest.param("evaluation error", 0, "^the fourth batch cannot be learned from$", marks=FULL),
    ],
)
def test_what_ends_one_process_ends_both(tmp_path: Path, what: str, culprit: int, line: str) -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match=line):
        launch(train, Job(str(tmp_path), what, culprit))
    assert time.monotonic() - start < SOON_S


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """Weights of a run that was left alone, whose evaluations let the other process wait."""
    folder = tmp_path_factory.mktemp("whole")
    launch(train, Job(str(folder), "evaluation slow"))
    return load_weights(folder / "model.safetensors")[0]


@pytest.mark.slow
@FULL
def test_bad_data_in_one_process_saves_a_whole_step_of_both(tmp_path: Path, whole: dict[str, Tensor]) -> None:
    """And the run that goes on from there ends with the weights of one that was left alone."""
    with pytest.raises(InputError, match=r"^frames/000004\.jpg: not a readable image; training is saved up to here"):
        launch(train, Job(str(tmp_path), "data"))
    assert load_state(tmp_path / "last.pt")["progress"]["step"] == 3
    launch(train, Job(str(tmp_path), resume=True))
    resumed, _ = load_weights(tmp_path / "model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.slow
@FULL
@pytest.mark.parametrize("culprit", [0, 1])
def test_a_stop_of_one_process_stops_both_and_only_the_main_one_needs_the_state(
    tmp_path: Path, whole: dict[str, Tensor], culprit: int
) -> None:
    """Two machines without a shared disk: a folder for each process."""
    with pytest.raises(KeyboardInterrupt):
        launch(train, Job(str(tmp_path), "Ctrl-C", culprit, apart=True))
    assert load_state(tmp_path / "0" / "last.pt")["progress"]["step"] == 4
    assert not (tmp_path / "1" / "last.pt").exists()
    launch(train, Job(str(tmp_path), resume=True, apart=True))
    resumed, _ = load_weights(tmp_path / "0" / "model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_process_alone_waits_for_nobody() -> None:
    peers, turns = Peers(), []
    assert peers.agree(2.5, stop=True) == Agreement(2.5, stop=True, failed=False)
    assert peers.main_only(lambda: 1) == peers.main_first(lambda: 1) == peers.from_main(lambda: 1) == 1
    assert peers.main_first(lambda: turns.append(0)) is None and turns == [0]
    peers.report(InputError("nobody hears this"))
    assert peers.reported() is None and Runtime().is_main
    own = RuntimeError("own")
    assert peers.cause_of(own) is own


def test_every_process_on_one_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(InputError, match=r"^device: 'cuda:0' would put every process on that GPU"),
        start_runtime("cuda:0"),
    ):
        pass
