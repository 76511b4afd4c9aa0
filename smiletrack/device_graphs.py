"""Functions of tensors recorded as CUDA graphs: hundreds of kernels started by one call, no time lost between them."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from smiletrack.console import notify

_MOST = 16
"""Shapes for which a function is recorded; a folder of pictures may have any number."""
_WARM_UPS = 3
"""Calls before the recording, in which kernels are chosen and constants made."""


class _Recording(NamedTuple):
    graph: torch.cuda.CUDAGraph
    given: tuple[Tensor, ...]
    answer: Tensor


class Recorded:
    """A function that is recorded at the first call for each shape of what it is given, and replayed from then on.

    function: tensors on `device` -> one tensor; it must not wait for the device, and everything else that it reads must
    stay where it is. On a CPU it is called as it is, and so it is where PyTorch refuses to record it, with one line
    that says so. The answer is good until the next call for the same shapes.
    """

    def __init__(self, function: Callable[..., Tensor], device: torch.device) -> None:
        self._function, self._device = function, device
        self._recordings: dict[tuple[torch.Size, ...], _Recording] = {}
        self._refused = device.type != "cuda"

    def __call__(self, *given: Tensor) -> Tensor:
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
        mine = tuple(value.clone() for value in given)
        now, aside = torch.cuda.current_stream(self._device), torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        try:
            aside.wait_stream(now)
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UPS):
                    self._function(*mine)
            now.wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # another thread may use the device meanwhile
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                answer = self._function(*mine)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            notify(f"no CUDA graph, so kernels are started one by one: {' '.join(str(error).split())[:200]}")
            self._refused = True
            return
        self._recordings[tuple(value.shape for value in given)] = _Recording(graph, mine, answer)
