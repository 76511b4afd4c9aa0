"""What a training run tells while it goes on: a progress bar on a terminal, a line an epoch, TensorBoard files."""

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from smiletrack.console import ProgressBar, notify
from smiletrack.files import naming

Picture = NDArray[np.uint8]


class TrainingLog:
    """Progress of one run; silent and without files where `shown` is False (the other processes of a DDP run)."""

    def __init__(self, folder: Path, first_step: int, total_steps: int, shown: bool, limit_s: float = math.inf):
        # the time left is told by `step`, which knows of the limit
        self.bar = ProgressBar("epoch", total_steps, quiet=not shown, remaining=False)
        self._curves = folder / "tensorboard"
        self._writer: SummaryWriter | None = None
        self._shown = shown
        self._start, self._first_step, self._total_steps, self._limit_s = (
            time.monotonic(),
            first_step,
            total_steps,
            limit_s,
        )
        self._samples = 0
        self._opened = ExitStack()

    def __enter__(self) -> "TrainingLog":
        with ExitStack() as opened:
            opened.enter_context(self.bar)
            self.bar.show(self._first_step, "epoch")
            if self._shown:
                opened.enter_context(_writing_threads_silent())
                with naming(self._curves):
                    # later events are of a run that was killed: TensorBoard is told to drop them
                    self._writer = SummaryWriter(str(self._curves), purge_step=self._first_step + 1)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._opened, naming(self._curves):
            if self._writer is not None:
                self._writer.close()

    def step(self, step: int, epoch: str, samples: int, scalars: Mapping[str, float], record: bool = False) -> None:
        """Show optimizer step `step`, which took `samples` samples; `record` makes a point of TensorBoard's curves."""
        self._samples += samples
        spent_s = time.monotonic() - self._start
        rate = self._samples / max(spent_s, 1e-9)
        left_s = spent_s / (step - self._first_step) * (self._total_steps - step)
        left = _clock(min(left_s, self._limit_s - spent_s))
        loss = f"loss {scalars.get('loss', math.nan):.4g}"
        self.bar.show(step, f"epoch {epoch}", f"{rate:.1f} samples/s  left {left}  {loss}")
        if record:
            self._record("train", step, {**scalars, "samples_per_s": rate})

    def epoch(self, step: int, epoch: str, seconds: float, scalars: Mapping[str, float]) -> None:
        """Print one line for a finished epoch and record its figures."""
        shown = {name: value for name, value in scalars.items() if name not in ("epoch", "step", "elapsed_s")}
        text = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        if self._shown:
            notify(f"epoch {epoch}  {_clock(seconds)}  {text}")
        self._record("epoch", step, scalars)

    def pictures(self, step: int, pictures: Mapping[str, Picture]) -> None:
        """Record (H, W, 3) RGB uint8 pictures by name."""
        if self._writer is not None:
            with naming(self._curves):
                for name, picture in pictures.items():
                    self._writer.add_image(name, picture, step, dataformats="HWC")

    def _record(self, group: str, step: int, scalars: Mapping[str, float]) -> None:
        if self._writer is not None:
            with naming(self._curves):
                for name, value in scalars.items():
                    self._writer.add_scalar(f"{group}/{name}", value, step)


@contextmanager
def _writing_threads_silent() -> Iterator[None]:
    """Let no thread tell of a full disk: TensorBoard's writes, and the next call in the main thread raises it."""
    before = threading.excepthook

    def tell(failure: threading.ExceptHookArgs) -> None:
        if not issubclass(failure.exc_type, OSError):
            before(failure)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
