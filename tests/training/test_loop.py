"""The training loop against a plain one, against itself when killed, and against everything that can go wrong."""

import copy
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from smiletrack.data.loader_workers import leave_signals_to_main
from smiletrack.errors import InputError
from smiletrack.training.loop import FitConfig, FitResult, fit
from smiletrack.training.recipe import Evaluation
from smiletrack.training.runtime import Runtime, choose_device, start_runtime
from smiletrack.training.state import load_state
from smiletrack.weights import load_weights
from tests.training.product_task import INPUTS, TARGETS, loader, loss_function, network, recipe


def equal(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("slow_part", ["", "0"])
def test_plain_loop_agrees(tmp_path: Path, slow_part: str) -> None:
    """AdamW, warm-up, cosine, clipping, a slow part and the average, typed out again without the loop's code."""
    net, plain = network(), network()
    config = FitConfig(
        epochs=3,
        learning_rate=0.05,
        final_factor=0.1,
        warmup_epochs=0.5,
        clip_norm=0.5,
        ema_decay=0.5,
        weight_decay=0.1,
        slow_part=slow_part,
        slow_factor=0.3,
    )
    result = fit(recipe(network=net, batches=lambda e: loader(shuffle=False)), config, tmp_path)
    optimizer = torch.optim.AdamW(
        {"params": [parameter], "weight_decay": decay}
        for layer in (plain[0], plain[4])
        for parameter, decay in ((layer.weight, 0.1), (layer.bias, 0.0))
    )
    average = [p.detach().clone() for p in plain.parameters()]
    for step in range(18):
        rate = 0.05 * min((step + 1) / 3, 1.0) * (0.1 + 0.9 * (1 + math.cos(math.pi * step / 18)) / 2)
        for i, group in enumerate(optimizer.param_groups):
            group["lr"] = rate * (0.3 if slow_part and i < 2 else 1.0)
        rows = slice(8 * (step % 6), 8 * (step % 6) + 8)
        optimizer.zero_grad()
        (plain(INPUTS[rows]) - TARGETS[rows]).square().mean().backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
        optimizer.step()
        decay = min(0.5, (2 + step) / (11 + step))
        average = [decay * a + (1 - decay) * p.detach() for a, p in zip(average, plain.parameters(), strict=True)]
    torch.testing.assert_close(list(net.parameters()), list(plain.parameters()))
    torch.testing.assert_close(list(result.network.parameters()), average)
    state, _ = load_weights(result.weights)
    names = [name for name, _ in plain.named_parameters()]
    torch.testing.assert_close(state, dict(zip(names, average, strict=True)))
    assert result.history[-1]["step"] == 18


def test_a_slow_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = FitConfig(epochs=1, slow_part="backbone")
    with pytest.raises(InputError, match="no part 'backbone'; there are 0, 1, 2, 3, 4"):
        fit(recipe(), config, tmp_path)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("kill", ["signal", "hard"])
def test_killed_and_resumed_run_ends_with_the_same_weights(tmp_path: Path, optimizer: Any, kill: str) -> None:
    """Batch norm, dropout, shuffling, accumulation and averaging, stopped in the middle of the second epoch."""
    config = FitConfig(epochs=3, learning_rate=0.05, optimizer=optimizer, accumulate=2, ema_decay=0.9)

    def run(folder: str, die_at: int = 0, resume: bool = False) -> FitResult:
        net = network(dropout=0.3, norm=True)
        seen = 0

        def watched(net: nn.Module, batch: list[Tensor]) -> tuple[Tensor, Mapping[str, Any]]:
            nonlocal seen
            seen += 1
            if seen == die_at and kill == "hard":
                raise MemoryError
            if seen == die_at:
                os.kill(os.getpid(), signal.SIGTERM)
            return loss_function(net, batch)

        def evaluate(net: nn.Module) -> Evaluation:
            torch.rand(3)  # an evaluation may use random numbers without changing the run
            return Evaluation({"error": float((net(INPUTS) - TARGETS).square().mean())})

        return fit(recipe(network=net, loss=watched, evaluate=evaluate), config, tmp_path / folder, resume=resume)

    whole = run("whole")
    with pytest.raises((KeyboardInterrupt, MemoryError)):
        run("killed", die_at=9)
    assert load_state(tmp_path / "killed" / "last.pt")["progress"]["step"] == (5 if kill == "signal" else 3)
    resumed = run("killed", resume=True)
    assert equal(whole.network, resumed.network)
    timeless = [[{k: v for k, v in row.items() if k != "elapsed_s"} for row in r.history] for r in (whole, resumed)]
    assert timeless[0] == timeless[1]


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    config = FitConfig(epochs=1, learning_rate=0.05)
    results = [fit(recipe(), config, tmp_path / str(seed), runtime=Runtime(seed=seed)) for seed in (1, 2)]
    assert not equal(results[0].network, results[1].network)


def test_accumulated_batches_make_the_step_of_one_large_batch(tmp_path: Path) -> None:
    """With the partial group at the end of the epoch: 6 batches by 4."""
    large, small = network(), network()
    config = FitConfig(epochs=2, learning_rate=0.05, ema_decay=0.0)
    halves = [[INPUTS[:32], TARGETS[:32]], [INPUTS[32:], TARGETS[32:]]]
    fit(recipe(network=large, batches=lambda e: halves), config, tmp_path / "a")
    accumulating = FitConfig(epochs=2, learning_rate=0.05, ema_decay=0.0, accumulate=4)
    fit(recipe(network=small, batches=lambda e: loader(shuffle=False)), accumulating, tmp_path / "b")
    torch.testing.assert_close(list(large.parameters()), list(small.parameters()))


def test_best_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    figures = iter([0.2, 0.9, 0.4])
    states: list[dict[str, Tensor]] = []

    def evaluate(net: nn.Module) -> Evaluation:
        states.append(copy.deepcopy(dict(net.state_dict())))
        return Evaluation({"score": next(figures)})

    config = FitConfig(epochs=3, learning_rate=0.05)
    metadata = {"architecture": "test"}
    result = fit(recipe(evaluate=evaluate, monitor="score", metadata=metadata), config, tmp_path)
    best, read = load_weights(result.best_weights)
    assert read == metadata and all(torch.equal(best[k], states[1][k]) for k in best)
    assert [row["score"] for row in result.history] == [0.2, 0.9, 0.4]


def test_cudnn_tries_kernels_out_for_steps_only(tmp_path: Path) -> None:
    """Evaluations, and what teaches before a run, have as many shapes as there are numbers of people in an image."""
    tried: list[tuple[str, bool]] = []

    def loss(net: nn.Module, batch: list[Tensor]) -> tuple[Tensor, Mapping[str, Any]]:
        tried.append(("step", torch.backends.cudnn.benchmark))
        return loss_function(net, batch)

    def evaluate(net: nn.Module) -> Evaluation:
        tried.append(("evaluation", torch.backends.cudnn.benchmark))
        return Evaluation({})

    with start_runtime("cpu") as runtime:
        tried.append(("before", torch.backends.cudnn.benchmark))
        fit(recipe(loss=loss, evaluate=evaluate), FitConfig(epochs=2), tmp_path, runtime=runtime)
    tried.append(("after", torch.backends.cudnn.benchmark))
    assert set(tried) == {("before", False), ("step", True), ("evaluation", False), ("after", False)}


def test_only_the_shipped_part_is_saved(tmp_path: Path) -> None:
    config = FitConfig(epochs=1)
    result = fit(recipe(shipped="0"), config, tmp_path)
    assert set(load_weights(result.weights)[0]) == {"weight", "bias"}


def test_time_limit_ends_the_run_with_an_annealed_rate(tmp_path: Path) -> None:
    config = FitConfig(epochs=10**6, time_limit_s=0.5, learning_rate=0.1, final_factor=0.0, evaluate_every=10**6)
    result = fit(recipe(evaluate=lambda net: Evaluation({"x": 1.0})), config, tmp_path)
    last = result.history[-1]
    assert 0.4 <= last["elapsed_s"] < 3 and last["learning_rate"] < 0.02 and last["x"] == 1.0
    assert result.weights.is_file()


def test_loss_that_is_no_number_stops_with_one_line_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    calls = 0

    def poisoned(net: nn.Module, batch: list[Tensor]) -> tuple[Tensor, Mapping[str, Any]]:
        nonlocal calls
        calls += 1
        loss, parts = loss_function(net, batch)
        return (loss * math.nan if calls == 12 else loss), parts

    with pytest.raises(InputError, match=r"stopped being a number at step 12 .*learning_rate.*last\.pt"):
        fit(recipe(loss=poisoned), FitConfig(epochs=3), tmp_path)
    state = load_state(tmp_path / "last.pt")
    assert state["progress"]["step"] == 6
    assert all(tensor.isfinite().all() for tensor in state["network"].values())
    assert not (tmp_path / "model.safetensors").exists()


def test_out_of_gpu_memory_names_the_setting(tmp_path: Path) -> None:
    def greedy(net: nn.Module, batch: list[Tensor]) -> tuple[Tensor, Mapping[str, Any]]:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    with pytest.raises(InputError, match="out of GPU memory at step 1; lower the batch size"):
        fit(recipe(loss=greedy), FitConfig(), tmp_path)


class Corrupt(Dataset[Any]):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if index == 5:
            raise InputError("frames/000006.jpg: not a readable image; download it again")
        return INPUTS[index], TARGETS[index]


@pytest.mark.parametrize("workers", [0, 1])
def test_error_of_the_data_is_one_line_and_what_was_done_is_saved(tmp_path: Path, workers: int) -> None:
    line = r"^frames/000006\.jpg: not a readable image; download it again; training is saved up to here in .*last\.pt$"
    with pytest.raises(InputError, match=line):
        fit(recipe(batches=lambda e: DataLoader(Corrupt(), 2, num_workers=workers)), FitConfig(), tmp_path)
    assert load_state(tmp_path / "last.pt")["progress"]["batch"] == 2


def test_killed_worker_is_one_line(tmp_path: Path) -> None:
    """A really killed one would make PyTorch's signal handler raise again and again, in pytest's own code too."""

    class Dead(list[Any]):
        def __iter__(self) -> Any:
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    with pytest.raises(InputError, match=r"^a process that prepares batches died .*lower `workers`"):
        fit(recipe(batches=lambda e: Dead([1])), FitConfig(), tmp_path)


class Terminating(Corrupt):
    """Sends SIGTERM to the whole run, as a batch system does, while a worker prepares the third batch."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if index == 5:
            os.kill(os.getppid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        return INPUTS[index], TARGETS[index]


@pytest.mark.skipif("SMILETRACK_FULL" not in os.environ, reason="processes and signals; SMILETRACK_FULL=1 runs it")
def test_sigterm_to_all_processes_saves_a_whole_step(tmp_path: Path) -> None:
    def make_loader(epoch: int) -> DataLoader[Any]:
        return DataLoader(Terminating(), 2, num_workers=1, worker_init_fn=leave_signals_to_main)

    with pytest.raises(KeyboardInterrupt):
        fit(recipe(batches=make_loader), FitConfig(), tmp_path)
    progress = load_state(tmp_path / "last.pt")["progress"]
    assert progress["step"] == progress["batch"] < 4


def test_resume_refuses_other_settings_and_foreign_files(tmp_path: Path) -> None:
    fit(recipe(), FitConfig(epochs=1), tmp_path)
    with pytest.raises(InputError, match=r"had learning_rate 0\.001, this one has 0\.1"):
        changed = FitConfig(epochs=1, learning_rate=0.1)
        fit(recipe(), changed, tmp_path, resume=True)
    with pytest.raises(InputError, match="had seed 0, this one has 3"):
        seeded = Runtime(seed=3)
        fit(recipe(), FitConfig(epochs=1), tmp_path, runtime=seeded, resume=True)
    torch.save({"model": {}}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="not a training state"):
        fit(recipe(), FitConfig(epochs=1), tmp_path, resume=True)
    (tmp_path / "last.pt").write_bytes((tmp_path / "model.safetensors").read_bytes()[:100])
    with pytest.raises(InputError, match=r"not a whole PyTorch checkpoint|refused"):
        fit(recipe(), FitConfig(epochs=1), tmp_path, resume=True)


def test_a_finished_run_that_is_resumed_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = fit(recipe(), FitConfig(epochs=1), tmp_path)
    assert "finished" not in capsys.readouterr().err
    assert fit(recipe(), FitConfig(epochs=1), tmp_path, resume=True).history == first.history
    assert "last.pt: finished in epoch 1; a larger fit.epochs" in capsys.readouterr().err


def test_a_folder_in_use_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Overwritten weights are there until the first epoch of the new run is."""
    fit(recipe(), FitConfig(epochs=1), tmp_path)
    (tmp_path / "best.safetensors").write_bytes(b"old")
    begun: list[bool] = []
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}

    def failing(net: nn.Module, batch: list[Tensor]) -> tuple[Tensor, Mapping[str, Any]]:
        raise InputError("no loss")

    for resume, config, reason in (
        (False, FitConfig(epochs=1), "last.pt: of a run before this one; --resume goes on with it, --overwrite"),
        (True, FitConfig(epochs=1, momentum=0.5), "had momentum"),
        (True, FitConfig(epochs=1, time_limit_s=9.0), "had time_limit_s 0.0, this one has 9.0"),
    ):
        with pytest.raises(InputError, match=reason):
            fit(recipe(), config, tmp_path, resume=resume, begin=lambda: begun.append(True))
    with pytest.raises(InputError, match="no loss"):
        fit(recipe(loss=failing), FitConfig(epochs=1), tmp_path, overwrite=True, begin=lambda: begun.append(True))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == kept
    assert len(begun) == 1
    longer = fit(recipe(), FitConfig(epochs=3), tmp_path, resume=True)
    assert len(longer.history) == 3
    anew = fit(recipe(), FitConfig(epochs=1), tmp_path, overwrite=True)
    assert len(anew.history) == 1 and not (tmp_path / "best.safetensors").exists()


def test_what_differs_inside_of_metadata_is_named_alone(tmp_path: Path) -> None:
    made = {"detector": '{"height": 64, "width": 96}'}
    fit(recipe(metadata=made), FitConfig(epochs=1), tmp_path)
    with pytest.raises(InputError, match=r"had detector\.width 96, this one has 128; resume"):
        fit(recipe(metadata={"detector": '{"height": 64, "width": 128}'}), FitConfig(epochs=1), tmp_path, resume=True)


class Bomb:
    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (self.file, "w")


def test_pickle_that_wants_code_is_refused_and_never_runs(tmp_path: Path) -> None:
    torch.save({"format": Bomb(str(tmp_path / "written"))}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="wants to run code"):
        load_state(tmp_path / "last.pt")
    assert not (tmp_path / "written").exists()


def test_empty_loader_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no batches"):
        fit(recipe(batches=lambda e: []), FitConfig(), tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"), [("cuda:77", "cuda:77"), ("gpu", "not one of auto"), ("mps", "not one of auto")]
)
def test_device_that_is_not_there(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        choose_device(name)


@pytest.mark.parametrize(("key", "value"), [("epochs", 0), ("learning_rate", math.nan), ("ema_decay", 1.0)])
def test_impossible_settings_name_their_key(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{key} "):
        FitConfig(**{key: value})


DDP = """
import sys, torch
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from product_task import INPUTS, TARGETS, network, recipe
from smiletrack.training.loop import FitConfig, fit
from smiletrack.training.runtime import start_runtime
with start_runtime("cpu", threads=1) as runtime:
    mine = slice(runtime.rank, None, runtime.world_size)
    batches = [[x[mine], y[mine]] for x, y in zip(INPUTS.split(8), TARGETS.split(8))]
    config = FitConfig(epochs=2, learning_rate=0.05, accumulate=2, time_limit_s=1e6)
    net = network() if runtime.is_main else network().apply(lambda m: [p.data.zero_() for p in m.parameters()])
    fit(recipe(network=net, batches=lambda epoch: batches), config, Path(sys.argv[1]), runtime=runtime)
"""


@pytest.mark.skipif("SMILETRACK_FULL" not in os.environ, reason="processes and signals; SMILETRACK_FULL=1 runs it")
def test_two_processes_make_the_steps_of_one(tmp_path: Path) -> None:
    """torchrun with gloo: half of each batch in each process, the same weights as one process with whole batches."""
    script = tmp_path / "ddp.py"
    script.write_text(DDP)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    arguments = [str(tmp_path / "two"), str(Path(__file__).parent)]
    done = subprocess.run(command + arguments, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    whole = [[x, y] for x, y in zip(INPUTS.split(8), TARGETS.split(8), strict=True)]
    config = FitConfig(epochs=2, learning_rate=0.05, accumulate=2, time_limit_s=1e6)
    one = fit(recipe(batches=lambda e: whole), config, tmp_path / "one")
    torch.testing.assert_close(
        load_weights(tmp_path / "two" / "model.safetensors")[0], load_weights(one.weights)[0], rtol=1e-4, atol=1e-5
    )
