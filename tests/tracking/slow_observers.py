"""Hybrid-SORT and Deep OC-SORT typed once more, slowly; see `slow_trackers`."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from smiletrack.types import Floats
from tests.tracking.slow_trackers import Answer, CornerTrack, block_warp, cosines, height_ious, ious


class ObservedTrack(CornerTrack):
    """OC-SORT's track: filtered again along a straight line when it returns (arXiv 2203.14360, section 4.1)."""

    frozen: tuple[Floats, Floats] | None = None
    score: Floats
    score_P: Floats

    Q = np.diag([1.0, 1, 1, 1, 1e-2, 1e-2, 1e-4, 0])
    R = np.diag([1.0, 1, 10, 10])

    def z(self, box: Floats) -> Floats:
        return xysr(box)

    def added(self) -> Floats:
        return self.Q

    def measured(self) -> Floats:
        return self.R

    def move(self, warp: Floats, B: Floats) -> None:
        if self.x[2] + self.x[6] <= 0:
            self.x[6] = 0
        self.predict(self.added(), warp, B)
        F = np.array([[1.0, 1], [0, 1]])
        self.score, self.score_P = F @ self.score, F @ self.score_P @ F.T + np.diag([1.0, 1e-4])

    def return_to(self, frame: int, box: Floats) -> None:
        gap = frame - self.seen
        if gap > 1 and self.boxes and self.frozen:
            start = self.boxes[max(self.boxes)]
            self.x, self.P = self.frozen
            for step in range(1, gap + 1):
                if step > 1:
                    F = np.eye(8) + np.eye(8, k=4)
                    Q = self.added()
                    self.x, self.P = F @ self.x, F @ self.P @ F.T + Q
                self.update(self.z(start + (box - start) * step / gap), self.measured())
        self.see(frame, box)
        self.update(self.z(box), self.measured())
        self.seen = frame

    def expect(self, score: float) -> None:
        K = self.score_P[:, 0] / (self.score_P[0, 0] + 10)
        self.score = self.score + K * (score - self.score[0])
        self.score_P = self.score_P - np.outer(K, self.score_P[0])
        self.scores.append(score)

    def box(self) -> Floats:
        w = np.sqrt(self.x[2] * self.x[3])
        half = np.array([w, self.x[2] / w]) / 2
        return np.concatenate((self.x[:2] - half, self.x[:2] + half))

    def last_box(self) -> Floats:
        return self.boxes[max(self.boxes)] if self.boxes else np.full(4, -1.0)


def xysr(box: Floats) -> Floats:
    w, h = box[2:] - box[:2]
    return np.array([box[0] + w / 2, box[1] + h / 2, w * h, w / h])


class SlowHybridSort:
    """Hybrid-SORT (arXiv 2308.00783) without Re-ID."""

    least = 0.25

    def __init__(self) -> None:
        self.tracks: list[ObservedTrack] = []
        self.frame = self.born = 0

    def overlaps(self, boxes: Floats, ours: list[Floats]) -> Floats:
        return height_ious(boxes, np.array(ours).reshape(-1, 4))

    def stages(self, boxes: Floats, scores: Floats, embeddings: Floats) -> None:
        self.stage(scores > 0.6, lambda t: t.box(), self.high_gain)
        self.stage((scores > 0.1) & (scores < 0.6), lambda t: t.box(), self.low_gain)
        self.stage(scores > 0.6, lambda t: t.last_box(), None)

    def high_gain(self, t: ObservedTrack, row: int, overlap: float) -> float:
        score = self.scores[row]
        angle = t.angle(self.frame, self.boxes[row])
        agreement = 0.5 - angle if angle is not None else 0
        return overlap + 0.05 * 4 * agreement * score - abs(np.clip(t.score[0], 0.6, 1) - score)

    def low_gain(self, t: ObservedTrack, row: int, overlap: float) -> float:
        expected = 2 * t.scores[-1] - t.scores[-2] if len(t.scores) > 1 else t.scores[-1]
        return float(overlap - abs(np.clip(expected, 0.1, 0.6) - self.scores[row]))

    def stage(
        self,
        which: NDArray[np.bool_],
        box_of: Callable[[ObservedTrack], Floats],
        gain_of: Callable[[ObservedTrack, int, float], float] | None,
    ) -> None:
        rows = [i for i in np.flatnonzero(which) if i in self.free]
        tracks = [t for t in self.tracks if t.seen < self.frame]
        if not rows or not tracks:
            return
        overlap = self.overlaps(self.boxes[rows], [box_of(t) for t in tracks])
        near = overlap >= self.least
        if near.sum(0).max() <= 1 and near.sum(1).max() <= 1:
            pairs = list(zip(*np.nonzero(near), strict=True))
        else:
            gains = overlap if gain_of is None else self.gains(tracks, rows, overlap, gain_of)
            pairs = [(i, j) for i, j in zip(*linear_sum_assignment(-gains), strict=True) if near[i, j]]
        for i, j in pairs:
            row, t = rows[i], tracks[j]
            self.free.remove(row)
            t.return_to(self.frame, self.boxes[row])
            t.expect(self.scores[row])
            t.streak += 1
            self.learn(t, row)
            self.shown[t.id] = self.boxes[row]

    def gains(
        self,
        tracks: list[ObservedTrack],
        rows: list[int],
        overlap: Floats,
        gain_of: Callable[[ObservedTrack, int, float], float],
    ) -> Floats:
        return np.array([[gain_of(t, row, overlap[i, j]) for j, t in enumerate(tracks)] for i, row in enumerate(rows)])

    def learn(self, t: ObservedTrack, row: int) -> None:
        """Without Re-ID there is nothing else to learn."""

    def update(self, boxes: Floats, scores: Floats, embeddings: Floats, warp: Floats) -> Answer:
        self.frame += 1
        self.boxes, self.scores, self.embeddings = boxes, scores, embeddings
        self.free, self.shown = set(range(len(boxes))), dict[int, Floats]()
        A = warp[:, :2]
        for t in self.tracks:
            t.move(warp, self.carrier(A))
            self.carry(t, warp)
        self.stages(boxes, scores, embeddings)
        for t in self.tracks:
            if t.seen == self.frame - 1:
                t.frozen = t.x, t.P
            t.streak = t.streak if t.seen == self.frame else 0
        self.tracks = [t for t in self.tracks if self.frame - t.seen <= 30]
        for i in sorted(self.free & set(np.flatnonzero(scores > 0.6))):
            self.born += 1
            t = self.start(boxes[i], scores[i], embeddings[i])
            t.score, t.score_P = np.array([scores[i], 0]), np.diag([10.0, 1e4])
            self.tracks.append(t)
            self.shown[t.id] = boxes[i]
        return [
            (t.id, self.shown[t.id]) for t in self.tracks if t.seen == self.frame and (t.streak >= 3 or self.frame <= 3)
        ]

    def carrier(self, A: Floats) -> Floats:
        return block_warp(A, np.diag([abs(np.linalg.det(A)), 1]))

    def start(self, box: Floats, score: float, embedding: Floats) -> ObservedTrack:
        x, P = np.concatenate((xysr(box), np.zeros(4))), np.diag([10.0, 10, 10, 10, 1e4, 1e4, 1e4, 0])
        return ObservedTrack(self.born, x, P, embedding, self.frame, self.frame, scores=[score])

    def carry(self, t: ObservedTrack, warp: Floats) -> None:
        """Observations stay where they are."""


class DeepTrack(ObservedTrack):
    """The same over centre, width and height, with one direction of the centre."""

    way: Floats | None = None

    def z(self, box: Floats) -> Floats:
        return np.concatenate(((box[:2] + box[2:]) / 2, box[2:] - box[:2]))

    def added(self) -> Floats:
        sides = np.tile(self.x[2:4], 2)
        return np.diag(np.concatenate((sides / 20, sides / 160)) ** 2)

    def measured(self) -> Floats:
        return np.diag((np.tile(self.x[2:4], 2) / 20) ** 2)

    def box(self) -> Floats:
        return np.concatenate((self.x[:2] - self.x[2:4] / 2, self.x[:2] + self.x[2:4] / 2))

    def step_to(self, frame: int, box: Floats) -> Floats:
        step = self.z(box)[:2] - self.z(self.start_of_step(frame))[:2]
        unit: Floats = step / (np.linalg.norm(step) + 1e-6)
        return unit

    def see(self, frame: int, box: Floats) -> None:
        if self.boxes:
            self.way = self.step_to(frame, box)
        self.boxes[frame] = box


class SlowDeepOcSort(SlowHybridSort):
    """Deep OC-SORT (arXiv 2302.11813)."""

    least = 0.3

    def overlaps(self, boxes: Floats, ours: list[Floats]) -> Floats:
        return ious(boxes, np.array(ours).reshape(-1, 4))

    def stages(self, boxes: Floats, scores: Floats, embeddings: Floats) -> None:
        self.stage(scores > 0.6, lambda t: t.box(), self.high_gain)
        self.stage(scores > 0.6, lambda t: t.last_box(), None)

    def gains(
        self,
        tracks: list[ObservedTrack],
        rows: list[int],
        overlap: Floats,
        gain_of: Callable[[ObservedTrack, int, float], float],
    ) -> Floats:
        total = super().gains(tracks, rows, overlap, gain_of)
        looks = np.where(overlap > 0, cosines(self.embeddings[rows], list(tracks)), 0)
        bonus = np.zeros_like(looks)
        for axis in (0, 1):
            if looks.shape[axis] > 1:
                best = np.sort(looks, axis=axis)
                lead = np.take(best, [-1], axis) - np.take(best, [-2], axis)
                bonus += np.minimum(lead, 0.5) / 2
        return total + (0.75 + bonus) * looks

    def high_gain(self, t: ObservedTrack, row: int, overlap: float) -> float:
        assert isinstance(t, DeepTrack)
        agreement = 0.0
        if t.way is not None:
            cosine = t.way @ t.step_to(self.frame, self.boxes[row])
            agreement = 0.5 - np.arccos(np.clip(cosine, -1, 1)) / np.pi
        return float(overlap + 0.2 * agreement * self.scores[row])

    def learn(self, t: ObservedTrack, row: int) -> None:
        t.remember(self.embeddings[row], 0.95 + 0.05 * (1 - (self.scores[row] - 0.6) / 0.4))

    def carrier(self, A: Floats) -> Floats:
        return block_warp(A, A)

    def start(self, box: Floats, score: float, embedding: Floats) -> ObservedTrack:
        center, sides = (box[:2] + box[2:]) / 2, np.tile(box[2:] - box[:2], 2)
        P = np.diag(np.concatenate((sides / 10, sides / 16)) ** 2)
        x = np.concatenate((center, sides[:2], np.zeros(4)))
        return DeepTrack(self.born, x, P, embedding, self.frame, self.frame, scores=[score])

    def carry(self, t: ObservedTrack, warp: Floats) -> None:
        for frame, box in t.boxes.items():
            t.boxes[frame] = (box.reshape(2, 2) @ warp[:, :2].T + warp[:, 2]).ravel()
        if t.seen < self.frame - 1 and t.frozen:
            B = self.carrier(warp[:, :2])
            x = B @ t.frozen[0]
            x[:2] += warp[:, 2]
            t.frozen = x, B @ t.frozen[1] @ B.T
