"""A tracker that writes down what it considered: for looking into single decisions afterwards, by tracking again."""

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from smiletrack.tracking.config import StageConfig, TrackerConfig
from smiletrack.tracking.similarity import Pairs, pair_iou
from smiletrack.tracking.tracker import FrameDetections, Tracker
from smiletrack.types import Floats


@dataclass(frozen=True)
class Considered:
    """What one stage thought of a track and a detection.

    overlap: IoU of prediction and detection. appearance: cosine similarity, NaN without. cost: infinite where the pair
    was refused; only below `max_cost` it could match.
    """

    overlap: float
    appearance: float
    cost: float
    max_cost: float


class Witness(Tracker):
    """Tracks exactly as `Tracker` does; keeps what it considered in the frames asked for.

    considered: (frame number, track id, row of the frame's detections) -> what the last stage that compared the two
    thought. A pair that is not there was never compared: the boxes did not overlap, or one of the two was taken.
    """

    def __init__(self, config: TrackerConfig, frame_rate: float, frames: Container[int]) -> None:
        self.considered: dict[tuple[int, int, int], Considered] = {}
        self._frames = frames
        super().__init__(config, frame_rate)

    def _cost(self, stage: StageConfig, scene: FrameDetections, boxes: Floats, pairs: Pairs) -> Floats:
        cost = super()._cost(stage, scene, boxes, pairs)
        if self.frame not in self._frames:
            return cost
        overlap = pair_iou(boxes, scene.boxes, pairs, self.config.iou_pixel)
        appearance = np.full(len(cost), np.nan)
        if self._pool.templates is not None:
            appearance = self._pool.templates.similarity(
                scene.embeddings, scene.known, pairs, self.frame, stage.newest_template
            )
        tracks, detections = self._pool.ids.take(pairs[0]), scene.rows.take(pairs[1])
        for row, (track, detection) in enumerate(zip(tracks.tolist(), detections.tolist(), strict=True)):
            thought = Considered(float(overlap[row]), float(appearance[row]), float(cost[row]), stage.max_cost)
            self.considered[self.frame, track, detection] = thought
        return cost
