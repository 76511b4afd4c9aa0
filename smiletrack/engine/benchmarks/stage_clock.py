"""The time of the stages that a frame goes through, each without those that it contains."""

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Owner = TypeVar("Owner")


class StageClock:
    """Seconds of every stage, frame by frame, in `seconds`; a stage that a frame did not go through has 0.

    wait: called at the end of a stage, so that what it launched is counted to it.
    """

    def __init__(self, wait: Callable[[], object] = lambda: None) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._wait, self._frames, self._inner = wait, 0, 0.0

    def start(self) -> None:
        """Forget what was counted."""
        self._frames = 0
        for spent in self.seconds.values():
            spent.clear()

    def next_frame(self) -> None:
        """Begin to count another frame."""
        self._frames += 1
        for spent in self.seconds.values():
            spent.append(0.0)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, the time of whose calls counts to the stage, less that of stages inside of it."""
        spent = self.seconds.setdefault(stage, [0.0] * self._frames)

        def call(*given: Any) -> Any:
            outer, self._inner, start = self._inner, 0.0, time.perf_counter()
            answer = function(*given)
            self._wait()
            whole = time.perf_counter() - start
            spent[-1] += whole - self._inner
            self._inner = outer + whole
            return answer

        return call

    def watch(self, owner: Owner, stages: Mapping[str, str]) -> Owner:
        """Return a copy of an object whose attributes (functions) are timed: attribute -> stage."""
        copied = copy.copy(owner)
        for attribute, stage in stages.items():
            setattr(copied, attribute, self.timed(stage, getattr(copied, attribute)))  # which asks the copy for others
        return copied
