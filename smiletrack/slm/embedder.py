"""The SLM as the tracker meets it: a frame and boxes in, one unit vector a box out."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from smiletrack.errors import InputError
from smiletrack.images import IMAGENET_MEAN, IMAGENET_STD
from smiletrack.slm.checkpoint import load_slm_network
from smiletrack.slm.preprocessing import Crops, Preprocessing
from smiletrack.types import Floats


class Embedder:
    """One similarity network, ready to use. `fingerprint` names the weights; `dimension` is D."""

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        preprocessing: Preprocessing,
        fingerprint: str,
        device: str = "cpu",
        batch: int = 64,
    ) -> None:
        """forward: (n, 3, H, W) on `device` -> (n, D) for n up to `batch`."""
        self.preprocessing, self.fingerprint = preprocessing, fingerprint
        self._forward, self._device, self._batch = forward, torch.device(device), batch
        blank = np.zeros((1, preprocessing.height, preprocessing.width, 3), np.uint8)
        self.dimension = int(self._rows(blank).shape[1])

    def embed(self, frame: NDArray[Any], boxes: Floats) -> NDArray[np.float32]:
        """(H, W, 3) BGR frame, (N, 4) xyxy boxes -> (N, D) float32 unit rows.

        Boxes are clipped to the frame; one without area in it (or that is not a number) gets a row of zeros, which
        the tracker reads as "no appearance". Grey, BGRA and 16-bit frames are converted.
        """
        crops, rows = self.preprocessing.cut(frame, boxes)
        embeddings = np.zeros((len(boxes), self.dimension), np.float32)
        embeddings[rows] = self.embed_crops(crops)
        return embeddings

    def embed_crops(self, crops: Crops) -> NDArray[np.float32]:
        """(N, height, width, 3) BGR crops of the network's size -> (N, D) float32 unit rows; zeros stay zeros."""
        if not len(crops):
            return np.zeros((0, self.dimension), np.float32)
        rows = np.concatenate([self._rows(crops[i : i + self._batch]) for i in range(0, len(crops), self._batch)])
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0))

    def _rows(self, crops: Crops) -> NDArray[np.float32]:
        with torch.inference_mode():
            rows = self._forward(self.preprocessing.tensor(crops, self._device))
        return np.asarray(rows.float().cpu().numpy())


def load_embedder(path: str | Path, device: str = "cpu", compile: bool = False) -> Embedder:
    """Return the embedder of a checkpoint (`load_slm_network`) or of any `.onnx` re-identification network.

    An ONNX file without this project's metadata is taken to want RGB crops in [0, 1] with ImageNet's mean and standard
    deviation at its own input size. On a GPU a checkpoint runs in float16 and channels-last; `compile` adds
    torch.compile. InputError where the file is missing or not usable.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such SLM file; train one with tools/train_slm.py")
    fingerprint = f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    if path.suffix == ".onnx":
        return _onnx(path, fingerprint)
    network, preprocessing = load_slm_network(path)
    fuse_norms(network)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    forward = torch.compile(network, dynamic=True) if compile else network
    if torch.device(device).type != "cuda":
        return Embedder(forward, preprocessing, fingerprint, device)

    def half(objects: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.float16):
            rows: Tensor = forward(objects.contiguous(memory_format=torch.channels_last))
        return rows

    return Embedder(half, preprocessing, fingerprint, device, batch=256)


def fuse_norms(module: nn.Module) -> None:
    """Fold every batch norm that directly follows a convolution or linear layer in an `nn.Sequential` into it."""
    for child in module.children():
        fuse_norms(child)
    if not isinstance(module, nn.Sequential):
        return
    for i in range(len(module) - 1):
        layer, norm = module[i], module[i + 1]
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module[i], module[i + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
        elif isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
            module[i], module[i + 1] = fuse_linear_bn_eval(layer, norm), nn.Identity()


def _onnx(path: Path, fingerprint: str) -> Embedder:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (entry,) = session.get_inputs()
        batch, _, height, width = entry.shape
        stored = session.get_modelmeta().custom_metadata_map.get("preprocessing")
        public = Preprocessing(width, height, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        preprocessing = Preprocessing.from_json(stored) if stored else public
        if not (isinstance(height, int) and isinstance(width, int)):
            raise ValueError(f"input size {entry.shape} is not fixed")
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: not an ONNX re-identification network ({reason})") from None

    def forward(objects: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {entry.name: objects.contiguous().numpy()})[0])

    return Embedder(forward, preprocessing, fingerprint, batch=batch if isinstance(batch, int) else 64)
