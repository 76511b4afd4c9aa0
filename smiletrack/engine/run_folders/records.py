"""What commands write beside their results, read back and checked: configuration, speed, figures, environment.

A file that is not there gives its defaults; one of another structure is an InputError that names the value.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Len, Lt

from smiletrack.config import read_tree
from smiletrack.errors import InputError
from smiletrack.lazy import LazyModule
from smiletrack.limits import LARGEST_RECORD
from smiletrack.metrics.hota import ALPHAS
from smiletrack.tracking.interpolation import InterpolationConfig

pydantic = LazyModule("pydantic")

Seconds = Annotated[float, Ge(0), Lt(math.inf)]

Figure = float | Annotated[list[float], Len(len(ALPHAS), len(ALPHAS))]
"""A field of a metric family: a number, or HOTA's over the alphas."""

Summary = dict[str, dict[str, dict[str, Figure] | float]]
"""Sequence or COMBINED -> metric family -> field, as `summary.json` holds them; FPS stands beside the families."""


@dataclass(frozen=True)
class StoredScores:
    """Scores of a sequence between processes. state: of the files they were made from. Others: `SequenceScores`."""

    state: str
    dialect: str
    notes: tuple[str, ...]
    why_none: str
    measures: dict[str, dict[str, int | float | list[int | float]]]


@dataclass(frozen=True)
class SequenceTiming:
    """How long a sequence took. seconds: by stage, what counts in its speed. apart: by stage, what does not."""

    frames: Annotated[int, Ge(0), Lt(2**53)]
    seconds: dict[str, Seconds]
    apart: dict[str, Seconds] = field(default_factory=dict)


@dataclass(frozen=True)
class RunEnvironment:
    """Where and when a run was made, None for what is not known."""

    time: str | None = None
    commit: str | None = None
    system: str | None = None


@dataclass(frozen=True)
class RunSettings:
    """The part of a run's configuration that tells what was tracked; None where another command's has no such key."""

    data: str | None = None
    source: str = ""
    split: str = "all"
    sequences: tuple[str, ...] = ()
    seed: Annotated[int, Ge(0)] = 0
    detections: str | None = None
    camera_motion: str | None = None
    stride: Annotated[int, Ge(1)] = 1
    interpolation: InterpolationConfig = field(default_factory=InterpolationConfig)

    @property
    def scored_stride(self) -> int:
        """Every how many frames the results are there: the stride, where nothing filled the gaps."""
        return self.stride if self.interpolation.method == "none" else 1


def read_settings(folder: Path) -> RunSettings | None:
    """Return what `config.yaml` tells, None where there is none."""
    file = folder / "config.yaml"
    if not file.exists():
        return None
    tree = {key: value for key, value in read_tree(file).items() if value is not None}
    settings: RunSettings = _checked(file, lambda: _reader(RunSettings).validate_python(tree))
    return settings


def read_sequence_times(folder: Path) -> dict[str, SequenceTiming]:
    """Return sequence -> its time, as `timing.json` holds it."""
    found: dict[str, SequenceTiming] = _read_record(folder / "timing.json", dict[str, SequenceTiming], {})
    return found


def read_summary(folder: Path) -> Summary:
    """Return the figures of `summary.json`."""
    found: Summary = _read_record(folder / "summary.json", Summary, {})
    return found


def read_environment(folder: Path) -> RunEnvironment:
    """Return what `environment.json` tells."""
    found: RunEnvironment = _read_record(folder / "environment.json", RunEnvironment, RunEnvironment())
    return found


def read_stored_scores(file: Path) -> StoredScores | None:
    """Return what a process stored of a sequence, None where there is nothing."""
    found: StoredScores | None = _read_record(file, StoredScores, None)
    return found


def frames_per_second(timing: Mapping[str, SequenceTiming]) -> float | None:
    """Return the speed over all sequences, None where no time was counted."""
    seconds = sum(sum(entry.seconds.values()) for entry in timing.values())
    frames = sum(entry.frames for entry in timing.values())
    return frames / seconds if frames and seconds > 0 else None


def _read_record(file: Path, kind: Any, otherwise: Any) -> Any:
    """Return the JSON of `file` as `kind`, `otherwise` where there is no such file."""
    if not file.exists():
        return otherwise
    try:
        if file.stat().st_size > LARGEST_RECORD:
            raise InputError(f"{file}: larger than {LARGEST_RECORD // 1_000_000} MB, which no command writes")
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    return _checked(file, lambda: _reader(kind).validate_json(content, strict=True))


def _checked(file: Path, read: Callable[[], Any]) -> Any:
    """Return what `read` makes of the file, in which pydantic may find fault."""
    try:
        return read()
    except pydantic.ValidationError as failure:
        first = failure.errors(include_url=False, include_context=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        fault = f"{key}: {first['msg']}" if key else first["msg"]
        raise InputError(f"{file}: {fault}; was it edited or cut short?") from None


@functools.cache
def _reader(kind: Any) -> Any:
    return pydantic.TypeAdapter(kind)
