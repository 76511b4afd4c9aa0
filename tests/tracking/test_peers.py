"""The presets of the strongest peers against slow versions of the papers."""

import numpy as np
import pytest

from smiletrack.config import load_config, preset_file
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker, load_tracker
from smiletrack.types import Detections, Floats
from tests.tracking.slow_fasttracker import SlowFastTracker
from tests.tracking.slow_observers import SlowDeepOcSort, SlowHybridSort
from tests.tracking.slow_trackers import SlowBoostTrack, SlowTrackTrack

SLOW = {
    "boosttrack": SlowBoostTrack,
    "tracktrack": SlowTrackTrack,
    "hybridsort": SlowHybridSort,
    "deepocsort": SlowDeepOcSort,
    "fasttracker": SlowFastTracker,
}


def crowded_scene(length: int = 50, people: int = 11) -> list[tuple[Detections, Floats]]:
    """Detections and camera motion of people who cross, are missed, doubted and seen twice; clutter far away.

    For a third of the time the first one walks behind the second, slowly, unseen for 4 frames at a stretch.
    """
    rng = np.random.default_rng(5)
    place, speed = rng.uniform(0, (420, 160), (people, 2)), rng.normal(0, 6, (people, 2))
    size, looks = rng.uniform((35, 80), (60, 130), (people, 2)), rng.normal(size=(people, 16))
    missing, frames = np.zeros(people, int), []
    for frame in range(length):
        angle, shift = rng.normal(0, 0.002), rng.normal(0, 1, 2)
        linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        warp = np.column_stack((linear, shift)) if frames else np.eye(2, 3)
        speed += rng.normal(0, 1.5, (people, 2)) - 0.01 * (place - (210, 80))
        place = (place + speed) @ warp[:, :2].T + warp[:, 2]
        is_behind = length // 3 < frame < 2 * length // 3
        if is_behind:
            speed[0] *= 0.5
            place[1], size[1] = place[0] + np.array([3, 6]), size[0] * 1.1
        missing = np.where(rng.random(people) < 0.08, rng.integers(2, 9, people), np.maximum(missing - 1, 0))
        missing[1] *= not is_behind
        seen = missing == 0
        seen[0] = seen[0] and not (is_behind and frame % 5)
        boxes = np.hstack((place - size / 2, place + size / 2))[seen] + rng.normal(0, 1.5, (seen.sum(), 4))
        scores = np.clip(rng.normal(0.75, 0.22, seen.sum()), 0.05, 0.99)
        if is_behind and seen[0]:
            scores[0] = 0.4
        clutter = np.repeat(rng.uniform(800, 1500, (1, 2)), 2, axis=0) + rng.uniform(0, 15, (2, 2))
        boxes = np.vstack((boxes, np.hstack((clutter, clutter + np.array([40, 90])))))
        embeddings = np.vstack((looks[seen], rng.normal(size=(2, 16)))) + 0.3 * rng.normal(size=(len(boxes), 16))
        scores = np.concatenate((scores, rng.uniform(0.15, 0.58, 2)))
        if frame % 5 == 0:
            boxes[-1], scores[-1] = boxes[0] + 2, 0.8
        frames.append((Detections(boxes, scores, embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)), warp))
    return frames


@pytest.mark.parametrize("with_looks", [True, False], ids=["looks", "motion"])
@pytest.mark.parametrize("preset", SLOW)
def test_the_preset_is_its_paper(preset: str, with_looks: bool) -> None:
    """The same identities and boxes, frame by frame, with a moving camera and scores that scatter."""
    slow, tracker, most = SLOW[preset](), load_tracker(preset), 0
    for frame, (seen, warp) in enumerate(crowded_scene(), start=1):
        given = seen if with_looks else Detections(seen.boxes, seen.scores)
        found = tracker.update(given, warp)
        expected = slow.update(given.boxes, given.scores, given.embeddings, warp)
        assert found.ids.tolist() == [number for number, _ in expected], f"frame {frame}"
        if expected:
            np.testing.assert_allclose(found.boxes, [box for _, box in expected], atol=1e-6, err_msg=f"frame {frame}")
        most = max(most, len(expected))
    assert most > 5


@pytest.mark.parametrize(("patience", "found"), [(10, True), (2, False)])
def test_who_stands_behind_somebody_stays_for_a_weak_detection(patience: int, found: bool) -> None:
    """Missed for five frames, seen again with a low score; with the patience of others the track is lost by then."""
    config = load_config(TrackerConfig, preset_file("tracker", "fasttracker"), [f"life.hidden_patience={patience}"])
    tracker, slow = Tracker(config), SlowFastTracker()
    front, behind = [95.0, 95, 150, 210, 0.9], [100.0, 100, 140, 200, 0.9]
    for frame in range(1, 13):
        rows = np.array([front, behind] if frame < 7 else [front] if frame < 12 else [front, [*behind[:4], 0.4]])
        ids = tracker.update(rows).ids.tolist()
        expected = slow.update(rows[:, :4], rows[:, 4], np.zeros((len(rows), 0)), np.eye(2, 3))
    assert ids == ([1, 2] if found else [1])
    assert [number for number, _ in expected] == [1, 2]
