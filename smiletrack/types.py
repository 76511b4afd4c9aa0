"""Arrays with names. In every type, row i of each array is the same object.

Boxes are (x1, y1, x2, y2) in pixels unless a name says otherwise. Types check shapes once, where they are made.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def _column(
    values: ArrayLike | None, rows: int, name: str, dtype: type[np.generic], fill: float
) -> NDArray[np.generic]:
    """Return `values` as a (rows,) array, or `rows` copies of `fill` where there are none."""
    if values is None:
        return np.full(rows, fill, dtype)
    column = np.asarray(values, dtype)
    if column.shape != (rows,):
        raise ValueError(f"{name} must have shape ({rows},), one value a box, not {column.shape}")
    return column


def _boxes(values: ArrayLike) -> Floats:
    boxes = np.asarray(values, np.float64)
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must have shape (N, 4), not {boxes.shape}")
    return boxes


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector saw in one frame.

    boxes: (N, 4) xyxy pixels. scores: (N,) confidence, in [0, 1] for all modern detectors.
    embeddings: (N, D) appearance vectors of unit norm, or (N, 0) where there is no appearance; an all-zero row
    means "no appearance for this box". classes: (N,) class numbers, 1 = pedestrian as in MOTChallenge.

    Raises ValueError where shapes disagree.
    """

    boxes: Floats
    scores: Floats
    embeddings: Floats = None  # type: ignore[assignment]
    classes: Ints = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        boxes = _boxes(self.boxes)
        rows = len(boxes)
        embeddings = np.zeros((rows, 0)) if self.embeddings is None else np.asarray(self.embeddings, np.float64)
        if embeddings.ndim != 2 or len(embeddings) != rows:
            raise ValueError(f"embeddings must have shape ({rows}, D), one row a box, not {embeddings.shape}")
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "scores", _column(self.scores, rows, "scores", np.float64, 1.0))
        object.__setattr__(self, "embeddings", embeddings)
        object.__setattr__(self, "classes", _column(self.classes, rows, "classes", np.int64, 1))

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: NDArray[np.generic]) -> "Detections":
        """Return the rows that an index array or a boolean mask selects."""
        return Detections(self.boxes[rows], self.scores[rows], self.embeddings[rows], self.classes[rows])


@dataclass(frozen=True, eq=False)
class Tracks:
    """A tracker's answer for one frame.

    ids: (N,) identities, unique in the frame. boxes: (N, 4) xyxy pixels. scores: (N,) score of the matched
    detection. classes: (N,). detection_indices: (N,) row of `Detections` that each track was matched to, -1 for none.
    """

    ids: Ints
    boxes: Floats
    scores: Floats
    classes: Ints
    detection_indices: Ints

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class TrackTable:
    """A whole sequence, truth or result; what files hold and metrics read.

    frames: (N,) MOT frame numbers, from 1. ids: (N,). boxes: (N, 4) xyxy pixels. scores: (N,) confidence (in truth:
    the "consider this row" mark, 0 or 1). classes: (N,) MOTChallenge class numbers. visibility: (N,) in [0, 1].
    """

    frames: Ints
    ids: Ints
    boxes: Floats
    scores: Floats = None  # type: ignore[assignment]
    classes: Ints = None  # type: ignore[assignment]
    visibility: Floats = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        boxes = _boxes(self.boxes)
        rows = len(boxes)
        object.__setattr__(self, "boxes", boxes)
        for name, dtype, fill in (
            ("frames", np.int64, 0),
            ("ids", np.int64, 0),
            ("scores", np.float64, 1.0),
            ("classes", np.int64, 1),
            ("visibility", np.float64, 1.0),
        ):
            object.__setattr__(self, name, _column(getattr(self, name), rows, name, dtype, fill))

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(N,) of truth: the rows that count, those whose mark, cut to a whole number, is not 0."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.trunc(self.scores) != 0)

    def __getitem__(self, rows: NDArray[np.generic]) -> "TrackTable":
        """Return the rows that an index array or a boolean mask selects."""
        return TrackTable(
            self.frames[rows],
            self.ids[rows],
            self.boxes[rows],
            self.scores[rows],
            self.classes[rows],
            self.visibility[rows],
        )
