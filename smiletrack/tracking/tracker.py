"""The tracker, a frame or a sequence at a time: the Similarity Matching Cascade (paper, Figure 6) and its kin.

One engine for all presets, compiled (`tracking.loop`); what differs is in `TrackerConfig`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smiletrack.config import load_config, preset_file
from smiletrack.errors import InputError
from smiletrack.limits import MOST_PAIRS
from smiletrack.tracking.answers import Answers, open_answers
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.flattening import flatten
from smiletrack.tracking.loop import TOO_MANY_PAIRS, track_frames
from smiletrack.tracking.observer import Notes, Observer, open_notes
from smiletrack.tracking.saved_state import config_differences, load_tracker_state, save_tracker_state
from smiletrack.tracking.state import (
    ALIVE,
    BAD_DETECTIONS,
    BAD_EMBEDDINGS,
    BAD_WARPS,
    EMPTY,
    FRAME,
    LOST,
    NOTED,
    enlarged,
    open_memory,
    state_views,
    with_embedding_size,
)
from smiletrack.types import Detections, Floats, Ints, Tracks, TrackTable

_NO_WARPS = np.zeros((0, 2, 3))
MOST_ELAPSED = 1e5
"""Frames between two looks at most; more is a time in another unit."""
_NO_NOTES = open_notes(0)
_ELAPSED = "elapsed must be a number of frames above 0 and up to 100,000, not {}"


@dataclass(frozen=True)
class Skipped:
    """What a tracker could not use, counted since the start or the last reset."""

    detections: int = 0
    """Detections without area, or with a number that is not finite."""
    embeddings: int = 0
    """Embeddings that are all zero or not finite, of detections above the noise; matched without appearance."""
    warps: int = 0
    """Camera warps that are singular, not finite or absurd; the camera counted as still."""


class Tracker:
    """Tracks the objects of one sequence. Holds all of its state; any number of trackers can run side by side.

    config: the preset `smiletrack` where none is given. frame_rate, in frames a second, scales `life.max_lost` (see
    there). observer: writes down what is considered in the frames it asks for.
    """

    def __init__(
        self, config: TrackerConfig | None = None, frame_rate: float = 30.0, observer: Observer | None = None
    ) -> None:
        if not frame_rate > 0:
            raise ValueError(f"frame_rate must be above 0, not {frame_rate}")
        self.config = default_config() if config is None else config
        self.frame_rate = frame_rate
        self.observer = observer
        self._rules, self._stages = flatten(self.config, frame_rate)
        self._end, self._elapsed = np.zeros(1, np.int64), np.ones(1)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a new sequence."""
        self._memory = open_memory(self.config)

    def save(self, file: str | Path) -> None:
        """Write all that is remembered, the configuration and the frame rate to an `.npz` (`tracking.saved_state`)."""
        save_tracker_state(Path(file), self._memory, self.config, self.frame_rate)

    @classmethod
    def load(cls, file: str | Path, config: TrackerConfig | None = None, observer: Observer | None = None) -> "Tracker":
        """Return the tracker that was saved; given the next frames it gives the same tracks.

        config: what the tracker is to be; None = whatever was saved. Raises InputError for a file that is not there,
        damaged or from a later version, and for one that was saved with another configuration.
        """
        saved, frame_rate, memory = load_tracker_state(Path(file))
        if config is not None and config != saved:
            first = "; ".join(config_differences(saved, config)[:3])
            raise InputError(f"{file}: saved with {first}; load it without a configuration, or track from the start")
        tracker = cls(saved, frame_rate, observer)
        tracker._memory = memory
        return tracker

    @property
    def frame(self) -> int:
        """How many frames were tracked: the number of the last one, from 1, where none was skipped."""
        return int(self._memory.counters[FRAME])

    @property
    def skipped(self) -> Skipped:
        """What could not be used so far."""
        return Skipped(*self._memory.counters[[BAD_DETECTIONS, BAD_EMBEDDINGS, BAD_WARPS]].tolist())

    @property
    def lost(self) -> Tracks:
        """The tracks that were not matched in the last frame and may come back, ids ascending.

        boxes: where the filter expects them. scores, classes: of their last match. detection_indices: -1.
        """
        state = state_views(self._memory)
        alive = state.order[: state.counters[ALIVE]]
        slots = alive[state.states[alive] == LOST]
        nothing = np.full(len(slots), -1)
        return Tracks(state.ids[slots], state.boxes[slots], state.scores[slots], state.classes[slots], nothing)

    def update(self, detections: Detections | ArrayLike, warp: Floats | None = None, elapsed: float = 1.0) -> Tracks:
        """Take the next frame's detections and return its tracks, ids ascending.

        detections: or (N, 4 to 6) rows of x1, y1, x2, y2, score and class (from 0), see `Detections.from_array`.
        warp: (2, 3) affine map of pixels of the frame before to pixels of this frame; None = the camera stood still.
        elapsed: frames since the call before, from 0 (not included) to 100,000: 3 where only every third frame is
        looked at, frame_rate times the seconds where time stamps say it. Motion, its noise and all ages follow.
        Call it for every frame that was looked at, also for one without detections: there was nothing to be seen.
        """
        if not 0 < elapsed <= MOST_ELAPSED:
            raise ValueError(_ELAPSED.format(elapsed))
        if not isinstance(detections, Detections):
            detections = Detections.from_array(detections)
        answers = open_answers(len(detections.scores), 1)
        self._end[0], self._elapsed[0] = len(detections.scores), elapsed
        self._track(detections, self._end, self._elapsed, _NO_WARPS if warp is None else _warps(warp, 1), answers)
        numbers, end = answers.numbers, answers.ends[0]
        return Tracks(numbers[0, :end], answers.boxes[:end], answers.scores[:end], numbers[1, :end], numbers[2, :end])

    def run(
        self,
        detections: Detections,
        frames: Ints,
        num_frames: int,
        warps: Floats | None = None,
        elapsed: Floats | float = 1.0,
    ) -> TrackTable:
        """Take the next `num_frames` frames at once and return their tracks, by frame, then id: as `update` would.

        detections: of all frames. frames: (N,) the frame of each, from 1, ascending. warps: (num_frames, 2, 3), see
        `update`; None = the camera stood still. elapsed: (num_frames,), see `update`, or one for all. Frames of the
        answer count from this call's first one, 1, those that were looked at.
        """
        return self.run_with_rows(detections, frames, num_frames, warps, elapsed)[0]

    def run_with_rows(
        self,
        detections: Detections,
        frames: Ints,
        num_frames: int,
        warps: Floats | None = None,
        elapsed: Floats | float = 1.0,
    ) -> tuple[TrackTable, Ints]:
        """Return what `run` does, and for each of its boxes the row of the detection it was matched to."""
        frames = np.asarray(frames)
        if len(frames) != len(detections) or (len(frames) and not 1 <= frames[0] <= frames[-1] <= num_frames):
            raise ValueError(f"frames must be one number a detection in 1 .. {num_frames}")
        if (np.diff(frames) < 0).any():
            raise ValueError("frames must be ascending")
        times = np.array(np.broadcast_to(np.asarray(elapsed, np.float64), num_frames))
        if not ((times > 0) & (times <= MOST_ELAPSED)).all():
            raise ValueError(_ELAPSED.format(elapsed))
        answers = open_answers(len(frames), num_frames)
        ends = np.searchsorted(frames, np.arange(1, num_frames + 1), side="right")
        self._track(detections, ends, times, _NO_WARPS if warps is None else _warps(warps, num_frames), answers)
        end = answers.ends[-1] if num_frames else 0
        counts = np.diff(answers.ends, prepend=0)
        table = TrackTable(
            frames=np.repeat(np.arange(1, num_frames + 1), counts),
            ids=answers.numbers[0, :end],
            boxes=answers.boxes[:end],
            scores=answers.scores[:end],
            classes=answers.numbers[1, :end],
        )
        return table, answers.numbers[2, :end] + np.repeat(np.concatenate(([0], ends))[:num_frames], counts)

    def _track(self, detections: Detections, ends: Ints, elapsed: Floats, warps: Floats, answers: Answers) -> None:
        """Track frames whose detections end at `ends`, that come `elapsed` after the one before; fill the answers."""
        given = (
            _plain(detections.boxes),
            _plain(detections.scores),
            _plain(detections.classes),
            _plain(detections.embeddings),
        )
        size = detections.embeddings.shape[1]
        before = self._memory.vectors.shape[2]
        if size and size != before and len(self._memory.vectors):
            if (self._memory.stamps != EMPTY).any():
                raise InputError(f"embeddings of {size} numbers after some of {before}; a sequence has one network")
            self._memory = with_embedding_size(self._memory, size)
        done = 0
        while done < len(ends):
            # an observer is asked before every frame
            last, part, notes = len(ends), ends, _NO_NOTES
            if self.observer is not None:
                last, part = done + 1, ends[: done + 1]
                notes = self._notes(int(ends[done] - (ends[done - 1] if done else 0)))
            then = part, elapsed, warps
            done = track_frames(*self._memory, self._rules, self._stages, *given, *then, *answers, *notes, done)
            if done == TOO_MANY_PAIRS:
                raise InputError(
                    f"frame {self.frame}: more than {MOST_PAIRS} pairs of boxes overlap, which no detector sees; raise "
                    "the lowest score that it gives, or suppress what overlaps"
                )
            if done < last:
                self._memory = enlarged(self._memory, 2 * self._memory.numbers.shape[1] + int(ends[done]))
            elif len(notes.numbers) and self.observer is not None:
                self.observer.read(self.frame, notes, int(self._memory.counters[NOTED]))

    def _notes(self, num_detections: int) -> Notes:
        """Return room for all pairs of the next frame, if the observer asks for it."""
        if self.observer is None or self.frame + 1 not in self.observer.frames:
            return _NO_NOTES
        return open_notes(len(self._stages) * int(self._memory.counters[ALIVE]) * num_detections)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array as the compiled loop takes it: whole, in order, writeable."""
    return array if array.flags.carray else np.array(array, order="C")


def _warps(warps: Floats, count: int) -> Floats:
    warps = np.array(warps, np.float64)
    if warps.shape[-2:] != (2, 3) or warps.size != 6 * count:
        raise ValueError(f"warp must have shape (2, 3), not {warps.shape}")
    return warps.reshape(count, 2, 3)


def default_config() -> TrackerConfig:
    """Return the shipped preset `smiletrack`, this project's tracker."""
    return load_config(TrackerConfig, preset_file("tracker", "smiletrack"))


def load_tracker(name_or_file: str = "smiletrack", frame_rate: float = 30.0) -> Tracker:
    """Return a tracker of a shipped preset (`bytetrack`, `botsort`, ...) or of a YAML file of `TrackerConfig`."""
    return Tracker(load_config(TrackerConfig, preset_file("tracker", name_or_file)), frame_rate)
