"""Networks in the files of other runtimes: ONNX by ONNX Runtime, OpenVINO's IR by OpenVINO, both as one callable.

A file says how many images it takes at once, of what size and of which number type; whoever runs it need not know.
What a foreign runtime raises on a damaged file is an `InputError` of one line.
"""

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smiletrack.errors import InputError
from smiletrack.lazy import LazyModule
from smiletrack.limits import LARGEST_INPUT, MOST_IMAGES

onnx = LazyModule("onnx")
onnxruntime = LazyModule("onnxruntime")
openvino = LazyModule("openvino")

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else versions from 1.32 on report to their maker, from a thread

Arrays = list[NDArray[np.float32]]

MASK = "visibility"
"""Name of the input of a file that may be left out: (B, rows, columns), how visible each part of an image is."""
_CUDA = "CUDAExecutionProvider"


@dataclass(frozen=True, eq=False)
class NetworkFile:
    """A network that takes images and gives arrays. `None` is a side or a batch that the file leaves open.

    outputs: names of what it gives. metadata: what the exporter wrote into the file. runtime: what runs it, and where.
    mask_grid: rows and columns of its optional second input, how visible each part of an image is; None = it has none.
    """

    path: Path
    batch: int | None
    height: int | None
    width: int | None
    outputs: tuple[str, ...]
    metadata: dict[str, str]
    runtime: str
    _run: Callable[..., list[NDArray[Any]]]
    _dtype: type[np.floating] = np.float32
    _first_layer: Callable[[NDArray[Any]], NDArray[Any] | None] = field(default=lambda _: None)
    mask_grid: tuple[int, int] | None = None

    def __call__(
        self, images: NDArray[np.float32], visibility: NDArray[np.float32] | None = None
    ) -> Iterator[tuple[int, Arrays]]:
        """(B, 3, H, W) -> the outputs of one pass after another, each with the number of images that it was for.

        A fixed batch is filled up with grey; its outputs then hold more images than that number. visibility: (B,
        *mask_grid), for a file that has a mask and a free batch.
        """
        step = self.batch or max(len(images), 1)
        for start in range(0, len(images), step):
            part = images[start : start + step]
            missing = (self.batch or 0) - len(part)
            if missing > 0:
                part = np.concatenate([part, np.full((missing, *part.shape[1:]), part.mean(), np.float32)])
            masks = () if visibility is None else (visibility[start : start + step],)
            yield (
                min(step, len(images) - start),
                [np.asarray(array, np.float32) for array in self._answer(part, *masks)],
            )

    def first_layer(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """(1, 3, H, W) -> (C, N) what the first convolution with its batch norm gives, None where there is none."""
        found = self._first_layer(images.repeat(self.batch or 1, 0).astype(self._dtype))
        return None if found is None or found.ndim != 4 else np.asarray(found[0], np.float32).reshape(len(found[0]), -1)

    def _answer(self, images: NDArray[np.float32], *masks: NDArray[np.float32]) -> list[NDArray[Any]]:
        try:
            return self._run(np.ascontiguousarray(images, self._dtype), *masks)
        except Exception as error:  # the runtimes' errors share no other base
            shape = " x ".join(map(str, images.shape))
            raise InputError(f"{self.path}: {self.runtime} fails on images {shape} ({_reason(error)})") from None


def is_network_file(spec: str) -> bool:
    """Tell the file of another runtime (`FILE.onnx`, `FILE.xml`, `onnx:FILE`, `openvino:FILE`) from other words."""
    return spec.startswith(("onnx:", "openvino:")) or Path(spec).suffix.lower() in (".onnx", ".xml")


def network_path(spec: str) -> Path:
    """Return the file that the words of `is_network_file` name."""
    return Path(spec.removeprefix("onnx:").removeprefix("openvino:"))


def open_network(spec: str, device: str = "cpu", threads: int = 0, free_batch: bool = False) -> NetworkFile:
    """Open a file that `is_network_file` knows; `openvino:FILE.onnx` has OpenVINO run an ONNX file.

    device: cpu, cuda, cuda:N, or auto for a GPU where the runtime has one. threads: of a CPU, 0 for the runtime's own
    choice. free_batch: let OpenVINO open a fixed batch. Raises InputError, one line, where the file is missing, damaged
    or takes something else than images, and where a GPU is asked for that the runtime cannot use.
    """
    path = network_path(spec)
    if not path.is_file():
        raise InputError(f"{path}: no such network file")
    by_openvino = spec.startswith("openvino:") or path.suffix.lower() == ".xml"
    opened = _open_openvino(path, device, threads, free_batch) if by_openvino else _open_onnx(path, device, threads)
    batch, height, width = (1 if side is None else side for side in (opened.batch, opened.height, opened.width))
    if not (1 <= batch <= MOST_IMAGES and 1 <= height * width <= LARGEST_INPUT):
        raise InputError(
            f"{path}: takes {batch} images of {height} x {width}; at most {MOST_IMAGES} of {LARGEST_INPUT} pixels are "
            "taken, and one of one"
        )
    return opened


def _image_shape(path: Path, shapes: list[list[Any]]) -> list[int | None]:
    """Return batch, channels, height and width of the only input, None for what is open."""
    shape = [side if isinstance(side, int) and side >= 0 else None for side in shapes[0]] if len(shapes) == 1 else []
    if len(shape) != 4 or shape[1] not in (3, None):
        listed = ", ".join(str(shape) for shape in shapes)
        raise InputError(f"{path}: takes {listed or 'nothing'}, not one batch of images (batch, 3, height, width)")
    return shape


def _open_onnx(path: Path, device: str, threads: int) -> NetworkFile:
    """Return an ONNX file opened in ONNX Runtime on `device`, refused where it cannot be fed images."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    if threads:  # others work beside it, and idle threads that spin would take their time
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = _providers(path, device)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        metadata = dict(session.get_modelmeta().custom_metadata_map)
        grids = [entry.shape for entry in session.get_overridable_initializers() if entry.name == MASK]
    except Exception as error:  # ONNX Runtime's errors share no other base
        raise InputError(f"{path}: not an ONNX network ({_reason(error)})") from None
    batch, _, height, width = _image_shape(path, [list(entry.shape or []) for entry in inputs])
    dtypes = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    if inputs[0].type not in dtypes:
        raise InputError(f"{path}: takes {inputs[0].type}; images are given as tensor(float) or tensor(float16)")
    on_gpu = session.get_providers()[0] == _CUDA
    if device.startswith("cuda") and not on_gpu:
        raise InputError(
            f"device: {device} was asked for, but ONNX Runtime cannot start on it (CUDA's and cuDNN's libraries of the "
            "versions that onnxruntime-gpu names are needed); take --device cpu"
        )

    def first_layer(images: NDArray[Any]) -> NDArray[Any] | None:
        head = _onnx_head(path)
        if head is None:
            return None
        part = onnxruntime.InferenceSession(head, options, providers=["CPUExecutionProvider"])
        found: NDArray[Any] = part.run(None, {inputs[0].name: images})[0]
        return found

    def run(images: NDArray[Any], *masks: NDArray[Any]) -> list[NDArray[Any]]:
        given = dict(zip((inputs[0].name, MASK), (images, *masks), strict=False))
        return list(session.run(None, given))

    return NetworkFile(
        path,
        batch,
        height,
        width,
        tuple(output.name for output in outputs),
        metadata,
        f"ONNX Runtime on {(device if device != 'auto' else 'cuda') if on_gpu else 'cpu'}",
        run,
        dtypes[inputs[0].type],
        first_layer,
        (int(grids[0][1]), int(grids[0][2])) if grids and batch is None else None,
    )


def _providers(path: Path, device: str) -> list[Any]:
    """Return what ONNX Runtime shall use, best first; InputError where that GPU is none of its own."""
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if _CUDA in onnxruntime.get_available_providers():
        number = int(device.partition(":")[2] or 0)
        return [(_CUDA, {"device_id": number}), "CPUExecutionProvider"]
    if device == "auto":
        return ["CPUExecutionProvider"]
    raise InputError(
        f"device: {device} was asked for, but the ONNX Runtime that is to run {path.name} is built without GPUs: "
        "pip uninstall onnxruntime, pip install onnxruntime-gpu, or take --device cpu"
    )


def _onnx_head(path: Path) -> bytes | None:
    """Return the part of an ONNX file up to its first convolution, or the batch norm behind it, as a file."""
    model = onnx.load(path)
    conv = next((node for node in model.graph.node if node.op_type == "Conv"), None)
    if conv is None:
        return None
    behind = [node for node in model.graph.node if conv.output[0] in node.input]
    last = behind[0] if len(behind) == 1 and behind[0].op_type == "BatchNormalization" else conv
    needed, nodes = set(last.input), [last]
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            nodes.insert(0, node)
            needed |= set(node.input)
    graph = onnx.helper.make_graph(
        nodes,
        "head",
        list(model.graph.input),
        [onnx.helper.make_empty_tensor_value_info(last.output[0])],
        [tensor for tensor in model.graph.initializer if tensor.name in needed],
    )
    part = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    content: bytes = part.SerializeToString()
    return content


@functools.cache
def openvino_core() -> Any:
    """Return OpenVINO's core, one for the life of the process.

    Each core gives the main thread a stack for signals; two that are freed in the order in which they were made leave a
    freed one behind, and the next signal, such as that a child has ended, ends the process without a word.
    """
    return openvino.Core()


def _open_openvino(path: Path, device: str, threads: int, free_batch: bool) -> NetworkFile:
    """Return an OpenVINO file compiled for the CPU; `free_batch` asks for one that takes any number of images."""
    if device.startswith("cuda"):
        raise InputError(f"device: {device} was asked for, but OpenVINO runs {path.name} on the CPU; take --device cpu")
    try:
        core = openvino_core()
    except ModuleNotFoundError:
        raise InputError(f'{path}: OpenVINO runs this file; pip install "smiletrack[openvino]"') from None
    # bfloat16, which it takes where the CPU has it, is too coarse for boxes
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    try:
        content, metadata = _for_openvino(path)
        model = core.read_model(content)
        masks = [port for port in model.inputs if MASK in port.get_names()]
        shapes = [_sides(port.partial_shape) for port in model.inputs if MASK not in port.get_names()]
        shape = _image_shape(path, shapes)
        grid = _sides(masks[0].partial_shape)[1:] if masks else None
        if free_batch and shape[0] is not None:
            shape[0] = _opened_batch(model, shapes[0])
        dtype = np.float16 if model.inputs[0].element_type == openvino.Type.f16 else np.float32
        if model.inputs[0].element_type not in (openvino.Type.f16, openvino.Type.f32):
            raise InputError(f"{path}: takes {model.inputs[0].element_type}; images are given as f32 or f16")
        compiled = core.compile_model(model, "CPU", settings)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: not a network that OpenVINO reads ({_reason(error)})") from None

    def first_layer(images: NDArray[Any]) -> NDArray[Any] | None:
        convs = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
        if not convs:
            return None
        objects = [node for node in model.get_parameters() if MASK not in node.output(0).get_names()]
        part = core.compile_model(openvino.Model([convs[0].output(0)], objects), "CPU", settings)
        return np.asarray(part(images)[0])

    def run(images: NDArray[Any], *masks: NDArray[Any]) -> list[NDArray[Any]]:
        if grid and not masks:
            masks = (np.ones((len(images), *grid), np.float32),)
        return [np.array(value) for value in compiled([images, *masks]).values()]

    return NetworkFile(
        path,
        shape[0],
        shape[2],
        shape[3],
        tuple(next(iter(sorted(port.get_names())), "") for port in model.outputs),
        metadata,
        "OpenVINO on cpu",
        run,
        dtype,
        first_layer,
        (int(grid[0]), int(grid[1])) if grid else None,
    )


def _for_openvino(path: Path) -> tuple[str | bytes, dict[str, str]]:
    """Return what OpenVINO shall read, and what an ONNX file says about itself.

    To OpenVINO a mask that has a default is a constant, so the default is left out.
    """
    if path.suffix.lower() != ".onnx":
        return str(path), {}
    model = onnx.load(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    kept = [tensor for tensor in model.graph.initializer if tensor.name != MASK]
    if len(kept) == len(model.graph.initializer):
        return str(path), metadata
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model.SerializeToString(), metadata


def _sides(shape: Any) -> list[Any]:
    return [side.get_length() if side.is_static else None for side in shape]


def _opened_batch(model: Any, shape: list[Any]) -> int | None:
    """Let the network take any number of images; return its batch as it is now."""
    try:
        model.reshape([-1, *shape[1:]])
        if all(port.partial_shape.rank.is_static and port.partial_shape[0].is_dynamic for port in model.outputs):
            return None
    except Exception:  # a network that cuts its batch apart, and has no open one
        pass
    model.reshape(shape)
    return int(shape[0])


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
