"""What a search may change of a tracker: keys, the values to try, and whether trackers can be made of them."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smiletrack.config import altered
from smiletrack.errors import InputError, shown
from smiletrack.ranges import Checked
from smiletrack.tracking.config import TrackerConfig


@dataclass(frozen=True)
class RangeConfig(Checked):
    """The values of one key: either from `low` to `high`, or one of `choices`."""

    low: float | None = None
    """Minimum."""
    high: float | None = None
    """Maximum."""
    choices: tuple[Any, ...] = ()
    """Values to choose from."""
    whole: bool = False
    """Draw integers only."""
    log: bool = False
    """Draw uniformly on a logarithmic scale."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.choices) == (self.low is not None and self.high is not None):
            raise ValueError("choices, or low and high, must be given: one of the two")
        for value in self.choices:
            if not isinstance(value, (str, int, float)) or not math.isfinite(0 if isinstance(value, str) else value):
                raise ValueError(f"choices must be numbers, words or truth values, not {shown(value)}")
        if self.low is None or self.high is None:
            return
        if self.low > self.high:
            raise ValueError(f"low must not be above high ({self.high}), not {self.low}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 on a logarithmic scale, not {self.low}")
        if self.whole and not (self.low == int(self.low) and self.high == int(self.high)):
            raise ValueError(f"low and high must be whole numbers where `whole` is set, not {self.low} and {self.high}")

    def holds(self, value: Any) -> bool:
        """Tell whether a value can be drawn."""
        if self.choices:
            return any(
                value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in self.choices
            )
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        assert self.low is not None and self.high is not None
        return self.low <= value <= self.high and not (self.whole and value != int(value))

    def probes(self) -> tuple[Any, ...]:
        """Return the values that tell whether all are allowed: every choice, or the ends and one between them."""
        if self.choices:
            return self.choices
        assert self.low is not None and self.high is not None
        ends = (self.low, self.high, self.low + 0.37 * (self.high - self.low))
        return tuple(int(end) for end in ends) if self.whole else ends

    def draw(self, trial: Any, key: str) -> Any:
        """Return the value that one of Optuna's trials draws for `key`."""
        if self.choices:
            return trial.suggest_categorical(key, self.choices)
        assert self.low is not None and self.high is not None
        if self.whole:
            return trial.suggest_int(key, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)

    def text(self) -> str:
        """Return the range in words."""
        return ", ".join(map(str, self.choices)) if self.choices else f"{self.low:g} to {self.high:g}"


def starting_values(tracker: TrackerConfig, space: Mapping[str, RangeConfig]) -> dict[str, Any]:
    """Return the tracker's own values of the keys of `space`.

    Raises InputError for a key that no tracker has, for a value of a range that it does not take, and where its own
    value is outside a range.
    """
    start = tracker_values(tracker)
    for key, values in space.items():
        for probe in values.probes():
            with_values(tracker, {key: probe})
        if key not in start:
            raise InputError(f"space.{key}: a section, not a value; name the keys below it")
        if not values.holds(start[key]):
            raise InputError(
                f"space.{key}: {values.text()} does not hold the start, {shown(start[key])}; widen it, or start"
                f" elsewhere: tracker.{key}=..."
            )
    return {key: start[key] for key in space}


def with_values(tracker: TrackerConfig, values: Mapping[str, Any]) -> TrackerConfig:
    """Return the tracker with `{"first.max_cost": 0.8}` and the like laid over it."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = value
    return altered(tracker, tree)


def tracker_values(tracker: TrackerConfig) -> dict[str, Any]:
    """Return the tracker's values by dotted key."""

    def walk(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for name, value in tree.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{name}.")
            else:
                yield prefix + name, value

    return dict(walk(dataclasses.asdict(tracker), ""))
