"""Why an identity changed: for both tracks of a switch, how near and how alike they were to the box at the switch.

Computed again from the result file, the detections and the embeddings that the run used, so it also works for results
of other programs; a track is where its last box and velocity put it, not where the run's Kalman filter had it.
"""

from collections.abc import Sequence

import numpy as np

from smiletrack.boxes import iou
from smiletrack.engine.track import SequenceInput
from smiletrack.tracking import gate
from smiletrack.tracking.config import StageConfig
from smiletrack.types import Floats, Ints, TrackTable
from smiletrack.view.gallery import Candidate, SwitchCard
from smiletrack.view.mistakes import Matching, Switch

_LOOKS = 5
"""Looks of a track that are compared, the last ones; the best counts (the paper's K)."""


class Evidence:
    """Answers about the tracks of one result file. `seen`: what the tracker was given, None where that is not known."""

    def __init__(self, results: TrackTable, seen: SequenceInput | None, stage: StageConfig | None) -> None:
        self._results, self._seen, self._stage = results, seen, stage
        order = np.lexsort((results.frames, results.ids))
        ids, starts = np.unique(results.ids[order], return_index=True)
        self._rows = dict(zip(ids.tolist(), np.split(order, starts[1:]), strict=True)) if len(ids) else {}

    def card(self, run: str, sequence: str, matching: Matching, switch: Switch) -> SwitchCard:
        """Return the gallery's card of a switch, without pictures."""
        row = int(matching.partner[switch.row])
        box = matching.results.boxes[row]
        detection = self._detection(switch.frame, box)
        score = None if self._seen is None or detection is None else float(self._seen.detections.scores[detection])
        before, after = (
            self._candidate(identity, switch.frame, box, detection, score)
            for identity in (switch.before_id, switch.after_id)
        )
        return SwitchCard(run, sequence, switch, before, after, score)

    def boxes_at(self, frame: int, identities: Sequence[int]) -> list[tuple[int, Floats]]:
        """Return (identity, box) of those of the identities that the result has in a frame."""
        found = []
        for identity in identities:
            rows = self._rows.get(identity, np.empty(0, np.int64))
            found += [(identity, self._results.boxes[row]) for row in rows[self._results.frames[rows] == frame]]
        return found

    def _candidate(
        self, identity: int, frame: int, box: Floats, detection: int | None, score: float | None
    ) -> Candidate:
        rows = self._rows.get(identity, np.empty(0, np.int64))
        rows = rows[self._results.frames[rows] < frame]
        if not len(rows):
            return Candidate(identity)
        gap = frame - int(self._results.frames[rows[-1]])
        overlap = float(iou(self._moved(rows, frame)[None], box[None])[0, 0])
        looks = self._appearance(rows, detection)
        return Candidate(identity, gap, overlap, looks, self._fused(overlap, looks, score), self._gate(looks))

    def _moved(self, rows: Ints, frame: int) -> Floats:
        """Return the last box of a track, moved on to `frame` with its mean velocity over the last five rows."""
        frames, boxes = self._results.frames[rows[-5:]], self._results.boxes[rows[-5:]]
        last: Floats = boxes[-1]
        if len(frames) < 2:
            return last
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        velocity = (centres[-1] - centres[0]) / (frames[-1] - frames[0])
        return np.asarray(last + np.tile(velocity * (frame - frames[-1]), 2))

    def _detection(self, frame: int, box: Floats) -> int | None:
        """Return the row of the detection that a result box was made from: the one of most overlap, 0.5 at least."""
        if self._seen is None:
            return None
        rows = self._seen.detections.frame(frame)
        overlaps = iou(box[None], self._seen.detections.boxes[rows])[0]
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
        looks = [look for look in map(self._embedding, detections) if look is not None]
        return float(max(look @ target for look in looks)) if looks else None

    def _fused(self, overlap: float, looks: float | None, score: float | None) -> float | None:
        """Return 1 - cost by the fusion of stage I, None for those that need the filter's state."""
        stage = self._stage
        if stage is None:
            return None
        scored = np.array([overlap * score if stage.score and score is not None else overlap])
        appearance = np.array([np.nan if looks is None else looks])
        match stage.fusion:
            case "iou":
                return float(scored[0])
            case "sum":
                return float(1 - gate.sum_cost(scored, appearance)[0])
            case "minimum":
                limits = stage.max_iou_cost, stage.max_appearance_cost
                return float(1 - gate.minimum_cost(1 - scored, np.array([1 - overlap]), appearance, *limits)[0])
            case _:
                return None

    def _gate(self, looks: float | None) -> str:
        if self._stage is None:
            return ""
        if self._stage.gate is None:
            return "off"
        return "no looks" if looks is None else "refused" if looks < self._stage.gate else "passed"
