"""Do a tracker's thresholds fit the scores it gets? Told without labels, before tracking.

People stay, clutter mostly does not: a box that overlaps one of the frame before and one of the frame after is
confirmed. Where less than half of them pass the threshold of a sure person, and what clear people score
(`tracking.score_scale`) is far from what thresholds are made for, tracks start late or never.
"""

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import iou_matrix
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.score_scale import PROPER, SCORE_BINS, TYPICAL, clear_score, rescale
from smiletrack.types import Floats, Ints

_OVERLAP = 0.5
"""IoU at which a box confirms another of the next frame."""


def threshold_doubt(tracker: TrackerConfig, frames: Ints, boxes: Floats, scores: Floats) -> str:
    """Return in one line that few sure boxes pass the tracker's threshold and what would fit; "" where all is well.

    frames, boxes, scores: (N,), (N, 4), (N,) all detections of a sequence, by frame.
    """
    split = tracker.split
    usable = np.isfinite(scores) & np.isfinite(boxes).all(axis=1) & (scores > split.low)
    frames, boxes, scores = frames[usable], boxes[usable], scores[usable]
    if split.rescale or not len(scores):
        return ""
    key, limit = ("split.high", split.high) if split.mode == "fixed" else ("life.new_score", tracker.life.new_score)
    weights = np.zeros(SCORE_BINS)
    rescale(weights, scores, np.empty(len(scores)))
    clear = clear_score(weights)
    sure = scores[confirmed_boxes(frames, boxes)]
    if clear >= PROPER or not len(sure) or (sure > limit).mean() >= 0.5:
        return ""
    fits = [("split.high", split.high), ("life.new_score", tracker.life.new_score)]
    changed = [f"tracker.{name}={value * clear / TYPICAL:.2f}" for name, value in fits if value > split.low]
    common = "tracker.split.rescale=true or " if split.mode == "fixed" else ""
    return (
        f"{(sure > limit).mean():.0%} of the boxes that the frames around them confirm score above tracker.{key} "
        f"{limit:g}; clear people score {clear:.2f} here: {common}{' '.join(changed)} would fit"
    )


def confirmed_boxes(frames: Ints, boxes: Floats) -> NDArray[np.bool_]:
    """Return (N,) which boxes overlap one of the frame before and one of the frame after. frames: ascending."""
    numbers, starts = np.unique(frames, return_index=True)
    of_frame = dict(zip(numbers.tolist(), np.split(np.arange(len(frames)), starts)[1:], strict=True))
    confirmed = np.ones(len(frames), np.bool_)
    for frame, rows in of_frame.items():
        for beside in (frame - 1, frame + 1):
            others = boxes[of_frame.get(beside, rows[:0])]
            confirmed[rows] &= iou_matrix(boxes[rows], others).max(axis=1, initial=0.0) >= _OVERLAP
    return confirmed
