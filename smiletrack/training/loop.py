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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from smiletrack.console import notify
from smiletrack.errors import InputError
from smiletrack.files import alone_in, write_json
from smiletrack.training.config import FitConfig as FitConfig
from smiletrack.training.log import TrainingLog
from smiletrack.training.optimizer import Schedule
from smiletrack.training.recipe import Evaluation, Recipe
from smiletrack.training.runtime import Runtime, stop_signal
from smiletrack.training.state import TrainingState, load_state
from smiletrack.training.step import StepFigures, batch_size, take_step
from smiletrack.weights import save_weights

WEIGHT_FILES = ("last.pt", "model.safetensors", "best.safetensors")
"""What a run leaves to use and to go on from."""


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
    recipe: Recipe,
    config: FitConfig,
    folder: Path,
    *,
    runtime: Runtime | None = None,
    resume: bool = False,
    overwrite: bool = False,
    begin: Callable[[], object] = lambda: None,
) -> FitResult:
    """Train `recipe.network` and return it with its files in `folder`.

    With `resume`, goes on from `folder/last.pt` where there is one; another configuration or other metadata than that
    run had is an InputError, but for more epochs and a later limit. A folder with weights of another run is one, too,
    unless they may be overwritten: then they are there until the first epoch of this run is; and so is one in which
    another process trains. `begin` is called in the main process when all that is checked; until then nothing is
    written.

    Raises InputError on a loss that is not finite, on GPU memory running out, and passes on those of the loader; the
    last good state is on disk in all three cases. Ctrl-C and SIGTERM save the state at the next step and then raise
    KeyboardInterrupt.
    """
    runtime, folder = runtime or Runtime(), Path(folder)
    state = TrainingState(recipe.network, config, runtime)
    identity = _identity(recipe, config, runtime)
    last = folder / "last.pt"
    before = runtime.peers.from_main(lambda: load_state(last) if resume and last.is_file() else None)
    if before is not None:
        state.restore(before, last, identity)
    run = _Run(recipe, config, folder, runtime, state, identity)
    with ExitStack() as held:
        runtime.peers.main_only(lambda: held.enter_context(run.in_folder(before is not None, overwrite, begin)))
        if before is not None:
            run.tell_if_finished()
        run.open_log()
        with _in_one_line(state), stop_signal() as stop, run.log:
            run.train(stop)
    weights, best = folder / "model.safetensors", folder / "best.safetensors"
    return FitResult(run.shipped, weights, best if best.is_file() else weights, state.progress.history)


def _identity(recipe: Recipe, config: FitConfig, runtime: Runtime) -> dict[str, dict[str, Any]]:
    """Return what a resumed run must have in common with the one it goes on from."""
    free = ("log_every", "checkpoint_s", "evaluate_every", "compile")
    settings = {k: v for k, v in dataclasses.asdict(config).items() if k not in free}
    where = {"seed": runtime.seed, "world_size": runtime.world_size}
    return {"config": settings, "runtime": where, "metadata": dict(recipe.metadata)}


class _Run:
    """A run of the loop: `state` is what it changes, the rest stays."""

    def __init__(
        self,
        recipe: Recipe,
        config: FitConfig,
        folder: Path,
        runtime: Runtime,
        state: TrainingState,
        identity: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.stale: list[Path] = []
        """Files of another run, which go when there is an epoch of this one."""
        self.recipe, self.config, self.folder, self.runtime = recipe, config, folder, runtime
        self.state, self.progress, self.identity = state, state.progress, identity
        self.last = folder / "last.pt"
        self._saved = time.monotonic()
        self._clock_start = self._saved - self.progress.elapsed_s
        self.figures = StepFigures()
        self.loader = self._loader()
        steps_per_epoch = math.ceil(len(self.loader) / config.accumulate)  # type: ignore[arg-type]
        if steps_per_epoch == 0:
            raise InputError("nothing to train on: the loader has no batches; lower the batch size or add data")
        self.schedule = Schedule(config, steps_per_epoch)

    @contextmanager
    def in_folder(self, resumed: bool, overwrite: bool, begin: Callable[[], object]) -> Iterator[None]:
        """Let the run begin and have its folder for itself, unless another one is, or was, there; see `fit`."""
        with alone_in(self.folder):
            if not resumed:
                self.stale = [file for name in WEIGHT_FILES if (file := self.folder / name).is_file()]
            if self.stale and not overwrite:
                raise InputError(
                    f"{self.stale[0]}: of a run before this one; --resume goes on with it, --overwrite trains anew, "
                    "another --output keeps both"
                )
            begin()
            yield

    def open_log(self) -> None:
        """Begin to write and to show."""
        config, progress = self.config, self.progress
        limit_s = config.time_limit_s - progress.elapsed_s if config.time_limit_s else math.inf
        self.log = TrainingLog(self.folder, progress.step, self.schedule.steps, self.runtime.is_main, limit_s)

    def tell_if_finished(self) -> None:
        """Say that a resumed run has nothing left to do, where that is so."""
        if self._finished() and self.runtime.is_main:
            notify(
                f"{self.last}: finished in epoch {self.progress.epoch}; a larger fit.epochs or fit.time_limit_s goes on"
            )

    @property
    def shipped(self) -> nn.Module:
        """The part of the (averaged) network that is used after training, in eval mode."""
        return self.state.shipped(self.recipe.shipped)

    def train(self, stop: threading.Event) -> None:
        """Run the epochs that are left and write the weights."""
        network = self._wrapped()
        while not self._finished():
            network.train()
            batches = islice(self.loader, self.progress.batch, None)  # those before were done before a resume
            with _kernels_tried_out():
                while group := self._next_group(batches, stop):
                    self._step(network, group)
            self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0
            self._finish_epoch()
            if not self._finished():
                self.loader = self._loader()
        self.state.network.eval()
        if self.runtime.is_main:
            save_weights(self.folder / "model.safetensors", self.shipped.state_dict(), self.recipe.metadata)

    def save(self) -> None:
        """Write last.pt in the main process; the loss of the last step is looked at first."""
        self._read_figures()
        if self.runtime.is_main:
            self.state.write(self.last, self.identity)
        self._saved = time.monotonic()

    # --- an epoch

    def _next_group(self, batches: Iterator[Any], stop: threading.Event) -> list[Any]:
        """Return the batches of the next step, none at the end of the epoch or of the time.

        Before every step the processes agree whether there is to be one: a stop or a failure of the data in one of them
        ends all of them here, between two steps, with the state saved.
        """
        group, failure = self._read(batches)
        if failure is not None:
            self.runtime.peers.report(failure)
        agreed = self.runtime.peers.agree(time.monotonic() - self._clock_start, stop.is_set(), failure is not None)
        self.progress.elapsed_s = agreed.clock_s
        if agreed.stop or agreed.failed:
            self._read_figures()
            self.runtime.peers.main_only(self.save)
            raise failure or self.runtime.peers.reported() or KeyboardInterrupt
        if time.monotonic() - self._saved > self.config.checkpoint_s:
            self.save()
        return [] if self._out_of_time() and self.progress.batch else group

    def _read(self, batches: Iterator[Any]) -> tuple[list[Any], InputError | None]:
        """Return the next batches that make one step, none at the end of the epoch, and what is wrong with the data."""
        try:
            return list(islice(batches, self.config.accumulate)), None
        except InputError as error:
            # a worker process sends its traceback along; the user's line is its last
            line = str(error).rsplit("InputError: ", 1)[-1].strip()
            return [], InputError(f"{line}; training is saved up to here in {self.last}")

    def _step(self, network: nn.Module, group: list[Any]) -> None:
        """Launch an optimizer step, and read the figures of the one before it."""
        progress = self.progress
        torch.manual_seed(_seed(self.runtime, 1, progress.step))
        rate = self.schedule.learning_rate(progress.step, progress.elapsed_s)
        for parameters in self.state.optimizer.param_groups:
            parameters["lr"] = rate * (self.config.slow_factor if parameters["slow"] else 1.0)
        figures = take_step(self.recipe, self.state, network, group, self.config.clip_norm)
        self._read_figures()
        self.figures.put(progress.step, sum(map(batch_size, group)) * self.runtime.world_size, figures)

    def _read_figures(self) -> None:
        """Count and show the figures of the last step; raise InputError where its loss is not finite."""
        result = self.figures.take()
        if result is None:
            return
        if not math.isfinite(result.figures["loss"]):
            listed = ", ".join(f"{name} {value:.4g}" for name, value in result.figures.items())
            kept = f"the last good state is in {self.last}" if self.last.is_file() else "nothing was saved yet"
            raise InputError(
                f"the loss stopped being a number at step {result.step} ({listed}); lower fit.learning_rate or "
                f"lengthen fit.warmup_epochs; {kept}"
            )
        self.progress.add(result.figures)
        epoch = f"{self.progress.epoch + 1}/{self.config.epochs}"
        record = result.step % self.config.log_every == 0
        self.log.step(result.step, epoch, result.samples, result.figures, record)

    # --- between epochs

    def _finish_epoch(self) -> None:
        """Evaluate where it is due, write the history and the state, and keep the best weights."""
        progress, monitor = self.progress, self.recipe.monitor
        self._read_figures()
        row = {"epoch": float(progress.epoch), "step": float(progress.step), "elapsed_s": progress.elapsed_s}
        row["learning_rate"] = float(self.state.optimizer.param_groups[0]["lr"])
        row |= progress.take_means()
        due = self._finished() or progress.epoch % self.config.evaluate_every == 0
        if due:  # else the clock rests: no run ends between two epochs without an evaluation
            evaluation = self.runtime.peers.main_only(self._evaluation) or Evaluation({})
            row |= evaluation.figures
            self.log.pictures(progress.step, evaluation.pictures)
            progress.elapsed_s = self.runtime.peers.agree(time.monotonic() - self._clock_start).clock_s
        progress.history.append(row)
        if self.runtime.is_main:
            for file in self.stale:
                if file != self.last:  # which is replaced, not removed
                    file.unlink(missing_ok=True)
            self.stale = []
        if monitor and due and self.runtime.is_main and row[monitor] > progress.best:
            progress.best = row[monitor]
            save_weights(self.folder / "best.safetensors", self.shipped.state_dict(), self.recipe.metadata)
        self.log.epoch(progress.step, f"{progress.epoch}/{self.config.epochs}", progress.elapsed_s, row)
        if self.runtime.is_main:
            write_json(self.folder / "history.json", progress.history)
        self.save()

    def _evaluation(self) -> Evaluation:
        if self.recipe.evaluate is None:
            return Evaluation({})
        with torch.no_grad():
            return self.recipe.evaluate(self.shipped)

    # --- small parts

    def _loader(self) -> Iterable[Any]:
        # a loader that shuffles with the global generator is a function of the epoch, too
        torch.manual_seed(_seed(self.runtime, 0, self.progress.epoch))
        return self.recipe.batches(self.progress.epoch)

    def _wrapped(self) -> nn.Module:
        network = torch.compile(self.state.network) if self.config.compile else self.state.network
        if self.runtime.world_size > 1:
            devices = [self.runtime.device] if self.runtime.device.type == "cuda" else None
            # kernels of 1x1 have two right orders in memory; which one a gradient has is not the user's concern
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            return DistributedDataParallel(network, device_ids=devices)
        return network  # type: ignore[return-value]

    def _out_of_time(self) -> bool:
        return 0 < self.config.time_limit_s <= self.progress.elapsed_s

    def _finished(self) -> bool:
        return self.progress.epoch >= self.config.epochs or self._out_of_time()


@contextmanager
def _kernels_tried_out() -> Iterator[None]:
    """Have cuDNN choose kernels by trying them out, once a shape: steps have few shapes.

    What comes before and between (teachers, evaluations) has as many as there are numbers of people in an image.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = not torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


@contextmanager
def _in_one_line(state: TrainingState) -> Iterator[None]:
    """Turn what a machine that is too small raises into an InputError that names the setting."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise InputError(
            f"out of GPU memory at step {state.progress.step + 1}; lower the batch size (and raise fit.accumulate "
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
