"""The official preprocessing of MOTChallenge: what counts, before anything is counted.

Result boxes that sit on a distractor (a person on a vehicle, a reflection ...) are forgiven, truth rows that are marked
0 or are no pedestrians are dropped, and identities are renumbered. What TrackEval rejects is rejected here.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smiletrack.errors import InputError
from smiletrack.metrics.assignment import best_pairs
from smiletrack.metrics.numbering import distinct
from smiletrack.metrics.overlap import EPS, Pairs, overlapping_boxes
from smiletrack.types import Floats, Ints, TrackTable

BENCHMARKS = ("MOT15", "MOT16", "MOT17", "MOT20", "DanceTrack")
_PEDESTRIAN = 1
_DISTRACTORS = (2, 7, 8, 12)  # person on vehicle, static person, distractor, reflection
_MOT20_DISTRACTORS = (*_DISTRACTORS, 6)  # and non-motorised vehicle
_KNOWN_CLASSES = range(1, 14)


@dataclass(frozen=True)
class Source:
    """Where a table came from, for messages. lines: (N,) line of each row; row i is line i + 1 where there are none."""

    name: str
    lines: Ints | None = None

    def error(self, row: int, message: str) -> InputError:
        """Return the error for a row of the table."""
        return InputError(f"{self.name}:{row + 1 if self.lines is None else self.lines[row]}: {message}")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Truth and result of a sequence, ready to be measured: all metrics read this and nothing else.

    Rows are sorted by frame; within a frame they keep the order of the file, which decides exact ties.
    truth_ids (G,), result_ids (T,): identities from 0. truth_starts, result_starts (num_frames + 1,): first row of each
    frame, and the end. truth_rows (G,), result_rows (T,): the rows that stayed of the tables given, stably sorted by
    frame. pairs: all overlapping boxes. identity_pairs (Q, 2): truth and result identities that overlap anywhere;
    pair_identities (P,): the row of identity_pairs that each pair belongs to.
    """

    num_frames: int
    num_truth_ids: int
    num_result_ids: int
    truth_ids: Ints
    result_ids: Ints
    truth_starts: Ints
    result_starts: Ints
    truth_rows: Ints
    result_rows: Ints
    pairs: Pairs
    identity_pairs: Ints
    pair_identities: Ints

    @cached_property
    def truth_frames(self) -> Ints:
        """(G,) index of each truth row's frame, from 0."""
        return _frames(self.truth_starts)


def compare(
    truth: TrackTable,
    results: TrackTable,
    num_frames: int,
    benchmark: str = "MOT17",
    preprocess: bool = True,
    truth_source: Source = Source("truth"),
    result_source: Source = Source("results"),
) -> Comparison:
    """Check and preprocess the two tables of a sequence of `num_frames` frames.

    MOT15, and `preprocess=False`, drop only truth rows marked 0. MOT20 also forgives boxes on non-motorised vehicles;
    every other name follows the rules of MOT17. Truth marks (`scores`) are cut to whole numbers: 0.9 counts as 0.

    Raises InputError for what TrackEval rejects: a frame outside 1 .. num_frames, an identity twice in a frame, a
    result class above 1, a truth class outside 1 .. 13 where a frame has both sides.
    """
    truth, truth_source = _by_frame(truth, num_frames, truth_source)
    results, result_source = _by_frame(results, num_frames, result_source)
    truth_starts, result_starts = _starts(truth.frames, num_frames), _starts(results.frames, num_frames)
    for table, starts, source in ((truth, truth_starts, truth_source), (results, result_starts, result_source)):
        _check_unique(table, starts, source)
        _check_boxes(table, source)
    _refuse(
        results,
        result_source,
        results.classes > _PEDESTRIAN,
        "is not pedestrian (1), the one class evaluated; smiletrack eval --classes names others",
    )
    pairs = overlapping_boxes(truth_starts, truth.boxes, result_starts, results.boxes)

    truth_kept = truth.counted
    result_kept = np.ones(len(results), np.bool_)
    if preprocess and benchmark != "MOT15":
        known = np.isin(truth.classes, _KNOWN_CLASSES) | (np.diff(result_starts)[truth.frames - 1] == 0)
        _refuse(truth, truth_source, ~known, "is none of MOTChallenge's, 1 .. 13")
        truth_kept &= truth.classes == _PEDESTRIAN
        distractor = np.isin(truth.classes, _MOT20_DISTRACTORS if benchmark == "MOT20" else _DISTRACTORS)
        result_kept[_on_distractors(pairs, distractor, truth_starts, result_starts)] = False
    return _comparison(truth, truth_kept, results, result_kept, num_frames, pairs, truth_source, result_source)


def _by_frame(table: TrackTable, num_frames: int, source: Source) -> tuple[TrackTable, Source]:
    """Return the table sorted by frame and the lines of its rows."""
    outside = (table.frames < 1) | (table.frames > num_frames)
    if outside.any():
        row = int(outside.argmax())
        raise source.error(row, f"frame {table.frames[row]} is outside the sequence, 1 .. {num_frames}")
    lines = np.arange(1, len(table) + 1) if source.lines is None else source.lines
    if (np.diff(table.frames) >= 0).all():
        return table, Source(source.name, lines)
    order = np.argsort(table.frames, kind="stable")
    return table[order], Source(source.name, lines[order])


def _starts(frames: Ints, num_frames: int) -> Ints:
    """Return the first row of each frame, and the end, of sorted frames."""
    return np.searchsorted(frames, np.arange(1, num_frames + 2))


def _frames(starts: Ints) -> Ints:
    """Return the frame index of each row, from 0."""
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def _check_unique(table: TrackTable, starts: Ints, source: Source) -> None:
    ids, labels = distinct(table.ids)
    row = _first_repeat(labels, len(ids), starts)
    if row >= 0:
        raise source.error(row, f"id {table.ids[row]} is there more than once in frame {table.frames[row]}")


def _check_boxes(table: TrackTable, source: Source) -> None:
    if not np.isfinite(table.boxes.sum()):
        row = int((~np.isfinite(table.boxes)).any(axis=1).argmax())
        raise source.error(row, f"a box of frame {table.frames[row]} is not finite")


@njit(cache=True)
def _first_repeat(labels: Ints, num_labels: int, starts: Ints) -> int:
    """Return the first row whose label an earlier row of its frame has, -1 for none. labels: from 0."""
    last_frame = np.full(num_labels, -1)
    for frame in range(len(starts) - 1):
        for row in range(starts[frame], starts[frame + 1]):
            if last_frame[labels[row]] == frame:
                return row
            last_frame[labels[row]] = frame
    return -1


def _refuse(table: TrackTable, source: Source, wrong: NDArray[np.bool_], message: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise source.error(row, f"class {table.classes[row]} in frame {table.frames[row]} {message}")


def _on_distractors(pairs: Pairs, distractor: NDArray[np.bool_], truth_starts: Ints, result_starts: Ints) -> Ints:
    """Return result rows that the best assignment to all truth rows, ignored ones too, puts on a distractor."""
    near = pairs[pairs.iou >= 0.5 - EPS]
    matched = near[best_pairs(near, near.iou, truth_starts, result_starts)]
    rows: Ints = matched.result_rows[distractor[matched.truth_rows]]
    return rows


def _kept_pairs(pairs: Pairs, truth_kept: NDArray[np.bool_], result_kept: NDArray[np.bool_]) -> Pairs:
    """Return the pairs between rows that stay, numbered as those rows are after the others went, in the same arrays."""
    new_truth, new_result = (np.where(kept, np.cumsum(kept) - 1, -1) for kept in (truth_kept, result_kept))
    count = _keep(pairs.truth_rows, pairs.result_rows, pairs.iou, new_truth, new_result)
    return Pairs(pairs.truth_rows[:count], pairs.result_rows[:count], pairs.iou[:count])


@njit(cache=True)
def _keep(truth_rows: Ints, result_rows: Ints, iou: Floats, new_truth: Ints, new_result: Ints) -> int:
    """Move the pairs whose new rows are both at least 0 to the front, with those rows; return their number."""
    count = 0
    for pair in range(len(iou)):
        truth_row, result_row = new_truth[truth_rows[pair]], new_result[result_rows[pair]]
        truth_rows[count], result_rows[count], iou[count] = truth_row, result_row, iou[pair]
        count += truth_row >= 0 and result_row >= 0
    return count


@njit(cache=True)
def _keys(pairs: tuple[Ints, Ints], truth_ids: Ints, result_ids: Ints, num_result_ids: int) -> Ints:
    """Return for each pair a number that its two identities have for themselves."""
    keys = np.empty_like(pairs[0])
    for pair in range(len(keys)):
        keys[pair] = truth_ids[pairs[0][pair]] * num_result_ids + result_ids[pairs[1][pair]]
    return keys


def _comparison(
    truth: TrackTable,
    truth_kept: NDArray[np.bool_],
    results: TrackTable,
    result_kept: NDArray[np.bool_],
    num_frames: int,
    pairs: Pairs,
    truth_source: Source,
    result_source: Source,
) -> Comparison:
    """Return the rows that count, renumbered: identities from 0 without gaps, pairs by row of what is left."""
    pairs = _kept_pairs(pairs, truth_kept, result_kept)
    truth_rows, result_rows = np.flatnonzero(truth_kept), np.flatnonzero(result_kept)
    truth_starts = _starts(truth.frames[truth_rows], num_frames)
    result_starts = _starts(results.frames[result_rows], num_frames)
    num_truth_ids, truth_ids = _renumber(truth.ids, truth_rows, truth_starts, truth_source)
    num_result_ids, result_ids = _renumber(results.ids, result_rows, result_starts, result_source)
    keys = _keys((pairs.truth_rows, pairs.result_rows), truth_ids, result_ids, num_result_ids)
    present, pair_identities = distinct(keys)
    return Comparison(
        num_frames=num_frames,
        num_truth_ids=num_truth_ids,
        num_result_ids=num_result_ids,
        truth_ids=truth_ids,
        result_ids=result_ids,
        truth_starts=truth_starts,
        result_starts=result_starts,
        truth_rows=truth_rows,
        result_rows=result_rows,
        pairs=pairs,
        identity_pairs=np.stack(np.divmod(present, max(num_result_ids, 1)), 1),
        pair_identities=pair_identities,
    )


def _renumber(ids: Ints, rows: Ints, starts: Ints, source: Source) -> tuple[int, Ints]:
    """Return the number of identities in these rows, and the rows' identities from 0 in the order of their numbers.

    TrackEval looks identities up in a table, where a negative one counts from the end: -1 becomes the largest identity
    and both are one, though counted as two. Kept, because its figures are the reference.
    """
    numbers, labels = distinct(ids[rows])
    if not len(numbers) or numbers[0] >= 0:
        return len(numbers), labels
    slots = np.where(numbers < 0, numbers + numbers[-1] + 1, numbers)
    if slots.min() < 0:
        row = int(rows[labels.argmin()])
        raise source.error(row, f"id {ids[row]} is negative, and no other id is large enough for TrackEval's rule")
    twins = np.searchsorted(numbers, slots)
    labels = np.where(numbers[twins] == slots, twins, np.arange(len(numbers)))[labels]
    repeated = _first_repeat(labels, len(numbers), starts)
    if repeated >= 0:
        row = int(rows[repeated])
        raise source.error(row, f"ids {ids[row]} and {numbers[-1]} are one to TrackEval, and share a frame")
    return len(numbers), labels
