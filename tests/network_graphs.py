"""Tiny networks as ONNX files, in the forms that people export; what they answer can be said without running them.

Every cell of 8, 16 and 32 pixels is a box of fixed size in its middle. Its objectness is the mean red of the cell, the
scores of its two classes are mean green and mean blue.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
HEIGHT, WIDTH = 64, 96
STRIDES = (8, 16, 32)
BOX = 0.95
"""Width of a box in cells; its height is twice that."""
ULTRALYTICS = {"task": "detect", "stride": "32", "imgsz": f"[{HEIGHT}, {WIDTH}]", "names": "{0: 'person', 1: 'car'}"}


@dataclass
class Graph:
    """Nodes and constants of an ONNX graph that is being written."""

    nodes: list[Any]
    constants: list[Any]

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        names = [f"{kind}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0]

    def plain(self, like: str, value: float) -> str:
        """Return an array of the shape of another, full of one value."""
        nothing = self.add("Mul", like, self.constant(np.float32(0)))
        return self.add("Add", nothing, self.constant(np.float32(value)))

    def save(self, path: Path, outputs: list[str], shape: list[Any], half: bool, metadata: dict[str, str]) -> Path:
        dtype = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info("images", dtype, shape)],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            self.constants,
        )
        for value in graph.output:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, metadata)
        onnx.save(model, path)
        return path


def colour_weights(colour: str, scale: float, imagenet: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (3, 3) weights and (3,) biases that give red, green and blue in [0, 1] of what the network is fed."""
    weights, bias = np.eye(3), np.zeros(3)
    if imagenet:
        weights, bias = weights * STD, MEAN.copy()
    if colour == "bgr":
        weights = weights[:, ::-1]
    return weights / (scale * 255), bias


def detector_file(
    path: Path,
    form: str,
    colour: str = "rgb",
    scale: float = 1 / 255,
    imagenet: bool = False,
    classes: int = 2,
    batch: int | str = 1,
    half: bool = False,
    free: bool = False,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a detector of a form of `output_forms`, fed as it is said here; `free` leaves the sides open."""
    graph = Graph([], [])
    image = graph.add("Cast", "images", to=TensorProto.FLOAT) if half else "images"
    weights, bias = colour_weights(colour, scale, imagenet)
    raw, boxes, colours = [], [], []
    for stride in STRIDES:
        # twice the factor that lets colours spread by one, as behind a batch norm
        kernel = np.repeat(np.repeat(8 * weights[:, :, None, None], stride, 2), stride, 3) / stride**2
        level = graph.add(
            "Conv",
            image,
            graph.constant(kernel.astype(np.float32)),
            graph.constant((8 * bias).astype(np.float32)),
            strides=[stride, stride],
        )
        level = graph.add("Mul", level, graph.constant(np.float32(1 / 8)))
        level = graph.add("Clip", level, graph.constant(np.float32(0)), graph.constant(np.float32(1)))
        level = graph.add("Reshape", level, graph.constant(np.array([0, 3, -1])))
        colours.append(graph.add("Transpose", level, perm=[0, 2, 1]))
        rows, columns = HEIGHT // stride, WIDTH // stride
        y, x = (axis.ravel() for axis in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
        size = np.tile([BOX, 2 * BOX], (len(x), 1))
        raw.append(np.concatenate([np.full((len(x), 2), 0.5), np.log(size)], 1))
        boxes.append(np.concatenate([np.stack([x + 0.5, y + 0.5], 1) * stride, size * stride], 1))
    seen = graph.add("Concat", *colours, axis=1)
    if free:
        outputs = [_free_output(graph, seen, form)]
    else:
        outputs = _outputs(graph, seen, form, classes, np.concatenate(raw), np.concatenate(boxes))
    sides = ["height", "width"] if free else [HEIGHT, WIDTH]
    return graph.save(path, outputs, [batch, 3, *sides], half, metadata or {})


def _outputs(graph: Graph, seen: str, form: str, classes: int, raw: Any, boxes: Any) -> list[str]:
    """Append what turns (B, N, 3) colours into the form's output."""

    def part(name: str, first: int, last: int, axis: int = 2) -> str:
        ends = (graph.constant(np.array([value])) for value in (first, last, axis))
        return graph.add("Slice", name, *ends)

    ones = graph.plain(part(seen, 0, 1), 1.0)
    red, others = part(seen, 0, 1), part(seen, 1, 1 + classes)
    scores = graph.add("Mul", red, others)

    def beside(values: Any, *more: str) -> str:
        fixed = graph.add("Mul", ones, graph.constant(values.astype(np.float32)[None]))
        return graph.add("Concat", fixed, *more, axis=2)

    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    best = graph.add("ReduceMax", scores, axes=[2], keepdims=1)
    label = graph.add("Cast", graph.add("ArgMax", scores, axis=2, keepdims=1), to=TensorProto.FLOAT)
    if form == "yolox":
        return [beside(raw, red, others)]
    if form == "yolov5":
        return [beside(boxes, red, others)]
    if form == "yolov8":
        return [graph.add("Transpose", beside(boxes, scores), perm=[0, 2, 1])]
    if form == "detr":
        rows = beside(boxes / [WIDTH, HEIGHT, WIDTH, HEIGHT], scores)
        return [graph.add("Concat", rows, part(rows, 0, 74, axis=1), axis=1)]  # queries, as a rule 200, not cells
    if form == "end-to-end":
        return [beside(corners, best, label)]
    assert form == "boxes"
    rows = graph.add("Squeeze", beside(corners, best), graph.constant(np.array([0])))
    return [rows, graph.add("Squeeze", label, graph.constant(np.array([0, 2])))]


def _free_output(graph: Graph, seen: str, form: str) -> str:
    """A network of any input size: YOLOX's raw rows need no sizes in the file."""
    assert form == "yolox"
    ones = graph.plain(seen, 1.0)
    raw = np.array([0.5, np.log(BOX), np.log(2 * BOX)], np.float32)
    x_and_sizes = graph.add("Mul", ones, graph.constant(raw))
    offset = graph.add("Slice", x_and_sizes, *(graph.constant(np.array([value])) for value in (0, 1, 2)))
    return graph.add("Concat", offset, x_and_sizes, seen, axis=2)


def expected_scores(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(HEIGHT, WIDTH, 3) BGR -> (N, 2) scores of every cell's box, by loops."""
    rows = []
    for stride in STRIDES:
        for y in range(0, HEIGHT, stride):
            for x in range(0, WIDTH, stride):
                blue, green, red = frame[y : y + stride, x : x + stride].reshape(-1, 3).mean(0) / 255
                rows.append([red * green, red * blue])
    return np.array(rows)


def expected_boxes() -> NDArray[np.float64]:
    """Return the (N, 4) corners of every cell's box, by loops."""
    rows = []
    for stride in STRIDES:
        for y in range(0, HEIGHT, stride):
            for x in range(0, WIDTH, stride):
                middle_x, middle_y, half = x + stride / 2, y + stride / 2, BOX * stride / 2
                rows.append([middle_x - half, middle_y - 2 * half, middle_x + half, middle_y + 2 * half])
    return np.array(rows)


def embedder_file(
    path: Path,
    colour: str = "rgb",
    scale: float = 1 / 255,
    imagenet: bool = False,
    batch: int | str = 1,
    half: bool = False,
) -> Path:
    """Write a Re-ID network of 32 x 16 pixels: the mean colours of eight bands, less one half."""
    graph = Graph([], [])
    image = graph.add("Cast", "images", to=TensorProto.FLOAT) if half else "images"
    weights, bias = colour_weights(colour, scale, imagenet)
    # a factor that lets the bands of pictures spread by about one, as behind a batch norm
    kernel = np.repeat(np.repeat(8 * weights[:, :, None, None], 4, 2), 16, 3) / 64
    bands = graph.add(
        "Conv",
        image,
        graph.constant(kernel.astype(np.float32)),
        graph.constant((8 * (bias - 0.5)).astype(np.float32)),
        strides=[4, 16],
    )
    rows = graph.add("Flatten", bands, axis=1)
    return graph.save(path, [rows], [batch, 3, 32, 16], half, {})
