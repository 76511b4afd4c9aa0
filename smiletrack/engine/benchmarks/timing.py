"""Speed against peers: contestants take turns on the same input in one process, and medians are compared."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from smiletrack.console import print_table, say


@dataclass(frozen=True)
class Timing:
    """CPU seconds of each contestant's turns; the first contestant is the one the others are compared with."""

    seconds: Mapping[str, tuple[float, ...]]

    @property
    def medians(self) -> dict[str, float]:
        return {name: statistics.median(turns) for name, turns in self.seconds.items()}

    @property
    def ratios(self) -> dict[str, float]:
        """How many times as long as the first contestant each one took: the median over rounds of the ratio in one."""
        first = next(iter(self.seconds.values()))
        return {
            name: statistics.median(a / b for a, b in zip(turns, first, strict=True))
            for name, turns in self.seconds.items()
        }


def alternate(contestants: Mapping[str, Callable[[], object]], rounds: int = 5, warm_up: bool = True) -> Timing:
    """Run every contestant once in each round and time it in CPU seconds of this process.

    Turns alternate, so that a machine that slows down slows all alike. `warm_up` runs each once before, uncounted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(-1 if warm_up else 0, rounds):
        for name, run in contestants.items():
            begin = time.process_time()
            run()
            if turn >= 0:
                seconds[name].append(time.process_time() - begin)
    return Timing({name: tuple(turns) for name, turns in seconds.items()})


def print_timings(timings: Mapping[str, Timing], title: str, units: Mapping[str, int] | None = None) -> None:
    """Print a row a case and contestant: median CPU seconds, and how many times the first contestant's they are.

    `units` (case -> number of frames) adds frames a second.
    """
    rows = []
    for case, timing in timings.items():
        for name, median in timing.medians.items():
            row = [case, name, f"{median:.3f}", f"{timing.ratios[name]:.2f}"]
            rows.append([*row, *([f"{units[case] / median:.0f}"] if units else [])])
    say(title)
    print_table(("case", "contestant", "CPU s", "times ours", *(["frames/s"] if units else [])), rows, names=2)
