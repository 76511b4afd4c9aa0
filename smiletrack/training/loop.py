"""The one training loop of the project; what is trained comes in as a `Recipe`.

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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.training.config import FitConfig as FitConfig
from smiletrack.training.log import TrainingLog
from smiletrack.training.optimizer import Schedule
from smiletrack.training.recipe import Evaluation, Recipe
from smiletrack.training.runtime import Runtime, stop_signal
from smiletrack.training.state import TrainingState
from smiletrack.training.step import StepFigures, batch_size, take_step
from smiletrack.weights import save_weights


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
    recipe: Recipe, config: FitConfig, folder: Path, *, runtime: Runtime | None = None, resume: bool = False
) -> FitResult:
    """Train `recipe.network` and return it with its files in `folder`.

    With `resume`, goes on from `folder/last.pt` where there is one; another configuration or other metadata than that
    run had is an InputError.

    Raises InputError on a loss that is not finite, on GPU memory running out, and passes on those of the loader; the
    last good state is on disk in all three cases. Ctrl-C and SIGTERM save the state at the next step and then raise
    KeyboardInterrupt.
    """
    run = _Run(recipe, config, Path(folder), runtime or Runtime())
    if resume and run.last.is_file():
        run.restore()
    elif run.runtime.is_main:
        for stale in ("model.safetensors", "best.safetensors", "last.pt"):
            (run.folder / stale).unlink(missing_ok=True)
    with _in_one_line(run), stop_signal() as stop:
        run.train(stop)
    weights, best = run.folder / "model.safetensors", run.folder / "best.safetensors"
    return FitResult(run.shipped, weights, best if best.is_file() else weights, run.state.progress.history)


class _Run:
    """A run of the loop: `state` is what it changes, the rest stays."""

    def __init__(self, recipe: Recipe, config: FitConfig, folder: Path, runtime: Runtime) -> None:
        self.recipe, self.config, self.folder, self.runtime = recipe, config, folder, runtime
        self.last = folder / "last.pt"
        self.state = TrainingState(recipe.network, config, runtime)
        self.figures = StepFigures()
        self.shown: dict[str, float] = {}
        self._clock_start = self._saved = time.monotonic()

    @property
    def shipped(self) -> nn.Module:
        """The part of the (averaged) network that is used after training, in eval mode."""
        return self.state.shipped(self.recipe.shipped)

    # --- the state on disk

    def save(self) -> None:
        """Write last.pt in the main process; the loss of the last step is looked at first."""
        self._read_figures()
        if self.runtime.is_main:
            self.state.write(self.last, self._identity())
        self._saved = time.monotonic()

    def restore(self) -> None:
        """Read last.pt back, in every process."""
        self.state.read(self.last, self._identity())
        self._clock_start = time.monotonic() - self.state.progress.elapsed_s

    def _identity(self) -> dict[str, dict[str, Any]]:
        """What a resumed run must have in common with the one it goes on from."""
        free = ("log_every", "checkpoint_s", "evaluate_every", "compile")
        config = {k: v for k, v in dataclasses.asdict(self.config).items() if k not in free}
        runtime = {"seed": self.runtime.seed, "world_size": self.runtime.world_size}
        return {"config": config, "runtime": runtime, "metadata": dict(self.recipe.metadata)}

    # --- the loop

    def train(self, stop: threading.Event) -> None:
        """Run the epochs that are left and write the weights."""
        config, progress = self.config, self.state.progress
        network = self._wrapped()
        batches = self._batches()
        steps_per_epoch = math.ceil(len(batches) / config.accumulate)  # type: ignore[arg-type]
        if steps_per_epoch == 0:
            raise InputError("nothing to train on: the loader has no batches; lower the batch size or add data")
        schedule = Schedule(config, steps_per_epoch)
        limit_s = config.time_limit_s - progress.elapsed_s if config.time_limit_s else math.inf
        with TrainingLog(self.folder, progress.step, schedule.steps, self.runtime.is_main, limit_s) as log:
            while not self._finished():
                self._train_epoch(network, batches, schedule, log, stop)
                self._finish_epoch(log)
                if not self._finished():
                    batches = self._batches()
        self.state.network.eval()
        if self.runtime.is_main:
            save_weights(self.folder / "model.safetensors", self.shipped.state_dict(), self.recipe.metadata)

    def _train_epoch(
        self, network: nn.Module, batches: Iterable[Any], schedule: Schedule, log: TrainingLog, stop: threading.Event
    ) -> None:
        """Make the steps of an epoch that are left, fewer where the time is up or somebody stops the run."""
        progress = self.state.progress
        network.train()
        for group in self._groups(batches):
            torch.manual_seed(_seed(self.runtime, 1, progress.step))
            self._set_learning_rate(schedule.learning_rate(progress.step, progress.elapsed_s))
            figures = take_step(self.recipe, self.state, network, group, self.config.clip_norm)
            self._read_figures()
            self.figures.put(figures)
            self._tick()
            self._tell(log, group)
            if stop.is_set():
                self.save()
                raise KeyboardInterrupt
            if time.monotonic() - self._saved > self.config.checkpoint_s:
                self.save()
            if self._out_of_time():
                break
        progress.epoch, progress.batch = progress.epoch + 1, 0

    def _finish_epoch(self, log: TrainingLog) -> None:
        """Evaluate where it is due, write the history and the state, and keep the best weights."""
        progress, monitor = self.state.progress, self.recipe.monitor
        self._read_figures()
        row = {"epoch": float(progress.epoch), "step": float(progress.step), "elapsed_s": progress.elapsed_s}
        row["learning_rate"] = float(self.state.optimizer.param_groups[0]["lr"])
        row |= progress.take_means()
        due = self._finished() or progress.epoch % self.config.evaluate_every == 0
        if due and self.runtime.is_main:
            evaluation = self._evaluation()
            row |= evaluation.figures
            log.pictures(progress.step, evaluation.pictures)
        if due:  # else the clock rests: no run ends between two epochs without an evaluation
            self._tick()
        progress.history.append(row)
        if monitor and due and self.runtime.is_main and row[monitor] > progress.best:
            progress.best = row[monitor]
            save_weights(self.folder / "best.safetensors", self.shipped.state_dict(), self.recipe.metadata)
        log.epoch(progress.step, f"{progress.epoch}/{self.config.epochs}", progress.elapsed_s, row)
        if self.runtime.is_main:
            write_json(self.folder / "history.json", progress.history)
        self.save()

    # --- small parts of it

    def _evaluation(self) -> Evaluation:
        if self.recipe.evaluate is None:
            return Evaluation({})
        with torch.no_grad():
            return self.recipe.evaluate(self.shipped)

    def _read_figures(self) -> None:
        """Add the last step's figures to the epoch's sums; raise InputError where its loss is not finite."""
        figures = self.figures.take()
        if figures is None:
            return
        if not math.isfinite(figures["loss"]):
            listed = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
            kept = f"the last good state is in {self.last}" if self.last.is_file() else "nothing was saved yet"
            raise InputError(
                f"the loss stopped being a number near step {self.state.progress.step} ({listed}); lower "
                f"fit.learning_rate or lengthen fit.warmup_epochs; {kept}"
            )
        self.shown = figures
        self.state.progress.add(figures)

    def _tell(self, log: TrainingLog, group: list[Any]) -> None:
        progress = self.state.progress
        samples = sum(map(batch_size, group)) * self.runtime.world_size
        record = progress.step % self.config.log_every == 0
        if record:
            self._read_figures()
        log.step(progress.step, f"{progress.epoch + 1}/{self.config.epochs}", samples, self.shown, record)

    def _set_learning_rate(self, rate: float) -> None:
        for parameters in self.state.optimizer.param_groups:
            parameters["lr"] = rate * (self.config.slow_factor if parameters["slow"] else 1.0)

    def _batches(self) -> Iterable[Any]:
        # a loader that shuffles with the global generator is a function of the epoch, too
        torch.manual_seed(_seed(self.runtime, 0, self.state.progress.epoch))
        return self.recipe.batches(self.state.progress.epoch)

    def _groups(self, batches: Iterable[Any]) -> Iterator[list[Any]]:
        """Yield lists of the batches that make one step, without those that were done before a resume."""
        left = islice(batches, self.state.progress.batch, None)
        while True:
            try:
                group = list(islice(left, self.config.accumulate))
            except InputError as error:
                self.save()
                # a worker process sends its traceback along; the user's line is its last
                line = str(error).rsplit("InputError: ", 1)[-1].strip()
                raise InputError(f"{line}; training is saved up to here in {self.last}") from None
            if not group:
                return
            yield group

    def _wrapped(self) -> nn.Module:
        network = torch.compile(self.state.network) if self.config.compile else self.state.network
        if self.runtime.world_size > 1:
            devices = [self.runtime.device] if self.runtime.device.type == "cuda" else None
            # kernels of 1x1 have two right orders in memory; which one a gradient has is not the user's concern
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            return DistributedDataParallel(network, device_ids=devices)
        return network  # type: ignore[return-value]

    def _tick(self) -> None:
        """Read the clock; under a time limit all processes take the main one's, so that they stop together."""
        progress = self.state.progress
        progress.elapsed_s = time.monotonic() - self._clock_start
        if self.config.time_limit_s and self.runtime.world_size > 1:
            clock = torch.tensor(progress.elapsed_s, dtype=torch.float64, device=self.runtime.device)
            distributed.broadcast(clock, 0)
            progress.elapsed_s = float(clock)

    def _out_of_time(self) -> bool:
        return 0 < self.config.time_limit_s <= self.state.progress.elapsed_s

    def _finished(self) -> bool:
        return self.state.progress.epoch >= self.config.epochs or self._out_of_time()


@contextmanager
def _in_one_line(run: _Run) -> Iterator[None]:
    """Turn what a machine that is too small raises into an InputError that names the setting."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise InputError(
            f"out of GPU memory at step {run.state.progress.step + 1}; lower the batch size (and raise fit.accumulate "
            "by as much to keep its effect) or the image size, or set fit.amp to bfloat16"
        ) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise InputError(
            f"a process that prepares batches died ({str(error).splitlines()[0].strip()}); lower `workers` or give the "
            f"machine more memory, then resume"
        ) from None


def _seed(runtime: Runtime, *key: int) -> int:
    """Return 32 well-mixed bits for a place in the run; a CPU generator takes no more."""
    return int(np.random.SeedSequence([runtime.seed, runtime.rank, *key]).generate_state(1)[0])
