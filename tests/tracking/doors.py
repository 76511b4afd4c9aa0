"""Doors from Python to functions of the compiled core, which have none."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.flattening import flatten
from smiletrack.tracking.intake import FrameDetections, frame_of, take_in
from smiletrack.tracking.settings import Rules
from smiletrack.tracking.state import USED, Workspace
from smiletrack.types import Floats, Ints


def door(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that Python can call; its answer must be numbers."""
    if not hasattr(function, "py_func"):
        compiled: Callable[..., Any] = numba.njit(error_model="numpy", _nrt=False)(function)  # type: ignore[call-overload]
        return compiled

    def call(*arguments: Any) -> Any:
        return function(*arguments)

    opened: Callable[..., Any] = numba.njit(error_model="numpy", _nrt=False)(call)  # type: ignore[call-overload]
    return opened


def open_workspace(slots: int, detections: int, pairs: int, size: int = 0) -> Workspace:
    return Workspace(
        np.zeros((8, slots + 1), np.int64),
        np.zeros((3, slots)),
        np.zeros((8, detections), np.int64),
        np.zeros((6, detections)),
        np.zeros((2, pairs), np.int64),
        np.zeros((4, pairs)),
        np.zeros((detections, size)),
    )


def rules_of(config: TrackerConfig) -> Rules:
    """The rules as Python reads them."""
    return Rules(*(kind(value) for kind, value in zip(_KINDS, flatten(config, 30.0)[0].tolist(), strict=True)))


_KINDS = tuple(Rules.__annotations__.values())


def _take(rules: Rules, counters: Ints, boxes: Floats, scores: Floats, classes: Ints, work: Workspace) -> int:
    scene = frame_of(work, boxes, scores, classes, work.units, len(scores))
    take_in(rules, counters, scene, work.units, work)
    return 0


take = door(_take)


def scene_of(config: TrackerConfig, boxes: Floats, scores: Floats, work: Workspace) -> FrameDetections:
    """The detections of a frame without embeddings, taken in; what they hold lies in `work`."""
    counters = np.zeros(9, np.int64)
    classes = np.ones(len(boxes), np.int64)
    take(rules_of(config), counters, boxes, scores, classes, work)
    rows, figures, used = work.by_detection, work.detection_figures, int(counters[USED])
    described = rows[0], rows[1], work.units, rows[2], figures[4]
    return FrameDetections(boxes, scores, classes, *described, rows[3, :used], figures[0, :used], figures[1, :used])
