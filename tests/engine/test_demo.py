"""The demo turns a source into a painted video and a result file, and keeps what it made when something fails."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from smiletrack.data.mot import read_results
from smiletrack.data.sources import open_source
from smiletrack.engine import demo as module
from smiletrack.engine.demo import DemoConfig, Pipeline, demo
from smiletrack.errors import InputError
from smiletrack.motion.camera_motion import CameraMotion, CameraMotionConfig
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections


class RedDetector:
    """Sees the red rectangles."""

    fingerprint = "red"

    def detect(self, frame: np.ndarray) -> Detections:
        red = ((frame[..., 2] > 180) & (frame[..., 0] < 80)).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red)
        boxes = np.array([[x, y, x + w, y + h] for x, y, w, h, area in stats[1:] if area > 50], float)
        return Detections(boxes.reshape(-1, 4), np.full(len(boxes), 0.9))


class PlaceEmbedder:
    """Looks depend on the lane."""

    fingerprint = "place"

    def embed(self, frame: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        return np.eye(4, dtype=np.float32)[(boxes[:, 1] // 60).astype(int)]


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten frames with two red people who walk; detector and embedder are stand-ins that are right."""
    folder = tmp_path / "Weg ñ"
    folder.mkdir()
    street = np.random.default_rng(0).integers(60, 150, (160, 240, 3), np.uint8)
    for i in range(10):
        frame = street.copy()
        for x, y in ((10 + 8 * i, 10), (200 - 8 * i, 90)):
            frame[y : y + 50, x : x + 20] = (20, 20, 230)
        cv2.imencode(".png", frame)[1].tofile(folder / f"{i:03d}.png")
    monkeypatch.setattr(module, "networks", SimpleNamespace(load_networks=lambda *_: (RedDetector(), PlaceEmbedder())))
    return folder


def test_video_and_tracks(walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save = tmp_path / "out put" / "vidéo.mp4"
    config = DemoConfig(source=str(walk), detector="x", slm="y", camera_motion="flow", save=str(save), device="cpu")
    assert demo(config) == save
    tracks = read_results(save.with_suffix(".txt"))
    assert np.bincount(tracks.frames).tolist() == [0] + [2] * 10 and len(np.unique(tracks.ids)) == 2
    first = tracks.boxes[tracks.frames == 1]
    np.testing.assert_allclose(first[np.argsort(first[:, 1])], [[10, 10, 30, 60], [200, 90, 220, 140]], atol=0.01)
    frames = list(open_source(save))
    assert len(frames) == 10 and frames[0].shape == (160, 240, 3)
    told = capsys.readouterr().out
    for stage in ("10 frames, 2 identities", "detect", "embed", "camera motion", "association"):
        assert stage in told


def test_every_second_frame(walk: Path, tmp_path: Path) -> None:
    """The file carries the frames' own numbers, and the video plays at the walk's own speed."""
    save = tmp_path / "half.mp4"
    demo(DemoConfig(source=str(walk), detector="x", save=str(save), device="cpu", stride=2))
    tracks = read_results(save.with_suffix(".txt"))
    assert set(tracks.frames) <= {1, 3, 5, 7, 9} and tracks.frames.max() == 9
    last = tracks.boxes[tracks.frames == 9]
    np.testing.assert_allclose(last[np.argsort(last[:, 1])], [[74, 10, 94, 60], [136, 90, 156, 140]], atol=4)
    video = open_source(save)
    assert len(list(video)) == 5 and video.frame_rate == open_source(walk).frame_rate / 2


def test_what_was_made_before_an_error_is_kept(walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(RedDetector):
        calls = 0

        def detect(self, frame: np.ndarray) -> Detections:
            self.calls += 1
            if self.calls == 5:
                raise InputError("GPU memory ran out")
            return super().detect(frame)

    failing = Failing()
    monkeypatch.setattr(module, "networks", SimpleNamespace(load_networks=lambda *_: (failing, None)))
    save = tmp_path / "out.mp4"
    with pytest.raises(InputError, match="GPU memory"):
        demo(DemoConfig(source=str(walk), detector="x", save=str(save), device="cpu"))
    assert len(list(open_source(save))) == 4
    assert read_results(save.with_suffix(".txt")).frames.max() == 4


def test_ctrl_c_loses_no_frame_that_was_read(walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks are ahead of the tracker when it comes."""
    asked: list[int] = []

    class Stopping(RedDetector):
        def detect(self, frame: np.ndarray) -> Detections:
            asked.append(1)
            if len(asked) == 4:
                os.kill(os.getpid(), signal.SIGINT)
            return super().detect(frame)

    monkeypatch.setattr(module, "networks", SimpleNamespace(load_networks=lambda *_: (Stopping(), PlaceEmbedder())))
    save = tmp_path / "out.mp4"
    demo(DemoConfig(source=str(walk), detector="x", slm="y", save=str(save), device="cpu"))
    assert 4 <= len(asked) < 10 and len(list(open_source(save))) == len(asked)
    assert read_results(save.with_suffix(".txt")).frames.max() == len(asked)


def test_nothing_is_left_when_the_first_frame_is_bad(walk: Path, tmp_path: Path) -> None:
    (walk / "000.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"000\.png"):
        demo(DemoConfig(source=str(walk), detector="x", save=str(tmp_path / "new" / "a.mp4"), device="cpu"))
    assert list((tmp_path / "new").iterdir()) == []


def test_unreadable_images_are_told(walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (walk / "004.png").write_bytes(b"")
    demo(DemoConfig(source=str(walk), detector="x", save=str(tmp_path / "a.mp4"), max_frames=7, device="cpu"))
    told = capsys.readouterr().out
    assert "7 frames" in told and "004.png" in told


def test_pipeline_times_every_stage_it_has() -> None:
    seconds: dict[str, float] = {}
    pipeline = Pipeline(RedDetector(), None, CameraMotion(CameraMotionConfig()), Tracker())
    assert len(list(pipeline.track([np.zeros((90, 120, 3), np.uint8)] * 2, seconds))) == 2
    assert list(seconds) == ["detect", "camera motion", "association"] and min(seconds.values()) > 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "source: name a video"),
        ({"source": "x.mp4"}, "detector: name"),
        ({"source": "x.mp4", "detector": "y"}, "x.mp4: no such"),
    ],
)
def test_what_is_not_given_is_asked_for(values: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        demo(DemoConfig(**values))  # type: ignore[arg-type]


def test_real_clip_with_public_weights(shared: Path, tmp_path: Path) -> None:
    weights = shared / "data" / "weights" / "yolox_nano_416x416.onnx"
    save = tmp_path / "stadtmitte.mp4"
    demo(
        DemoConfig(
            source=str(shared / "data" / "video" / "TUD-Stadtmitte.mp4"),
            detector=f"onnx:{weights}",
            save=str(save),
            max_frames=6,
            device="cpu",
        )
    )
    tracks = read_results(save.with_suffix(".txt"))
    assert (np.bincount(tracks.frames, minlength=7)[1:] >= 4).all() and len(np.unique(tracks.ids)) <= 9
    assert len(list(open_source(save))) == 6


def test_a_window_without_a_screen_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Qt would abort the process; the child that tries first has no display, or one that nobody answers."""
    for display in ("", ":97"):
        monkeypatch.setenv("DISPLAY", display)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
        with pytest.raises(InputError, match="show: there is no screen to show a window on"):
            demo(DemoConfig(source=str(tmp_path), detector="none.onnx", show=True))
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    with pytest.raises(InputError) as caught:
        demo(DemoConfig(source=str(tmp_path), detector="none.onnx", show=True))
    if "headless" in str(caught.value):
        pytest.skip("this OpenCV has no offscreen platform")
    assert "neither images nor" in str(caught.value)
