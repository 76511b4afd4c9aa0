"""Public weights for OSNet's convolutions: ONNX files, the authors' checkpoints, Open Model Zoo's OpenVINO files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from smiletrack.errors import InputError
from smiletrack.slm.openvino_constants import read_constants
from smiletrack.slm.osnet import NORM_EPS, OmniScaleBlock, OSNetBackbone
from smiletrack.weights import load_exactly, load_tensors

_NOT_THE_BACKBONE = ("fc.", "classifier.")
INPUT_CONSTANTS = 2
"""Mean and scale of the pixels, before the backbone's own constants."""


def load_osnet(backbone: OSNetBackbone, path: Path) -> None:
    """Fill the backbone from a public OSNet: its `.onnx` export, or the authors' checkpoint, read code-free.

    With linear context it is filled from Open Model Zoo's `.xml` and the `.bin` beside it.

    InputError where the file is missing, damaged, or of another network or width.
    """
    if backbone.linear_context:
        state = _openvino_state(backbone, path)
    else:
        state = _onnx_state(backbone, path) if path.suffix == ".onnx" else _checkpoint_state(path)
    load_exactly(backbone, state, str(path))


def _checkpoint_state(path: Path) -> dict[str, Tensor]:
    """Return the convolutions of an authors' checkpoint with their batch norms folded in."""
    content = load_tensors(path)
    content = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path}: no OSNet weights; expected a state_dict of tensors")
    given = {key.removeprefix("module."): value for key, value in content.items()}
    norms = {key.removesuffix("running_var") for key in given if key.endswith("running_var")}
    state = {key: value for key, value in given.items() if not key.startswith((*_NOT_THE_BACKBONE, *norms))}
    for norm in norms - {norm for norm in norms if norm.startswith(_NOT_THE_BACKBONE)}:
        owner = norm.removesuffix("bn.")
        conv = owner + ("conv." if f"{owner}conv.weight" in given else "conv2.")
        try:
            scale = given[norm + "weight"] / torch.sqrt(given[norm + "running_var"] + NORM_EPS)
            state[conv + "bias"] = given[norm + "bias"] - given[norm + "running_mean"] * scale
            state[conv + "weight"] = given[conv + "weight"] * scale.view(-1, 1, 1, 1)
        except (KeyError, RuntimeError):
            raise InputError(f"{path}: not an OSNet; {norm.removesuffix('.')} is no batch norm of its") from None
    return state


def _onnx_state(backbone: OSNetBackbone, path: Path) -> dict[str, Tensor]:
    """Return the file's convolutions under the backbone's names; both are taken in the order they run."""
    if not path.is_file():
        raise InputError(f"{path}: no such ONNX file")
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # the parser's errors share no other base
        raise InputError(f"{path}: not an ONNX network ({' '.join(str(error).split())[:120]})") from None
    tensors = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    # the gate is shared: it runs once a stream
    found = list(dict.fromkeys(tuple(node.input[1:]) for node in graph.node if node.op_type == "Conv"))
    order = _convolutions(backbone)
    if len(found) != len(order) or not all(name in tensors for names in found for name in names):
        raise InputError(f"{path}: not an OSNet of this depth with folded batch norm")
    return {
        f"{name}.{part}": tensors[source]
        for name, sources in zip(order, found, strict=True)
        for part, source in zip(("weight", "bias"), sources, strict=False)
    }


def _openvino_state(backbone: OSNetBackbone, path: Path) -> dict[str, Tensor]:
    """Return the constants of OpenVINO's file under the backbone's names, both in the order they run."""
    constants = read_constants(path)[INPUT_CONSTANTS:]
    state: dict[str, Tensor] = {}
    for name in _openvino_order(backbone):
        module = backbone.get_submodule(name)
        convolves = isinstance(module, nn.Conv2d)
        for part, parameter in module.named_parameters(recurse=False):
            kind, values = constants.pop(0) if constants else ("", np.zeros(0))
            wanted = "Add" if part == "bias" else "Convolution" if convolves else "Multiply"
            if not kind.endswith(wanted) or values.size != parameter.numel():
                raise InputError(f"{path}: not an OSNet with linear context of this width; it has no {name}.{part}")
            state[f"{name}.{part}"] = torch.tensor(values.astype(np.float32)).view(parameter.shape)
    return state


def _openvino_order(backbone: OSNetBackbone) -> Iterator[str]:
    """Yield the names of the modules with weights in the file's order: behind every stream comes the shared gate."""
    parts = ("conv1", "conv2a", "gate", "conv2b", "gate", "conv2c", "gate", "conv2d", "gate", "conv3", "downsample")
    yield from _with_weights(backbone.conv1, "conv1")
    for stage in ("conv2", "conv3", "conv4"):
        for number, module in backbone.get_submodule(stage).named_children():
            name = f"{stage}.{number}"
            if not isinstance(module, OmniScaleBlock):
                yield from _with_weights(module, name)
                continue
            for part in parts:
                yield from _with_weights(module.get_submodule(part), f"{name}.{part}")
    yield from _with_weights(backbone.conv5, "conv5")


def _with_weights(module: nn.Module, prefix: str) -> Iterator[str]:
    """Yield the names of a module and those in it that have weights of their own."""
    for name, part in module.named_modules(prefix=prefix):
        if next(part.parameters(recurse=False), None) is not None:
            yield name


def _convolutions(backbone: OSNetBackbone) -> list[str]:
    """Return the names of the convolutions in the order they first run."""
    order: dict[str, None] = {}
    handles = [
        module.register_forward_hook(lambda *_, name=name: order.setdefault(name))
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.inference_mode():
        backbone(torch.zeros(1, 3, 32, 32))
    for handle in handles:
        handle.remove()
    return list(order)
