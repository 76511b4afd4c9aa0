"""The motion of a sequence is estimated once; another question gets another answer."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.data.mot import DetectionTable
from smiletrack.data.sources import open_source
from smiletrack.engine.inputs.camera_motion import estimate_camera_motion
from smiletrack.motion.camera_motion import CameraMotionConfig

SHIFT = 3


@pytest.fixture
def pan(tmp_path: Path) -> Path:
    """Five frames of a picture that the camera pans over, 3 pixels a frame to the right."""
    coarse = np.random.default_rng(0).integers(0, 255, (40, 60), np.uint8)
    picture = cv2.resize(coarse, (480, 320), interpolation=cv2.INTER_CUBIC)
    folder = tmp_path / "ein Schwenk é"
    folder.mkdir()
    for i in range(5):
        cv2.imencode(".png", picture[:, SHIFT * i : SHIFT * i + 400])[1].tofile(folder / f"{i + 1:06d}.png")
    return folder


def table(box: tuple[float, float, float, float], score: float) -> DetectionTable:
    return DetectionTable(np.arange(1, 6), np.tile(np.array(box), (5, 1)), np.full(5, score), np.ones(5, np.int64))


def test_warps_of_a_pan_and_their_cache(pan: Path, tmp_path: Path) -> None:
    first = estimate_camera_motion(open_source(pan), str(pan), cache=tmp_path / "cache")
    expected = np.array([[0, 0]] + [[-SHIFT, 0]] * 4)
    assert first.warps.shape == (5, 2, 3)
    np.testing.assert_allclose(first.warps[:, :, 2], expected, atol=0.1)
    assert first.seconds > 0 and first.num_failed == 0

    again = estimate_camera_motion(open_source(pan), str(pan), cache=tmp_path / "cache")
    assert again.seconds == 0 and np.array_equal(again.warps, first.warps)


def test_other_settings_and_other_detections_are_estimated_anew(pan: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    estimate_camera_motion(open_source(pan), str(pan), cache=cache)
    assert (
        estimate_camera_motion(open_source(pan), str(pan), CameraMotionConfig(max_features=100), cache=cache).seconds
        > 0
    )
    everything = table((-500, -500, 900, 900), 0.9)
    masked = estimate_camera_motion(open_source(pan), str(pan), detections=everything, cache=cache)
    assert masked.num_failed == 4 and np.array_equal(masked.warps, np.tile(np.eye(2, 3), (5, 1, 1)))
    ignored = estimate_camera_motion(
        open_source(pan), str(pan), detections=table((-500, -500, 900, 900), 0.2), cache=cache
    )
    assert ignored.num_failed == 0, "weak detections are not masked"


def test_a_broken_cache_is_made_anew_and_a_bad_frame_told(pan: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / f"{pan.name}.flow.npz").write_bytes(b"half a file")
    (pan / "000003.png").write_bytes(b"")
    motion = estimate_camera_motion(open_source(pan), str(pan), cache=cache)
    assert len(motion.warps) == 5 and len(motion.problems) == 1 and "000003.png" in motion.problems[0]
    np.testing.assert_allclose(motion.warps[2], np.eye(2, 3), atol=1e-3)
    assert estimate_camera_motion(open_source(pan), str(pan), cache=cache).problems == motion.problems
