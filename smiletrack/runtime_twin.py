"""PyTorch's networks on a CPU, run by a runtime that is faster there, where it says the same.

A small network spends half its time in PyTorch between the operations. It is exported when the first images come, and
both are asked about these and about noise; where they differ, PyTorch goes on alone.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from smiletrack.network_files import open_network

_MOST_SIZES = 4
"""Sizes of images for which a network is exported; a source with more has no usual one."""


class RuntimeTwin:
    """A network as a function of images (B, 3, H, W) and, if it has them, masks (B, ...), on the CPU; see the module.

    network: of PyTorch. export: writes it as ONNX for images of (H, W). agree: whether the runtime's answer (second) is
    as good as PyTorch's (first). runtime: onnx or openvino.
    """

    def __init__(
        self,
        network: Callable[..., Tensor],
        export: Callable[[Path, tuple[int, int]], None],
        agree: Callable[[Tensor, Tensor], bool],
        runtime: str,
        threads: int = 0,
    ) -> None:
        self._network, self._export, self._agree = network, export, agree
        self._runtime, self._threads = runtime, threads
        self._twins: dict[tuple[int, int], Callable[..., Tensor]] = {}

    def __call__(self, images: Tensor, *masks: Tensor) -> Tensor:
        height, width = images.shape[2:]
        if (height, width) not in self._twins:
            full = len(self._twins) >= _MOST_SIZES
            self._twins[height, width] = self._network if full else self._faster(images, *masks)
        return self._twins[height, width](images, *masks)

    def _faster(self, images: Tensor, *masks: Tensor) -> Callable[..., Tensor]:
        """Return the exported network where it agrees about the images, else the network itself."""
        height, width = images.shape[2:]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            self._export(path, (height, width))
            file = open_network(f"{self._runtime}:{path}", "cpu", self._threads)

        def twin(images: Tensor, *masks: Tensor) -> Tensor:
            passes = file(images.numpy(), *(mask.numpy() for mask in masks))
            return torch.from_numpy(np.concatenate([outputs[0][:number] for number, outputs in passes]))

        noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) * images.max().clamp(min=1)
        asked = torch.cat([images, noise]), *(torch.cat([mask, mask]) for mask in masks)
        return twin if self._agree(self._network(*asked), twin(*asked)) else self._network
