"""What a trained re-identification network says of the very crops that a network in training sees."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smiletrack.slm.embedder import Embedder


class Teacher:
    """Crops -> unit rows about the centre of a sample. `width` is T, their length.

    Networks that end in a ReLU put everybody into one corner of the space; what tells people apart is the way from its
    centre. The teacher is asked again for every batch, because it must see what the pupil sees, distortions and all
    (Beyer et al., arXiv:2106.05237).
    """

    def __init__(self, embedder: Embedder, sample: Sequence[NDArray[np.uint8]]) -> None:
        """sample: batches of (B, H, W, 3) BGR crops like those of the training."""
        self._embedder = embedder
        self._centre = np.concatenate([self._embed(crops) for crops in sample]).mean(0)
        self.width = self._embedder.dimension

    def __call__(self, crops: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 BGR -> (B, T) float32 unit rows, on the device of `crops`."""
        rows = self._embed(crops.cpu().numpy()) - self._centre
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return torch.from_numpy(rows).to(crops.device)

    def _embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        size = (self._embedder.preprocessing.width, self._embedder.preprocessing.height)
        return self._embedder.embed_crops(np.stack([cv2.resize(crop, size) for crop in crops]))
