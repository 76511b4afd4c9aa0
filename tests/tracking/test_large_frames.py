"""Frames of more boxes than any detector gives: bounded memory, tracks that keep their identities, or one line."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from smiletrack import Detections, load_tracker
from smiletrack.config import CONFIG_ROOT
from smiletrack.errors import InputError

PRESETS = sorted(path.stem for path in (CONFIG_ROOT / "tracker").glob("*.yaml"))


@contextmanager
def at_most(added: int) -> Iterator[None]:
    """Let the process grow by so many bytes and no more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + added, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize(
    ("preset", "side"),
    [*((preset, 141 if os.environ.get("SMILETRACK_FULL") else 46) for preset in PRESETS), ("ocsort", 141)],
)
def test_many_boxes_take_no_gigabytes(preset: str, side: int) -> None:
    """A grid in which every box overlaps its neighbours; of 141 x 141 all pairs would be 400 million, 48 bytes each."""
    x, y = (part.ravel().astype(float) for part in np.meshgrid(np.arange(side) * 40, np.arange(side) * 80))
    boxes = np.column_stack([x, y, x + 45, y + 90])
    looks = np.random.default_rng(0).normal(size=(len(boxes), 2))
    tracker = load_tracker(preset)
    tracker.update(Detections(boxes[:2], np.full(2, 0.9), looks[:2]))
    tracker.reset()
    with at_most(2**30):
        for step in range(3):
            tracks = tracker.update(Detections(boxes + step, np.full(len(boxes), 0.9), looks))
    assert len(tracks) > 0.8 * len(boxes)  # some presets drop boxes that overlap
    assert set(tracks.ids.tolist()) <= set(range(1, len(boxes) + 1)), "nobody is lost and found anew"


def test_boxes_that_all_overlap_are_refused_in_one_line() -> None:
    tracker, heap = load_tracker("sort"), np.tile([10.0, 20, 50, 90], (4200, 1))
    tracker.update(Detections(heap, np.full(len(heap), 0.9)))
    with at_most(2**30), pytest.raises(InputError, match=r"^frame 2: more than 16777216 pairs of boxes overlap"):
        tracker.update(Detections(heap, np.full(len(heap), 0.9)))


def test_embeddings_of_another_network_in_mid_sequence_are_refused() -> None:
    boxes = np.array([[10.0, 20, 50, 90]])
    tracker = load_tracker("smiletrack")
    tracker.update(Detections(boxes, np.ones(1)))
    tracker.update(Detections(boxes, np.ones(1), np.ones((1, 4))))
    tracker.update(Detections(boxes, np.ones(1)))
    with pytest.raises(InputError, match="embeddings of 8 numbers after some of 4"):
        tracker.update(Detections(boxes, np.ones(1), np.ones((1, 8))))
    with pytest.raises(InputError, match="embeddings of 8 numbers after some of 4"):
        tracker.run(Detections(boxes, np.ones(1), np.ones((1, 8))), np.ones(1, np.int64), 1)
    tracker.reset()
    assert len(tracker.update(Detections(boxes, np.ones(1), np.ones((1, 8))))) == 1
