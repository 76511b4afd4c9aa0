"""Network weights in files: written as safetensors, read back without running anything that the file says.

A weight file holds the tensors of one `state_dict` and text metadata (architecture, class names, input size ...), so
that a network can be rebuilt from the file alone.
"""

import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from smiletrack.errors import InputError
from smiletrack.files import atomic_write
from smiletrack.limits import CHECKPOINT_GROWTH, CHECKPOINT_SLACK, CHECKPOINT_WORD

_PICKLES = 5
"""Pickles at the start of a checkpoint of before PyTorch 1.6: magic number, version, system, content, storages."""


def save_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and text metadata to a `.safetensors` file, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    with atomic_write(Path(path), "wb") as stream:
        stream.write(save(tensors, dict(metadata)))


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
            "are converted by smiletrack import-weights"
        ) from None


def load_tensors(path: Path) -> Any:
    """Return the content of a `torch.save` file that holds nothing but tensors, containers, numbers and text.

    Read with `weights_only=True`: a pickle that wants code is an InputError, and its code never runs. So is a file
    that would grow in memory, see `check_growth`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
    check_archive(path)
    check_words(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols; what cannot be read is an error here
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: refused, the pickle wants to run code when it is read; convert it with smiletrack import-weights"
        ) from None
    except Exception as error:  # a damaged pickle makes PyTorch's reader raise anything
        raise InputError(f"{path}: not a whole PyTorch checkpoint ({_reason(error)})") from None
    check_growth(sum(tensor.numel() * tensor.element_size() for tensor in _all_tensors(content)), path)
    return content


def check_archive(path: Path) -> bool:
    """Return whether the file is a zip archive; InputError where its parts are more than the file, nothing is unpacked.

    PyTorch stores the parts of a checkpoint as they are: only an archive made to fill memory grows.
    """
    try:
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: not a whole PyTorch checkpoint ({_reason(error)})") from None
    check_growth(unpacked, path)
    return True


def check_words(path: Path) -> None:
    """Raise InputError where a pickle holds a word of over `CHECKPOINT_WORD` characters.

    PyTorch's reader searches the names that it refuses, which takes minutes where one is that long.
    """
    longest = 0
    with path.open("rb") as file, suppress(Exception):  # what is no whole pickle PyTorch's reader tells
        for pickled in _pickles(path, file):
            for _, argument, _ in pickletools.genops(pickled):
                if isinstance(argument, str) and len(argument) > longest:
                    longest = max(longest, *map(len, argument.split()))
    if longest > CHECKPOINT_WORD:
        raise InputError(f"{path}: refused, a word in it has {longest} characters")


def _pickles(path: Path, file: BinaryIO) -> Iterator[IO[bytes]]:
    """Yield the pickles of a checkpoint: that of an archive, or those at the start of a file of old."""
    if not zipfile.is_zipfile(path):
        yield from [file] * _PICKLES
        return
    with zipfile.ZipFile(file) as archive:
        yield from (archive.open(name) for name in archive.namelist() if name.endswith("data.pkl"))


def check_growth(claimed: int, path: Path) -> None:
    """Raise InputError where the content claims more bytes than `CHECKPOINT_GROWTH` times what the file holds.

    Strides of zero, storages that are shared and compression make gigabytes of a kilobyte; sizes are asked first.
    """
    size = path.stat().st_size
    if claimed > CHECKPOINT_GROWTH * size + CHECKPOINT_SLACK:
        raise InputError(f"{path}: refused, its {size} bytes claim to hold {claimed} bytes of numbers")


def _all_tensors(content: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested containers, each container once."""
    pending, seen = [content], set[int]()
    while pending:
        value = pending.pop()
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (Mapping, list, tuple, set, frozenset)) and id(value) not in seen:
            seen.add(id(value))
            pending += value.values() if isinstance(value, Mapping) else value


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def load_exactly(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Copy `state` into `network`; raise InputError that lists the keys where names or shapes disagree."""
    check_fit(network, state, source)
    check_finite(state, source)
    network.load_state_dict(dict(state))


def check_fit(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Raise InputError where names or shapes of `state` are not the network's, which may be on the meta device."""
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


def check_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Raise InputError that lists the weights with NaN or infinite numbers: a training that went wrong wrote them."""
    broken = [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise InputError(f"{source}: NaN or infinite numbers in {len(broken)} weights: {_listed(broken)}")


def _listed(keys: list[str], most: int = 8) -> str:
    return ", ".join(keys[:most]) + (f" and {len(keys) - most} more" if len(keys) > most else "")
