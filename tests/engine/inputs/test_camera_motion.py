"""The motion of a sequence is estimated once; another question gets another answer."""

import os
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


def test_a_broken_cache_is_made_anew_and_a_bad_frame_told(
    pan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / f"{pan.name}.flow.npz").write_bytes(b"half a file")
    (pan / "000003.png").write_bytes(b"")
    motion = estimate_camera_motion(open_source(pan), str(pan), cache=cache)
    assert "it is made again" in capsys.readouterr().err
    assert len(motion.warps) == 5 and len(motion.problems) == 1 and "000003.png" in motion.problems[0]
    np.testing.assert_allclose(motion.warps[2], np.eye(2, 3), atol=1e-3)
    assert estimate_camera_motion(open_source(pan), str(pan), cache=cache).problems == motion.problems


@pytest.mark.parametrize(
    "about", ["", "[]", "{}", '{"fingerprint": 3, "num_failed": 0, "problems": []}', "[" * 100_000, "null"]
)
def test_a_cache_of_another_structure_is_made_anew(
    pan: Path, tmp_path: Path, about: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    np.savez(cache / f"{pan.name}.flow.npz", warps=np.zeros((5, 2, 3)), about=np.array(about))
    assert estimate_camera_motion(open_source(pan), str(pan), cache=cache).seconds > 0
    assert capsys.readouterr().err.count("it is made again") == 1


def test_the_cache_that_broke_before(shared: Path, pan: Path, tmp_path: Path) -> None:
    for file in (shared / "cases" / "broken-files").glob("camera_motion_cache*"):
        (tmp_path / f"{pan.name}.flow.npz").write_bytes(file.read_bytes())
        assert estimate_camera_motion(open_source(pan), str(pan), cache=tmp_path).seconds > 0


def test_replaced_frames_are_noticed(pan: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    estimate_camera_motion(open_source(pan), str(pan), cache=cache)
    first, second = pan / "000001.png", pan / "000002.png"
    content, times = first.read_bytes(), second.stat()
    second.write_bytes(content)
    os.utime(second, ns=(times.st_atime_ns, times.st_mtime_ns + 1_000_000))
    again = estimate_camera_motion(open_source(pan), str(pan), cache=cache)
    assert again.seconds > 0
    np.testing.assert_allclose(again.warps[1, :, 2], 0, atol=0.1)
