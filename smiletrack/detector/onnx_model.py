"""Detectors written as ONNX files, and YOLOX's ONNX files read back into a network of this project.

Files written here take (batch, 3, height, width) of any batch and give decoded predictions (batch, N, 5 + classes);
their metadata hold the `DetectorConfig`. `ExportedDetector` runs them.
"""

import dataclasses
import json
import math
import warnings
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from smiletrack.detector.blocks import Conv
from smiletrack.detector.build import Detector, build_detector
from smiletrack.detector.deploy import fuse
from smiletrack.detector.exported import KEY, ExportedDetector
from smiletrack.detector.settings import DetectorConfig
from smiletrack.errors import InputError
from smiletrack.files import atomic_path
from smiletrack.network_files import open_network


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


@torch.no_grad()
def import_onnx(path: Path, architecture: str) -> tuple[Detector, DetectorConfig]:
    """Return a YOLOX ONNX file, with its batch norm folded as exporters do, as a network that can be trained on.

    The file's convolutions are taken in the order they run. Batch norm starts as the identity with the folded bias.
    """
    if not architecture.startswith("yolox"):
        raise InputError(f"{path}: only YOLOX networks are read from ONNX, not {architecture}")
    found = ExportedDetector(open_network(f"onnx:{path}")).config
    config = DetectorConfig(architecture, found.class_names, *found.size, input=found.input)
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
