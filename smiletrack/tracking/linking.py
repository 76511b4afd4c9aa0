"""Offline: tracklets are split where their appearance changes for good, then linked across gaps. Uses the future.

The evidence is the tracker's own (`tracking.evidence`), with what a whole run knows. The appearance of a tracklet is
the mean of its embeddings, each weighed with (1 - c)^4 where c is the share of the box under boxes that are nearer, so
that clear crops speak. What cosines mean is taken from the run itself: the two halves of one tracklet are one person,
two tracklets that share a frame are two. With L the nats of appearance, and d the distance, in heights, between the
place where a tracklet begins and where the one before is expected after g seconds, at the mean of their speeds,

    L + (9 - d^2 / s^2) / 2,    s = 0.1 + 0.2 g        for d <= 3 s

is what speaks for a link; the links together that most speaks for are made. Without embeddings nothing is changed:
position alone links the wrong people as often as the right ones (docs/tracking.md).
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from smiletrack.boxes import covered_shares
from smiletrack.ranges import Checked, NonNegative, Positive
from smiletrack.tracking.evidence import PRIOR, pair_evidence
from smiletrack.tracking.prediction import MAX_SHIFT, MAX_ZOOM
from smiletrack.types import Floats, Ints, TrackTable

_CLEARNESS = 4
"""Power of the uncovered share with which an embedding counts."""
_ENOUGH = 5.0
"""Clear embeddings on each side of a split, and of tracklets that tell what cosines mean here."""
_HALF = 10
"""Fewest boxes of a part of a tracklet whose appearance is compared with the other part's."""
_SPEED_TIME = 0.5
"""Seconds at an end of a tracklet that tell its speed."""
_PLACE, _PLACE_BY_TIME, _REACH = 0.1, 0.2, 3.0
"""s of the module's equation at no gap and for each second, in heights; deviations within which people are linked."""
_UNSEEN = np.zeros(5)
"""What covered crops lose is not learned anew: clear ones make the means."""


@dataclass(frozen=True)
class LinkingConfig(Checked):
    """How tracklets of a finished run are split and linked by their appearance."""

    max_gap_s: Positive = 5.0
    """Longest gap that is bridged, in seconds."""

    min_evidence: NonNegative = 2.0
    """Nats that appearance must give for a link."""

    split_evidence: NonNegative | None = 3.5
    """A tracklet is split where the embeddings before and after give this many nats for two people; null = never."""


class _Crops(NamedTuple):
    """embeddings (N, D), weights (N,) and covered shares (N,) of the rows of a table."""

    embeddings: Floats
    weights: Floats
    covered: Floats


class _Mean(NamedTuple):
    """unit (D,), the covered share it was seen through, and how many clear embeddings it is worth; 0 for none."""

    unit: Floats
    covered: float
    weight: float


class _End(NamedTuple):
    """Where a tracklet begins or ends: frame, centre (2,), speed (2,) a frame and height, as if the camera stood."""

    frame: int
    place: Floats
    speed: Floats
    height: float


def link_tracks(
    table: TrackTable,
    embeddings: Floats,
    frame_rate: float,
    warps: Floats | None = None,
    config: LinkingConfig | None = None,
) -> TrackTable:
    """Return the tracks with other ids: rows and their order stay. A link keeps the id of its first tracklet.

    embeddings: (N, D) unit rows beside the table, zero for no appearance. warps: (num_frames, 2, 3) see `Tracker.run`.
    """
    config = config or LinkingConfig()
    if not len(table) or not embeddings.any():
        return table
    covered = _covered(table)
    known = np.abs(embeddings).sum(1) > 0
    crops = _Crops(embeddings, np.where(known, (1 - covered) ** _CLEARNESS, 0.0), covered)
    tracklets = _tracklets(table)
    similarities = run_similarities(table, crops, tracklets)
    if config.split_evidence is not None:
        tracklets = [part for rows in tracklets for part in _split(rows, crops, similarities, config.split_evidence)]
    ends = _ends(table, tracklets, frame_rate, _standing(warps, int(table.frames.max())))
    means = [mean_embedding(crops, rows) for rows in tracklets]
    classes = table.classes[[rows[0] for rows in tracklets]]
    gain = np.zeros((len(tracklets),) * 2)
    starts = np.array([first.frame for first, _ in ends])
    for before, (_, last) in enumerate(ends):
        gaps = (starts - last.frame) / frame_rate
        for after in np.flatnonzero((gaps > 0) & (gaps <= config.max_gap_s) & (classes == classes[before])):
            room = _room(last, ends[after][0], frame_rate)
            nats = _evidence(similarities, means[before], means[after], 30 * gaps[after]) if room >= 0 else 0.0
            gain[before, after] = nats + room if nats >= max(config.min_evidence, 1e-9) else 0.0
    return replace(table, ids=_joined(table, tracklets, starts, gain))


def run_similarities(table: TrackTable, crops: _Crops, tracklets: list[Ints]) -> Floats:
    """Return (3, 2) counts, means and variances of cosines of one person and of two, as `pair_evidence` takes them."""
    whole = [(mean_embedding(crops, rows), table.frames[rows[0]], table.frames[rows[-1]]) for rows in tracklets]
    whole = [entry for entry in whole if entry[0].weight > _ENOUGH]
    halves = [np.array_split(rows, 2) for rows in tracklets if len(rows) >= 2 * _HALF]
    pairs = [(mean_embedding(crops, first), mean_embedding(crops, second)) for first, second in halves]
    same = np.array([a.unit @ b.unit for a, b in pairs if min(a.weight, b.weight) > _ENOUGH])
    if not whole or len(same) < 2:
        return PRIOR.copy()
    units = np.stack([mean.unit for mean, _, _ in whole])
    first, last = (np.array([entry[place] for entry in whole]) for place in (1, 2))
    together = np.triu((first[:, None] <= last) & (first <= last[:, None]), 1)
    rivals = (units @ units.T)[together]
    if len(rivals) < 2:
        return PRIOR.copy()
    counts = PRIOR[0] + (len(same), len(rivals))
    return np.array([counts, (same.mean(), rivals.mean()), (same.var(), rivals.var())])


def mean_embedding(crops: _Crops, rows: Ints) -> _Mean:
    """Return the weighted mean of the embeddings of some rows."""
    weights = crops.weights[rows]
    total = float(weights.sum())
    if total == 0:
        return _Mean(np.zeros(crops.embeddings.shape[1]), 1.0, 0.0)
    covered = float(weights @ crops.covered[rows]) / total
    return _Mean(_unit(weights @ crops.embeddings[rows]), covered, total)


def _evidence(similarities: Floats, a: _Mean, b: _Mean, age: float) -> float:
    if min(a.weight, b.weight) == 0:
        return 0.0
    return pair_evidence(similarities, _UNSEEN, float(a.unit @ b.unit), max(a.covered, b.covered), age)


def _split(rows: Ints, crops: _Crops, similarities: Floats, nats: float) -> list[Ints]:
    """Return the parts of a tracklet between the frames where its appearance changes for good, in order."""
    if len(rows) < 2 * _HALF:
        return [rows]
    weights = crops.weights[rows]
    before = np.cumsum(weights)[:-1]
    enough = (before > _ENOUGH) & (weights.sum() - before > _ENOUGH)
    if not enough.any():
        return [rows]
    summed = np.cumsum(weights[:, None] * crops.embeddings[rows], axis=0)
    cosines = (_unit(summed[:-1]) * _unit(summed[-1] - summed[:-1])).sum(1)
    cut = int(np.where(enough, cosines, np.inf).argmin()) + 1
    if _evidence(similarities, mean_embedding(crops, rows[:cut]), mean_embedding(crops, rows[cut:]), 1.0) > -nats:
        return [rows]
    return [part for half in (rows[:cut], rows[cut:]) for part in _split(half, crops, similarities, nats)]


def _covered(table: TrackTable) -> Floats:
    """(N,) the share of each box under nearer boxes of its frame."""
    covered = np.zeros(len(table))
    for rows in _runs(np.argsort(table.frames, kind="stable"), table.frames):
        covered[rows] = covered_shares(table.boxes[rows], table.boxes[rows])
    return covered


def _tracklets(table: TrackTable) -> list[Ints]:
    """Return the rows of each id, by frame."""
    return _runs(np.lexsort((table.frames, table.ids)), table.ids)


def _runs(order: Ints, keys: Ints) -> list[Ints]:
    return np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)


def _standing(warps: Floats | None, num_frames: int) -> Floats:
    """Return (num_frames, 3, 3) maps of each frame's pixels to those of the first; unusable warps count as still."""
    maps = np.repeat(np.eye(3)[None], num_frames, axis=0)
    if warps is not None:
        for frame in range(1, num_frames):
            step = np.vstack((warps[frame], (0, 0, 1)))
            usable = (np.abs(step) < MAX_SHIFT).all() and 1 / MAX_ZOOM < abs(np.linalg.det(step)) < MAX_ZOOM
            maps[frame] = maps[frame - 1] @ np.linalg.inv(step) if usable else maps[frame - 1]
    return maps


def _ends(table: TrackTable, tracklets: list[Ints], frame_rate: float, maps: Floats) -> list[tuple[_End, _End]]:
    """Return where each tracklet begins and ends, as if the camera stood where it was in the first frame."""
    maps = maps[table.frames - 1]
    centres = (table.boxes[:, :2] + table.boxes[:, 2:]) / 2
    centres = np.einsum("nij,nj->ni", maps[:, :2, :2], centres) + maps[:, :2, 2]
    heights = (table.boxes[:, 3] - table.boxes[:, 1]) * np.sqrt(np.abs(np.linalg.det(maps[:, :2, :2])))
    within = max(round(_SPEED_TIME * frame_rate), 2)
    answer = []
    for rows in tracklets:
        frames = table.frames[rows]
        near_first, near_last = rows[frames < frames[0] + within], rows[frames > frames[-1] - within]
        first, last = (
            _end(int(end), table.frames[near], centres[near], heights[near])
            for end, near in ((frames[0], near_first), (frames[-1], near_last))
        )
        answer.append((first, last))
    return answer


def _end(end: int, frames: Ints, centres: Floats, heights: Floats) -> _End:
    """Return an end from the rows near it: a straight line through three or more, else a stand."""
    height = float(np.median(heights))
    if len(frames) < 3:
        return _End(end, centres[np.abs(frames - end).argmin()], np.zeros(2), height)
    speed, place = np.polyfit(frames - end, centres, 1)
    return _End(end, place, speed, height)


def _room(last: _End, first: _End, frame_rate: float) -> float:
    """Return (9 - d^2 / s^2) / 2 of the module's equation; below 0 where a tracklet begins out of reach."""
    gap = first.frame - last.frame
    away = first.place - last.place - gap * (last.speed + first.speed) / 2
    deviation = (_PLACE + _PLACE_BY_TIME * gap / frame_rate) * np.sqrt(last.height * first.height)
    return float(_REACH**2 - (away / deviation) @ (away / deviation)) / 2


def _joined(table: TrackTable, tracklets: list[Ints], starts: Ints, gain: Floats) -> Ints:
    """Return the ids after the links of the largest total gain; what was split off and not linked gets new ones."""
    before, after = linear_sum_assignment(gain, maximize=True)
    linked = {b: a for a, b in zip(before, after, strict=True) if gain[a, b] > 0}
    ids, taken, fresh = table.ids.copy(), set(), int(table.ids.max()) + 1
    names: dict[int, int] = {}
    for tracklet in np.argsort(starts, kind="stable").tolist():
        name = int(table.ids[tracklets[tracklet][0]])
        if tracklet in linked:
            name = names[linked[tracklet]]
        elif name in taken:
            name, fresh = fresh, fresh + 1
        names[tracklet] = name
        taken.add(name)
        ids[tracklets[tracklet]] = name
    return ids


def _unit(rows: Floats) -> Floats:
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: Floats = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit
