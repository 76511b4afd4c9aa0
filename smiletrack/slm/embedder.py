"""The SLM as the tracker meets it: a frame and boxes in, one unit vector a box out."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from smiletrack.boxes import clip_boxes, hidden_cells
from smiletrack.errors import InputError
from smiletrack.image_tensors import to_input
from smiletrack.images import pixel_word
from smiletrack.network_files import NetworkFile, is_network_file, network_path, open_network
from smiletrack.runtime_twin import RuntimeTwin
from smiletrack.slm.checkpoint import export_slm_onnx, load_slm_network
from smiletrack.slm.foreign import (
    check_embedder,
    conclude_preprocessing,
    embedder_description,
    exported_forward,
    split_pixels,
)
from smiletrack.slm.network import SLM
from smiletrack.slm.preprocessing import Crops, Preprocessing
from smiletrack.types import Floats

_SEEN_CELLS = (16, 8)
"""Cells by which the visible share of a box is taken where the network asks for none."""


class Embedder:
    """One similarity network, ready to use. `fingerprint` names the weights; `dimension` is D.

    `description` is one line about what a network file was taken for, "" for a checkpoint.
    """

    description = ""

    def __init__(
        self,
        forward: Callable[..., Tensor],
        preprocessing: Preprocessing,
        fingerprint: str,
        device: str = "cpu",
        batch: int = 64,
        mask_grid: tuple[int, int] | None = None,
    ) -> None:
        """forward: (n, 3, H, W) on `device` -> (n, D) for n up to `batch`; with a mask also (n, *mask_grid) visibility.

        mask_grid: rows and columns of the cells of a box whose visibility the network wants to know, None = none.
        """
        self.preprocessing, self.fingerprint, self.mask_grid = preprocessing, fingerprint, mask_grid
        self._forward, self.device, self._batch = forward, torch.device(device), batch
        blank = np.zeros((1, preprocessing.height, preprocessing.width, 3), np.uint8)
        self.dimension = int(self._rows(blank).shape[1])

    def embed(self, frame: NDArray[Any], boxes: Floats) -> NDArray[np.float32]:
        """(H, W, 3) BGR frame, (N, 4) xyxy boxes -> (N, D) float32 unit rows.

        Boxes are clipped to the frame; one without area in it (or that is not a number) gets a row of zeros, which
        the tracker reads as "no appearance". Grey, BGRA and 16-bit frames are converted. A network with a mask is told
        which parts of each box lie under other ones of `boxes` that are nearer to the camera (`boxes.hidden_cells`).
        """
        return self.embed_seen(frame, boxes)[0]

    def embed_seen(self, frame: NDArray[Any], boxes: Floats) -> tuple[NDArray[np.float32], Floats]:
        """Return what `embed` does and (N,) the share of each box that no nearer box covers, in [0, 1].

        0 for a box without area in the frame. A network without a mask was shown the rest, too.
        """
        crops, rows = self.preprocessing.cut(frame, boxes)
        inside = clip_boxes(boxes[rows], frame.shape[1], frame.shape[0])
        visibility = 1 - hidden_cells(inside, inside, *(self.mask_grid or _SEEN_CELLS))
        embeddings, seen = np.zeros((len(boxes), self.dimension), np.float32), np.zeros(len(boxes))
        embeddings[rows] = self.embed_crops(crops, visibility if self.mask_grid else None)
        seen[rows] = visibility.mean((1, 2))
        return embeddings, seen

    def embed_crops(self, crops: Crops, visibility: Floats | None = None) -> NDArray[np.float32]:
        """(N, height, width, 3) BGR crops of the network's size -> (N, D) float32 unit rows; zeros stay zeros.

        visibility: (N, *mask_grid) in [0, 1]; None = all is visible, and what a network without a mask takes.
        """
        if not len(crops):
            return np.zeros((0, self.dimension), np.float32)
        steps = [slice(i, i + self._batch) for i in range(0, len(crops), self._batch)]
        rows = np.concatenate([self._rows(crops[i], None if visibility is None else visibility[i]) for i in steps])
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0))

    def embed_ahead(self, crops: Crops) -> Tensor:
        """As `embed_crops` without a mask, but the rows stay on the device, and nobody waits for them."""
        parts = [self._launch(crops[i : i + self._batch]) for i in range(0, len(crops), self._batch)]
        return functional.normalize(torch.cat(parts), dim=1)

    def _rows(self, crops: Crops, visibility: Floats | None = None) -> NDArray[np.float32]:
        return np.asarray(self._launch(crops, visibility).cpu().numpy())

    def _launch(self, crops: Crops, visibility: Floats | None = None) -> Tensor:
        masks = () if visibility is None else (self._upload(visibility.astype(np.float32)),)
        return self.infer(to_input(self._upload(crops), self.preprocessing), *masks)

    @torch.no_grad()
    def infer(self, objects: Tensor, *masks: Tensor) -> Tensor:
        """(n, 3, H, W) objects on the device, as the network takes them -> (n, D) float32 rows of any length there."""
        return self._forward(objects, *masks).float()

    def _upload(self, values: NDArray[Any]) -> Tensor:
        """Return the values on the network's device, on their way there without waiting."""
        there = torch.from_numpy(values)
        there = there.pin_memory() if self.device.type == "cuda" else there
        return there.to(self.device, non_blocking=True)


def load_embedder(
    path: str | Path, device: str = "cpu", compile: bool = False, runtime: str = "torch", threads: int = 0
) -> Embedder:
    """Return the embedder of a checkpoint (`load_slm_network`) or of a network file (.onnx, OpenVINO's .xml).

    What a network of others is fed is concluded as `foreign` says, or said: `FILE.onnx@bgr255`. device: cpu, cuda,
    cuda:N, or auto for a GPU where there is one that can run it. On a GPU a checkpoint runs in float16 and
    channels-last; `compile` adds torch.compile. runtime: what runs a checkpoint on a CPU, torch, onnx or openvino.
    threads: of a CPU, for another runtime than PyTorch; 0 = as many as PyTorch takes. InputError where the file is
    missing or not usable.
    """
    spec, pixels = split_pixels(str(path))
    path = network_path(spec)
    if not path.is_file():
        raise InputError(f"{path}: no such SLM file; train one with smiletrack train-slm")
    fingerprint = f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    if is_network_file(spec):
        return _exported(
            open_network(spec, device, threads or torch.get_num_threads(), free_batch=True), pixels, fingerprint
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    network, preprocessing = load_slm_network(path)
    fuse_norms(network)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if torch.device(device).type == "cuda":
        halve_weights(network)
    mask_grid = network.mask_grid if isinstance(network, SLM) else None
    forward: Callable[..., Tensor] = torch.compile(network, dynamic=True) if compile else network
    if device == "cpu" and runtime != "torch":
        write = partial(_export, network, preprocessing)
        forward = RuntimeTwin(network, write, _same_directions, runtime, threads or torch.get_num_threads())
        fingerprint = f"{fingerprint} {runtime}"
    if torch.device(device).type != "cuda":
        return Embedder(forward, preprocessing, fingerprint, device, mask_grid=mask_grid)

    def half(objects: Tensor, *visibility: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.float16):
            rows: Tensor = forward(objects.contiguous(memory_format=torch.channels_last), *visibility)
        return rows

    return Embedder(half, preprocessing, fingerprint, device, batch=256, mask_grid=mask_grid)


def _export(network: nn.Module, preprocessing: Preprocessing, path: Path, size: tuple[int, int]) -> None:
    export_slm_onnx(network, preprocessing, path)


def _same_directions(first: Tensor, second: Tensor) -> bool:
    """Tell rows of embeddings apart whose cosine is below 0.9999; rows of zeros, of a black crop, are the same."""
    empty = (first.norm(dim=1) < 1e-6) & (second.norm(dim=1) < 1e-6)
    return bool((empty | (functional.cosine_similarity(first, second) > 0.9999)).all())


def halve_weights(network: nn.Module) -> None:
    """Store the weights of convolutions and linear maps in float16, as autocast would cast them at every call."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.half()


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


def _exported(file: NetworkFile, pixels: str, fingerprint: str) -> Embedder:
    preprocessing = conclude_preprocessing(file, pixels)
    check_embedder(file, preprocessing)
    fingerprint = f"{fingerprint} {pixel_word(preprocessing)} {file.runtime}"
    embedder = Embedder(exported_forward(file), preprocessing, fingerprint, mask_grid=file.mask_grid)
    embedder.description = embedder_description(file, preprocessing, embedder.dimension)
    return embedder
