"""The one training loop of the project; what is trained comes in as a network, a loss function and a loader.

Exact by construction: every random number of step n is drawn from a generator seeded with (seed, rank, n), and
loaders are functions of the epoch, so a run that is killed and resumed ends with the weights of one that was not
(bitwise on a CPU). A run folder holds `last.pt` (everything, to resume), `model.safetensors` (the weights to use),
`best.safetensors` (the best epoch by the monitored figure), `history.json` and `tensorboard/`.
"""

import dataclasses
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.training.config import FitConfig as FitConfig
from smiletrack.training.log import Picture, TrainingLog
from smiletrack.training.optimizer import MovingAverage, Schedule, make_optimizer
from smiletrack.training.runtime import Runtime, autocast_type, stop_signal
from smiletrack.training.state import load_state, refuse_change, save_state
from smiletrack.weights import load_exactly, save_weights

LossFunction = Callable[[nn.Module, Any], tuple[Tensor, Mapping[str, Any]]]
"""(network, batch on the device) -> (scalar to minimise, its parts for the log)."""
MakeLoader = Callable[[int], Iterable[Any]]
"""Epoch from 0 -> batches of this process, with a length, the same in every epoch and process."""
Evaluate = Callable[[nn.Module], Mapping[str, float]]
"""Network in eval mode -> figures by name."""
MakePictures = Callable[[nn.Module], Mapping[str, Picture]]
"""Network in eval mode -> (H, W, 3) RGB uint8 pictures by name."""


@dataclass
class TrainingState:
    """Where a run is; the numbers of last.pt beside the tensors."""

    epoch: int = 0
    """Epoch that runs, from 0."""
    batch: int = 0
    """Batches of it that are done."""
    step: int = 0
    """Optimizer steps that are done."""
    elapsed_s: float = 0.0
    """Seconds spent, those before a resume included."""
    best: float = -math.inf
    """Best monitored figure so far."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One row of figures an epoch."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums of the losses over the steps of this epoch."""
    summed: int = 0
    """Number of steps in `sums`."""


@dataclass(frozen=True)
class FitResult:
    """What a finished run leaves."""

    network: nn.Module
    """The shipped network with its final (averaged) weights, in eval mode, on the run's device."""
    weights: Path
    """`model.safetensors`: those weights."""
    best_weights: Path
    """Weights of the best epoch by the monitored figure; `weights` where nothing was monitored."""
    history: list[dict[str, float]]
    """One row an epoch: epoch, step, elapsed_s, learning_rate, mean losses, evaluation figures."""


def fit(
    network: nn.Module,
    loss_function: LossFunction,
    make_loader: MakeLoader,
    config: FitConfig,
    folder: Path,
    *,
    runtime: Runtime | None = None,
    evaluate: Evaluate | None = None,
    monitor: str | None = None,
    pictures: MakePictures | None = None,
    shipped: Callable[[nn.Module], nn.Module] = lambda network: network,
    metadata: Mapping[str, str] | None = None,
    resume: bool = False,
) -> FitResult:
    """Train `network` and return it with its files in `folder`.

    `shipped` picks the part of the network that is used after training (say, without a classifier that only the loss
    needs): it is what `evaluate` and `pictures` get, in eval mode, and what the weight files hold together with
    `metadata`. `monitor` names the figure, up is good, that chooses best.safetensors. With `resume`, goes on from
    `folder/last.pt` where there is one; another configuration or other metadata than that run had is an InputError.

    Raises InputError on a loss that is not finite, on GPU memory running out, and passes on those of the loader; the
    last good state is on disk in all three cases. Ctrl-C and SIGTERM save the state at the next step and then raise
    KeyboardInterrupt.
    """
    run = _Run(network, config, Path(folder), runtime or Runtime(), shipped, dict(metadata or {}))
    if resume and run.last.is_file():
        run.restore()
    elif run.runtime.is_main:
        for stale in ("model.safetensors", "best.safetensors", "last.pt"):
            (run.folder / stale).unlink(missing_ok=True)
    try:
        with stop_signal() as stop:
            run.train(loss_function, make_loader, evaluate, monitor, pictures, stop)
    except torch.OutOfMemoryError:
        raise InputError(
            f"out of GPU memory at step {run.progress.step + 1}; lower the batch size (and raise fit.accumulate by as "
            "much to keep its effect) or the image size, or set fit.amp to bfloat16"
        ) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise InputError(
            f"a process that prepares batches died ({str(error).splitlines()[0].strip()}); lower `workers` or give the "
            f"machine more memory, then resume"
        ) from None
    weights, best = run.folder / "model.safetensors", run.folder / "best.safetensors"
    return FitResult(run.shipped, weights, best if best.is_file() else weights, run.progress.history)


class _Run:
    """A run's visible state (`progress` and the objects that hold tensors) and the steps that change it."""

    def __init__(
        self,
        network: nn.Module,
        config: FitConfig,
        folder: Path,
        runtime: Runtime,
        shipped: Callable[[nn.Module], nn.Module],
        metadata: dict[str, str],
    ):
        self.config, self.folder, self.runtime, self.metadata = config, folder, runtime, metadata
        self.last = folder / "last.pt"
        device = runtime.device
        if device.type == "cuda" and runtime.world_size > 1:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        self.network = network.to(device)
        if config.channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.average = MovingAverage(self.network, config.ema_decay) if config.ema_decay else None
        self.optimizer = make_optimizer(self.network, config)
        self.autocast = autocast_type(config.amp, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.autocast is torch.float16)
        self.progress = TrainingState()
        self._shipped = shipped
        self._clock_start = time.monotonic()
        self._unread: Tensor | None = None
        self._names: list[str] = []
        self.scalars: dict[str, float] = {}

    @property
    def shipped(self) -> nn.Module:
        """The part of the (averaged) network that is used after training, in eval mode."""
        return self._shipped(self.average.network if self.average else self.network).eval()

    # --- the state on disk

    def save(self) -> None:
        """Write last.pt in the main process; the loss of the last step is looked at first."""
        self._read_losses()
        if self.runtime.is_main:
            tensors = {name: part.state_dict() for name, part in self._parts().items()}
            save_state(self.last, {**self._identity(), **tensors, "progress": dataclasses.asdict(self.progress)})

    def restore(self) -> None:
        """Read last.pt back, in every process."""
        state = load_state(self.last)
        for section, now in self._identity().items():
            refuse_change(self.last, state[section], now)
        load_exactly(self.network, state["network"], str(self.last))
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.progress = TrainingState(**state["progress"])
        self._clock_start = time.monotonic() - self.progress.elapsed_s

    def _parts(self) -> dict[str, Any]:
        parts = {"network": self.network, "optimizer": self.optimizer, "scaler": self.scaler}
        return parts | ({"average": self.average.network} if self.average else {})

    def _identity(self) -> dict[str, dict[str, Any]]:
        """What a resumed run must have in common with the one it goes on from."""
        free = ("log_every", "checkpoint_s", "evaluate_every", "compile")
        config = {k: v for k, v in dataclasses.asdict(self.config).items() if k not in free}
        runtime = {"seed": self.runtime.seed, "world_size": self.runtime.world_size}
        return {"config": config, "runtime": runtime, "metadata": self.metadata}

    # --- the loop

    def train(
        self,
        loss_function: LossFunction,
        make_loader: MakeLoader,
        evaluate: Evaluate | None,
        monitor: str | None,
        pictures: MakePictures | None,
        stop: threading.Event,
    ) -> None:
        """Run the epochs that are left and write the weights."""
        config, progress = self.config, self.progress
        network = self._wrapped()
        loader = self._loader(make_loader)
        steps_per_epoch = math.ceil(len(loader) / config.accumulate)  # type: ignore[arg-type]
        if steps_per_epoch == 0:
            raise InputError("nothing to train on: the loader has no batches; lower the batch size or add data")
        schedule = Schedule(config, steps_per_epoch)
        limit_s = config.time_limit_s - progress.elapsed_s if config.time_limit_s else math.inf
        with TrainingLog(self.folder, progress.step, schedule.steps, self.runtime.is_main, limit_s) as report:
            saved = time.monotonic()
            while not self._finished():
                network.train()
                for group in self._groups(loader):
                    self._step(network, loss_function, group, schedule)
                    self._tell(report, group)
                    if stop.is_set():
                        self.save()
                        raise KeyboardInterrupt
                    if time.monotonic() - saved > config.checkpoint_s:
                        self.save()
                        saved = time.monotonic()
                    if self._out_of_time():
                        break
                progress.epoch, progress.batch = progress.epoch + 1, 0
                self._finish_epoch(report, evaluate, monitor, pictures)
                saved = time.monotonic()
                if not self._finished():
                    loader = self._loader(make_loader)
        self.network.eval()
        if self.runtime.is_main:
            save_weights(self.folder / "model.safetensors", self.shipped.state_dict(), self.metadata)

    def _step(self, network: nn.Module, loss_function: LossFunction, group: list[Any], schedule: Schedule) -> None:
        """Make one optimizer step from the mean gradient of the batches in `group`."""
        progress, device = self.progress, self.runtime.device
        torch.manual_seed(_seed(self.runtime, 1, progress.step))
        rate = schedule.learning_rate(progress.step, progress.elapsed_s)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate * (self.config.slow_factor if parameters["slow"] else 1.0)
        values: dict[str, Tensor] = {}
        for number, batch in enumerate(group, start=1):
            last = number == len(group) or not isinstance(network, DistributedDataParallel)
            with nullcontext() if last else network.no_sync():  # type: ignore[operator]
                with torch.autocast(device.type, self.autocast, enabled=self.autocast is not None):
                    loss, parts = loss_function(network, _to_device(batch, device))
                self.scaler.scale(loss / len(group)).backward()  # type: ignore[no-untyped-call]
            for name, value in {"loss": loss, **parts}.items():
                share = torch.as_tensor(value, dtype=torch.float32, device=device).detach() / len(group)
                values[name] = values[name] + share if name in values else share
        if self.config.clip_norm:
            self.scaler.unscale_(self.optimizer)
            norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
            values["gradient_norm"] = norm
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        progress.step += 1
        progress.batch += len(group)
        if self.average:
            self.average.update(progress.step)
        # numbers are fetched one step late, so that the GPU never waits for Python
        self._read_losses()
        self._names = list(values)
        self._unread = torch.stack(list(values.values()))
        self._tick()

    def _read_losses(self) -> None:
        """Add the last step's figures to the epoch's sums; raise InputError where its loss is not finite."""
        if self._unread is None:
            return
        scalars = dict(zip(self._names, self._unread.tolist(), strict=True))
        self._unread = None
        if not math.isfinite(scalars["loss"]):
            shown = ", ".join(f"{name} {value:.4g}" for name, value in scalars.items())
            kept = f"the last good state is in {self.last}" if self.last.is_file() else "nothing was saved yet"
            raise InputError(
                f"the loss stopped being a number near step {self.progress.step} ({shown}); lower "
                f"fit.learning_rate or lengthen fit.warmup_epochs; {kept}"
            )
        self.scalars = scalars
        for name, value in scalars.items():
            # float16 steps with an infinite gradient are skipped by design; their norm has no mean
            if name != "gradient_norm":
                self.progress.sums[name] = self.progress.sums.get(name, 0.0) + value
        self.progress.summed += 1

    def _finish_epoch(
        self, report: TrainingLog, evaluate: Evaluate | None, monitor: str | None, pictures: MakePictures | None
    ) -> None:
        """Evaluate where it is due, write the history and the state, and keep the best weights."""
        progress = self.progress
        self._read_losses()
        row = {"epoch": float(progress.epoch), "step": float(progress.step), "elapsed_s": progress.elapsed_s}
        row["learning_rate"] = float(self.optimizer.param_groups[0]["lr"])
        row |= {name: total / progress.summed for name, total in progress.sums.items()}
        progress.sums, progress.summed = {}, 0
        due = self._finished() or progress.epoch % self.config.evaluate_every == 0
        if due and self.runtime.is_main:
            with torch.no_grad():
                row |= evaluate(self.shipped) if evaluate else {}
                report.pictures(progress.step, pictures(self.shipped) if pictures else {})
        if due:  # else the clock rests: no run ends between two epochs without an evaluation
            self._tick()
        progress.history.append(row)
        if monitor and due and self.runtime.is_main and row[monitor] > progress.best:
            progress.best = row[monitor]
            save_weights(self.folder / "best.safetensors", self.shipped.state_dict(), self.metadata)
        report.epoch(progress.step, f"{progress.epoch}/{self.config.epochs}", progress.elapsed_s, row)
        if self.runtime.is_main:
            write_json(self.folder / "history.json", progress.history)
        self.save()

    def _tell(self, report: TrainingLog, group: list[Any]) -> None:
        progress = self.progress
        samples = sum(map(_batch_size, group)) * self.runtime.world_size
        epoch = f"{progress.epoch + 1}/{self.config.epochs}"
        record = progress.step % self.config.log_every == 0
        if record:
            self._read_losses()
        report.step(progress.step, epoch, samples, self.scalars, record)

    # --- small parts of it

    def _loader(self, make_loader: MakeLoader) -> Iterable[Any]:
        # a loader that shuffles with the global generator is a function of the epoch, too
        torch.manual_seed(_seed(self.runtime, 0, self.progress.epoch))
        return make_loader(self.progress.epoch)

    def _groups(self, loader: Iterable[Any]) -> Iterator[list[Any]]:
        """Yield lists of the batches that make one step, without those that were done before a resume."""
        batches = islice(loader, self.progress.batch, None)
        while True:
            try:
                group = list(islice(batches, self.config.accumulate))
            except InputError as error:
                self.save()
                # a worker process sends its traceback along; the user's line is its last
                line = str(error).rsplit("InputError: ", 1)[-1].strip()
                raise InputError(f"{line}; training is saved up to here in {self.last}") from None
            if not group:
                return
            yield group

    def _wrapped(self) -> nn.Module:
        network = torch.compile(self.network) if self.config.compile else self.network
        if self.runtime.world_size > 1:
            devices = [self.runtime.device] if self.runtime.device.type == "cuda" else None
            # kernels of 1x1 have two right orders in memory; which one a gradient has is not the user's concern
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            return DistributedDataParallel(network, device_ids=devices)
        return network  # type: ignore[return-value]

    def _tick(self) -> None:
        """Read the clock; under a time limit all processes take the main one's, so that they stop together."""
        self.progress.elapsed_s = time.monotonic() - self._clock_start
        if self.config.time_limit_s and self.runtime.world_size > 1:
            clock = torch.tensor(self.progress.elapsed_s, dtype=torch.float64, device=self.runtime.device)
            distributed.broadcast(clock, 0)
            self.progress.elapsed_s = float(clock)

    def _out_of_time(self) -> bool:
        return 0 < self.config.time_limit_s <= self.progress.elapsed_s

    def _finished(self) -> bool:
        return self.progress.epoch >= self.config.epochs or self._out_of_time()


def _seed(runtime: Runtime, *key: int) -> int:
    """Return 32 well-mixed bits for a place in the run; a CPU generator takes no more."""
    return int(np.random.SeedSequence([runtime.seed, runtime.rank, *key]).generate_state(1)[0])


def _to_device(batch: Any, device: torch.device) -> Any:
    """Move the tensors in nested tuples, lists and dicts."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, (tuple, list)):
        return type(batch)(_to_device(part, device) for part in batch)
    if isinstance(batch, dict):
        return {name: _to_device(part, device) for name, part in batch.items()}
    return batch


def _batch_size(batch: Any) -> int:
    """Rows of the first tensor in the batch; 1 where there is none."""
    if isinstance(batch, Tensor):
        return len(batch)
    parts = list(batch.values()) if isinstance(batch, dict) else batch
    return _batch_size(parts[0]) if isinstance(parts, (tuple, list)) and parts else 1
