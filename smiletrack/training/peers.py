"""The processes of one run: what they agree on before every step, and how the others learn that one of them failed.

Gradients travel by themselves (DistributedDataParallel). What is here travels beside them, on the CPU and by the store
at which the processes met, so that it never waits for a GPU, and nobody waits for a process that has ended.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import distributed
from torch.distributed.distributed_c10d import ProcessGroup, Store

from smiletrack.errors import InputError

Made = TypeVar("Made")

_REPORT = "what failed"
_POLL_S = 0.1


@dataclass(frozen=True)
class Agreement:
    """What all processes know alike."""

    clock_s: float
    """The main process's clock."""
    stop: bool
    """Somebody was asked to stop."""
    failed: bool
    """Somebody cannot go on, and has reported why."""


class Peers:
    """The other processes, as one of them sees them; without arguments there are none, and nothing ever waits."""

    def __init__(
        self,
        rank: int = 0,
        world_size: int = 1,
        store: Store | None = None,
        group: ProcessGroup | None = None,
    ) -> None:
        """store: where the processes met. group: a gloo group of all of them."""
        self.rank, self.world_size = rank, world_size
        self._store, self._group = store, group
        self._turn = 0

    def agree(self, clock_s: float, stop: bool = False, failed: bool = False) -> Agreement:
        """Return the main process's clock, and whether any process is to stop or failed; every process calls this."""
        if self.world_size > 1:
            said = torch.tensor([clock_s if self.rank == 0 else 0.0, stop, failed], dtype=torch.float64)
            distributed.all_reduce(said, distributed.ReduceOp.MAX, group=self._group)
            clock_s, stop, failed = said.tolist()
        return Agreement(clock_s, bool(stop), bool(failed))

    def main_only(self, make: Callable[[], Made]) -> Made | None:
        """Return what `make` gives in the main process, None in the others, who wait for it however long it takes."""
        self._turn += 1
        turn = f"turn {self._turn}"
        if self.rank > 0:
            self._wait(turn)
            return None
        made = make()
        if self._store is not None:
            self._store.set(turn, "done")
        return made

    def main_first(self, make: Callable[[], Made]) -> Made:
        """Return what `make` gives in every process; the main one is first, and the others find its files."""
        made = self.main_only(make)
        return make() if self.rank > 0 else cast(Made, made)

    def from_main(self, make: Callable[[], Made]) -> Made:
        """Return what `make` gives in the main process, in every process: only that one needs the files."""
        made = [self.main_only(make)]
        if self.world_size > 1:
            distributed.broadcast_object_list(made, 0, group=self._group, device=torch.device("cpu"))
        return cast(Made, made[0])

    def report(self, error: BaseException) -> None:
        """Tell the others that this process ends, and why; the first report counts."""
        if self._store is None:
            return
        line = f"process {self.rank} of the run failed ({type(error).__name__}: {error})"
        if isinstance(error, InputError):
            line = str(error)
        elif isinstance(error, (KeyboardInterrupt, SystemExit)):
            line = ""
        with suppress(RuntimeError):  # the main process may be gone, and the store with it
            self._store.compare_set(_REPORT, "", line or " ")

    def reported(self) -> BaseException | None:
        """Return what a process reported, as an exception to raise here; None where none did."""
        if self._store is None or not self._store.check([_REPORT]):
            return None
        line = self._store.get(_REPORT).decode().strip()
        return InputError(line) if line else KeyboardInterrupt()

    def cause_of(self, error: BaseException) -> BaseException:
        """Return what made `error` happen here: another process's report, its silent end, or the error itself."""
        if self._store is None or not isinstance(error, RuntimeError):
            return error
        with suppress(RuntimeError):
            if reported := self.reported():
                return reported
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            return InputError(
                "another process of the run ended without a word, as when it is killed or memory runs out; "
                "--resume goes on from the last checkpoint"
            )
        return error

    def _wait(self, key: str) -> None:
        assert self._store is not None, "only other processes are waited for"
        while not self._store.check([key]):
            if reported := self.reported():
                raise reported
            time.sleep(_POLL_S)
