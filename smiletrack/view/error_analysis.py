"""What went wrong in a sequence: switches and what each cost, gaps, misses by size and visibility.

Everything is read off one matching of truth to result (MOTA's: threshold 0.5, continuing pairs first).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from smiletrack.lazy import LazyModule
from smiletrack.types import Floats, Ints, TrackTable

optimize = LazyModule("scipy.optimize")
csgraph = LazyModule("scipy.sparse.csgraph")
sparse = LazyModule("scipy.sparse")

HEIGHT_EDGES = (0, 50, 100, 200, np.inf)
"""Bins of truth boxes by their height in pixels."""

VISIBILITY_EDGES = (0, 0.25, 0.5, 0.75, np.nextafter(1, 2))
"""Bins of truth boxes by their visible part; the last one holds 1."""


@dataclass(frozen=True, eq=False)
class Matching:
    """Truth and result of one sequence after the official preprocessing, and which box found which.

    truth (G rows), results (T rows): sorted by frame. partner: (G,) row of `results` matched to each truth row, -1 for
    a miss. close: (P, 2) rows of all pairs (truth, result) with IoU >= 0.5, which is what IDF1 counts.
    """

    truth: TrackTable
    results: TrackTable
    partner: Ints
    close: Ints


@dataclass(frozen=True)
class Switch:
    """A truth identity that is covered by another result identity than at its last match (CLEAR's IDSW).

    truth_id, before_id, after_id: the person, its result identity before and from here on. Rows of the truth table:
    `previous_row` (last match before), `row` (the switch), `last_row` (last match before the next switch). frame and
    previous_frame: frame numbers of the two. cost: IDF1 that the sequence would gain (0 .. 1) had the boxes from `row`
    to `last_row` kept `before_id`; zero or below where the switch mended an earlier one.
    """

    truth_id: int
    before_id: int
    after_id: int
    previous_row: int
    row: int
    last_row: int
    frame: int
    previous_frame: int
    cost: float


@dataclass(frozen=True)
class Span:
    """Frames `first` .. `last` in which one truth identity was covered by `result_id`, or missed (`result_id` None).

    start: what happened at `first`: "" the first cover or a miss, "resumed" after a gap with the same identity (a
    fragmentation), "switch".
    """

    truth_id: int
    first: int
    last: int
    result_id: int | None
    start: str


def false_alarms(matching: Matching) -> Ints:
    """Return the rows of `results` that found nobody."""
    alone = np.ones(len(matching.results), np.bool_)
    alone[matching.partner[matching.partner >= 0]] = False
    return np.flatnonzero(alone)


def find_switches(matching: Matching, max_costed: int = 500) -> list[Switch]:
    """Return all switches, the most costly first.

    The cost is exact for the `max_costed` switches with the longest spans (it cannot exceed the span); for the others
    it is NaN, and they come last.
    """
    truth, found = matching.truth, matching.partner >= 0
    rows = np.flatnonzero(found)
    rows = rows[np.lexsort((truth.frames[rows], truth.ids[rows]))]
    covered_by = matching.results.ids[matching.partner[rows]]
    same_person = np.diff(truth.ids[rows]) == 0
    places = np.flatnonzero(same_person & (np.diff(covered_by) != 0)) + 1
    breaks = np.union1d(places, np.flatnonzero(~same_person) + 1)
    ends = np.append(breaks, len(rows))[np.searchsorted(breaks, places, "right")]
    costed = set(np.argsort(places - ends, kind="stable")[:max_costed].tolist())
    price = _Price(matching)
    switches = [
        Switch(
            truth_id=int(truth.ids[rows[k]]),
            before_id=int(covered_by[k - 1]),
            after_id=int(covered_by[k]),
            previous_row=int(rows[k - 1]),
            row=int(rows[k]),
            last_row=int(rows[end - 1]),
            frame=int(truth.frames[rows[k]]),
            previous_frame=int(truth.frames[rows[k - 1]]),
            cost=price.of(rows[k:end], int(covered_by[k - 1])) if number in costed else np.nan,
        )
        for number, (k, end) in enumerate(zip(places.tolist(), ends.tolist(), strict=True))
    ]
    return sorted(switches, key=lambda s: (np.isnan(s.cost), -s.cost if not np.isnan(s.cost) else 0, s.frame))


def spans(matching: Matching) -> list[Span]:
    """Return the life of every truth identity as spans, identities and frames ascending."""
    truth = matching.truth
    order = np.lexsort((truth.frames, truth.ids))
    missed = matching.partner < 0
    covered = np.full(len(truth), -1)
    covered[~missed] = matching.results.ids[matching.partner[~missed]]
    result: list[Span] = []
    last_cover: dict[int, int] = {}
    for row in order.tolist():
        person, frame = int(truth.ids[row]), int(truth.frames[row])
        identity = None if missed[row] else int(covered[row])
        previous = result[-1] if result and result[-1].truth_id == person else None
        if previous is not None and previous.result_id == identity and frame == previous.last + 1:
            result[-1] = Span(person, previous.first, frame, identity, previous.start)
            continue
        start = ""
        if identity is not None and person in last_cover:
            start = "resumed" if last_cover[person] == identity else "switch"
        if identity is not None:
            last_cover[person] = identity
        result.append(Span(person, frame, frame, identity, start))
    return result


def missed_by(matching: Matching, values: Floats, edges: tuple[float, ...]) -> list[tuple[int, int]]:
    """Return (truth boxes, missed ones) for each bin of `values` (G,), edges[i] <= value < edges[i + 1]."""
    missed = matching.partner < 0
    bins = [(values >= low) & (values < high) for low, high in pairwise(edges)]
    return [(int(inside.sum()), int((inside & missed).sum())) for inside in bins]


class _Price:
    """IDF1 with and without a switch: the best one-to-one pairing of identities, solved where the switch reaches.

    Identities that no chain of overlaps joins cannot influence each other, so only the component of the person is
    solved again.
    """

    def __init__(self, matching: Matching) -> None:
        """Count the frames that each person and identity share, and find what chains of overlaps join."""
        self._matching = matching
        self._persons, person = np.unique(matching.truth.ids, return_inverse=True)
        self._identities, identity = np.unique(matching.results.ids, return_inverse=True)
        self._pair_person = person[matching.close[:, 0]]
        self._pair_identity = identity[matching.close[:, 1]]
        shape = (len(self._persons), len(self._identities))
        keys, counts = np.unique(self._pair_person * max(shape[1], 1) + self._pair_identity, return_counts=True)
        self._rows, self._columns = np.divmod(keys, max(shape[1], 1))
        self._counts = counts
        links = sparse.coo_matrix((np.ones(len(keys)), (self._rows, self._columns + shape[0])), shape=(sum(shape),) * 2)
        _, self._component = csgraph.connected_components(links, directed=False)
        self._solved: dict[int, tuple[Ints, Ints, NDArray[np.int64], int]] = {}

    def of(self, truth_rows: Ints, kept_identity: int) -> float:
        """Return the gain in IDF1 had the boxes matched to `truth_rows` kept an identity."""
        matching = self._matching
        kept = int(np.searchsorted(self._identities, kept_identity))
        component = int(self._component[len(self._persons) + kept])
        persons, identities, counts, best = self._block(component)
        changed = counts.copy()
        relabelled = np.isin(matching.close[:, 1], matching.partner[truth_rows])
        rows = np.searchsorted(persons, self._pair_person[relabelled])
        np.subtract.at(changed, (rows, np.searchsorted(identities, self._pair_identity[relabelled])), 1)
        np.add.at(changed, (rows, np.searchsorted(identities, kept)), 1)
        return 2 * (_heaviest(changed) - best) / (len(matching.truth) + len(matching.results))

    def _block(self, component: int) -> tuple[Ints, Ints, NDArray[np.int64], int]:
        """Return the persons, identities and shared frames (persons, identities) of a component, and its IDTP."""
        if component not in self._solved:
            nodes = np.flatnonzero(self._component == component)
            persons, identities = nodes[nodes < len(self._persons)], nodes[nodes >= len(self._persons)]
            identities = identities - len(self._persons)
            inside = np.isin(self._rows, persons)
            counts = np.zeros((len(persons), len(identities)), np.int64)
            place = np.searchsorted(persons, self._rows[inside]), np.searchsorted(identities, self._columns[inside])
            counts[place] = self._counts[inside]
            self._solved[component] = persons, identities, counts, _heaviest(counts)
        return self._solved[component]


def _heaviest(counts: NDArray[np.int64]) -> int:
    return int(counts[optimize.linear_sum_assignment(counts, maximize=True)].sum())
