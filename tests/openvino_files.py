"""Small networks as OpenVINO's files, in the form of Open Model Zoo's re-identification networks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from smiletrack.slm.osnet import OmniScaleBlock, OSNetBackbone

NO_HEAD = (("MatMul", torch.ones(4, 4)),)


def written(net: OSNetBackbone, path: Path, head: Sequence[tuple[str, Tensor]] = NO_HEAD) -> Path:
    """Write an OpenVINO network with the backbone's layers, each stream before its gate, weights in half precision.

    head: kinds of the layers behind them, and their constants.
    """
    layers: list[str] = ['<layer id="0" type="Parameter"/>']
    edges: list[str] = []
    blob = b""

    def layer(kind: str, values: Tensor) -> None:
        nonlocal blob
        array = values.detach().numpy().astype(np.float16)
        number, shape = len(layers), ",".join(map(str, array.shape))
        about = f'element_type="f16" shape="{shape}" offset="{len(blob)}" size="{array.nbytes}"'
        layers.append(f'<layer id="{number}" type="Const"><data {about}/></layer>')
        layers.append(f'<layer id="{number + 1}" type="Convert"/>')
        layers.append(f'<layer id="{number + 2}" type="{kind}"/>')
        edges.append(f'<edge from-layer="{number}" to-layer="{number + 1}"/>')
        edges.append(f'<edge from-layer="0" to-layer="{number + 2}"/>')
        edges.append(f'<edge from-layer="{number + 1}" to-layer="{number + 2}"/>')
        blob += array.tobytes()

    def module(part: nn.Module) -> None:
        if isinstance(part, OmniScaleBlock):
            streams = (part.conv2a, part.conv2b, part.conv2c, part.conv2d)
            for child in (part.conv1, *(x for stream in streams for x in (stream, part.gate)), part.conv3):
                module(child)
            module(part.downsample)
            return
        for name, values in part.named_parameters(recurse=False):
            layer("Add" if name == "bias" else "Convolution" if values.ndim == 4 else "Multiply", values)
        for child in part.children():
            module(child)

    layer("Subtract", torch.ones(3))
    layer("Multiply", torch.ones(3))
    module(net)
    for kind, constant in head:
        layer(kind, constant)
    path.write_text(f"<net><layers>{''.join(layers)}</layers><edges>{''.join(edges)}</edges></net>")
    path.with_suffix(".bin").write_bytes(blob)
    return path
