"""The presets of the strongest peers against slow versions of the papers, on the recorded scene."""

from pathlib import Path

import numpy as np
import pytest

from smiletrack.tracking.tracker import load_tracker
from smiletrack.types import Detections, Floats
from tests.tracking.slow_trackers import SlowBoostTrack

SCENE = Path(__file__).parents[1] / "recorded" / "tracks.npz"
SLOW = {"boosttrack": SlowBoostTrack}


def doubtful_scene() -> dict[str, Floats]:
    """The recorded scene, many of its scores lower, with pairs of weak boxes where nobody is."""
    rng = np.random.default_rng(3)
    with np.load(SCENE) as stored:
        scene = {name: stored[name].astype(np.float64) for name in ("frames", "boxes", "scores", "embeddings", "warps")}
    doubt = rng.uniform(0, 0.6, len(scene["scores"])) * (rng.random(len(scene["scores"])) < 0.4)
    scene["scores"] = np.clip(scene["scores"] - doubt, 0.02, 1)
    frames = np.repeat(np.arange(3, 41, 3), 2)
    corners = np.repeat(rng.uniform(0, 1500, (len(frames) // 2, 2)), 2, axis=0) + rng.uniform(0, 15, (len(frames), 2))
    looks = rng.normal(size=(len(frames), scene["embeddings"].shape[1]))
    more = {"frames": frames, "scores": rng.uniform(0.15, 0.58, len(frames)), "embeddings": looks}
    more["boxes"] = np.hstack((corners, corners + np.array([40, 90])))
    for name, values in more.items():
        scene[name] = np.concatenate((scene[name], values))
    scene["embeddings"] /= np.linalg.norm(scene["embeddings"], axis=1, keepdims=True)
    return scene


@pytest.mark.parametrize("with_looks", [True, False], ids=["looks", "motion"])
@pytest.mark.parametrize("preset", SLOW)
def test_the_preset_is_its_paper(preset: str, with_looks: bool) -> None:
    """The same identities and boxes, frame by frame, with a moving camera and scores that scatter."""
    scene = doubtful_scene()
    slow, tracker, most = SLOW[preset](), load_tracker(preset), 0
    for frame, warp in enumerate(scene["warps"], start=1):
        rows = scene["frames"] == frame
        embeddings = scene["embeddings"][rows] if with_looks else np.zeros((rows.sum(), 0))
        seen = Detections(scene["boxes"][rows], scene["scores"][rows], embeddings)
        found = tracker.update(seen, warp)
        expected = slow.update(seen.boxes, seen.scores, embeddings, warp)
        assert found.ids.tolist() == [number for number, _ in expected], f"frame {frame}"
        if expected:
            np.testing.assert_allclose(found.boxes, [box for _, box in expected], atol=1e-6, err_msg=f"frame {frame}")
        most = max(most, len(expected))
    assert most > 5
