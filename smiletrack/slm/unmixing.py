"""Embeddings of one frame told apart: a covered person's crop also shows whoever covers it, and all people of a frame
share light, camera and background. Both are known when all boxes of the frame are, and are taken off here.

Works on the rows of any network; no part of the paper.
"""

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import area
from smiletrack.types import Floats

PRIOR = 3.0
"""Rows of zeros that the mean of a frame's rows is made with: from few people little is taken off, from one nothing."""
LEAST = 1e-6
"""Length of a row below which nothing is left of it."""


def unmixed(Z: NDArray[np.floating], boxes: Floats) -> NDArray[np.float32]:
    """(N, D) unit rows of the (N, 4) xyxy boxes of one frame -> (N, D) unit rows; rows of zeros stay zeros.

    Of every row the frame's mean is taken off. Then row i loses, times the share of box i that lies under the nearer
    box j (`boxes.cover_cells` says which is nearer), what it has of row j's direction; j is the box that covers most.
    """
    answer = np.zeros(Z.shape, np.float32)
    seen = np.flatnonzero(np.any(Z != 0, 1))
    if not len(seen):
        return answer
    own = _unit(Z[seen] - Z[seen].sum(0) / (len(seen) + PRIOR))
    shares = shares_under(boxes[seen])
    by = shares.argmax(1)
    taken = shares.max(1) * np.maximum(np.einsum("nd,nd->n", own, own[by]), 0)
    answer[seen] = _unit(own - taken[:, None] * own[by])
    return answer


def _unit(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return rows of length 1, or zeros where next to nothing is left: a box that is all under its own duplicate."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > LEAST))


def shares_under(boxes: Floats) -> Floats:
    """(N, 4) -> (N, N): the share of box i that lies under box j, where j is nearer to the camera, else 0."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    nearer = boxes[None, :, 3] > boxes[:, None, 3]
    shares: Floats = nearer * np.maximum(high - low, 0).prod(2) / np.maximum(area(boxes), 1e-9)[:, None]
    return shares
