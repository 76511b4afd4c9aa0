"""What tracks looked like: up to K unit vectors a track, and the best similarity over them."""

import numpy as np
from numpy.typing import NDArray

from smiletrack.tracking.config import TemplateConfig
from smiletrack.tracking.similarity import Pairs
from smiletrack.types import Floats, Ints

EMPTY = -1

Mask = NDArray[np.bool_]


class TemplateBank:
    """Templates of N tracks: `vectors` (N, K, D) unit rows, `stamps` (N, K) frames of storing, -1 = empty."""

    def __init__(self, config: TemplateConfig) -> None:
        self.config = config
        self.vectors = np.zeros((0, config.capacity, 0))
        self.stamps = np.zeros((0, config.capacity), np.int64)

    def similarity(self, embeddings: Floats, known: Mask, pairs: Pairs, frame: int, newest: bool = False) -> Floats:
        """Return the cosine of each pair, the best over the track's templates; NaN where either side has none.

        `embeddings` (M, D) unit rows of the detections; `known` (M,) tells which of them are embeddings. `newest` looks
        at the newest template only.
        """
        rows, columns = pairs
        if not self.vectors.shape[2] or not len(rows):
            return np.full(len(rows), np.nan)
        seen = embeddings.take(columns, 0)
        if self.config.capacity == 1:
            cosine = np.einsum("kd,kd->k", self.vectors[:, 0].take(rows, 0), seen)
            valid = (self.stamps[:, 0] != EMPTY).take(rows)
        else:
            usable = self._usable(frame, newest).take(rows, 0)
            each = np.matmul(self.vectors.take(rows, 0), seen[:, :, None])[:, :, 0]
            cosine = np.where(usable, each, -np.inf).max(axis=1)
            valid = usable.any(axis=1)
        return np.where(valid & known.take(columns), cosine, np.nan)

    def learn(self, tracks: Ints, embeddings: Floats, frame: int) -> None:
        """Let each of `tracks` (k,) remember its row of `embeddings` (k, D)."""
        if not len(tracks):
            return
        if self.vectors.shape[2] != embeddings.shape[1]:
            self.vectors = np.zeros((*self.vectors.shape[:2], embeddings.shape[1]))
            self.stamps[:] = EMPTY
        if self.config.policy == "bank":
            due = (frame - self.stamps[tracks].max(axis=1) >= self.config.min_gap) | (self.stamps[tracks, 0] == EMPTY)
            tracks, embeddings = tracks[due], embeddings[due]
        elif self.config.policy == "mean":
            first = self.stamps[tracks, 0] == EMPTY
            share = np.where(first, 0.0, self.config.momentum)[:, None]
            embeddings = share * self.vectors[tracks, 0] + (1 - share) * embeddings
            norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
            embeddings = np.divide(embeddings, norms, out=embeddings, where=norms > 0)
        slot = self.stamps[tracks].argmin(axis=1)  # an empty one, or the oldest
        self.vectors[tracks, slot] = embeddings
        self.stamps[tracks, slot] = frame

    def keep(self, tracks: Ints) -> None:
        """Forget all but `tracks`."""
        self.vectors = self.vectors.take(tracks, 0)
        self.stamps = self.stamps.take(tracks, 0)

    def append(self, count: int) -> None:
        """Make room for `count` new tracks without templates."""
        self.vectors = np.concatenate((self.vectors, np.zeros((count, *self.vectors.shape[1:]))))
        self.stamps = np.concatenate((self.stamps, np.full((count, self.stamps.shape[1]), EMPTY)))

    def _usable(self, frame: int, newest: bool) -> Mask:
        """(N, K): stored, and the newest or young enough."""
        stored: Mask = self.stamps != EMPTY
        if not newest and not self.config.max_age:
            return stored
        last = self.stamps == self.stamps.max(axis=1, keepdims=True)
        young = frame - self.stamps <= self.config.max_age
        return np.asarray(stored & (last if newest else last | young))
