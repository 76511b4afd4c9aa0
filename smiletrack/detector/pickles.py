"""Reading PyTorch checkpoints without running what is in them.

The public PRB-Net and YOLOv7 files pickle whole modules: reading them the usual way needs the authors' classes and
runs whatever code the file names. Here a pickle can make tensors, plain containers and inert stand-ins that carry the
name of a class and its attributes; a file that asks for anything else is refused.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from smiletrack.errors import InputError
from smiletrack.weights import check_archive, check_growth, load_tensors

STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

STAND_INS = ("models.", "torch.nn.modules.", "yolox.", "numpy.", "_codecs.")
"""Beginnings of the names that become stand-ins: network classes, and NumPy's numbers (fitness and the like)."""


class StandIn:
    """An object of the pickle that is not rebuilt: its class's `name`, and its attributes in `state`."""

    name = ""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: dict[str, Any] = {}

    def __new__(cls, *arguments: Any) -> "StandIn":
        instance = super().__new__(cls)
        instance.arguments, instance.state = arguments, {}
        return instance

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {"": state}


def read_checkpoint(path: Path) -> Any:
    """Return the content of a `torch.save` file: containers, numbers, text, tensors (on the CPU) and stand-ins.

    Raises InputError where the file is missing, cut short, of another format, or names anything but tensors and known
    network classes.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
    if not check_archive(path):
        try:
            return load_tensors(path)  # the format before PyTorch 1.6
        except InputError:
            raise InputError(
                f"{path}: not a PyTorch checkpoint, or one from before PyTorch 1.6 that holds more than tensors"
            ) from None
    try:
        with zipfile.ZipFile(path) as archive:
            return _TensorUnpickler(archive, path).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle makes its reader raise anything
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise InputError(f"{path}: not a whole PyTorch checkpoint that can be read safely ({reason})") from None


def module_state(module: StandIn) -> dict[str, Tensor]:
    """Return the `state_dict` of a pickled module: parameters and persistent buffers by their dotted names."""
    return dict(_tensors(module, ""))


def _tensors(module: StandIn, prefix: str) -> Iterator[tuple[str, Tensor]]:
    transient = module.state.get("_non_persistent_buffers_set")
    hidden = set(transient) if isinstance(transient, (set, frozenset, list, tuple)) else set()
    for group in ("_parameters", "_buffers"):
        for name, tensor in module.state.get(group, {}).items():
            if isinstance(tensor, Tensor) and name not in hidden:
                yield f"{prefix}{name}", tensor
    for name, child in module.state.get("_modules", {}).items():
        if isinstance(child, StandIn):
            yield from _tensors(child, f"{prefix}{name}.")


class _TensorUnpickler(pickle._Unpickler):
    """An unpickler that knows tensors and makes stand-ins of the rest it is allowed to meet.

    It is Python's slow one: the fast one allocates a table as long as the largest memo number in the pickle. Byte
    arrays, which are allocated before they are read, are no part of a checkpoint.
    """

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]
    }

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        name = next((n for n in archive.namelist() if n.endswith("data.pkl")), None)
        if name is None:
            raise InputError(f"{path}: a zip archive, but not a PyTorch checkpoint (no data.pkl inside)")
        super().__init__(archive.open(name), encoding="latin1")
        self.archive, self.path, self.folder = archive, path, name.removesuffix("data.pkl")
        self.storages: dict[str, Tensor] = {}
        self.claimed = 0
        """Bytes of all tensors so far."""
        order = f"{self.folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise InputError(f"{path}: written on a big-endian machine, which is not supported")

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for `module.name`; InputError where that is not a known, harmless thing."""
        full = f"{module}.{name}"
        if full == "torch._utils._rebuild_tensor_v2":
            return self._rebuild_tensor
        if full in _SAFE:
            return _SAFE[full]
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        if full.startswith(STAND_INS):
            return type(name, (StandIn,), {"name": full})
        raise InputError(f"{self.path}: refused, the pickle names {full}, which is neither a tensor nor a network")

    def persistent_load(self, identifier: Any) -> Tensor:
        """Return the flat tensor of a storage; its bytes are read once."""
        kind, dtype, key, _, count = identifier
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise InputError(f"{self.path}: refused, the pickle names an unknown kind of storage")
        if key not in self.storages:
            content = bytearray(self.archive.read(f"{self.folder}data/{key}"))
            if len(content) != count * dtype.itemsize:
                raise InputError(f"{self.path}: not whole, storage {key} holds {len(content)} bytes")
            self.storages[key] = torch.frombuffer(content, dtype=dtype) if count else torch.empty(0, dtype=dtype)
        return self.storages[key]

    def _rebuild_tensor(
        self, storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
    ) -> Tensor:
        """Return a copy of the part of a storage that a tensor covers (as_strided checks the bounds)."""
        view = storage.as_strided(size, stride, offset)
        self.claimed += view.numel() * view.element_size()
        check_growth(self.claimed, self.path)
        return view.clone()


def _rebuild_parameter(tensor: Tensor, *_: Any) -> Tensor:
    return tensor


_SAFE: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.Size": tuple,
    "__builtin__.set": set,
    "builtins.set": set,
}
