"""Offline: fill the gaps of finished tracks, smooth them. A whole sequence in, a whole sequence out."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from smiletrack.motion import kalman
from smiletrack.motion.box_states import XYWH, BoxModel
from smiletrack.ranges import Checked, Count
from smiletrack.types import Floats, Ints, TrackTable

_BATCH = 64  # tracks smoothed side by side


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
    first = np.concatenate(([0], broken))
    length = np.diff(np.concatenate((first, [len(table)])))
    pieces = np.flatnonzero(length > config.min_length)
    pieces = pieces[np.argsort(length[pieces])]
    boxes = table.boxes.copy()
    for start in range(0, len(pieces), _BATCH):
        batch = pieces[start : start + _BATCH]
        rows = first[batch] + np.minimum(np.arange(length[batch].max())[:, None], length[batch] - 1)
        smooth = smooth_boxes(table.boxes[rows].transpose(0, 2, 1), length[batch])
        for column, (piece, count) in enumerate(zip(first[batch], length[batch], strict=True)):
            boxes[piece : piece + count] = smooth[:count, :, column]
    return TrackTable(table.frames, table.ids, boxes, table.scores, table.classes, table.visibility)


def smooth_boxes(boxes: Floats, lengths: Ints, model: BoxModel | None = None) -> Floats:
    """Rauch-Tung-Striebel smoother (1965) over N tracks side by side: (T, 4, N) corners -> (T, 4, N) corners.

    Track i has boxes in the first `lengths[i]` frames; what follows is ignored and undefined in the answer.
    """
    model = XYWH() if model is None else model
    steps = len(boxes)
    position = model.measure(boxes[0])
    mean, covariance = kalman.initiate(position, model.initial_variance(position))
    means, covariances, noises = [mean], [covariance], []
    for frame in range(1, steps):
        noise = model.process_variance(mean[0])
        mean, covariance = kalman.predict(mean, covariance, noise)
        measurement = model.measure(boxes[frame])
        mean, covariance = kalman.update(mean, covariance, measurement, model.measurement_variance(mean[0]))
        noises.append(noise)
        means.append(mean)
        covariances.append(covariance)
    smooth = means[-1]
    answer = np.empty_like(boxes)
    answer[-1] = model.boxes(smooth[0])
    for frame in range(steps - 2, -1, -1):
        smooth = np.where(
            frame + 1 < lengths,
            _smooth_step(means[frame], covariances[frame], noises[frame], smooth),
            means[frame],
        )
        answer[frame] = model.boxes(smooth[0])
    return answer


def _smooth_step(mean: Floats, covariance: Floats, noise: Floats, smooth_next: Floats) -> Floats:
    """x_k + G (x_{k+1}^s - F x_k) with G = P_k F^T (F P_k F^T + Q)^-1, per coordinate 2 x 2."""
    predicted, ahead = kalman.predict(mean, covariance, noise)
    P, C, V = covariance
    position, velocity = smooth_next - predicted
    determinant = ahead[0] * ahead[2] - ahead[1] ** 2
    # (F P F^T + Q)^-1 times the difference
    a = (ahead[2] * position - ahead[1] * velocity) / determinant
    b = (ahead[0] * velocity - ahead[1] * position) / determinant
    return np.asarray(mean + np.stack(((P + C) * a + C * b, (C + V) * a + V * b)))
