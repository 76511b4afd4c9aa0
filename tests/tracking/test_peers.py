"""The presets of the strongest peers against slow versions of the papers."""

import numpy as np
import pytest

from smiletrack.tracking.tracker import load_tracker
from smiletrack.types import Detections, Floats
from tests.tracking.slow_observers import SlowDeepOcSort, SlowHybridSort
from tests.tracking.slow_trackers import SlowBoostTrack, SlowTrackTrack

SLOW = {
    "boosttrack": SlowBoostTrack,
    "tracktrack": SlowTrackTrack,
    "hybridsort": SlowHybridSort,
    "deepocsort": SlowDeepOcSort,
}


def crowded_scene(length: int = 50, people: int = 11) -> list[tuple[Detections, Floats]]:
    """Detections and camera motion of people who cross on a small place, are missed and doubted; clutter far away."""
    rng = np.random.default_rng(5)
    place, speed = rng.uniform(0, (420, 160), (people, 2)), rng.normal(0, 6, (people, 2))
    size, looks = rng.uniform((35, 80), (60, 130), (people, 2)), rng.normal(size=(people, 16))
    missing, frames = np.zeros(people, int), []
    for _ in range(length):
        angle, shift = rng.normal(0, 0.002), rng.normal(0, 1, 2)
        linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        warp = np.column_stack((linear, shift)) if frames else np.eye(2, 3)
        speed += rng.normal(0, 1.5, (people, 2)) - 0.01 * (place - (210, 80))
        place = (place + speed) @ warp[:, :2].T + warp[:, 2]
        missing = np.where(rng.random(people) < 0.08, rng.integers(2, 9, people), np.maximum(missing - 1, 0))
        seen = missing == 0
        boxes = np.hstack((place - size / 2, place + size / 2))[seen] + rng.normal(0, 1.5, (seen.sum(), 4))
        scores = np.clip(rng.normal(0.75, 0.22, seen.sum()), 0.05, 0.99)
        clutter = np.repeat(rng.uniform(800, 1500, (1, 2)), 2, axis=0) + rng.uniform(0, 15, (2, 2))
        boxes = np.vstack((boxes, np.hstack((clutter, clutter + np.array([40, 90])))))
        embeddings = np.vstack((looks[seen], rng.normal(size=(2, 16)))) + 0.3 * rng.normal(size=(len(boxes), 16))
        scores = np.concatenate((scores, rng.uniform(0.15, 0.58, 2)))
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
