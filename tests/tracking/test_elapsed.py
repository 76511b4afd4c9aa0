"""Frames that nobody looked at: motion, noise and ages follow the time that went by."""

from dataclasses import replace

import numpy as np
import pytest

from smiletrack.config import CONFIG_ROOT
from smiletrack.motion.box_states import BOX_STATES
from smiletrack.tracking.config import LifeConfig, MotionConfig, TrackerConfig
from smiletrack.tracking.tracker import Tracker, load_tracker
from smiletrack.types import Detections, Floats

PRESETS = sorted(file.stem for file in (CONFIG_ROOT / "tracker").glob("*.yaml"))
NOTHING = np.zeros((0, 5))
PLAIN = TrackerConfig(motion=MotionConfig(stop_when_lost="nothing"), life=LifeConfig(confirm=0, max_lost=30))


def walker(time: float) -> Floats:
    """Somebody who comes nearer, faster every frame."""
    left = 100 + 4 * time + 0.05 * time**2
    return np.array([[left, 80, left + 40 + 0.5 * time, 190 + time, 0.9]])


@pytest.mark.parametrize("state", BOX_STATES)
@pytest.mark.parametrize("gap", [2, 3, 7])
def test_many_frames_are_as_many_predictions(state: str, gap: int) -> None:
    """A frame that nobody looked at moves the filter as one in which nothing was seen."""
    config = replace(PLAIN, motion=replace(PLAIN.motion, state=state), first=replace(PLAIN.first, max_cost=1.0))
    looked, skipped = Tracker(config), Tracker(config)
    for time in range(6):
        looked.update(walker(time))
        skipped.update(walker(time))
    for _ in range(gap - 1):
        looked.update(NOTHING)
    for time, elapsed in ((5 + gap, gap), (6 + gap, 1), (7 + gap, 1)):
        expected, found = looked.update(walker(time)), skipped.update(walker(time), elapsed=elapsed)
        assert len(found) == 1
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.boxes, expected.boxes)


def test_a_part_of_a_frame_is_a_part_of_the_way() -> None:
    """Where a track is expected does not depend on how the time is cut, half a frame is half the way."""
    whole, halves, single = Tracker(PLAIN), Tracker(PLAIN), Tracker(PLAIN)
    for tracker in (whole, halves, single):
        for time in range(6):
            tracker.update(walker(time))
    before = whole.update(walker(6)).boxes
    halves.update(walker(6)), single.update(walker(6))
    whole.update(NOTHING, elapsed=2.5)
    for _ in range(5):
        halves.update(NOTHING, elapsed=0.5)
    single.update(NOTHING)
    np.testing.assert_allclose(whole.lost.boxes, halves.lost.boxes, atol=1e-9)
    np.testing.assert_allclose(whole.lost.boxes - before, 2.5 * (single.lost.boxes - before), atol=1e-9)


@pytest.mark.parametrize(("elapsed", "num_looks"), [(1.0, 31), (3.0, 11), (0.5, 61), (100.0, 1)])
def test_a_lost_track_is_kept_as_long(elapsed: float, num_looks: int) -> None:
    """Up to `max_lost` frames without a match, however many looks these are."""
    tracker = Tracker(PLAIN)
    tracker.update(walker(0))
    for look in range(1, num_looks + 1):
        tracker.update(NOTHING, elapsed=elapsed)
        assert len(tracker.lost) == (look < num_looks)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_third_frame_is_enough_for_a_walker(preset: str) -> None:
    """One identity, also after an absence; frame by frame and at once are the same."""
    times = np.array([0.0, 3, 6, 9, 12, 15, 18, 21, 27, 30, 33, 36])
    seen = np.arange(12) != 6
    seen[6] = preset == "sort"  # which forgets at once
    rows = np.concatenate([walker(time) for time in times])
    given = Detections(rows[:, :4], rows[:, 4], np.tile([0.6, 0.8], (12, 1)))
    elapsed = np.diff(times, prepend=-1)
    one_by_one, at_once = load_tracker(preset), load_tracker(preset)
    tracks = [
        one_by_one.update(given[np.arange(12) == look] if seen[look] else NOTHING, elapsed=elapsed[look])
        for look in range(12)
    ]
    assert {i for found in tracks for i in found.ids.tolist()} == {1}
    assert len(tracks[-1]) == 1
    table = at_once.run(given[seen], np.nonzero(seen)[0] + 1, 12, elapsed=elapsed)
    np.testing.assert_array_equal(table.boxes, np.concatenate([found.boxes for found in tracks]))


@pytest.mark.parametrize("elapsed", [0, -1, np.nan, np.inf, 1_700_000_000.0])
def test_no_time_and_times_in_other_units_are_refused(elapsed: float) -> None:
    with pytest.raises(ValueError, match="elapsed must be a number of frames above 0"):
        Tracker().update(NOTHING, elapsed=elapsed)
    with pytest.raises(ValueError, match="elapsed must be"):
        Tracker().run(Detections.from_array(NOTHING), np.zeros(0, int), 2, elapsed=np.array([1.0, elapsed]))
