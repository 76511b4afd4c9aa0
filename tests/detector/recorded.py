"""Recorded results of the original programs, and their deterministic weights (the rule of the oracles' `fill.py`)."""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smiletrack.detector.build import ARCHITECTURES, Detector
from smiletrack.detector.checkpoint import from_public
from smiletrack.detector.public_names import public_names

NETWORKS = {
    "prb_2py_e6e_auxpy1_nc1": "prb-2py-e6e-auxpy1",
    "prb_fpn6_2py_nc80": "prb-fpn6-2py",
    "prb_fpn_elan_nc80": "prb-fpn-elan",
    "prb_fpn_csp_nc80": "prb-fpn-csp",
    "prb_fpn_msp_nc80": "prb-fpn-msp",
    "yolov7_nc80": "yolov7",
    "yolov7_tiny_nc80": "yolov7-tiny",
    "yolox_nano_nc1": "yolox-nano",
    "yolox_nano_nc80": "yolox-nano",
    "yolox_tiny_nc1": "yolox-tiny",
    "yolox_s_nc1": "yolox-s",
    "yolox_x_nc1": "yolox-x",
}
"""Name of the record -> architecture here."""


class Record:
    """One JSON file with its arrays."""

    def __init__(self, folder: Path, name: str) -> None:
        root = next(folder.rglob(f"{name}.json")).parent
        self.name, self.folder = name, root
        self.meta: dict[str, Any] = json.loads((root / f"{name}.json").read_text())
        arrays = root / f"{name}.npz"
        self.arrays = dict(np.load(arrays)) if arrays.is_file() else {}

    def network(self) -> Detector:
        """Return the network of this record with the recorded weights, in eval mode."""
        with torch.device("meta"):
            net = ARCHITECTURES[NETWORKS[self.name]](self.meta["nc"])
        return with_weights(net, self.meta["gain"])

    def images(self, tag: str) -> Tensor:
        """Return input `a` or `b`."""
        size = self.meta["cases"][tag]["input"] if "cases" in self.meta else self.meta["input"]
        height, width = map(int, size.split("(")[1].rstrip(")").split(","))
        return images_a(height, width) if tag == "a" else images_b(height, width)


def with_weights(net: Detector, gain: float) -> Detector:
    """Return a network that was made on the meta device with the weights of the rule."""
    anchors = None if "yolox" in type(net).__name__.lower() else fresh_anchors(net)
    net = net.to_empty(device="cpu").eval()
    if anchors is not None:
        net.head.anchors.copy_(anchors)
    state = net.state_dict()
    public = {}
    for key, name in public_names(net).items():
        filled = value(name, tuple(state[key].shape), gain)
        public[name] = torch.as_tensor(filled).to(state[key].dtype)
    net.load_state_dict(from_public(net, public), strict=False)
    return net


def fresh_anchors(net: Detector) -> Tensor:
    """Return the anchors that the builder of this network gives it."""
    builder = next(b for b in ARCHITECTURES.values() if _same_keys(b, net))
    return builder(1).head.anchors  # type: ignore[union-attr]


def _same_keys(builder: Any, net: nn.Module) -> bool:
    with torch.device("meta"):
        other = builder(net.num_classes)
    shapes = [(k, v.shape) for k, v in net.state_dict().items()]
    return shapes == [(k, v.shape) for k, v in other.state_dict().items()]


def noise(key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).standard_normal(shape)


def value(key: str, shape: tuple[int, ...], gain: float) -> NDArray[np.float64]:
    """Return the rule's weights for a public key."""
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape)
    n = noise(key, shape)
    if leaf == "running_mean":
        return 0.1 * n
    if leaf == "running_var":
        return 1 + 0.1 * np.abs(n)
    if leaf == "implicit":
        return 0.02 * n if ".ia." in key else 1 + 0.02 * n
    if leaf == "bias":
        return 0.4 * n
    if len(shape) == 1:
        return 1 + 0.1 * n
    fan_in = math.prod(shape[1:])
    if fan_in > 1:
        n = n - n.mean(axis=tuple(range(1, len(shape))), keepdims=True)
    return n * math.sqrt(gain / fan_in)


def images_a(height: int, width: int) -> Tensor:
    pixels = np.random.Generator(np.random.PCG64(0)).random((1, 3, height, width))
    return torch.from_numpy(pixels.astype(np.float32))


def images_b(height: int, width: int) -> Tensor:
    fine = np.random.Generator(np.random.PCG64(1)).random((3, height, width))
    coarse = np.random.Generator(np.random.PCG64(2)).random((3, height // 16, width // 16))
    blocks = coarse.repeat(16, axis=1).repeat(16, axis=2)
    return torch.from_numpy(np.stack([fine, blocks]).astype(np.float32))


def projection(tensor: Tensor) -> float:
    """Return the scalar product with the records' fixed noise: a change anywhere in the tensor shows."""
    array = tensor.detach().double().numpy()
    return float((array * np.random.Generator(np.random.PCG64(3)).standard_normal(array.shape)).sum())


def rows(levels: list[Tensor]) -> Tensor:
    """Raw levels -> (B, N, 5 + C) in the records' order."""
    if levels[0].dim() == 5:
        return torch.cat([level.flatten(1, 3) for level in levels], 1)
    return torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)


def random_predictions(images: int, number: int, classes: int) -> Tensor:
    """Return (images, number, 5 + classes) decoded predictions that crowd a picture of 640 x 480."""
    generator = torch.Generator().manual_seed(number + classes)
    centres = torch.rand(images, number, 2, generator=generator) * torch.tensor([640.0, 480.0])
    sizes = 20 + 120 * torch.rand(images, number, 2, generator=generator)
    probabilities = torch.rand(images, number, 1 + classes, generator=generator)
    return torch.cat([centres, sizes, probabilities], -1)
