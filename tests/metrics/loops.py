"""HOTA, CLEAR and Identity as slow loops over frames, typed from the definitions: the oracle of the fast versions."""

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from smiletrack.types import Floats, Ints, TrackTable

EPS = float(np.finfo(float).eps)
ALPHAS = np.arange(0.05, 0.99, 0.05)


def iou_matrix(a: Floats, b: Floats) -> Floats:
    """(N, 4), (M, 4) -> (N, M), one pair at a time."""
    ious = np.zeros((len(a), len(b)))
    for i, (ax1, ay1, ax2, ay2) in enumerate(a):
        for j, (bx1, by1, bx2, by2) in enumerate(b):
            inter = max(0.0, min(ax2, bx2) - max(ax1, bx1)) * max(0.0, min(ay2, by2) - max(ay1, by1))
            area_a, area_b = (ax2 - ax1) * (ay2 - ay1), (bx2 - bx1) * (by2 - by1)
            union = area_a + area_b - inter
            ious[i, j] = 0.0 if min(area_a, area_b, union) <= EPS else inter / union
    return ious


class Frames:
    """Identities (renumbered from 0) and overlaps of both sides, frame by frame, after MOT17's preprocessing."""

    def __init__(self, truth: TrackTable, results: TrackTable, num_frames: int) -> None:
        self.truth_ids: list[Ints] = []
        self.result_ids: list[Ints] = []
        self.ious: list[Floats] = []
        for frame in range(1, num_frames + 1):
            t, r = truth[truth.frames == frame], results[results.frames == frame]
            iou = iou_matrix(t.boxes, r.boxes)
            score = np.where(iou < 0.5 - EPS, 0.0, iou)
            rows, columns = linear_sum_assignment(-score)
            pairs = [(i, j) for i, j in zip(rows, columns, strict=True) if score[i, j] > EPS]
            gone = {j for i, j in pairs if t.classes[i] in (2, 7, 8, 12)}
            keep = [j for j in range(len(r)) if j not in gone]
            counted = (t.scores.astype(int) != 0) & (t.classes == 1)
            self.truth_ids.append(t.ids[counted])
            self.result_ids.append(r.ids[keep])
            self.ious.append(iou[counted][:, keep])
        self.num_truth_ids, self.truth_ids = self._renumber(self.truth_ids)
        self.num_result_ids, self.result_ids = self._renumber(self.result_ids)

    @staticmethod
    def _renumber(ids: list[Ints]) -> tuple[int, list[Ints]]:
        known = sorted({int(i) for frame in ids for i in frame})
        return len(known), [np.array([known.index(i) for i in frame], int) for frame in ids]


def hota(data: Frames) -> dict[str, Any]:
    shape = (data.num_truth_ids, data.num_result_ids)
    potential, n_truth, n_result = np.zeros(shape), np.zeros(shape[0]), np.zeros(shape[1])
    for t, r, s in zip(data.truth_ids, data.result_ids, data.ious, strict=True):
        n_truth[t] += 1
        n_result[r] += 1
        for i in range(len(t)):
            for j in range(len(r)):
                rest = s[:, j].sum() + s[i].sum() - s[i, j]
                potential[t[i], r[j]] += s[i, j] / rest if rest > EPS else 0.0
    agreement = potential / (n_truth[:, None] + n_result[None] - potential) if potential.size else potential
    tp = np.zeros(19)
    matches = np.zeros((19, *shape))
    located = np.zeros(19)
    for t, r, s in zip(data.truth_ids, data.result_ids, data.ious, strict=True):
        if len(t) and len(r):
            for i, j in zip(*linear_sum_assignment(-agreement[np.ix_(t, r)] * s), strict=True):
                for k, alpha in enumerate(ALPHAS):
                    if s[i, j] >= alpha - EPS:
                        tp[k] += 1
                        located[k] += s[i, j]
                        matches[k, t[i], r[j]] += 1
    total = n_truth[:, None] + n_result[None]
    weight = matches / np.maximum(1, tp)[:, None, None]
    fields: dict[str, Any] = {"HOTA_TP": tp, "HOTA_FN": n_truth.sum() - tp, "HOTA_FP": n_result.sum() - tp}
    fields["AssA"] = (weight * matches / np.maximum(1, total - matches)).sum((1, 2))
    fields["AssRe"] = (weight * matches / np.maximum(1, n_truth[:, None])).sum((1, 2))
    fields["AssPr"] = (weight * matches / np.maximum(1, n_result[None])).sum((1, 2))
    fields["LocA"] = np.maximum(1e-10, located) / np.maximum(1e-10, tp)
    fields["DetA"] = tp / np.maximum(1, fields["HOTA_FN"] + fields["HOTA_FP"] + tp)
    fields["HOTA"] = np.sqrt(fields["DetA"] * fields["AssA"])
    return fields


def clear(data: Frames) -> dict[str, float]:
    num = data.num_truth_ids
    fields = dict.fromkeys(("CLR_TP", "CLR_FN", "CLR_FP", "IDSW", "MT", "ML", "Frag", "MOTP_sum"), 0.0)
    last, before = np.full(num, np.nan), np.full(num, np.nan)
    present, matched, starts = np.zeros(num), np.zeros(num), np.zeros(num)
    for t, r, s in zip(data.truth_ids, data.result_ids, data.ious, strict=True):
        present[t] += 1
        if not len(t) or not len(r):
            fields["CLR_FN"] += len(t)
            fields["CLR_FP"] += len(r)
            continue
        score = s + 1000.0 * (r[None, :] == before[t][:, None])
        score[s < 0.5 - EPS] = 0
        pairs = [(i, j) for i, j in zip(*linear_sum_assignment(-score), strict=True) if score[i, j] > EPS]
        now = np.full(num, np.nan)
        for i, j in pairs:
            fields["IDSW"] += not np.isnan(last[t[i]]) and last[t[i]] != r[j]
            last[t[i]] = now[t[i]] = r[j]
            matched[t[i]] += 1
            fields["MOTP_sum"] += s[i, j]
        starts += np.isnan(before) & ~np.isnan(now)
        before = now
        fields["CLR_TP"] += len(pairs)
        fields["CLR_FN"] += len(t) - len(pairs)
        fields["CLR_FP"] += len(r) - len(pairs)
    if sum(map(len, data.truth_ids)) and sum(map(len, data.result_ids)):
        ratio = matched / present
        fields |= {"MT": float((ratio > 0.8).sum()), "ML": float((ratio < 0.2).sum())}
        fields["Frag"] = float((starts[starts > 0] - 1).sum())
        gt = max(1.0, fields["CLR_TP"] + fields["CLR_FN"])
        fields["MOTA"] = (fields["CLR_TP"] - fields["CLR_FP"] - fields["IDSW"]) / gt
    else:
        fields |= {"ML": float(num), "MOTA": 0.0}
    return fields


def identity(data: Frames) -> dict[str, float]:
    """Over the (G + T)^2 matrix with a dummy for every identity, as Ristani et al. define it."""
    g, t = data.num_truth_ids, data.num_result_ids
    together, n_truth, n_result = np.zeros((g, t)), np.zeros(g), np.zeros(t)
    for truth, result, s in zip(data.truth_ids, data.result_ids, data.ious, strict=True):
        n_truth[truth] += 1
        n_result[result] += 1
        for i, j in np.argwhere(s >= 0.5):
            together[truth[i], result[j]] += 1
    cost = np.full((g + t, g + t), 1e10)
    cost[:g, :t] = n_truth[:, None] + n_result[None] - 2 * together
    cost[np.arange(g), t + np.arange(g)] = n_truth
    cost[g + np.arange(t), np.arange(t)] = n_result
    cost[g:, t:] = 0
    total = cost[linear_sum_assignment(cost)].sum()
    idtp = (n_truth.sum() + n_result.sum() - total) / 2
    return {"IDTP": idtp, "IDFN": n_truth.sum() - idtp, "IDFP": n_result.sum() - idtp}
