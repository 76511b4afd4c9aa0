"""What a trained re-identification network says of the very crops that a network in training sees."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from smiletrack.lazy import LazyModule
from smiletrack.slm.embedder import Embedder
from smiletrack.types import Ints

cv2 = LazyModule("cv2")

Crops = NDArray[np.uint8]


class Teacher:
    """Crops -> unit rows (B, D): the answers that Z shall give, of one trained network or of several together.

    The teacher is asked again for every batch, because it must see what the pupil sees, distortions and all (Beyer et
    al., arXiv:2106.05237). Its embeddings are seen through `within_class_map`, with labelled crops as the measure.
    `answers` (N, D) are those to the sample.
    """

    def __init__(self, embedders: Sequence[Embedder], sample: Sequence[tuple[Crops, Ints]], width: int) -> None:
        """sample: batches of (B, H, W, 3) BGR crops with their (B,) identities. width: D."""
        self._embedders = embedders
        parts = [self._embed(crops) for crops, _ in sample]
        labels = np.concatenate([labels for _, labels in sample])
        T = torch.cat(parts)
        self.map = torch.from_numpy(within_class_map(T.cpu().numpy(), labels, width).astype(np.float32)).to(T.device)
        """(T, D), on the teacher's device."""
        self.answers = self._answer(T)

    def __call__(self, crops: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 BGR on the CPU -> (B, D) float32 unit rows, on the teacher's device; nothing waits."""
        return self._answer(self._embed(crops.numpy()))

    def _answer(self, T: Tensor) -> Tensor:
        return functional.normalize(T @ self.map, dim=1)

    def _embed(self, crops: Crops) -> Tensor:
        return ask(self._embedders, crops)


def ask(embedders: Sequence[Embedder], crops: Crops) -> Tensor:
    """(B, H, W, 3) BGR crops of any size -> (B, sum of dimensions), the networks' unit rows side by side.

    On the first network's device; (B, 0) on the CPU without any.
    """
    answers: list[Tensor] = []
    for embedder in embedders:
        size = (embedder.preprocessing.width, embedder.preprocessing.height)
        answers.append(embedder.embed_ahead(np.stack([cv2.resize(crop, size) for crop in crops])))
    return torch.cat([answer.to(answers[0].device) for answer in answers], 1) if answers else torch.zeros(len(crops), 0)


def within_class_map(T: NDArray[np.floating], labels: Ints, width: int) -> NDArray[np.float64]:
    """(N, T) embeddings of labelled crops -> (T, D) linear map after which the cosine tells identities apart better.

    Directions in which one person's crops differ lose weight: within-class covariance normalisation (Hatch et al.,
    Interspeech 2006), the covariance shrunk by its mean eigenvalue. Of the result the D directions are kept that carry
    most of the sample; the mean is not taken off. Where there are fewer than D, the last columns are zero.
    """
    T = T.astype(np.float64)
    counts = np.bincount(labels)
    means = np.zeros((len(counts), T.shape[1]))
    np.add.at(means, labels, T)
    apart = T - means[labels] / counts[labels, None]
    covariance = apart.T @ apart / len(T)
    shrunk = covariance + max(np.trace(covariance) / T.shape[1], 1e-12) * np.eye(T.shape[1])
    whitened = np.linalg.cholesky(np.linalg.inv(shrunk))
    kept = np.linalg.svd(T @ whitened, full_matrices=False)[2][:width]
    return np.pad(whitened @ kept.T, ((0, 0), (0, width - len(kept))))
