"""The constants of an OpenVINO network in the order they are used: its `.xml` and the `.bin` beside it, code-free.

They are read without OpenVINO, which shows a network only after it has folded and reordered it for a processor.
"""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from smiletrack.errors import InputError

_TYPES = {"f16": np.float16, "f32": np.float32}
_USED_BY = ("Convolution", "GroupConvolution", "Add", "Multiply", "Subtract", "MatMul", "PReLU")


def read_constants(path: Path) -> list[tuple[str, NDArray[np.floating]]]:
    """Return (type of the layer, array) of every layer that takes a constant of floats, in the file's order.

    The order is that in which layers run. A shared constant comes once for each layer that takes it; those that are
    stored in half precision and converted are read as stored. InputError where the files are missing or damaged.
    """
    weights = path.with_suffix(".bin")
    for file in (path, weights):
        if not file.is_file():
            raise InputError(f"{file}: no such file; OpenVINO keeps a network in NAME.xml and NAME.bin")
    blob = weights.read_bytes()
    try:
        root = ElementTree.parse(path).getroot()
        layers = {layer.attrib["id"]: layer for layer in root.iterfind("layers/layer")}
        sources: dict[str, list[str]] = {}
        for edge in root.iterfind("edges/edge"):
            sources.setdefault(edge.attrib["to-layer"], []).append(edge.attrib["from-layer"])
        constants = []
        for number, layer in layers.items():
            if layer.attrib["type"] in _USED_BY:
                taken = [_constant(layers, sources, source, blob) for source in sources.get(number, ())]
                constants += [(layer.attrib["type"], array) for array in taken if array is not None]
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a whole OpenVINO network ({reason})") from None
    return constants


def _constant(
    layers: dict[str, ElementTree.Element], sources: dict[str, list[str]], number: str, blob: bytes
) -> NDArray[np.floating] | None:
    """Return the floats that a layer stands for, None where it is no constant of floats."""
    layer = layers[number]
    if layer.attrib["type"] == "Convert":
        number = sources[number][0]
        layer = layers[number]
    data = layer.find("data")
    if layer.attrib["type"] != "Const" or data is None or data.attrib["element_type"] not in _TYPES:
        return None
    shape = [int(side) for side in data.attrib["shape"].split(",") if side.strip()]
    first, size = int(data.attrib["offset"]), int(data.attrib["size"])
    return np.frombuffer(blob[first : first + size], _TYPES[data.attrib["element_type"]]).reshape(shape)
