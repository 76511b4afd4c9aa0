"""A tracker that is observed tracks as ever, and what was written down explains every match."""

import numpy as np
import pytest

from smiletrack.config import load_config, preset_file
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.observer import Observer
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections


def crowd(frames: int) -> list[Detections]:
    """Twelve people who cross each other in two lanes, with looks of their own and some noise."""
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(12, 16))
    start = rng.uniform(0, 300, 12)
    speed = rng.choice([-4.0, 4.0], 12)
    result = []
    for f in range(frames):
        x = start + speed * f + rng.normal(0, 1, 12)
        boxes = np.column_stack((x, np.full(12, 50.0), x + 30, np.full(12, 130.0)))
        embeddings = looks + rng.normal(0, 0.5, looks.shape)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        result.append(Detections(boxes, rng.uniform(0.3, 1, 12), embeddings))
    return result


@pytest.mark.parametrize("preset", ["smiletrack", "smiletrack-paper", "botsort-reid", "bytetrack"])
def test_same_tracks_and_every_match_explained(preset: str) -> None:
    config = load_config(TrackerConfig, preset_file("tracker", preset))
    observer = Observer(range(1, 41))
    plain, observed = Tracker(config), Tracker(config, observer=observer)
    known: set[int] = set()
    explained = 0
    for frame, detections in enumerate(crowd(40), 1):
        expected, tracks = plain.update(detections), observed.update(detections)
        assert np.array_equal(expected.ids, tracks.ids) and np.array_equal(expected.boxes, tracks.boxes)
        for identity, row in zip(tracks.ids.tolist(), tracks.detection_indices.tolist(), strict=True):
            if identity in known:
                thought = observer.considered[frame, identity, row]
                assert 0 < thought.overlap <= 1
                assert thought.cost < thought.max_cost
                explained += 1
            known.add(identity)
    assert explained > 200
    assert not any(frame > 40 for frame, _, _ in observer.considered)


def test_nothing_is_kept_of_frames_not_asked_for() -> None:
    observer = Observer({5})
    tracker = Tracker(TrackerConfig(), observer=observer)
    for detections in crowd(8):
        tracker.update(detections)
    assert {frame for frame, _, _ in observer.considered} == {5}
