"""Network weights in files: written as safetensors, read back without running anything that the file says.

A weight file holds the tensors of one `state_dict` and text metadata (architecture, class names, input size ...), so
that a network can be rebuilt from the file alone.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from smiletrack.errors import InputError
from smiletrack.files import atomic_path


def save_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and text metadata to a `.safetensors` file, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    with atomic_path(Path(path)) as temporary:
        save_file(tensors, temporary, dict(metadata))


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors (on the CPU) and metadata of a file written by `save_weights`.

    Raises InputError where the file is missing, cut short, or of another format.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such weight file")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"{path}: not a whole safetensors file ({' '.join(str(error).split())}); checkpoints of other projects "
            "are converted by tools/import_weights.py"
        ) from None


def load_tensors(path: Path) -> Any:
    """Return the content of a `torch.save` file that holds nothing but tensors, containers, numbers and text.

    Read with `weights_only=True`: a pickle that wants code is an InputError, and its code never runs.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such checkpoint") from None
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: refused, the pickle wants to run code when it is read; convert it with tools/import_weights.py"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a whole PyTorch checkpoint ({reason})") from None


def load_exactly(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Copy `state` into `network`; raise InputError that lists the keys where names or shapes disagree."""
    own = network.state_dict()
    missing = sorted(own.keys() - state.keys())
    foreign = sorted(state.keys() - own.keys())
    unequal = sorted(
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in own.keys() & state.keys()
        if state[name].shape != own[name].shape
    )
    if missing or foreign or unequal:
        kinds = (("missing", missing), ("not in the network", foreign), ("of another shape", unequal))
        reasons = [f"{len(keys)} {kind}: {_listed(keys)}" for kind, keys in kinds if keys]
        raise InputError(f"{source}: does not fit the network; " + "; ".join(reasons))
    network.load_state_dict(dict(state))


def _listed(keys: list[str], most: int = 8) -> str:
    return ", ".join(keys[:most]) + (f" and {len(keys) - most} more" if len(keys) > most else "")
