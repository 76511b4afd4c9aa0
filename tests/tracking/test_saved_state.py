"""A tracker that is saved and loaded goes on as if nothing had happened; files that are none are refused in a line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smiletrack.config import CONFIG_ROOT, load_config, preset_file
from smiletrack.errors import InputError
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker, load_tracker
from smiletrack.types import Detections, TrackTable

RECORDED = Path(__file__).parents[1] / "recorded"
PRESETS = sorted(file.stem for file in (CONFIG_ROOT / "tracker").glob("*.yaml"))
FIELDS = ("frames", "ids", "boxes", "scores", "classes")


@pytest.fixture(scope="module")
def scene() -> dict[str, np.ndarray]:
    with np.load(RECORDED / "tracks.npz") as stored:
        return dict(stored)


def run(tracker: Tracker, scene: dict[str, np.ndarray], first: int, last: int, elapsed: float = 1.0) -> TrackTable:
    rows = (scene["frames"] >= first) & (scene["frames"] <= last)
    seen = Detections(*(scene[name][rows].astype(np.float64) for name in ("boxes", "scores", "embeddings")))
    count = last - first + 1
    return tracker.run(seen, scene["frames"][rows] - first + 1, count, scene["warps"][first - 1 : last], elapsed)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_loaded_tracker_gives_the_same_tracks(preset: str, scene: dict[str, np.ndarray], tmp_path: Path) -> None:
    tracker = load_tracker(preset, frame_rate=25)
    run(tracker, scene, 1, 20, elapsed=1.5)
    tracker.save(tmp_path / "a.npz")
    loaded = Tracker.load(tmp_path / "a.npz", tracker.config)
    assert (loaded.config, loaded.frame_rate, loaded.frame) == (tracker.config, 25, 20)
    assert loaded.skipped == tracker.skipped
    np.testing.assert_array_equal(loaded.lost.boxes, tracker.lost.boxes)
    expected, found = run(tracker, scene, 21, 40), run(loaded, scene, 21, 40)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert len(found) > 20


@pytest.mark.parametrize("preset", ["smiletrack", "ocsort"])
def test_files_of_format_1_stay_readable(preset: str, scene: dict[str, np.ndarray]) -> None:
    """Saved after 20 frames of the recorded scene by the first version that could."""
    found = run(Tracker.load(RECORDED / f"{preset}-format-1.npz"), scene, 21, 40)
    rows = scene[f"{preset} frames"] > 20
    np.testing.assert_array_equal(found.ids, scene[f"{preset} ids"][rows])
    np.testing.assert_allclose(found.boxes, scene[f"{preset} boxes"][rows], rtol=0, atol=0.01)


def test_a_tracker_that_has_seen_nothing_and_one_of_many_tracks(tmp_path: Path) -> None:
    for rows in (np.zeros((0, 5)), np.array([[100.0 * i, 0, 100 * i + 40, 90, 0.9] for i in range(100)])):
        tracker = Tracker()
        if len(rows):
            tracker.update(rows)
        tracker.save(tmp_path / "a.npz")
        found, expected = Tracker.load(tmp_path / "a.npz").update(rows), tracker.update(rows)
        assert len(found) == len(rows) and found.ids.tolist() == expected.ids.tolist()


def test_another_configuration_is_named(tmp_path: Path) -> None:
    load_tracker("bytetrack").save(tmp_path / "a.npz")
    other = load_config(TrackerConfig, preset_file("tracker", "bytetrack"), ("life.max_lost=60",))
    with pytest.raises(InputError, match=r"a.npz: saved with tracker.life.max_lost 30, not 60; load it without"):
        Tracker.load(tmp_path / "a.npz", other)


def altered_about(**changes: Any) -> Callable[[dict[str, np.ndarray]], dict[str, Any]]:
    return lambda stored: {"about": np.array(json.dumps(json.loads(str(stored["about"])) | changes))}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {"ids": s["ids"][::-1]}, "damaged: ids that no tracker has"),
        (lambda s: {"ids": s["ids"] + 1000}, "damaged: ids"),
        (lambda s: {"states": s["states"] + 3}, "damaged: states"),
        (
            lambda s: {"means": s["means"][1:]},
            r"means is float64 of shape \(2, 2, 4\), not float64 of \(3,",
        ),
        (lambda s: {"means": s["means"].astype(np.float32)}, "damaged: means is float32"),
        (
            lambda s: {"covariances": s["covariances"] * np.nan},
            "covariances holds numbers that are not finite",
        ),
        (lambda s: {"seen_at": s["seen_at"] + 99}, "damaged: times"),
        (lambda s: {"ids": np.int64(3)}, "damaged: "),
        (lambda s: {"ids": np.array([{}])}, "not a whole archive"),
        (lambda s: {"about": np.array("[]")}, "no saved tracker"),
        (altered_about(format=3, version="9.0"), "format 3 by smiletrack '9.0'; this one, .*, reads formats up to 2"),
        (altered_about(frame_rate=0), "frame_rate"),
        (altered_about(config={"first": {"new_rule": 1}}), "another version, or damaged .*new_rule"),
        (altered_about(counters={}), "its counters"),
    ],
)
def test_what_no_tracker_wrote_is_refused(change: Callable[..., dict[str, Any]], words: str, tmp_path: Path) -> None:
    tracker = Tracker()
    tracker.update(np.array([[0.0, 0, 40, 90, 0.9], [100, 0, 140, 90, 0.9], [200, 0, 240, 90, 0.9]]))
    tracker.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as stored:
        arrays = dict(stored)
    np.savez(tmp_path / "b.npz", **(arrays | change(arrays)))
    with pytest.raises(InputError, match=words) as caught:
        Tracker.load(tmp_path / "b.npz")
    assert "\n" not in str(caught.value)


def test_half_a_file_and_none(tmp_path: Path) -> None:
    Tracker().save(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a whole archive"):
        Tracker.load(tmp_path / "a.npz")
    with pytest.raises(InputError, match="no such file"):
        Tracker.load(tmp_path / "none.npz")
