"""The complete state of a training run in one file, so that it goes on exactly where it was.

Weights that are meant for use (not for going on) are `smiletrack.weights` files beside it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from smiletrack.errors import InputError
from smiletrack.files import atomic_path
from smiletrack.weights import load_tensors

_FORMAT = "smiletrack training state 1"


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors, containers, numbers and text to `path`, atomically."""
    with atomic_path(Path(path)) as temporary:
        torch.save({"format": _FORMAT, **state}, temporary)


def load_state(path: Path) -> dict[str, Any]:
    """Return what `save_state` wrote; raise InputError where the file is something else."""
    state = load_tensors(Path(path))
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise InputError(f"{path}: not a training state of this project; only last.pt of a run folder can be resumed")
    return state


def refuse_change(last: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise InputError that names the first setting in which a run differs from the one it would go on from."""
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise InputError(
                f"{last}: that run had {name} {before.get(name)!r}, this one has {now.get(name)!r}; resume with the "
                "same settings or train into another folder"
            )
