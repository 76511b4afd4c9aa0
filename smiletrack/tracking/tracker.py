"""The tracker, frame by frame: the Similarity Matching Cascade (paper, Figure 6) and its kin.

One engine for all presets: split the detections, predict, run the stages of the cascade, correct the matched tracks,
then births and deaths. What differs is in `TrackerConfig`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smiletrack.config import load_config, preset_file
from smiletrack.motion import kalman
from smiletrack.motion.box_states import MODELS
from smiletrack.tracking import costs
from smiletrack.tracking.association import assign, solve
from smiletrack.tracking.calibration import Calibration
from smiletrack.tracking.config import SplitConfig, StageConfig, TrackerConfig
from smiletrack.tracking.observations import ObservationMemory
from smiletrack.tracking.pool import LOST, TRACKED, UNCONFIRMED, TrackPool
from smiletrack.tracking.similarity import (
    Pairs,
    all_pairs,
    direction_agreement,
    height_overlap,
    overlapping_pairs,
    pair_iou,
)
from smiletrack.tracking.templates import TemplateBank
from smiletrack.types import Detections, Floats, Ints, Tracks

MAX_ZOOM = 4.0
"""A warp that changes areas by more than this factor from one frame to the next is no camera motion."""
MAX_SHIFT = 1e4
"""Nor is one that moves the picture by more pixels than this."""

SAME_IOU = 0.4
"""Matches with at least this IoU show what one person's crops are like."""
RIVAL_IOU = 0.1
"""A detection that overlaps a track by this much and was matched by another shows what two people's crops are like."""


@dataclass
class Skipped:
    """What a tracker could not use, counted since the start or the last reset."""

    detections: int = 0
    """Detections without area, or with a number that is not finite."""
    embeddings: int = 0
    """Embeddings that are all zero or not finite, of detections above the noise; matched without appearance."""
    warps: int = 0
    """Camera warps that are singular, not finite or absurd; the camera counted as still."""


@dataclass(frozen=True, eq=False)
class FrameDetections:
    """The detections of one frame, made ready. `rows` are their rows in what the user gave."""

    rows: Ints
    boxes: Floats
    """(4, M) corners."""
    positions: Floats
    """(4, M) in the filter's coordinates."""
    scores: Floats
    classes: Ints
    embeddings: Floats
    """(M, D) unit rows; D = 0 where the tracker does not look at appearance."""
    known: NDArray[np.bool_]
    """(M,) whether the detection has an embedding."""


class Tracker:
    """Tracks the objects of one sequence. Holds all of its state; any number of trackers can run side by side.

    config: the preset `smiletrack` where none is given. frame_rate, in frames a second, scales `life.max_lost` (see
    there).
    """

    def __init__(self, config: TrackerConfig | None = None, frame_rate: float = 30.0) -> None:
        if not frame_rate > 0:
            raise ValueError(f"frame_rate must be above 0, not {frame_rate}")
        self.config = default_config() if config is None else config
        self.frame_rate = frame_rate
        self._model = MODELS[self.config.motion.state]
        scale = frame_rate / 30.0 if self.config.life.scale_with_frame_rate else 1.0
        self._max_lost = int(scale * self.config.life.max_lost)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a new sequence."""
        config = self.config
        self.frame = 0
        self.skipped = Skipped()
        self._calibration = Calibration()
        self._pool = TrackPool(
            TemplateBank(config.templates) if config.appearance else None,
            ObservationMemory() if config.observes else None,
        )

    def update(self, detections: Detections, warp: Floats | None = None) -> Tracks:
        """Take the next frame's detections and return its tracks, ids ascending.

        warp: (2, 3) affine map of pixels of the frame before to pixels of this frame; None = the camera stood still.
        Call it for every frame, also for one without detections.
        """
        self.frame += 1
        pool, motion = self._pool, self.config.motion
        scene, high, low = self._look(detections)
        num_confirmed = pool.num_confirmed
        pool.detections = np.full(len(pool), -1)
        if len(pool):
            pool.predict(self._model, len(pool) if motion.predict_unconfirmed else num_confirmed)
            if warp is not None:
                self._warp(np.asarray(warp, np.float64))
        predicted = self._model.boxes(pool.mean[0])
        matches = self._cascade(scene, predicted, high, low, num_confirmed)
        taken = matches[matches >= 0]
        self._correct(scene, matches)
        if pool.templates is not None:
            self._calibrate(scene, predicted, matches, high)
            self._learn(scene, matches, high)
        self._end_lives(matches)
        self._start_lives(scene, high, taken)
        boxes = self._model.boxes(pool.mean[0])
        boxes = self._drop_duplicates(boxes)
        return self._report(boxes, scene)

    def _look(self, detections: Detections) -> tuple[FrameDetections, Ints, Ints]:
        """Return the usable detections and the indices of the high and the low ones."""
        boxes, scores = detections.boxes, detections.scores
        rows = np.arange(len(scores))
        if len(scores):
            sides = boxes[:, 2:] - boxes[:, :2]
            # an infinite or NaN corner fails one of these comparisons, so one pass over the sides checks all
            if not (sides.min() > 0 and sides.max() < np.inf and np.isfinite(scores.sum())):
                usable = (sides > 0).all(axis=1) & np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
                rows = usable.nonzero()[0]
                self.skipped.detections += len(scores) - len(rows)
                boxes, scores = boxes.take(rows, 0), scores.take(rows)
        high, low = split(scores, self.config.split)
        corners = np.ascontiguousarray(boxes.T)
        embeddings, known = self._embeddings(detections, rows, high, low)
        scene = FrameDetections(
            rows, corners, self._model.measure(corners), scores, detections.classes, embeddings, known
        )
        return scene, high, low

    def _embeddings(
        self, detections: Detections, rows: Ints, high: Ints, low: Ints
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return unit rows beside the usable detections, and which of them are embeddings at all."""
        width = detections.embeddings.shape[1]
        if self._pool.templates is None or not width:
            return np.zeros((len(rows), 0)), np.zeros(len(rows), np.bool_)
        embeddings = detections.embeddings.take(rows, 0)
        norms = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
        known = (norms > 0) & (norms < np.inf)
        if not known.all():
            self.skipped.embeddings += int((~known[high]).sum() + (~known[low]).sum())
            embeddings = np.where(known[:, None], embeddings, 0.0)
            norms = np.where(known, norms, 1.0)
        return np.asarray(embeddings / norms[:, None]), known

    def _warp(self, warp: Floats) -> None:
        if warp.shape != (2, 3):
            raise ValueError(f"warp must have shape (2, 3), not {warp.shape}")
        zoom = abs(warp[0, 0] * warp[1, 1] - warp[0, 1] * warp[1, 0])
        if not (1 / MAX_ZOOM < zoom < MAX_ZOOM and np.abs(warp).max() < MAX_SHIFT):
            self.skipped.warps += 1
            return
        self._pool.warp(self._model, warp)

    def _cascade(self, scene: FrameDetections, boxes: Floats, high: Ints, low: Ints, num_confirmed: int) -> Ints:
        """Run the stages; return for each track the detection it got, -1 for none."""
        config, pool = self.config, self._pool
        matches = pool.detections
        for stage in config.stages:
            pool_of_stage = low if stage is config.second else high
            if not len(pool_of_stage) or not len(matches):
                continue
            tracks = self._group(stage, matches, num_confirmed)
            left = pool_of_stage
            if stage is not config.first:
                free = np.ones(len(scene.scores), np.bool_)
                free[matches[matches >= 0]] = False
                left = left[free[left]]
            for part in self._by_age(tracks) if stage.by_age else (tracks,):
                if len(part) and len(left):
                    rows, columns = self._match(stage, scene, boxes, part, left)
                    matches[rows] = columns
                    if stage.by_age:
                        left = np.setdiff1d(left, columns)
        return matches

    def _group(self, stage: StageConfig, matches: Ints, num_confirmed: int) -> Ints:
        """Return the unmatched tracks that take part in a stage."""
        state = self._pool.state
        free = matches < 0
        match stage.tracks:
            case "confirmed":
                return np.asarray(free[:num_confirmed].nonzero()[0])
            case "unconfirmed":
                return np.asarray(free[num_confirmed:].nonzero()[0] + num_confirmed)
            case "tracked":
                return np.asarray((free & (state == TRACKED)).nonzero()[0])
            case "active":
                return np.asarray((free & (state != LOST)).nonzero()[0])
            case "all":
                return np.asarray(free.nonzero()[0])

    def _by_age(self, tracks: Ints) -> list[Ints]:
        """Part tracks by the frame of their last match, the latest first."""
        last = self._pool.last_frame[tracks]
        return [tracks[last == frame] for frame in np.unique(last)[::-1]]

    def _match(
        self, stage: StageConfig, scene: FrameDetections, boxes: Floats, tracks: Ints, detections: Ints
    ) -> Pairs:
        """Return matched tracks and detections."""
        observations = self._pool.observations
        if stage.boxes == "observed" and observations is not None:
            boxes = observations.boxes
        pixel = self.config.iou_pixel
        if stage.filter_after:
            return self._match_then_filter(stage, scene, boxes, tracks, detections)
        if stage.overlap and stage.fusion != "motion":
            rows, columns = overlapping_pairs(boxes.take(tracks, 1), scene.boxes.take(detections, 1), pixel)
        else:
            rows, columns = all_pairs(len(tracks), len(detections))
        pairs = tracks.take(rows), detections.take(columns)
        if not len(rows):
            return pairs
        return assign(pairs, self._cost(stage, scene, boxes, pairs), stage.max_cost)

    def _match_then_filter(
        self, stage: StageConfig, scene: FrameDetections, boxes: Floats, tracks: Ints, detections: Ints
    ) -> Pairs:
        """SORT's and OC-SORT's assignment: the best over all pairs, afterwards those of too little IoU are dropped."""
        shape = len(tracks), len(detections)
        rows, columns = all_pairs(*shape)
        pairs = tracks.take(rows), detections.take(columns)
        overlap = pair_iou(boxes, scene.boxes, pairs, self.config.iou_pixel)
        near = overlap > 1 - stage.max_cost
        if not near.any():
            return pairs[0][:0], pairs[1][:0]
        candidates = near.reshape(shape)
        if candidates.sum(axis=0).max() == 1 and candidates.sum(axis=1).max() == 1:
            return pairs[0][near], pairs[1][near]
        similarity = overlap
        observations = self._pool.observations
        if stage.direction > 0 and observations is not None:
            origins = observations.origins(self.frame)
            agreement = direction_agreement(origins, observations.directions, scene.boxes, pairs)
            similarity = overlap + stage.direction * agreement * scene.scores.take(pairs[1])
        best = solve(-similarity.reshape(shape))
        chosen = best[0] * shape[1] + best[1]
        chosen = chosen[overlap[chosen] >= 1 - stage.max_cost]
        return pairs[0][chosen], pairs[1][chosen]

    def _cost(self, stage: StageConfig, scene: FrameDetections, boxes: Floats, pairs: Pairs) -> Floats:
        """Return the cost of each pair by the stage's fusion; infinite where it is refused."""
        overlap = pair_iou(boxes, scene.boxes, pairs, self.config.iou_pixel)
        if stage.height_power:
            overlap = overlap * height_overlap(boxes, scene.boxes, pairs) ** stage.height_power
        scored = overlap * scene.scores.take(pairs[1]) if stage.score else overlap
        if not stage.appearance or self._pool.templates is None:
            return 1 - scored
        appearance = self._pool.templates.similarity(
            scene.embeddings, scene.known, pairs, self.frame, stage.newest_template
        )
        cost: Floats
        match stage.fusion:
            case "sum":
                cost = costs.sum_cost(scored, appearance)
            case "minimum":
                cost = costs.minimum_cost(
                    1 - scored, 1 - overlap, appearance, stage.max_iou_cost, stage.max_appearance_cost
                )
            case "veto":
                distance = self._mahalanobis(scene, pairs)
                looks = costs.motion_cost(appearance, distance, stage.motion_weight)
                cost = np.where(looks > stage.max_appearance_cost, costs.REFUSED, 1 - scored)
                # a pair without appearance is judged by IoU alone
                distance = np.where(np.isnan(appearance), 0.0, distance)
                cost = costs.refuse_far(cost, distance, stage.max_mahalanobis)
            case "motion":
                distance = self._mahalanobis(scene, pairs)
                cost = costs.motion_cost(appearance, distance, stage.motion_weight)
                cost = costs.refuse_far(cost, distance, stage.max_mahalanobis)
            case "calibrated":
                evidence = self._calibration.evidence(appearance)
                cost = costs.calibrated_cost(scored, evidence, stage.appearance_weight)
            case "iou":
                cost = 1 - scored
        return costs.refuse_unlike(cost, appearance, stage.gate)

    def _mahalanobis(self, scene: FrameDetections, pairs: Pairs) -> Floats:
        """Return the squared distance of each pair."""
        mean, covariance = self._pool.mean.take(pairs[0], -1), self._pool.covariance.take(pairs[0], -1)
        noise = self._model.measurement_variance(mean[0])
        return kalman.mahalanobis(mean, covariance, scene.positions.take(pairs[1], 1), noise)

    def _correct(self, scene: FrameDetections, matches: Ints) -> None:
        """Update filter, observations and bookkeeping of the matched tracks."""
        pool, life = self._pool, self.config.life
        tracks = (matches >= 0).nonzero()[0]
        if not len(tracks):
            return
        detections = matches.take(tracks)
        scores = scene.scores.take(detections)
        boxes = scene.boxes.take(detections, 1)
        mean, covariance = pool.mean.take(tracks, -1), pool.covariance.take(tracks, -1)
        absent = self.frame - pool.last_frame.take(tracks)
        if pool.observations is not None:
            if self.config.motion.replay:
                self._replay(pool.observations, tracks, boxes, absent, mean, covariance)
            pool.observations.observe(tracks, boxes, self.frame)
        noise = self._model.measurement_variance(mean[0])
        if self.config.motion.trust_score:
            noise = noise * (1 - scores) ** 2
        mean, covariance = kalman.update(mean, covariance, scene.positions.take(detections, 1), noise)
        pool.mean[..., tracks], pool.covariance[..., tracks] = mean, covariance
        pool.scores[tracks] = scores
        pool.classes[tracks] = scene.classes.take(scene.rows.take(detections))
        if life.revive and absent.max() > self._max_lost + 1:
            pool.doomed[tracks] |= absent > self._max_lost + 1
        pool.last_frame[tracks] = self.frame
        pool.streak[tracks] += 1
        other = tracks[pool.state.take(tracks) != TRACKED]
        if len(other):
            stays = (pool.state[other] == UNCONFIRMED) & (pool.streak[other] < life.confirm)
            pool.state[other] = np.where(stays, UNCONFIRMED, TRACKED)

    def _replay(
        self,
        observations: ObservationMemory,
        tracks: Ints,
        boxes: Floats,
        absent: Ints,
        mean: Floats,
        covariance: Floats,
    ) -> None:
        """Overwrite the states of returning tracks by their replayed ones, in place."""
        returning = (absent > 1) & observations.seen.take(tracks)
        for gap in np.unique(absent[returning]):
            part = (returning & (absent == gap)).nonzero()[0]
            replayed = observations.replay(tracks[part], boxes[:, part], int(gap), self._model)
            mean[..., part], covariance[..., part] = replayed

    def _calibrate(self, scene: FrameDetections, boxes: Floats, matches: Ints, high: Ints) -> None:
        """Learn what similarities are worth from the matches of this frame and from those who competed for them."""
        templates = self._pool.templates
        if templates is None or not any(stage.fusion == "calibrated" for stage in self.config.stages):
            return
        rows, columns = overlapping_pairs(boxes, scene.boxes.take(high, 1))
        pairs = rows, high.take(columns)
        overlap = pair_iou(boxes, scene.boxes, pairs)
        alike = templates.similarity(scene.embeddings, scene.known, pairs, self.frame)
        matched = matches.take(rows)
        same = (matched == pairs[1]) & (overlap > SAME_IOU)
        different = (matched != pairs[1]) & (matched >= 0) & (overlap > RIVAL_IOU)
        known = ~np.isnan(alike)
        self._calibration.learn(alike[same & known], alike[different & known])

    def _learn(self, scene: FrameDetections, matches: Ints, high: Ints) -> None:
        """Let matched tracks remember their detections' looks."""
        templates, config = self._pool.templates, self.config.templates
        if templates is None or not scene.known.any():
            return
        good = scene.known & (scene.scores >= config.min_score)
        if not config.low_matches:
            is_high = np.zeros(len(good), np.bool_)
            is_high[high] = True
            good &= is_high
        tracks = (matches >= 0).nonzero()[0]
        tracks = tracks[good[matches[tracks]]]
        templates.learn(tracks, scene.embeddings.take(matches[tracks], 0), self.frame)

    def _end_lives(self, matches: Ints) -> None:
        """Mark unmatched tracks as lost, remove those that are due."""
        pool, config = self._pool, self.config
        missed = matches < 0
        if not missed.any():
            return
        state = pool.state
        newly_lost = (missed & (state == TRACKED)).nonzero()[0]
        if len(newly_lost):
            pool.streak[newly_lost] = 0
            state[newly_lost] = LOST
            stopped = {"nothing": 4, "height": 3, "size": 2}[config.motion.stop_when_lost]
            if stopped < 4:
                pool.mean[1, stopped:, newly_lost] = 0.0
            if pool.observations is not None and config.motion.replay:
                pool.observations.freeze(newly_lost, pool.mean, pool.covariance)
        grace = 1 if config.life.revive else 0
        dead = missed & ((state == UNCONFIRMED) | (self.frame - pool.last_frame > self._max_lost + grace) | pool.doomed)
        if dead.any():
            pool.keep((~dead).nonzero()[0])

    def _start_lives(self, scene: FrameDetections, high: Ints, taken: Ints) -> None:
        """Start a track from every high detection that is left and scores at least tau (GATE, second switch)."""
        life, pool = self.config.life, self._pool
        if not len(high):
            return
        free = scene.scores >= life.new_score
        free[taken] = False
        born = high[free[high]]
        if not len(born):
            return
        confirmed = self.frame == 1 or life.confirm == 0
        pool.append(
            scene.boxes.take(born, 1),
            self._model,
            self.frame,
            TRACKED if confirmed else UNCONFIRMED,
            scene.scores.take(born),
            scene.classes.take(scene.rows.take(born)),
            born,
        )
        if pool.templates is not None and scene.embeddings.shape[1]:
            known = scene.known.take(born)
            tracks = np.arange(len(pool) - len(born), len(pool))[known]
            pool.templates.learn(tracks, scene.embeddings.take(born[known], 0), self.frame)

    def _drop_duplicates(self, boxes: Floats) -> Floats:
        """Remove the younger one of a tracked and a lost track at one place; return the boxes that are left."""
        pool, limit = self._pool, self.config.life.duplicate_cost
        lost = (pool.state == LOST).nonzero()[0]
        if limit is None or not len(lost) or len(lost) == len(pool):
            return boxes
        tracked = (pool.state != LOST).nonzero()[0]
        pixel = self.config.iou_pixel
        rows, columns = overlapping_pairs(boxes.take(tracked, 1), boxes.take(lost, 1), pixel)
        if not len(rows):
            return boxes
        pairs = tracked.take(rows), lost.take(columns)
        same = 1 - pair_iou(boxes, boxes, pairs, pixel) < limit
        if not same.any():
            return boxes
        tracked, lost = pairs[0][same], pairs[1][same]
        age = pool.last_frame - pool.first_frame
        drop = np.where(age[tracked] > age[lost], lost, tracked)
        keep = np.delete(np.arange(len(pool)), drop)
        pool.keep(keep)
        return boxes.take(keep, 1)

    def _report(self, boxes: Floats, scene: FrameDetections) -> Tracks:
        """Return the tracks of this frame that the output rules let through."""
        pool, output = self._pool, self.config.output
        shown = pool.detections >= 0
        if not output.unconfirmed:
            shown &= pool.state == TRACKED
        if output.min_streak and self.frame > output.min_streak:
            shown &= pool.streak >= output.min_streak
        tracks = shown.nonzero()[0]
        rows = pool.detections.take(tracks)
        corners = scene.boxes.take(rows, 1) if output.boxes == "observed" else boxes.take(tracks, 1)
        width, height = corners[2:] - corners[:2]
        fits = width * height > output.min_area
        if output.max_aspect is not None:
            fits &= width <= output.max_aspect * height
        if not fits.all():
            tracks, rows, corners = tracks[fits], rows[fits], corners[:, fits]
        return Tracks(
            pool.ids.take(tracks),
            np.ascontiguousarray(corners.T),
            pool.scores.take(tracks),
            pool.classes.take(tracks),
            scene.rows.take(rows),
        )


def split(scores: Floats, config: SplitConfig) -> tuple[Ints, Ints]:
    """Return the indices of high and of low scores; what is at or below `config.low` is in neither."""
    above = scores > config.low
    threshold = config.high
    if config.mode == "median":
        threshold = float(np.median(scores[above])) if above.any() else 1.0
    high = scores >= threshold if config.ties == "high" else scores > threshold
    low = scores < threshold if config.ties != "low" else ~high
    return (high & above).nonzero()[0], (low & above).nonzero()[0]


def default_config() -> TrackerConfig:
    """Return the shipped preset `smiletrack`, this project's tracker."""
    return load_config(TrackerConfig, preset_file("tracker", "smiletrack"))


def load_tracker(name_or_file: str = "smiletrack", frame_rate: float = 30.0) -> Tracker:
    """Return a tracker of a shipped preset (`bytetrack`, `botsort`, ...) or of a YAML file of `TrackerConfig`."""
    return Tracker(load_config(TrackerConfig, preset_file("tracker", name_or_file)), frame_rate)
