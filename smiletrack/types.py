"""Arrays with names. In every type, row i of each array is the same object.

Boxes are (x1, y1, x2, y2) in pixels unless a name says otherwise. Types check shapes once, where they are made.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smiletrack.lazy import LazyModule

supervision = LazyModule("supervision")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FILLED_IN: Any = None
"""Default of columns that need not be given: `__post_init__` puts arrays of the right length in their place."""


def _column(
    values: ArrayLike | None, rows: int, name: str, dtype: type[np.generic], fill: float
) -> NDArray[np.generic]:
    """Return `values` as a (rows,) array, or `rows` copies of `fill` where there are none."""
    if values is None:
        made = np.empty(rows, dtype)
        made.fill(fill)  # half the time of np.full, and there is a column a frame
        return made
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


@dataclass(frozen=True, eq=False, init=False)
class Detections:
    """What a detector saw in one frame.

    boxes: (N, 4) xyxy pixels. scores: (N,) confidence, in [0, 1] for all modern detectors.
    embeddings: (N, D) appearance vectors of unit norm, or (N, 0) where there is no appearance; an all-zero row
    means "no appearance for this box". classes: (N,) class numbers, 1 = pedestrian as in MOTChallenge.

    Raises ValueError where shapes disagree.
    """

    boxes: Floats
    scores: Floats
    embeddings: Floats
    classes: Ints

    def __init__(
        self,
        boxes: ArrayLike,
        scores: ArrayLike | None,
        embeddings: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> None:
        # written out, as a frozen dataclass sets its fields one by one: a quarter of the time, and one is made a frame
        given = _boxes(boxes)
        rows = len(given)
        looks = np.zeros((rows, 0)) if embeddings is None else np.asarray(embeddings, np.float64)
        if looks.ndim != 2 or len(looks) != rows:
            raise ValueError(f"embeddings must have shape ({rows}, D), one row a box, not {looks.shape}")
        vars(self).update(
            boxes=given,
            scores=_column(scores, rows, "scores", np.float64, 1.0),
            embeddings=looks,
            classes=_column(classes, rows, "classes", np.int64, 1),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def from_array(cls, rows: ArrayLike) -> "Detections":
        """Return the detections in (N, 4), (N, 5) or (N, 6) rows of x1, y1, x2, y2, score, class.

        The class counts from 0, as detectors give it, and becomes 1 and up. Raises ValueError for other shapes, and for
        classes that are no whole numbers.
        """
        cells = np.asarray(rows, np.float64)
        if cells.size == 0:
            return cls(np.zeros((0, 4)), np.zeros(0))
        if cells.ndim != 2 or cells.shape[1] not in (4, 5, 6):
            raise ValueError(f"rows must have shape (N, 4 to 6): x1, y1, x2, y2, score, class; not {cells.shape}")
        score, kind = (cells[:, column] if column < cells.shape[1] else None for column in (4, 5))
        if kind is not None and not (np.rint(kind) == kind).all():
            raise ValueError("the class, column 6, must be a whole number from 0")
        return cls(cells[:, :4], score, classes=None if kind is None else kind + 1)

    @classmethod
    def from_supervision(cls, detections: Any) -> "Detections":
        """Return `supervision.Detections` as they are, without masks and other data; class 0 becomes 1."""
        kinds = detections.class_id
        classes = np.ones(len(detections.xyxy), np.int64) if kinds is None else np.asarray(kinds, np.int64) + 1
        return cls(detections.xyxy, detections.confidence, classes=classes)

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

    def ids_of(self, detections: Detections) -> Ints:
        """(N,) the identity of each detection of the frame that these tracks are the answer to, -1 for none."""
        ids = np.full(len(detections), -1)
        matched = self.detection_indices >= 0
        ids[self.detection_indices[matched]] = self.ids[matched]
        return ids

    def to_supervision(self) -> Any:
        """Return the tracks as `supervision.Detections`, whose `tracker_id` are the identities; class 1 becomes 0.

        Needs the package supervision.
        """
        return supervision.Detections(
            xyxy=self.boxes.astype(np.float32).reshape(-1, 4),
            confidence=self.scores.astype(np.float32),
            class_id=(self.classes - 1).astype(int),
            tracker_id=self.ids.astype(int),
        )


@dataclass(frozen=True, eq=False)
class TrackTable:
    """A whole sequence, truth or result; what files hold and metrics read.

    frames: (N,) MOT frame numbers, from 1. ids: (N,). boxes: (N, 4) xyxy pixels. scores: (N,) confidence (in truth:
    the "consider this row" mark, 0 or 1). classes: (N,) MOTChallenge class numbers. visibility: (N,) in [0, 1].
    """

    frames: Ints
    ids: Ints
    boxes: Floats
    scores: Floats = _FILLED_IN
    classes: Ints = _FILLED_IN
    visibility: Floats = _FILLED_IN

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
            return np.trunc(self.scores) != 0

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
