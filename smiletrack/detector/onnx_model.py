"""Detectors as ONNX files: written, run by ONNX Runtime, and read back into a network of this project.

Files written here take (batch, 3, height, width) of any batch and give decoded predictions (batch, N, 5 + classes);
metadata "detector" holds the `DetectorConfig`. Foreign files in YOLOX's output form are understood too, decoded or not.
"""

import dataclasses
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from smiletrack.config import build_config
from smiletrack.detector.anchor_head import cell_grid
from smiletrack.detector.blocks import Conv
from smiletrack.detector.build import Detector, build_detector
from smiletrack.detector.coco import class_names
from smiletrack.detector.deploy import fuse
from smiletrack.detector.letterbox import YOLOX_INPUT
from smiletrack.detector.postprocess import Rule
from smiletrack.detector.settings import DetectorConfig
from smiletrack.errors import InputError
from smiletrack.files import atomic_path

KEY = "detector"


def export_detector_onnx(net: Detector, config: DetectorConfig, path: Path, opset: int = 17) -> None:
    """Write the fused network with a free batch size and the configuration's input size, atomically."""
    example = torch.zeros(1, 3, *config.size)
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            fuse(net).cpu().float(),
            (example,),
            str(temporary),
            opset_version=opset,
            input_names=["images"],
            output_names=["predictions"],
            dynamic_axes={"images": {0: "batch"}, "predictions": {0: "batch"}},
            dynamo=False,
        )
        model = onnx.load(temporary)
        onnx.helper.set_model_props(model, {KEY: json.dumps(dataclasses.asdict(config)), "rule": net.rule})
        onnx.save(model, temporary)


class OnnxDetector:
    """An ONNX file as a function of images: (B, 3, H, W) -> (B, N, 5 + classes), decoded, both on the CPU.

    `config` says classes and input. Without metadata the file is taken for YOLOX's: BGR, 0 to 255, placed top left.
    """

    def __init__(self, path: Path, device: str = "cpu", size: tuple[int, int] = (640, 640)) -> None:
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such ONNX file")
        wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
        available = onnxruntime.get_available_providers()
        try:
            self.session = onnxruntime.InferenceSession(
                path, providers=[p for p in (*wanted, "CPUExecutionProvider") if p in available]
            )
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise InputError(f"{path}: not an ONNX network ({' '.join(str(error).split())[:120]})") from None
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise InputError(f"{path}: a detector takes one input (batch, 3, height, width), not {_shapes(inputs)}")
        self.name = inputs[0].name
        rows, columns = (
            side if isinstance(side, int) else free for side, free in zip(inputs[0].shape[2:], size, strict=True)
        )
        # a file with a fixed batch of one is run image by image
        self.fixed_batch = inputs[0].shape[0] if isinstance(inputs[0].shape[0], int) else None
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.rule: Rule = "prb" if metadata.get("rule") == "prb" else "yolox"
        probe = self._run(np.full((1, 3, rows, columns), 114, np.float32))
        if probe.ndim != 3 or probe.shape[2] < 6:
            raise InputError(
                f"{path}: no detector in YOLOX's output form (batch, rows, 5 + classes): {_shapes(outputs)}"
            )
        self.strides = _strides(probe.shape[1], rows, columns)
        # widths and heights in pixels are positive; logarithms of widths in cells are not
        self.decoded = bool(KEY in metadata or (probe[..., 2:4] > 0).all())
        if not self.decoded and self.strides is None:
            raise InputError(
                f"{path}: {probe.shape[1]} rows fit no set of strides (8, 16, 32 or up to 64) at {rows} x {columns}"
            )
        if KEY in metadata:
            self.config = build_config(DetectorConfig, json.loads(metadata[KEY]))
        else:
            names = class_names(probe.shape[2] - 5)
            self.config = DetectorConfig("yolox-nano", names, rows, columns, input=YOLOX_INPUT)
        self.stride = max(self.strides or (32,))

    def __call__(self, images: Tensor) -> Tensor:
        array = images.float().cpu().numpy()
        if self.fixed_batch is None:
            found = torch.from_numpy(self._run(array))
        else:
            found = torch.from_numpy(np.concatenate([self._run(image[None]) for image in array]))
        return found if self.decoded else self._decode(found, images.shape[2], images.shape[3])

    def _run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.session.run(None, {self.name: images})[0]
        return found

    def _decode(self, rows: Tensor, height: int, width: int) -> Tensor:
        """YOLOX's raw boxes -> pixels; objectness and classes are probabilities already."""
        assert self.strides is not None
        cells, strides = [], []
        for stride in self.strides:
            grid = cell_grid(height // stride, width // stride, rows).view(-1, 2)
            cells.append(grid)
            strides.append(torch.full((len(grid), 1), float(stride)))
        scale = torch.cat(strides)
        return torch.cat([(rows[..., :2] + torch.cat(cells)) * scale, rows[..., 2:4].exp() * scale, rows[..., 4:]], -1)


def _strides(rows: int, height: int, width: int) -> tuple[int, ...] | None:
    """Return the strides whose cells add up to `rows`, None where none do."""
    for strides in ((8, 16, 32), (8, 16, 32, 64)):
        if sum((height // s) * (width // s) for s in strides) == rows:
            return strides
    return None


def _shapes(values: Any) -> str:
    return ", ".join(f"{value.name} {value.shape}" for value in values)


@torch.no_grad()
def import_onnx(path: Path, architecture: str) -> tuple[Detector, DetectorConfig]:
    """Return a YOLOX ONNX file, with its batch norm folded as exporters do, as a network that can be trained on.

    The file's convolutions are taken in the order they run. Batch norm starts as the identity with the folded bias.
    """
    session = OnnxDetector(path)
    config = dataclasses.replace(session.config, architecture=architecture)
    if not architecture.startswith("yolox"):
        raise InputError(f"{path}: only YOLOX networks are read from ONNX, not {architecture}")
    graph = onnx.load(path).graph
    tensors = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    weights = [
        (tensors[node.input[1]], tensors[node.input[2]])
        for node in graph.node
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[1] in tensors
    ]
    net = build_detector(config).eval()
    order = _conv_order(net)
    shapes = [tuple(conv.weight.shape) for conv, _ in order]
    if shapes != [tuple(weight.shape) for weight, _ in weights]:
        raise InputError(f"{path}: not a {architecture} with {config.num_classes} classes and folded batch norm")
    for (conv, norm), (weight, bias) in zip(order, weights, strict=True):
        conv.weight.copy_(weight)
        if norm is None:
            assert conv.bias is not None
            conv.bias.copy_(bias)
        else:
            norm.weight.fill_(math.sqrt(1 + norm.eps))  # running mean 0 and variance 1: the identity
            norm.bias.copy_(bias)
    return net, config


def _conv_order(net: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Return the convolutions in the order they run, each with its batch norm."""
    norms = {module.conv: module.bn for module in net.modules() if isinstance(module, Conv)}
    order: list[tuple[nn.Conv2d, nn.BatchNorm2d | None]] = []
    handles = [
        module.register_forward_hook(lambda conv, *_: order.append((conv, norms.get(conv))))
        for module in net.modules()
        if isinstance(module, nn.Conv2d)
    ]
    net(torch.zeros(1, 3, 64, 64))
    for handle in handles:
        handle.remove()
    return order
