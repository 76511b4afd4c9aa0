"""Files and folders that a configuration names: what is not there is told before anything slow is loaded."""

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from smiletrack.ranges import field_annotations


@dataclass(frozen=True)
class Read:
    """Mark of a field whose text names what is read: `Annotated[str, Read()]`."""


InputPath = Annotated[str, Read()]
"""A file or folder, perhaps with `@WORD` behind it (a split, a pixel format) or `onnx:` before it; empty or `none`."""


def missing_paths(config: Any, key: str = "") -> Iterator[str]:
    """Yield a line for each `InputPath` in a configuration and its sections that names nothing.

    Other forms than a path (`module:Class`, addresses) are left to who reads them.
    """
    for name, annotation in field_annotations(type(config)).items():
        value, full = getattr(config, name), f"{key}{name}"
        if dataclasses.is_dataclass(value):
            yield from missing_paths(value, f"{full}.")
        for text in _texts(annotation, value):
            if not _exists(text):
                yield f"{full}: {text}: no such file or folder"


def _texts(annotation: Any, value: Any) -> tuple[str, ...]:
    """Return the paths that a field holds: itself, or the items of a tuple."""
    if typing.get_origin(annotation) is tuple:
        return tuple(text for item in value for text in _texts(typing.get_args(annotation)[0], item))
    return (value,) if Read() in typing.get_args(annotation) else ()


def _exists(text: str) -> bool:
    path = text.removeprefix("onnx:")
    if path in ("", "none") or ":" in path:
        return True
    return any(Path(candidate).exists() for candidate in (path, path.rpartition("@")[0]) if candidate)
