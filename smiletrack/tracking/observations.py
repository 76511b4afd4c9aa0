"""What OC-SORT (arXiv 2203.14360) adds to a track: its last detections, its direction, its frozen state."""

import numpy as np

from smiletrack.motion import kalman
from smiletrack.motion.box_states import BoxModel
from smiletrack.tracking.similarity import unit_vectors
from smiletrack.types import Floats, Ints

SPAN = 3
"""Frames between the two detections that give a direction (the paper's delta t)."""


class ObservationMemory:
    """Observations of N tracks; the track is the last axis of every array.

    As in the original, the detection that starts a track is not an observation; the first match is.
    """

    def __init__(self) -> None:
        self.boxes = np.zeros((4, 0))  # the last observation; -1 where there is none
        self.seen = np.zeros(0, np.bool_)
        self.directions = np.zeros((2, 0))
        self._recent = np.zeros((SPAN, 4, 0))  # ring over frames
        self._stamps = np.zeros((SPAN, 0), np.int64)
        self._frozen_mean = np.zeros((2, 4, 0))
        self._frozen_covariance = np.zeros((3, 4, 0))

    def origins(self, frame: int) -> Floats:
        """(4, N): the oldest observation within the last `SPAN` frames, else the last one."""
        boxes: Floats = self.boxes.copy()
        for age in range(1, SPAN + 1):
            slot = (frame - age) % SPAN
            fresh = self._stamps[slot] == frame - age
            boxes[:, fresh] = self._recent[slot][:, fresh]
        return boxes

    def observe(self, tracks: Ints, boxes: Floats, frame: int) -> None:
        """Record that `tracks` (k,) were seen at `boxes` (4, k)."""
        start = self.origins(frame)[:, tracks]
        step = (boxes[:2] + boxes[2:]) / 2 - (start[:2] + start[2:]) / 2
        self.directions[:, tracks] = np.where(self.seen[tracks], unit_vectors(step), 0.0)
        self.boxes[:, tracks] = boxes
        self.seen[tracks] = True
        self._recent[frame % SPAN][:, tracks] = boxes
        self._stamps[frame % SPAN, tracks] = frame

    def freeze(self, tracks: Ints, mean: Floats, covariance: Floats) -> None:
        """Keep the state of `tracks` as it is in the first frame in which they are not seen."""
        self._frozen_mean[:, :, tracks] = mean[:, :, tracks]
        if self._frozen_covariance.ndim != covariance.ndim:
            self._frozen_covariance = kalman.couple(self._frozen_covariance)
        self._frozen_covariance[..., tracks] = covariance[..., tracks]

    def replay(self, tracks: Ints, boxes: Floats, gap: int, model: BoxModel) -> tuple[Floats, Floats]:
        """Return mean and covariance of `tracks` (k,) as if they had gone straight to `boxes` (4, k) while unseen.

        `gap` is the number of frames since the last observation. Section 4.1, "Observation-centric Re-Update": from the
        frozen state on, the filter is fed with virtual boxes on the line between the two observations.
        """
        mean, covariance = self._frozen_mean[:, :, tracks], self._frozen_covariance[..., tracks]
        start = self.boxes[:, tracks]
        for step in range(1, gap + 1):
            if step > 1:
                mean, covariance = kalman.predict(mean, covariance, model.process_variance(mean[0]))
            measurement = model.measure(start + (boxes - start) * (step / gap))
            mean, covariance = kalman.update(mean, covariance, measurement, model.measurement_variance(mean[0]))
        return mean, covariance

    def keep(self, tracks: Ints) -> None:
        """Forget all but `tracks`."""
        for name, array in vars(self).items():
            setattr(self, name, array.take(tracks, -1))

    def append(self, count: int) -> None:
        """Make room for `count` new tracks without observations."""
        for name, array in vars(self).items():
            new = np.zeros((*array.shape[:-1], count), array.dtype)
            setattr(self, name, np.concatenate((array, new), axis=-1))
        self.boxes[:, -count:] = -1.0
