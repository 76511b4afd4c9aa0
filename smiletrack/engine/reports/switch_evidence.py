"""Why an identity changed: for both tracks of a switch, how near and how alike they were to the box at the switch.

Where the run's detections and configuration are there, it is tracked once more and the tracker's own numbers are told.
Else (SORT's kind of assignment, results of other programs) they come from the result file: a track is then where its
last box and velocity put it.
"""

from collections.abc import Sequence

import numpy as np

from smiletrack.boxes import iou_matrix
from smiletrack.config import altered
from smiletrack.data.strides import looks_of
from smiletrack.engine.inputs.sequence_inputs import SequenceInput
from smiletrack.engine.track import TrackConfig, track_sequence
from smiletrack.tracking.observer import Considered, Observer
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Floats, Ints, TrackTable
from smiletrack.view.error_analysis import Matching, Switch
from smiletrack.view.switch_causes import SwitchCauses
from smiletrack.view.switch_gallery import Candidate, SwitchCard

_LOOKS = 5
"""Embeddings of a track that are compared where it is not tracked again, the last ones; the best counts."""


def observer_of(
    seen: SequenceInput, settings: TrackConfig, results: TrackTable, switches: Sequence[Switch]
) -> Observer | None:
    """Track a sequence again and return what was considered at its switches; None where other tracks come out."""
    config = altered(settings.tracker, settings.sequence_tracker.get(seen.name, {}))
    frames = np.array([switch.frame for switch in switches], np.int64)
    observer = Observer(set(looks_of(frames, seen.stride).tolist()))
    table = track_sequence(Tracker(config, seen.frame_rate, observer), seen).table
    return observer if np.array_equal(np.unique(table.ids), np.unique(results.ids)) else None


class Evidence:
    """Answers about the tracks of one result file. seen, observer: None where they are not known."""

    def __init__(self, results: TrackTable, seen: SequenceInput | None, observer: Observer | None) -> None:
        self._results, self._seen = results, seen
        self._considered = None if observer is None else observer.considered
        order = np.lexsort((results.frames, results.ids))
        ids, starts = np.unique(results.ids[order], return_index=True)
        self._rows = dict(zip(ids.tolist(), np.split(order, starts[1:]), strict=True)) if len(ids) else {}

    def card(self, run: str, sequence: str, matching: Matching, switch: Switch, causes: SwitchCauses) -> SwitchCard:
        """Return the gallery's card of a switch, without pictures."""
        row = int(matching.partner[switch.row])
        box = matching.results.boxes[row]
        detection = self._detection(switch.frame, box)
        score = None if self._seen is None or detection is None else float(self._seen.detections.scores[detection])
        before, after = (
            self._candidate(identity, switch.frame, box, detection) for identity in (switch.before_id, switch.after_id)
        )
        cause = causes.of(switch, before.appearance, after.appearance)
        return SwitchCard(run, sequence, switch, cause, before, after, score)

    def boxes_at(self, frame: int, identities: Sequence[int]) -> list[tuple[int, Floats]]:
        """Return (identity, box) of those of the identities that the result has in a frame."""
        found = []
        for identity in identities:
            rows = self._rows.get(identity, np.empty(0, np.int64))
            found += [(identity, self._results.boxes[row]) for row in rows[self._results.frames[rows] == frame]]
        return found

    def _candidate(self, identity: int, frame: int, box: Floats, detection: int | None) -> Candidate:
        """Return what spoke for a track: the tracker's own numbers, or else those that its result file gives."""
        rows = self._rows.get(identity, np.empty(0, np.int64))
        rows = rows[self._results.frames[rows] < frame]
        if not len(rows):
            return Candidate(identity)
        gap = frame - int(self._results.frames[rows[-1]])
        thought = self._thought(identity, frame, detection)
        if thought is not None:
            appearance = None if np.isnan(thought.appearance) else thought.appearance
            score = 1 - thought.cost if np.isfinite(thought.cost) else None
            return Candidate(identity, gap, thought.overlap, appearance, score, _gate(thought))
        overlap = float(iou_matrix(self._moved(rows, frame)[None], box[None])[0, 0])
        compared = "" if self._considered is None else "not compared"
        return Candidate(identity, gap, overlap, self._appearance(rows, detection), None, compared)

    def _thought(self, identity: int, frame: int, detection: int | None) -> Considered | None:
        """Return what the tracker thought of a track and a detection."""
        if self._considered is None or self._seen is None or detection is None:
            return None
        row = int(np.flatnonzero(self._seen.detections.frame(frame) == detection)[0])
        look = int(looks_of(np.array(frame), self._seen.stride))
        return self._considered.get((look, identity, row))

    def _moved(self, rows: Ints, frame: int) -> Floats:
        """Return the last box of a track, moved on to `frame` with its mean velocity over the last five rows."""
        frames, boxes = self._results.frames[rows[-5:]], self._results.boxes[rows[-5:]]
        last: Floats = boxes[-1]
        if len(frames) < 2:
            return last
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        velocity = (centres[-1] - centres[0]) / (frames[-1] - frames[0])
        return last + np.tile(velocity * (frame - frames[-1]), 2)

    def _detection(self, frame: int, box: Floats) -> int | None:
        """Return the row of the detection that a result box was made from: the one of most overlap, 0.5 at least."""
        if self._seen is None:
            return None
        rows = self._seen.detections.frame(frame)
        overlaps = iou_matrix(box[None], self._seen.detections.boxes[rows])[0]
        return int(rows[overlaps.argmax()]) if len(rows) and overlaps.max() >= 0.5 else None

    def _embedding(self, detection: int | None) -> Floats | None:
        if self._seen is None or detection is None or not self._seen.embeddings.shape[1]:
            return None
        embedding = np.asarray(self._seen.embeddings[detection], np.float64)
        norm = float(np.linalg.norm(embedding))
        return embedding / norm if 0 < norm < np.inf else None

    def _appearance(self, rows: Ints, detection: int | None) -> float | None:
        target = self._embedding(detection)
        if target is None:
            return None
        detections = (self._detection(int(self._results.frames[r]), self._results.boxes[r]) for r in rows[-_LOOKS:])
        embeddings = [Z for Z in map(self._embedding, detections) if Z is not None]
        return float(max(Z @ target for Z in embeddings)) if embeddings else None


def _gate(thought: Considered) -> str:
    if np.isinf(thought.cost):
        return "refused"
    return "passed" if thought.cost < thought.max_cost else "too costly"
