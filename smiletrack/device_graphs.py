"""Functions of tensors recorded as CUDA graphs: hundreds of kernels started by one call, no time lost between them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from smiletrack.console import notify

_MOST = 16
"""Shapes for which a function is recorded; a folder of pictures may have any number."""
_WARM_UPS = 3
"""Calls before the recording, in which kernels are chosen and constants made."""


Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class _Recording(Generic[Answer]):
    graph: torch.cuda.CUDAGraph
    given: tuple[Tensor, ...]
    answer: Answer


class Recorded(Generic[Answer]):
    """A function that is recorded at the first call for each shape of what it is given, and replayed from then on.

    function: tensors on `device` -> tensors there; it must not wait for the device, and everything else that it reads
    must stay where it is. On a CPU it is called as it is, and so it is where PyTorch refuses to record it, with one
    line that says so. The answer is good until the next call, for recordings share their memory. Calls come one after
    another, on one stream, with `device` as the current one.
    """

    def __init__(self, function: Callable[..., Answer], device: torch.device) -> None:
        self._function, self._device = function, device
        self._recordings: dict[tuple[torch.Size, ...], _Recording[Answer]] = {}
        self._refused = device.type != "cuda"
        self._aside: torch.cuda.Stream | None = None
        self._pool: Any = None

    def __call__(self, *given: Tensor) -> Answer:
        shapes = tuple(value.shape for value in given)
        if not self._refused and shapes not in self._recordings and len(self._recordings) < _MOST:
            self._record(given)
        recording = self._recordings.get(shapes)
        if recording is None:
            return self._function(*given)
        for mine, value in zip(recording.given, given, strict=True):
            mine.copy_(value, non_blocking=True)
        recording.graph.replay()
        return recording.answer

    def _record(self, given: tuple[Tensor, ...]) -> None:
        """Record the function once on copies of its arguments, which later calls are copied into."""
        if self._aside is None:
            self._aside, self._pool = torch.cuda.Stream(self._device), torch.cuda.graph_pool_handle()  # type: ignore[no-untyped-call]
        mine = tuple(value.clone() for value in given)
        now, aside = torch.cuda.current_stream(self._device), self._aside
        try:
            aside.wait_stream(now)
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UPS):
                    self._function(*mine)
            now.wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # another thread may use the device meanwhile
            with torch.cuda.graph(graph, pool=self._pool, stream=aside, capture_error_mode="thread_local"):
                answer = self._function(*mine)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            torch.cuda.set_stream(now)  # a recording that fails leaves its own
            notify(f"no CUDA graph, so kernels are started one by one: {' '.join(str(error).split())[:200]}")
            self._refused = True
            return
        self._recordings[tuple(value.shape for value in given)] = _Recording(graph, mine, answer)
