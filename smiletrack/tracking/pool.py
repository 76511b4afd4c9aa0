"""All that a tracker remembers: arrays with one entry a track, in the order of birth."""

import numpy as np

from smiletrack.motion import kalman
from smiletrack.motion.box_states import BoxModel
from smiletrack.tracking.observations import ObservationMemory
from smiletrack.tracking.templates import TemplateBank
from smiletrack.types import Floats, Ints

UNCONFIRMED, TRACKED, LOST = 0, 1, 2

_COLUMNS = ("ids", "state", "last_frame", "first_frame", "streak", "classes", "scores", "doomed", "detections")


class TrackPool:
    """N tracks. Unconfirmed ones are always the last `N - num_confirmed`: a track is confirmed in the order of birth.

    ids: from 1, ascending. state: UNCONFIRMED, TRACKED (matched in the last frame) or LOST. first_frame, last_frame: of
    birth and of the last match. streak: consecutive matches since birth or the last miss. classes, scores: of the last
    match. doomed: to be removed when it is lost. detections: row of the frame's detections, -1 for none.
    mean (2, 4, N), covariance: see `motion.kalman`.
    """

    def __init__(self, templates: TemplateBank | None, observations: ObservationMemory | None) -> None:
        self.ids = np.zeros(0, np.int64)
        self.state = np.zeros(0, np.int64)
        self.first_frame = np.zeros(0, np.int64)
        self.last_frame = np.zeros(0, np.int64)
        self.streak = np.zeros(0, np.int64)
        self.classes = np.zeros(0, np.int64)
        self.scores = np.zeros(0)
        self.doomed = np.zeros(0, np.bool_)
        self.detections = np.zeros(0, np.int64)
        self.mean = np.zeros((2, 4, 0))
        self.covariance = np.zeros((3, 4, 0))
        self.templates = templates
        self.observations = observations
        self.num_born = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def num_confirmed(self) -> int:
        """How many of the first tracks are confirmed."""
        return len(self.ids) - int(np.count_nonzero(self.state == UNCONFIRMED))

    def predict(self, model: BoxModel, count: int) -> None:
        """Move the first `count` tracks on by one frame."""
        mean, covariance = model.possible(self.mean[..., :count]), self.covariance[..., :count]
        mean, covariance = kalman.predict(mean, covariance, model.process_variance(mean[0]))
        if count == len(self):
            self.mean, self.covariance = mean, covariance
        else:
            self.mean[..., :count], self.covariance[..., :count] = mean, covariance

    def warp(self, model: BoxModel, warp: Floats) -> None:
        """Carry all tracks along with the camera; `warp` (2, 3)."""
        blocks = model.warp_blocks(warp[:, :2])
        self.mean, self.covariance = kalman.warp(self.mean, self.covariance, blocks, warp[:, 2])

    def keep(self, tracks: Ints) -> None:
        """Remove all but `tracks`, ascending indices."""
        for name in _COLUMNS:
            setattr(self, name, getattr(self, name).take(tracks))
        self.mean = self.mean.take(tracks, -1)
        self.covariance = self.covariance.take(tracks, -1)
        for memory in (self.templates, self.observations):
            if memory is not None:
                memory.keep(tracks)

    def append(
        self, boxes: Floats, model: BoxModel, frame: int, state: int, scores: Floats, classes: Ints, detections: Ints
    ) -> None:
        """Start tracks at `boxes` (4, k)."""
        count = boxes.shape[1]
        position = model.measure(boxes)
        mean, covariance = kalman.initiate(position, model.initial_variance(position))
        if self.covariance.ndim != covariance.ndim:
            covariance = kalman.couple(covariance)
        self.mean = np.concatenate((self.mean, mean), axis=-1)
        self.covariance = np.concatenate((self.covariance, covariance), axis=-1)
        zeros, frames = np.zeros(count, np.int64), np.full(count, frame)
        new = {
            "ids": np.arange(self.num_born + 1, self.num_born + 1 + count),
            "state": zeros + state,
            "first_frame": frames,
            "last_frame": frames,
            "streak": zeros,
            "classes": classes,
            "scores": scores,
            "doomed": zeros.astype(np.bool_),
            "detections": detections,
        }
        for name in _COLUMNS:
            setattr(self, name, np.concatenate((getattr(self, name), new[name])))
        self.num_born += count
        for memory in (self.templates, self.observations):
            if memory is not None:
                memory.append(count)
