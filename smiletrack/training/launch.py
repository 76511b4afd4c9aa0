"""A training run in several processes of this machine, for CPUs.

Small networks spend much of a step waiting for threads to meet: two processes of one thread each train them about one
and a half times as fast as one process of two. GPUs and several machines are started by `torchrun`.
"""

import logging
import os
import socket
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from typing import Protocol, TypeVar

import torch
from torch.multiprocessing.spawn import ProcessExitedException, start_processes

from smiletrack.errors import InputError
from smiletrack.training.runtime import choose_device


class Launched(Protocol):
    """What a configuration says of where it runs."""

    @property
    def device(self) -> str:
        """As `choose_device` takes it."""

    @property
    def processes(self) -> int:
        """Processes on this machine, from 1."""


ConfigT = TypeVar("ConfigT", bound=Launched)


def launch(work: Callable[[ConfigT], object], config: ConfigT) -> None:
    """Call `work(config)` in `config.processes` processes that form one group; in this one on a GPU or under torchrun.

    `work` is importable by name. An InputError of any process is raised here; Ctrl-C reaches all, and is raised here
    when all have saved what they had.
    """
    if config.processes == 1 or "RANK" in os.environ or choose_device(config.device).type != "cpu":
        work(config)
        return
    refused: SimpleQueue[str] = get_context("spawn").SimpleQueue()
    threads = max(1, torch.get_num_threads() // config.processes)
    arguments = (work, config, _free_port(), threads, refused)
    logging.getLogger(start_processes.__module__).setLevel(logging.ERROR)  # who stopped whom is not the user's concern
    context = start_processes(_process, arguments, config.processes, join=False, start_method="spawn")  # type: ignore[no-untyped-call]
    try:
        while not context.join():
            pass
    except KeyboardInterrupt:
        for process in context.processes:
            process.join()
        raise
    except ProcessExitedException as error:
        if refused.empty():
            raise InputError(f"{error}; where memory ran out, lower the batch size or `processes`") from None
        raise InputError(refused.get()) from None


def _process(
    rank: int, work: Callable[[Launched], object], config: Launched, port: int, threads: int, refused: SimpleQueue[str]
) -> None:
    """Be process number `rank` of the group, named as torchrun names it."""
    size = str(config.processes)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=size)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(threads)
    try:
        work(config)
    except InputError as error:
        refused.put(str(error))
        sys.exit(2)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
