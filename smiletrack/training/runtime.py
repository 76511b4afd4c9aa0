"""Where a run computes: device, processes, threads and seeds, decided once at its start.

Several processes or machines are started by `torchrun`, which sets RANK, WORLD_SIZE and LOCAL_RANK; everything here
reads those and nothing else.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore, ProcessGroup
from torch.distributed.rendezvous import rendezvous

from smiletrack.errors import InputError
from smiletrack.lazy import LazyModule
from smiletrack.training.peers import Peers

cv2 = LazyModule("cv2")

_LONGEST_WAIT = timedelta(minutes=10)
"""Of one process for another at a collective operation. Nothing slow stands before one: files are made, and networks
are evaluated, while the others ask every now and then whether it is done (`Peers.main_only`)."""


@dataclass(frozen=True)
class Runtime:
    """What every part of a run needs to know about where it computes."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Device of this process."""
    seed: int = 0
    """Every random number of the run is a function of this."""
    peers: Peers = field(default_factory=Peers)
    """The processes of the run."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return self.peers.rank

    @property
    def world_size(self) -> int:
        """Number of processes in the run."""
        return self.peers.world_size

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files and prints."""
        return self.rank == 0


def choose_device(name: str = "auto") -> torch.device:
    """Return the device that `name` (auto, cpu, cuda, cuda:N) means on this machine.

    `auto` takes a GPU where there is one. A device that is not there is an InputError.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device: {name!r} is not one of auto, cpu, cuda, cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device: {name!r} is not one of auto, cpu, cuda, cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        reason = "this PyTorch is built without CUDA" if torch.version.cuda is None else "PyTorch sees none"
        raise InputError(f"device: {name!r} asks for a GPU, but {reason}; use --device cpu or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise InputError(f"device: {name!r} is not there, the last GPU of this machine is cuda:{last}")
    return device


@contextmanager
def start_runtime(
    device: str = "auto", seed: int = 0, deterministic: bool = False, threads: int = 0
) -> Iterator[Runtime]:
    """Set up seeds, threads and (under torchrun) the process group; leave the group at the end.

    `deterministic` makes GPU results repeatable at some cost in speed; on a CPU they always are. `threads` > 0 sets
    the number of computing threads. Process k of a machine takes its k-th GPU, or the CPU with gloo. What ends one
    process ends the others, with the same line.
    """
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    chosen = choose_device(_own_device(device) if world_size > 1 else device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if threads > 0:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.manual_seed(seed)
    peers = _meet(rank, world_size, chosen) if world_size > 1 else Peers()
    try:
        yield Runtime(chosen, seed, peers)
        if world_size > 1:  # after an error the group is left to the end of the process: NCCL would wait here
            peers.agree(0.0)
            distributed.destroy_process_group()
    except BaseException as error:
        cause = peers.cause_of(error)
        peers.report(error)
        if cause is error:
            raise
        raise cause from None
    finally:
        torch.use_deterministic_algorithms(False)


def _own_device(device: str) -> str:
    """Return the device of this process, one of several on the machine."""
    if device.startswith("cuda:"):
        raise InputError(f"device: {device!r} would put every process on that GPU; with cuda, process k takes the k-th")
    if device in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return device


def _meet(rank: int, world_size: int, device: torch.device) -> Peers:
    """Join the group of the run's processes."""
    store, _, _ = next(rendezvous("env://", rank, world_size))
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=_LONGEST_WAIT)
    group = distributed.new_group(backend="gloo", timeout=_LONGEST_WAIT)
    return Peers(rank, world_size, PrefixStore("peers", store), cast(ProcessGroup, group))


def autocast_type(amp: str, device: torch.device) -> torch.dtype | None:
    """Return the low precision that `amp` (auto, off, bfloat16, float16) means on `device`; None for full.

    `auto` takes bfloat16 where a GPU computes it (compute capability 8.0 and up; older ones only imitate it).
    """
    if amp == "auto":
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    return {"off": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[amp]


_SAME_WISH_S = 2.0
"""A second signal within this time is the first one by another way: from the terminal and from the parent process."""


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into an event, so that a step ends before the run does; a later one ends it."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    asked = 0.0

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if stop.is_set() and time.monotonic() - asked > _SAME_WISH_S:
            raise KeyboardInterrupt
        if not stop.is_set():
            asked = time.monotonic()
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
