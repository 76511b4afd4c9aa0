"""A GPU that is none: tensors that claim to be on cuda:0 and compute on the CPU.

What only a GPU shows is shown without one. Refused are operations on tensors of two devices, memory of the host that is
touched while a copy to or from it is on its way, and events and recordings made while another GPU is the current one;
what would make the host wait for the device is counted, and refused in a recording. `fake_cuda()` is the world in which
PyTorch has that device.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")

_READS = {"item", "tolist", "__bool__", "__int__", "__float__", "__index__", "equal", "allclose", "is_nonzero"}
_SELECTS = {"nonzero", "masked_select", "unique", "nms", "repeat_interleave"}
_HOST_VALUES = {"tensor", "as_tensor", "new_tensor", "from_numpy"}
_HEAVY = {"conv2d", "linear", "matmul", "__matmul__", "bmm", "scaled_dot_product_attention", "max_pool2d"}
_ASKS = {"__get__", "__set__", "size", "dim", "stride", "is_floating_point", "is_complex", "__len__", "__repr__"}


class FakeCuda(Tensor):
    """A tensor of the device; what is made of it is there, too."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True


_TOUCHES = {"numpy", "tolist", "item", "copy_", "clone", "__getitem__", "__setitem__"}


class Waits(list[str]):
    """What made the host wait, in order; nothing may in a recording."""

    capturing = False

    def append(self, what: str) -> None:
        if self.capturing:
            raise RuntimeError(f"{what}: operation not permitted when stream is capturing")
        super().append(what)


class _Streams:
    """What is current, and the pinned memory to or from which copies are on their way."""

    def __init__(self, gpu: int, waits: Waits) -> None:
        self.gpu, self.stream, self.waits = gpu, _Stream(), waits
        self.on_their_way: set[int] = set()

    def check(self, what: str) -> None:
        if self.gpu != CUDA.index:
            raise RuntimeError(f"{what} on cuda:{self.gpu}, which computes nothing here")

    def synchronize(self, *_: Any) -> None:
        self.on_their_way.clear()

    @contextmanager
    def as_gpu(self, device: Any) -> Iterator[None]:
        before, self.gpu = self.gpu, torch.device(device).index or 0
        yield
        self.gpu = before

    @contextmanager
    def as_stream(self, stream: "_Stream") -> Iterator[None]:
        before, self.stream = self.stream, stream
        yield
        self.stream = before

    def set_stream(self, stream: "_Stream") -> None:
        self.stream = stream


class _Device(TorchFunctionMode):
    """Sends tensors to the device and back, refuses mixtures, notes what waits."""

    def __init__(self, waits: Waits, streams: _Streams) -> None:
        super().__init__()
        self.waits, self.streams = waits, streams
        self.pinned: set[int] = set()
        self._keep: list[Tensor] = []

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", str(func))
        if name == "__deepcopy__":  # its memory of what was copied is long
            return _copied(*args) if isinstance(args[0], FakeCuda) else func(*args, **kwargs)
        given = list(_tensors((args, list(kwargs.values()))))
        if name in _TOUCHES and any(id(value) in self.streams.on_their_way for value in given):
            raise RuntimeError(f"{name}: this memory is on its way to or from the device")
        if name in ("to", "cpu", "cuda"):
            return self._moved(func, name, args, kwargs)
        if name == "_has_compatible_shallow_copy_type":
            return False  # a module that moves makes new parameters
        if name == "pin_memory":
            return self._pin(args[0])
        if name == "is_pinned":
            return id(args[0]) in self.pinned
        if name == "__get__" and isinstance(args[0], FakeCuda):
            return _claimed(func(*args, **kwargs))  # gradients come plain from the engine
        if name == "numpy" and isinstance(args[0], FakeCuda):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if name == "copy_":
            self._note_copy(args[0], args[1], kwargs.get("non_blocking", len(args) > 2 and args[2]))
            return func(*args, **kwargs)
        there = any(isinstance(value, FakeCuda) for value in given)
        if there and name not in _ASKS:
            mixed = [value for value in given if not isinstance(value, FakeCuda) and value.dim() > 0]
            if mixed:
                raise RuntimeError(f"{name}: tensors on cuda:0 and on the CPU, {[tuple(v.shape) for v in mixed]}")
            self._note_wait(name, args)
        if name in _HEAVY and given and given[0].dtype in (torch.float16, torch.bfloat16):
            low = given[0].dtype  # a CPU takes minutes in half precision
            args, kwargs = tree_map(lambda v: v.float() if isinstance(v, Tensor) else v, (args, kwargs))
            return func(*args, **kwargs).to(low)
        pin = kwargs.pop("pin_memory", False)
        device = kwargs.get("device")
        if device is not None and not isinstance(device, torch.device):
            device = torch.device(device)
        if device is not None and device.type == "cuda":
            kwargs["device"] = CPU
            if name in _HOST_VALUES and not there:
                self.waits.append(f"{name} of host values")
            return _claimed(func(*args, **kwargs))
        made = func(*args, **kwargs)
        if pin:
            self._pin(made)
        return made

    def _moved(self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        source, words = args[0], list(args[1:])
        device = kwargs.pop("device", CPU if name == "cpu" else CUDA if name == "cuda" else None)
        non_blocking = kwargs.get("non_blocking", False)
        rest = []
        for word in words:
            if isinstance(word, (str, torch.device)):
                device = torch.device(word)
            elif isinstance(word, Tensor):
                device, kwargs["dtype"] = word.device, word.dtype
            else:
                rest.append(word)
        if name in ("cpu", "cuda"):
            func, rest = Tensor.to, []
        # nn.Module.to gives (device or None, dtype or None, non_blocking)
        if rest and rest[0] is None:
            rest = rest[1:]
        if rest and isinstance(rest[-1], bool):
            non_blocking = rest.pop()
        rest = [word for word in rest if word is not None]
        plain = source.as_subclass(Tensor) if isinstance(source, FakeCuda) else source
        target = torch.device(device) if device is not None else source.device
        moved = func(plain, *rest, **kwargs) if rest or kwargs else plain
        if target.type == source.device.type:
            return _claimed(moved) if target.type == "cuda" else moved
        if target.type == "cuda":
            if source.dim() and not (non_blocking and id(source) in self.pinned):
                self.waits.append(f"upload {tuple(source.shape)} from memory that is not pinned")
            elif source.dim():
                self.streams.on_their_way.add(id(source))
            return _claimed(moved.clone() if moved is plain else moved)
        self.waits.append(f"download {tuple(source.shape)}")
        self.streams.synchronize()
        return moved.clone() if moved is plain else moved

    def _note_copy(self, target: Tensor, source: Any, non_blocking: bool) -> None:
        if not isinstance(source, Tensor) or target.device.type == source.device.type:
            return
        host = source if target.device.type == "cuda" else target
        if not (non_blocking and id(host) in self.pinned):
            self.waits.append(f"copy_ {tuple(source.shape)} from {source.device.type}")
        else:
            self.streams.on_their_way.add(id(host))

    def _note_wait(self, name: str, args: Any) -> None:
        by_mask = name in ("__getitem__", "__setitem__", "index_put_") and any(
            isinstance(index, Tensor) and index.dtype == torch.bool
            for index in (args[1] if isinstance(args[1], tuple) else (args[1],))
        )
        if name in _READS or name in _SELECTS or by_mask:
            self.waits.append(f"{name}{' by a mask' if by_mask else ''}")

    def _pin(self, host: Tensor) -> Tensor:
        self.pinned.add(id(host))
        self._keep.append(host)  # so that no other tensor gets its id
        return host


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)


def _claimed(value: Any) -> Any:
    def claim(part: Any) -> Any:
        if not isinstance(part, Tensor) or isinstance(part, FakeCuda):
            return part
        return part.as_subclass(FakeCuda)

    return tree_map(claim, value)


def _copied(source: FakeCuda, memo: dict[int, Any]) -> Any:
    """Return what `copy.deepcopy` of a tensor or parameter gives."""
    if id(source) not in memo:
        copied = source.detach().clone()
        is_parameter = isinstance(source, torch.nn.Parameter)
        memo[id(source)] = torch.nn.Parameter(copied, source.requires_grad) if is_parameter else copied
    return memo[id(source)]


class _Graph:
    """A recorded computation: replaying does the same to the same memory, whatever lies there by then."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        with torch._C.DisableTorchFunction():
            for func, args, kwargs, made in self.calls:
                again = func(*args, **kwargs)
                for old, new in zip(_tensors(made), _tensors(again), strict=True):
                    if old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class _Recorder(TorchDispatchMode):
    """Writes down every operation. One that waits is refused; its stream stays the current one, as PyTorch has it."""

    def __init__(self, streams: _Streams, graph: _Graph, stream: Any, **_: Any) -> None:
        super().__init__()
        self.graph, self.streams, self.mine = graph, streams, stream

    def __enter__(self) -> Any:
        self.streams.check("a recording")
        self.before, self.streams.stream = self.streams.stream, self.mine
        self.streams.waits.capturing = True
        return super().__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)
        self.streams.waits.capturing = False
        if kind is None:
            self.streams.stream = self.before

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in {*_SELECTS, "_local_scalar_dense"}:
            raise RuntimeError(f"{func}: operation not permitted when stream is capturing")
        made = func(*args, **(kwargs or {}))
        self.graph.calls.append((func, args, kwargs or {}, made))
        return made


class _Stream:
    def __init__(self, *_: Any) -> None:
        pass

    def wait_stream(self, _: Any) -> None:
        pass


class _Event:
    """A point on the device's way."""

    def __init__(self, streams: _Streams, **_: Any) -> None:
        self.streams = streams

    def record(self, *_: Any) -> None:
        self.streams.check("an event")

    def synchronize(self) -> None:
        self.streams.synchronize()


class _Autocast(torch.autocast):
    def __init__(self, device_type: str, *words: Any, **options: Any) -> None:
        super().__init__("cpu" if device_type == "cuda" else device_type, *words, **options)


class _Scaler(torch.amp.GradScaler):
    def __init__(self, device: str = "cuda", **options: Any) -> None:
        super().__init__("cpu", **options)
        self._device = device


@contextmanager
def fake_cuda(current: int = 0) -> Iterator[Waits]:
    """Let PyTorch have a GPU for a while; yields what makes the host wait. `current` is PyTorch's current GPU."""
    waits = Waits()
    streams = _Streams(current, waits)
    replaced = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: streams.gpu,
        "get_device_capability": lambda *_: (9, 0),
        "get_device_name": lambda *_: "a GPU that is none",
        "synchronize": lambda *_: (waits.append("synchronize"), streams.synchronize()),
        "Event": partial(_Event, streams),
        "device": streams.as_gpu,
        "set_device": lambda device: setattr(streams, "gpu", torch.device(device).index or 0),
        "stream": streams.as_stream,
        "set_stream": streams.set_stream,
        "Stream": _Stream,
        "current_stream": lambda *_: streams.stream,
        "CUDAGraph": _Graph,
        "graph": partial(_Recorder, streams),
        "graph_pool_handle": lambda: (0, 0),
    }
    with mock.patch.multiple(torch.cuda, **replaced), mock.patch.object(torch, "autocast", _Autocast):
        captures = "_accelerator_graph_capture_health_check"
        unasked = mock.patch.object(torch.optim.Optimizer, captures, lambda _: None)
        with mock.patch.object(torch.amp, "GradScaler", _Scaler), unasked, _Device(waits, streams):
            yield waits
