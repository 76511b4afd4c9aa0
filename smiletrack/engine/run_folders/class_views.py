"""One class of truth and results at a time: boxes of two classes never meet in a score.

The class that is asked for becomes the one that counts, another that is easily taken for it a distractor, and all
others are left out; the rules for pedestrians then do the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import area, iou_matrix
from smiletrack.data.class_names import KITTI, MOTCHALLENGE, VISDRONE, find_class, plain_name
from smiletrack.data.truth import PEDESTRIAN, Truth
from smiletrack.detector.coco import COCO_NAMES
from smiletrack.errors import InputError
from smiletrack.metrics.preprocess import Source
from smiletrack.types import Floats, Ints, TrackTable

Mask = NDArray[np.bool_]
Numbering = Literal["auto", "MOTChallenge", "KITTI", "VisDrone", "COCO"]
NUMBERINGS: dict[str, tuple[int, tuple[str, ...]]] = {
    "MOTChallenge": (1, MOTCHALLENGE),
    "KITTI": (1, KITTI),
    "VisDrone": (0, VISDRONE),
    "COCO": (1, tuple(COCO_NAMES)),
}
"""Name -> number of its first class, and its classes."""
_UNKNOWN = -1
_DISTRACTOR, _LEFT_OUT = 8, 3
"""MOTChallenge's classes that forgive a result box, and that are no target."""
_TAKEN_FOR = {"car": ("van",), "pedestrian": ("person sitting",)}
"""KITTI's classes that its evaluation neither asks for nor counts as wrong (Geiger et al., CVPR 2012)."""
_REGIONS = ("dontcare", "ignored regions")
"""Classes of regions in which nothing was annotated."""


@dataclass(frozen=True)
class ClassView:
    """How one class is seen. name: as asked for. alone: whether it is the only one that is asked for.

    first, names: number of the first class in result files, and their classes; () = those of the truth.
    """

    name: str
    alone: bool
    first: int = 1
    names: tuple[str, ...] = ()

    def of(self, truth: Truth, results: TrackTable, source: Source) -> tuple[Truth, TrackTable, Source]:
        """Return truth and results of the class, both numbered as pedestrians, and the lines of the results.

        Raises InputError where either has no such class, and for a class that has no name.
        """
        wanted = find_class(self.name, truth.label_names)
        if wanted is None:
            there = ", ".join(truth.label_names)
            raise InputError(f"classes: {truth.source.name} has no {self.name!r}; it has {there}")
        rows = self._rows(truth, results, source)
        classes = np.where(truth.table.classes == PEDESTRIAN, _LEFT_OUT, truth.table.classes)
        if plain_name(truth.label_names[wanted]) not in ("pedestrian", "person", "people", "human"):
            classes = np.full(len(truth), _LEFT_OUT)
        taken_for = _TAKEN_FOR.get(plain_name(truth.label_names[wanted]), ())
        plain = [plain_name(name) for name in truth.label_names]
        if set(plain) == set(KITTI):
            classes[np.isin(truth.labels, [plain.index(name) for name in taken_for])] = _DISTRACTOR
        classes[truth.labels == wanted] = PEDESTRIAN
        seen = replace(truth, table=replace(truth.table, classes=classes))
        rows = rows[~_in_regions(truth, seen.targets(), results, rows)]
        found = replace(results[rows], classes=np.full(len(rows), PEDESTRIAN))
        lines = rows + 1 if source.lines is None else source.lines[rows]
        return seen, found, Source(source.name, lines)

    def _rows(self, truth: Truth, results: TrackTable, source: Source) -> Ints:
        """Return the rows of the results that are of the class."""
        first, names = (self.first, self.names) if self.names else _numbering_of(truth)
        if (results.classes == _UNKNOWN).all():
            if not self.alone and not self.names and len(results):
                raise InputError(f"{source.name}: no classes in it (column 8 is -1), but several are asked for")
            mine = find_class(self.name, names) == 0 if self.names else True
            return np.flatnonzero(np.full(len(results), mine))
        numbers = results.classes - first
        odd = (numbers < 0) | (numbers >= len(names))
        if odd.any():
            row = int(odd.argmax())
            raise source.error(
                row,
                f"class {results.classes[row]} is none of {first} .. {first + len(names) - 1}; --numbering tells whose"
                " numbers these are",
            )
        return np.flatnonzero(numbers == find_class(self.name, names))


def class_views(asked: Sequence[str], numbering: Numbering, own: tuple[str, ...]) -> list[ClassView]:
    """Return a view for each class that is asked for. own: names of the run's classes 1, 2 ..., () = not known.

    Raises InputError for a class that the results cannot have.
    """
    first, names = (1, own) if numbering == "auto" else NUMBERINGS[numbering]
    for name in asked:
        if names and find_class(name, names) is None:
            raise InputError(f"classes: the results know no {name!r}; their classes are {', '.join(names[:20])}")
    return [ClassView(name, len(asked) == 1, first, names) for name in asked]


def _numbering_of(truth: Truth) -> tuple[int, tuple[str, ...]]:
    return (0 if truth.label_names == VISDRONE else 1), truth.label_names


def _in_regions(truth: Truth, targets: Mask, results: TrackTable, rows: Ints) -> Mask:
    """Return which of the result `rows` lie by more than half in a region without annotations, and on no target."""
    region = np.isin([plain_name(name) for name in truth.label_names], _REGIONS)
    regions = np.flatnonzero(np.append(region, False)[truth.labels])
    inside = np.zeros(len(rows), np.bool_)
    for frame in np.unique(truth.table.frames[regions]).tolist():
        here = np.flatnonzero(results.frames[rows] == frame)
        boxes = results.boxes[rows[here]]
        places = truth.table.boxes[regions[truth.table.frames[regions] == frame]]
        people = truth.table.boxes[targets & (truth.table.frames == frame)]
        inside[here] = (_shares(boxes, places).max(1, initial=0.0) > 0.5) & (_overlaps(boxes, people) < 0.5)
    return inside


def _shares(boxes: Floats, places: Floats) -> Floats:
    """(N, 4), (M, 4) -> (N, M) the part of each box that lies in each place."""
    corner = np.maximum(boxes[:, None, :2], places[None, :, :2])
    sides = np.maximum(np.minimum(boxes[:, None, 2:], places[None, :, 2:]) - corner, 0.0)
    return np.asarray(sides.prod(2) / np.maximum(area(boxes), 1e-9)[:, None])


def _overlaps(boxes: Floats, people: Floats) -> Floats:
    """(N, 4), (M, 4) -> (N,) the highest IoU of each box."""
    return np.asarray(iou_matrix(boxes, people).max(1, initial=0.0))
