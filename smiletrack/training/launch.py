"""A training run in several processes of this machine, for CPUs.

Small networks spend much of a step waiting for threads to meet: two processes of one thread each train them about one
and a half times as fast as one process of two. GPUs and several machines are started by `torchrun`.
"""

import gc
import logging
import os
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from typing import Protocol, TypeVar

import torch
from torch.multiprocessing.spawn import ProcessExitedException, SpawnContext, start_processes

from smiletrack.child_processes import leave_with_parent
from smiletrack.errors import InputError
from smiletrack.training.runtime import choose_device, stop_signal


class Launched(Protocol):
    """What a configuration says of where it runs."""

    @property
    def device(self) -> str:
        """As `choose_device` takes it."""

    @property
    def processes(self) -> int:
        """Processes on this machine, from 1."""


ConfigT = TypeVar("ConfigT", bound=Launched)

_STOPPED = 130
"""Exit status after Ctrl-C or SIGTERM."""


_GRACE_S = 30.0
"""How long the others may take to save and leave when one process has ended."""


def launch(work: Callable[[ConfigT], object], config: ConfigT) -> None:
    """Call `work(config)` in `config.processes` processes that form one group; in this one on a GPU or under torchrun.

    `work` is importable by name. An InputError of any process is raised here. Ctrl-C and SIGTERM, wherever they arrive,
    reach all, and are raised here as KeyboardInterrupt when all have saved what they had.
    """
    if config.processes == 1 or "RANK" in os.environ or choose_device(config.device).type != "cpu":
        work(config)
        return
    refused: SimpleQueue[str] = get_context("spawn").SimpleQueue()
    threads = max(1, torch.get_num_threads() // config.processes)
    arguments = (work, config, _free_port(), threads, refused)
    logging.getLogger(start_processes.__module__).setLevel(logging.ERROR)  # who stopped whom is not the user's concern
    context = start_processes(_process, arguments, config.processes, join=False, start_method="spawn")  # type: ignore[no-untyped-call]
    with stop_signal() as stop:
        try:
            _wait_for(context, stop)
        except ProcessExitedException as error:
            if stop.is_set() or error.exit_code == _STOPPED:
                raise KeyboardInterrupt from None
            if refused.empty():
                raise InputError(f"{error}; where memory ran out, lower the batch size or `processes`") from None
            raise InputError(refused.get()) from None


def _wait_for(context: SpawnContext, stop: threading.Event) -> None:
    """Wait until all have ended; pass a stop on to them, once."""
    passed_on = False
    while not context.join(timeout=0.2, grace_period=_GRACE_S):
        if stop.is_set() and not passed_on:
            passed_on = True
            for process in context.processes:
                process.terminate()
    if stop.is_set():
        raise KeyboardInterrupt


def _process(
    rank: int, work: Callable[[Launched], object], config: Launched, port: int, threads: int, refused: SimpleQueue[str]
) -> None:
    """Be process number `rank` of the group, named as torchrun names it."""
    leave_with_parent(_GRACE_S)
    size = str(config.processes)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=size)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(threads)
    status = _status_of(rank, work, config, refused)
    # An exception on its way keeps the loader, whose processes heed no SIGTERM and would be waited for without end.
    gc.collect()
    sys.exit(status)


def _status_of(rank: int, work: Callable[[Launched], object], config: Launched, refused: SimpleQueue[str]) -> int:
    """Work, tell what is refused, and return the exit status."""
    try:
        work(config)
    except InputError as error:
        refused.put(str(error))
        return 2
    except KeyboardInterrupt:
        return _STOPPED
    except Exception as error:  # a fault of the program: the others say the same line, so the trace is shown here
        traceback.print_exc()
        refused.put(f"process {rank} of the run failed ({type(error).__name__}: {error})")
        return 1
    return 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
