"""Published trackers typed once more, slowly: dense matrices, one object a track, SciPy's assignment."""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from smiletrack.types import Floats

Answer = list[tuple[int, Floats]]
"""Ids and boxes of a frame."""


def ious(a: Floats, b: Floats) -> Floats:
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    size_a, size_b = (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)
    whole: Floats = shared / (size_a[:, None] + size_b[None] - shared)
    return whole


@dataclass
class SlowTrack:
    """A dense filter over four coordinates and their velocities, and what a track remembers."""

    id: int
    x: Floats
    P: Floats
    embedding: Floats
    born: int
    seen: int
    streak: int = 0
    confirmed: bool = False
    scores: list[float] = field(default_factory=list)
    boxes: dict[int, Floats] = field(default_factory=dict)

    def predict(self, Q: Floats, warp: Floats, B: Floats) -> None:
        F = np.eye(8) + np.eye(8, k=4)
        self.x, self.P = F @ self.x, F @ self.P @ F.T + Q
        self.x, self.P = B @ self.x, B @ self.P @ B.T
        self.x[:2] += warp[:, 2]

    def update(self, z: Floats, R: Floats) -> None:
        K = self.P[:, :4] @ np.linalg.inv(self.P[:4, :4] + R)
        self.x = self.x + K @ (z - self.x[:4])
        self.P = self.P - K @ self.P[:4]

    def remember(self, embedding: Floats, momentum: float) -> None:
        if not len(embedding):
            return
        mixed = momentum * self.embedding + (1 - momentum) * embedding
        self.embedding = mixed / np.linalg.norm(mixed)


def cosines(embeddings: Floats, tracks: list[SlowTrack]) -> Floats:
    """Detections x tracks; 0 without embeddings."""
    return np.array([[e @ t.embedding for t in tracks] for e in embeddings]).reshape(len(embeddings), len(tracks))


def block_warp(*blocks: Floats) -> Floats:
    """The 8 x 8 map of a state from the maps of coordinates 0-1 and 2-3."""
    B = np.zeros((8, 8))
    for k in range(4):
        B[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = blocks[k % 2]
    return B


def xyhr(boxes: Floats) -> Floats:
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.column_stack((boxes[:, 0] + w / 2, boxes[:, 1] + h / 2, h, w / h))


class SlowBoostTrack:
    """BoostTrack++ (arXiv 2408.13003)."""

    limit, threshold, max_lost = 13.2767, 0.6, 60

    def __init__(self) -> None:
        self.tracks: list[SlowTrack] = []
        self.frame = self.born = 0

    def boxes(self) -> Floats:
        x = np.array([t.x[:4] for t in self.tracks]).reshape(-1, 4)
        w, h = x[:, 2] * x[:, 3], x[:, 2]
        return np.column_stack((x[:, 0] - w / 2, x[:, 1] - h / 2, x[:, 0] + w / 2, x[:, 1] + h / 2))

    def distances(self, boxes: Floats) -> Floats:
        """Detections x tracks."""
        return np.array(
            [[(d := z - t.x[:4]) @ np.linalg.inv(t.P[:4, :4]) @ d for t in self.tracks] for z in xyhr(boxes)]
        ).reshape(len(boxes), len(self.tracks))

    def motion(self, distances: Floats) -> Floats:
        left = np.exp(self.limit - np.minimum(distances, self.limit))
        similarity: Floats = np.where(distances > self.limit, 0, left / left.sum(0, keepdims=True))
        return similarity

    def confidences(self) -> Floats:
        ages = [(self.frame - t.born, self.frame - t.seen) for t in self.tracks]
        return np.array([0.9 ** (7 - age) if age < 7 else 0.9 ** (absent - 1) for age, absent in ages])

    def shapes(self, boxes: Floats) -> Floats:
        a, b = (x[:, 2:] - x[:, :2] for x in (boxes, self.boxes()))
        widest = np.maximum(a[:, None, 0], b[None, :, 0])
        shape: Floats = np.exp(-np.abs(a[:, None] - b[None]).sum(2) / widest)
        return shape

    def boosted(self, boxes: Floats, scores: Floats) -> Floats:
        scores = scores.copy()
        if not self.tracks or not len(boxes):
            return scores
        c, distances = self.confidences(), self.distances(boxes)
        soft = np.zeros_like(distances)
        for j, (track, trust) in enumerate(zip(self.boxes(), c, strict=True)):
            sides, size = np.tile(track[2:] - track[:2], 2), np.tile(boxes[:, 2:] - boxes[:, :2], 2)
            out = np.array([-1, -1, 1, 1]) * (1 - trust)
            soft[:, j] = ious(boxes + 0.25 * out * size, (track + 0.5 * out * sides)[None])[:, 0]
        S = (self.motion(distances) + self.shapes(boxes) + soft) / 3
        scores = np.maximum(scores, 0.65 * scores + 0.35 * S.max(1) ** 1.5)
        unseen = np.array([self.frame - t.seen - 1 for t in self.tracks])
        sure = (np.maximum(0.95 - 0.0075 * unseen, 0.8) < S).any(1)
        scores[sure] = np.maximum(scores[sure], self.threshold)
        alone = np.flatnonzero((distances.min(1) > self.limit) & (scores < self.threshold))
        overlap = ious(boxes[alone], boxes[alone]) > 0.3
        best = [scores[i] == scores[alone][overlap[k]].max() for k, i in enumerate(alone)]
        scores[alone[np.array(best, bool)]] = self.threshold
        return scores

    def update(self, boxes: Floats, scores: Floats, embeddings: Floats, warp: Floats) -> Answer:
        self.frame += 1
        A = warp[:, :2]
        B = block_warp(A, np.diag([np.sqrt(abs(np.linalg.det(A))), 1]))
        for t in self.tracks:
            t.predict(np.diag([1.0] * 4 + [0.01] * 4), warp, B)
        kept = scores > 0.1
        boxes, scores, embeddings = boxes[kept], self.boosted(boxes[kept], scores[kept]), embeddings[kept]
        high = scores >= self.threshold
        boxes, scores, embeddings = boxes[high], scores[high], embeddings[high]
        overlap = ious(boxes, self.boxes())
        looks = cosines(embeddings, self.tracks)
        c = scores[:, None] * self.confidences()[None] * (overlap >= 0.3)
        S = overlap + 0.5 * c * overlap + 0.25 * c * self.shapes(boxes) + 3 * looks
        S += 0.25 * self.motion(self.distances(boxes))
        free = set(range(len(boxes)))
        for i, j in zip(*linear_sum_assignment(-S), strict=True):
            if overlap[i, j] >= 0.3 or (overlap[i, j] >= 0.15 and looks[i, j] >= 0.75):
                free.remove(i)
                self.match(self.tracks[j], boxes[i], scores[i], embeddings[i])
        self.tracks = [t for t in self.tracks if self.frame - t.seen <= self.max_lost]
        for i in sorted(free):
            self.born += 1
            P = np.diag([10.0] * 4 + [1e4] * 4)
            x = np.concatenate((xyhr(boxes[i : i + 1])[0], np.zeros(4)))
            self.tracks.append(SlowTrack(self.born, x, P, embeddings[i], self.frame, self.frame))
        for t in self.tracks:
            t.streak = t.streak if t.seen == self.frame else 0
        shown = [(t, box) for t, box in zip(self.tracks, self.boxes(), strict=True) if t.seen == self.frame]
        return [(t.id, box) for t, box in shown if t.streak >= 3 or self.frame <= 3]

    def match(self, t: SlowTrack, box: Floats, score: float, embedding: Floats) -> None:
        t.update(xyhr(box[None])[0], np.diag([1.0, 1.0, 10.0, 0.01]))
        t.remember(embedding, 0.95 + 0.05 * (1 - (score - 0.6) / 0.4))
        t.seen, t.streak = self.frame, t.streak + 1


def corners(box: Floats) -> Floats:
    return box[[0, 1, 2, 1, 0, 3, 2, 3]].reshape(4, 2)


def unit_steps(start: Floats, end: Floats) -> Floats:
    steps = corners(end) - corners(start)
    unit: Floats = steps / (np.linalg.norm(steps, axis=1, keepdims=True) + 1e-6)
    return unit


def height_ious(a: Floats, b: Floats) -> Floats:
    shared = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    spanned = np.maximum(a[:, None, 3], b[None, :, 3]) - np.minimum(a[:, None, 1], b[None, :, 1])
    modulated: Floats = np.clip(shared / spanned, 0, None) * ious(a, b)
    return modulated


class CornerTrack(SlowTrack):
    """Remembers its observations, frame by frame, and where its corners went."""

    ways: Floats | None = None

    def start_of_step(self, frame: int) -> Floats:
        for age in (3, 2, 1):
            if frame - age in self.boxes:
                return self.boxes[frame - age]
        return self.boxes[max(self.boxes)]

    def angle(self, frame: int, box: Floats) -> float | None:
        """Mean over the corners, in units of pi."""
        if self.ways is None:
            return None
        steps = unit_steps(self.start_of_step(frame), box)
        cosines = (steps * self.ways).sum(1) / (np.linalg.norm(self.ways, axis=1) + 1e-6)
        return float((np.arccos(np.clip(cosines, -1, 1)) / np.pi).mean())

    def see(self, frame: int, box: Floats) -> None:
        if self.boxes:
            steps = [unit_steps(self.boxes[frame - age], box) for age in (1, 2, 3) if frame - age in self.boxes]
            self.ways = np.sum(steps or [unit_steps(self.boxes[max(self.boxes)], box)], axis=0)
        self.boxes[frame] = box


class SlowTrackTrack:
    """TrackTrack (CVPR 2025), on the detections after suppression."""

    def __init__(self) -> None:
        self.tracks: list[CornerTrack] = []
        self.frame = self.born = 0

    @staticmethod
    def box(t: SlowTrack) -> Floats:
        return np.concatenate((t.x[:2] - t.x[2:4] / 2, t.x[:2] + t.x[2:4] / 2))

    def costs(self, tracks: list[CornerTrack], boxes: Floats, scores: Floats, embeddings: Floats) -> Floats:
        """Tracks x detections."""
        ours = np.array([self.box(t) for t in tracks]).reshape(-1, 4)
        cost = 1 - height_ious(ours, boxes)
        if embeddings.shape[1]:
            cost = 0.5 * cost + 0.5 * np.clip(1 - cosines(embeddings, tracks).T, 0, 1)
        for i, t in enumerate(tracks):
            expected = 2 * t.scores[-1] - t.scores[-2] if len(t.scores) > 1 else t.scores[-1]
            cost[i] += 0.1 * np.abs(expected - scores)
            cost[i] += [0.05 * s * (t.angle(self.frame, b) or 0.0) for s, b in zip(scores, boxes, strict=True)]
        cost[:, scores <= 0.6] += 0.2
        cost[ious(ours, boxes) <= 0.1] = 1
        return np.clip(cost, 0, 1)

    def update(self, boxes: Floats, scores: Floats, embeddings: Floats, warp: Floats) -> Answer:
        self.frame += 1
        kept = scores > 0.1
        boxes, scores, embeddings = boxes[kept], scores[kept], embeddings[kept]
        B = block_warp(warp[:, :2], warp[:, :2])
        for t in self.tracks:
            sides = np.tile(t.x[2:4], 2)
            t.predict(np.diag(np.concatenate((sides / 20, sides / 160)) ** 2), warp, B)
        seen: set[int] = set()
        for tracks, which in (
            ([t for t in self.tracks if t.confirmed], np.arange(len(boxes))),
            ([t for t in self.tracks if not t.confirmed], np.flatnonzero(scores > 0.6)),
        ):
            rows = np.array([i for i in which if i not in seen], int)
            for i, j in iterate(self.costs(tracks, boxes[rows], scores[rows], embeddings[rows]), 0.7):
                seen.add(rows[j])
                self.match(tracks[i], boxes[rows[j]], scores[rows[j]], embeddings[rows[j]])
        self.tracks = [t for t in self.tracks if t.seen == self.frame or (t.confirmed and self.frame - t.seen <= 60)]
        self.bear(boxes, scores, embeddings, seen)
        return [(t.id, self.box(t)) for t in self.tracks if t.confirmed and t.seen == self.frame]

    def match(self, t: CornerTrack, box: Floats, score: float, embedding: Floats) -> None:
        center = np.concatenate(((box[:2] + box[2:]) / 2, box[2:] - box[:2]))
        t.update(center, np.diag((np.tile(t.x[2:4], 2) / 20 * (1 - score)) ** 2))
        t.remember(embedding, 0.95 + 0.05 * (1 - score))
        t.see(self.frame, box)
        t.scores.append(score)
        t.seen, t.streak = self.frame, t.streak + 1
        t.confirmed |= t.streak >= 2

    def bear(self, boxes: Floats, scores: Floats, embeddings: Floats, seen: set[int]) -> None:
        free = [i for i in np.flatnonzero(scores >= 0.7) if i not in seen]
        for i in free:
            first = [j for j in free if scores[j] > scores[i]] + sorted(seen)
            if (ious(boxes[i : i + 1], boxes[first]) > 0.55).any():
                continue
            self.born += 1
            sides = np.tile(boxes[i, 2:] - boxes[i, :2], 2)
            x = np.concatenate(((boxes[i, :2] + boxes[i, 2:]) / 2, sides[:2], np.zeros(4)))
            P = np.diag(np.concatenate((sides / 10, sides / 16)) ** 2)
            t = CornerTrack(self.born, x, P, embeddings[i], self.frame, self.frame, confirmed=self.frame == 1)
            t.scores.append(scores[i])
            self.tracks.append(t)


def iterate(costs: Floats, limit: float) -> list[tuple[int, int]]:
    """Iterative assignment: mutual minima below a limit that falls by 0.05."""
    costs, pairs = costs.copy(), []
    while costs.size:
        best = [
            (i, int(costs[i].argmin()))
            for i in range(len(costs))
            if costs[i].min() < limit and costs[:, costs[i].argmin()].argmin() == i
        ]
        if not best:
            break
        pairs += best
        for i, j in best:
            costs[i], costs[:, j] = np.inf, np.inf
        limit -= 0.05
    return pairs
