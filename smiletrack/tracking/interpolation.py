"""Offline: fill the gaps of finished tracks, smooth them. A whole sequence in, a whole sequence out."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge
from numba import njit

from smiletrack.motion import kalman
from smiletrack.motion.box_states import (
    XYWH,
    corners_of,
    initial_variances,
    measurement_variances,
    position_of,
    process_variances,
)
from smiletrack.ranges import Checked, Count
from smiletrack.types import Floats, TrackTable


@dataclass(frozen=True)
class InterpolationConfig(Checked):
    """What is done to finished tracks; uses the future, so results are not comparable with online trackers."""

    method: Literal["none", "linear", "smooth"] = "none"
    """linear: straight lines across gaps (ByteTrack's rule). smooth: Rauch-Tung-Striebel smoothing of every track,
    which fills its gaps too."""

    max_gap: Annotated[int, Ge(2)] = 20
    """Only gaps whose ends are fewer than this many frames apart are filled (ByteTrack: 20)."""

    min_length: Count = 5
    """Only tracks with more boxes than this are changed (ByteTrack: 5)."""


def interpolate(table: TrackTable, config: InterpolationConfig) -> TrackTable:
    """Return the tracks with gaps filled and boxes smoothed as configured, sorted by frame, then id.

    New rows get a score between those of the gap's ends and the class of its start.
    """
    if config.method == "none" or not len(table):
        return table
    table = _with_gaps_filled(table[np.lexsort((table.frames, table.ids))], config)
    if config.method == "smooth":
        table = _smoothed(table, config)
    return table[np.lexsort((table.ids, table.frames))]


def _with_gaps_filled(table: TrackTable, config: InterpolationConfig) -> TrackTable:
    """Insert rows on straight lines; `table` is sorted by id, then frame."""
    num_boxes = np.unique(table.ids, return_inverse=True, return_counts=True)
    long_enough = (num_boxes[2] > config.min_length)[num_boxes[1]]
    step = np.diff(table.frames)
    fill = (np.diff(table.ids) == 0) & (step > 1) & (step < config.max_gap) & long_enough[:-1]
    start = np.repeat(np.flatnonzero(fill), step[fill] - 1)
    if not len(start):
        return table
    # 1, 2, ... within each gap
    offset = np.arange(len(start)) - np.repeat(np.cumsum(step[fill] - 1) - (step[fill] - 1), step[fill] - 1) + 1
    share = offset / step[start]
    boxes = table.boxes[start] + share[:, None] * (table.boxes[start + 1] - table.boxes[start])
    scores = table.scores[start] + share * (table.scores[start + 1] - table.scores[start])
    columns = {
        "frames": table.frames[start] + offset,
        "ids": table.ids[start],
        "boxes": boxes,
        "scores": scores,
        "classes": table.classes[start],
        "visibility": table.visibility[start],
    }
    joined = {name: np.concatenate((getattr(table, name), new)) for name, new in columns.items()}
    order = np.lexsort((joined["frames"], joined["ids"]))
    return TrackTable(**{name: column[order] for name, column in joined.items()})


def _smoothed(table: TrackTable, config: InterpolationConfig) -> TrackTable:
    """Smooth each unbroken piece of more than `min_length` boxes; `table` is sorted by id, then frame."""
    broken = np.flatnonzero((np.diff(table.ids) != 0) | (np.diff(table.frames) != 1)) + 1
    boxes = table.boxes.copy()
    for first, end in pairwise([0, *broken.tolist(), len(table)]):
        if end - first > config.min_length:
            boxes[first:end] = smooth_boxes(np.ascontiguousarray(table.boxes[first:end]), XYWH)
    return TrackTable(table.frames, table.ids, boxes, table.scores, table.classes, table.visibility)


@njit(cache=True, error_model="numpy")
def smooth_boxes(boxes: Floats, coordinates: int) -> Floats:
    """Rauch-Tung-Striebel smoother (1965) over one track: (T, 4) corners of T > 0 frames -> (T, 4) corners.

    `coordinates`: of the filter, see `motion.box_states`.
    """
    steps = len(boxes)
    means, covariances = np.zeros((steps, 2, 4)), np.zeros((steps, 3, 2, 2, 2))
    ahead, ahead_covariances = np.zeros(means.shape), np.zeros(covariances.shape)  # as predicted from the frame before
    for frame in range(steps):
        measured = position_of(coordinates, boxes[frame, 0], boxes[frame, 1], boxes[frame, 2], boxes[frame, 3])
        if frame == 0:
            variances = initial_variances(coordinates, measured[2], measured[3])
            kalman.initiate(means, covariances, 0, measured, variances)
            continue
        _copy_row(means, covariances, frame - 1, means, covariances, frame)
        noise = process_variances(coordinates, means[frame, 0, 2], means[frame, 0, 3])
        kalman.predict(means, covariances, frame, 1.0, noise, False)
        _copy_row(means, covariances, frame, ahead, ahead_covariances, frame)
        noise_of_box = measurement_variances(coordinates, means[frame, 0, 2], means[frame, 0, 3])
        kalman.update(means, covariances, frame, measured, noise_of_box, False)
    answer = np.empty((steps, 4))
    for frame in range(steps - 1, -1, -1):
        if frame < steps - 1:
            _smooth_step(means, covariances, ahead, ahead_covariances, frame)
        at = means[frame, 0]
        x1, y1, x2, y2 = corners_of(coordinates, at[0], at[1], at[2], at[3])
        answer[frame, 0], answer[frame, 1], answer[frame, 2], answer[frame, 3] = x1, y1, x2, y2
    return answer


@njit(cache=True, error_model="numpy")
def _copy_row(means: Floats, covariances: Floats, i: int, to_means: Floats, to_covariances: Floats, j: int) -> None:
    """Copy what the filter says in frame i to frame j."""
    for k in range(8):
        to_means[j, k // 4, k % 4] = means[i, k // 4, k % 4]
    for k in range(24):
        moment, pair, row, column = k // 8, k // 4 % 2, k // 2 % 2, k % 2
        to_covariances[j, moment, pair, row, column] = covariances[i, moment, pair, row, column]


@njit(cache=True, error_model="numpy")
def _smooth_step(means: Floats, covariances: Floats, ahead: Floats, ahead_covariances: Floats, frame: int) -> None:
    """x_k + G (x_{k+1}^s - F x_k) with G = P_k F^T (F P_k F^T + Q)^-1, per coordinate 2 x 2, in place."""
    for k in range(4):
        pair, c = k // 2, k % 2
        P, C, V = (
            covariances[frame, 0, pair, c, c],
            covariances[frame, 1, pair, c, c],
            covariances[frame, 2, pair, c, c],
        )
        next_P, next_C = ahead_covariances[frame + 1, 0, pair, c, c], ahead_covariances[frame + 1, 1, pair, c, c]
        next_V = ahead_covariances[frame + 1, 2, pair, c, c]
        position = means[frame + 1, 0, k] - ahead[frame + 1, 0, k]
        velocity = means[frame + 1, 1, k] - ahead[frame + 1, 1, k]
        determinant = next_P * next_V - next_C**2
        # (F P F^T + Q)^-1 times the difference
        a = (next_V * position - next_C * velocity) / determinant
        b = (next_P * velocity - next_C * position) / determinant
        means[frame, 0, k] += (P + C) * a + C * b
        means[frame, 1, k] += (C + V) * a + V * b
