"""Frames through the networks, several at once: while one is detected, the one before it is embedded, and the one
before that is tracked by whoever asks. The answers are those of one after another, in order."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from smiletrack.images import Frame
from smiletrack.types import Detections


@dataclass
class StageTimes:
    """Where the time of a pipeline goes, in seconds.

    decode: waited for frames. waited: waited for the networks. busy: by stage, how long each worked; the stages work at
    once, so these sum to more than `waited`.
    """

    decode: float = 0.0
    waited: float = 0.0
    busy: dict[str, float] = field(default_factory=dict)

    def shares(self) -> dict[str, float]:
        """Return the time waited for the networks, split over the stages by how long each worked."""
        total = sum(self.busy.values())
        return {stage: self.waited * worked / total if total else 0.0 for stage, worked in self.busy.items()}


def see_frames(
    frames: Iterable[Frame],
    detect: Callable[[int, Frame], Detections],
    embed: Callable[[Frame, Detections], Detections] | None,
    times: StageTimes,
) -> Iterator[tuple[Frame, Detections]]:
    """Yield every frame with what the networks see in it.

    detect: is given the frame's number, from 1, and the frame. embed: returns the detections with embeddings, None for
    no such stage. As many frames are on their way as there are stages; each stage has a thread of its own. Ctrl-C and
    an error of the source are raised after the frames that were read before, one of a network in the frame's turn.
    """
    stages = [detect] if embed is None else [detect, embed]
    times.busy |= dict.fromkeys(("detect", "embed")[: len(stages)], 0.0)
    waiting: deque[tuple[Frame, Future[Detections]]] = deque()
    failure: BaseException | None = None
    with ExitStack() as stack:
        detecting, embedding = (stack.enter_context(ThreadPoolExecutor(1, name)) for name in ("detect", "embed"))

        def worked(stage: str, work: Callable[[], Detections]) -> Detections:
            start = time.perf_counter()
            answer = work()
            times.busy[stage] += time.perf_counter() - start
            return answer

        def launch(number: int, frame: Frame) -> Future[Detections]:
            found = detecting.submit(worked, "detect", lambda: detect(number, frame))
            if embed is None:
                return found

            def with_looks() -> Detections:
                detections = found.result()
                return worked("embed", lambda: embed(frame, detections))

            return embedding.submit(with_looks)

        for number, frame in _numbered(frames, times):
            if isinstance(frame, BaseException):
                failure = frame
                break
            waiting.append((frame, launch(number, frame)))
            if len(waiting) > len(stages):
                failure = _wait_for(waiting[0][1], times)
                oldest, seen = waiting.popleft()
                yield oldest, seen.result()
                if failure is not None:
                    break
        while waiting:
            failure = _wait_for(waiting[0][1], times) or failure
            oldest, seen = waiting.popleft()
            yield oldest, seen.result()
    if failure is not None:
        raise failure


def _numbered(frames: Iterable[Frame], times: StageTimes) -> Iterator[tuple[int, Frame | BaseException]]:
    """Yield the frames with their numbers; what the source raises comes last."""
    source, number = iter(frames), 1
    while True:
        start = time.perf_counter()
        item: Frame | BaseException
        try:
            item = next(source)
        except StopIteration:
            return
        except (Exception, KeyboardInterrupt) as error:
            item = error
        times.decode += time.perf_counter() - start
        yield number, item
        number += 1


def _wait_for(answer: "Future[Detections]", times: StageTimes) -> KeyboardInterrupt | None:
    """Wait until the answer is there; return the Ctrl-C that came meanwhile."""
    stopped: KeyboardInterrupt | None = None
    start = time.perf_counter()
    while not answer.done():
        try:
            answer.exception()
        except KeyboardInterrupt as error:
            stopped = error
    times.waited += time.perf_counter() - start
    return stopped
