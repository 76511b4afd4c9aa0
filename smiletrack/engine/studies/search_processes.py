"""Processes that work on one search: each draws values, tries them, and stores the score, until enough are stored."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from smiletrack.console import ProgressBar
from smiletrack.engine.studies.search_space import RangeConfig
from smiletrack.engine.studies.stored_study import StoredStudy
from smiletrack.errors import InputError

_LOOK_S = 0.2
"""How often the processes' progress is looked at."""


@dataclass(frozen=True)
class Search:
    """What all processes of a search have in common.

    score: values by key -> the scores of the data sets; raises InputError where no tracker has such values.
    """

    address: str
    made_for: Mapping[str, Any]
    space: Mapping[str, RangeConfig]
    score: Callable[[Mapping[str, Any]], list[float]]
    trials: int
    seed: int = 0

    def open(self, rank: int = 0) -> StoredStudy:
        """Open the study as process number `rank` of the search."""
        return StoredStudy(self.address, self.made_for, self.seed, rank)


def free_cores() -> int:
    """Return how many of the processor's cores that this process may use have nothing to do, 1 at least."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = round(os.getloadavg()[0]) if hasattr(os, "getloadavg") else 0
    return max(1, usable - busy)


def run_search(search: Search, processes: int, first_rank: int = 0) -> StoredStudy:
    """Let `processes` processes work until `search.trials` trials are stored, and return the study.

    first_rank: number of the first of them among the processes of all machines.
    """
    study = search.open(first_rank)
    missing = search.trials - study.num_done()
    if missing > 1 and processes > 1:
        _try_values(search, study)  # what it reads and compiles the others need not
        _run_processes(search, study, min(processes, missing - 1), first_rank + 1)
    with ProgressBar("trials", search.trials) as bar:
        while study.num_done() < search.trials:
            _try_values(search, study)
            _show(bar, study)
    return study


def _show(bar: ProgressBar, study: StoredStudy) -> None:
    if done := study.num_done():
        bar.show(done, "trials", f"best HOTA {100 * study.best().value:.2f}")


def _try_values(search: Search, study: StoredStudy) -> None:
    """Draw, score and store one trial."""
    trial, values = study.draw(search.space)
    try:
        study.tell(trial, search.score(values))
    except InputError:  # values that do not go together, such as a low threshold above the high one
        study.tell(trial, None)


def _run_processes(search: Search, study: StoredStudy, number: int, first_rank: int) -> None:
    """Run `number` processes to the end; the first that fails ends the others and is an InputError here."""
    ways = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in ways and sys.platform == "linux" else None)
    tickets = context.Value("q", search.trials - study.num_done())
    refused = context.SimpleQueue()
    given = [(search, first_rank + place, tickets, refused, os.getpid()) for place in range(number)]
    workers = [context.Process(target=_work, args=arguments, daemon=True) for arguments in given]
    for worker in workers:
        worker.start()
    try:
        with ProgressBar("trials", search.trials) as bar:
            while any(worker.is_alive() for worker in workers) and not any(worker.exitcode for worker in workers):
                workers[0].join(_LOOK_S)
                _show(bar, study)
    finally:
        failed = [worker.exitcode for worker in workers if worker.exitcode]
        for worker in workers:
            worker.terminate()
            worker.join()
    if not refused.empty():
        raise InputError(refused.get())
    if failed:
        raise InputError(f"a process of the search ended with status {failed[0]}; the same command goes on from here")


def _work(search: Search, rank: int, tickets: Any, refused: Any, parent: int) -> None:
    """Try values as long as there are tickets, trials are missing, and whoever started this process lives."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    try:
        study = search.open(rank)
        while os.getppid() == parent and study.num_done() < search.trials:
            with tickets.get_lock():
                if tickets.value <= 0:
                    return
                tickets.value -= 1
            _try_values(search, study)
    except InputError as error:
        refused.put(str(error))
        sys.exit(2)
