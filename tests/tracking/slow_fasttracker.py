"""FastTracker (arXiv 2508.14370) typed once more, slowly; see `slow_trackers`."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from smiletrack.types import Floats
from tests.tracking.slow_trackers import Answer, SlowTrack, block_warp, ious


class PatientTrack(SlowTrack):
    """Centre, ratio and height; remembers its states after every frame."""

    lost = False
    hidden = False
    past: list[Floats]

    def noise(self, position: float, velocity: float) -> Floats:
        at, by = position * self.x[3], velocity * self.x[3]
        return np.diag(np.array([at, at, 1e-2, at, by, by, 1e-5, by]) ** 2)

    def box(self) -> Floats:
        half = np.array([self.x[2] * self.x[3], self.x[3]]) / 2
        return np.concatenate((self.x[:2] - half, self.x[:2] + half))


def xyah(box: Floats) -> Floats:
    w, h = box[2:] - box[:2]
    return np.array([box[0] + w / 2, box[1] + h / 2, w / h, h])


class SlowFastTracker:
    """ByteTrack's stages, patience with who is missed, more with who stands behind somebody."""

    def __init__(self) -> None:
        self.tracks: list[PatientTrack] = []
        self.frame = self.born = 0

    def match(self, tracks: list[PatientTrack], which: NDArray[np.bool_], limit: float, with_score: bool) -> None:
        rows = [i for i in np.flatnonzero(which) if i in self.free]
        overlap = ious(np.array([t.box() for t in tracks]).reshape(-1, 4), self.boxes[rows])
        cost = 1 - overlap * (self.scores[rows] if with_score else 1)
        gains = np.maximum(limit - cost, 0)
        for i, j in zip(*linear_sum_assignment(-gains), strict=True):
            if gains[i, j] > 0:
                self.free.remove(rows[j])
                self.found[tracks[i].id] = rows[j]

    def update(self, boxes: Floats, scores: Floats, embeddings: Floats, warp: Floats) -> Answer:
        self.frame += 1
        self.boxes, self.scores, self.free, self.found = boxes, scores, set(range(len(boxes))), dict[int, int]()
        scale = np.sqrt(abs(np.linalg.det(warp[:, :2])))
        for t in self.tracks:
            t.predict(t.noise(1 / 20, 1 / 160), warp, block_warp(warp[:, :2], np.diag([1, scale])))
        high, low = scores >= 0.6, (scores > 0.25) & (scores < 0.6)
        self.match([t for t in self.tracks if t.confirmed], high, 0.9, True)
        left = [t for t in self.tracks if t.id not in self.found]
        self.match([t for t in left if t.confirmed and not t.lost], low, 0.5, False)
        self.match([t for t in left if not t.confirmed], high, 0.7, True)
        predicted = {t.id: t.box() for t in self.tracks}
        for t in self.tracks:
            if t.id in self.found:
                at = t.x[3] / 20
                t.update(xyah(boxes[self.found[t.id]]), np.diag([at, at, 0.1, at]) ** 2)
                t.seen, t.confirmed, t.lost, t.hidden = self.frame, True, False, False
        for t in self.tracks:
            if t.confirmed and not t.lost and t.seen < self.frame:
                self.miss(t, predicted)
        self.tracks = [t for t in self.tracks if t.seen == self.frame or (t.confirmed and self.frame - t.seen <= 30)]
        matched = boxes[sorted(self.found.values())]
        for i in sorted(self.free):
            if scores[i] >= 0.7 and not (ious(boxes[i : i + 1], matched) > 0.8).any():
                self.bear(boxes[i])
        for t in self.tracks:
            t.past = [*t.past, t.x.copy()][-5:] if t.born < self.frame else [t.x.copy()] * 5
        self.drop_duplicates()
        return [(t.id, t.box()) for t in self.tracks if t.confirmed and t.seen == self.frame]

    def miss(self, t: PatientTrack, predicted: dict[int, Floats]) -> None:
        box, behind = predicted[t.id], False
        for other in self.tracks:
            if other.seen == self.frame and other.confirmed:
                cover = predicted[other.id]
                sides = np.minimum(box[2:], cover[2:]) - np.maximum(box[:2], cover[:2])
                behind |= bool(np.clip(sides, 0, None).prod() > 0.7 * (box[2:] - box[:2]).prod())
        if behind and not t.hidden:
            t.hidden = True
            t.x[4:] = 0.89 * t.past[-5][4:]
            t.x[:2] = t.past[-3][:2]
            t.x[3] *= 1.1
        if self.frame - t.seen > (10 if behind else 2):
            t.lost = True
            t.x[7] = 0

    def bear(self, box: Floats) -> None:
        self.born += 1
        x = np.concatenate((xyah(box), np.zeros(4)))
        t = PatientTrack(self.born, x, np.eye(8), np.zeros(0), self.frame, self.frame, confirmed=self.frame == 1)
        t.P = np.diag(np.sqrt(np.diag(t.noise(2 / 20, 10 / 160))) ** 2)
        self.tracks.append(t)

    def drop_duplicates(self) -> None:
        dead = set()
        for t in self.tracks:
            for other in self.tracks:
                if not t.lost and other.lost and ious(t.box()[None], other.box()[None])[0, 0] > 0.85:
                    dead.add(other.id if t.seen - t.born > other.seen - other.born else t.id)
        self.tracks = [t for t in self.tracks if t.id not in dead]
