"""Where a run computes: device, processes, threads and seeds, decided once at its start.

Several processes or machines are started by `torchrun`, which sets RANK, WORLD_SIZE and LOCAL_RANK; everything here
reads those and nothing else.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import cv2
import torch
from torch import distributed

from smiletrack.errors import InputError


@dataclass(frozen=True)
class Runtime:
    """What every part of a run needs to know about where it computes."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Device of this process."""
    seed: int = 0
    """Every random number of the run is a function of this."""
    rank: int = 0
    """Number of this process, from 0."""
    world_size: int = 1
    """Number of processes in the run."""

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files and prints."""
        return self.rank == 0


def choose_device(name: str = "auto") -> torch.device:
    """Return the device that `name` (auto, cpu, cuda, cuda:N, mps) means on this machine.

    `auto` takes a GPU where there is one. A device that is not there is an InputError.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device: {name!r} is not one of auto, cpu, cuda, cuda:N, mps") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        reason = "this PyTorch is built without CUDA" if torch.version.cuda is None else "PyTorch sees none"
        raise InputError(f"device: {name!r} asks for a GPU, but {reason}; use --device cpu or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise InputError(f"device: {name!r} is not there, the last GPU of this machine is cuda:{last}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"device: {name!r} is not available here; use --device cpu or auto")
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"device: {name!r} is not one of auto, cpu, cuda, cuda:N, mps")
    return device


@contextmanager
def start_runtime(
    device: str = "auto", seed: int = 0, deterministic: bool = False, threads: int = 0
) -> Iterator[Runtime]:
    """Set up seeds, threads and (under torchrun) the process group; leave the group at the end.

    `deterministic` makes GPU results repeatable at some cost in speed; on a CPU they always are. `threads` > 0 sets
    the number of computing threads. Process k of a machine takes its k-th GPU, or the CPU with gloo.
    """
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world_size > 1 and device in ("auto", "cuda") and torch.cuda.is_available():
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    chosen = choose_device(device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
        torch.backends.cudnn.benchmark = not deterministic
        torch.set_float32_matmul_precision("highest" if deterministic else "high")
    if threads > 0:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.manual_seed(seed)
    if world_size > 1:
        # only the main process evaluates while the others wait, so the wait must be allowed to be long
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=timedelta(hours=2))
    try:
        yield Runtime(chosen, seed, rank, world_size)
    finally:
        torch.use_deterministic_algorithms(False)
        if world_size > 1:
            distributed.destroy_process_group()


def autocast_type(amp: str, device: torch.device) -> torch.dtype | None:
    """Return the low precision that `amp` (auto, off, bfloat16, float16) means on `device`; None for full."""
    if amp == "auto":
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"off": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[amp]


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into an event, so that a step ends before the run does."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
