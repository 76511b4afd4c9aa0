"""Frames to detections: checkpoints, ONNX files, and the public YOLOX-nano both ways on real frames."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from smiletrack.boxes import clip_boxes
from smiletrack.detector.build import build_detector
from smiletrack.detector.checkpoint import save_detector
from smiletrack.detector.deploy import fuse
from smiletrack.detector.exported import ExportedDetector
from smiletrack.detector.letterbox import BYTETRACK_INPUT
from smiletrack.detector.onnx_model import export_detector_onnx, import_onnx
from smiletrack.detector.postprocess import NMSConfig
from smiletrack.detector.predictor import PredictConfig, load_detector
from smiletrack.detector.settings import DetectorConfig
from smiletrack.engine.export import export
from smiletrack.engine.settings.export import ExportConfig
from smiletrack.errors import InputError
from smiletrack.network_files import open_network

NANO = "data/weights/yolox_nano_416x416.onnx"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A prb-nano with random weights that sees something everywhere."""
    torch.manual_seed(0)
    config = DetectorConfig("prb-nano", height=96, width=160)
    net = build_detector(config)
    for conv in net.head.lead:
        conv.bias.data.view(3, 6)[:, 4] = 0.0  # type: ignore[union-attr, operator]
    save_detector(tmp_path / "prb.safetensors", net, config)
    return tmp_path / "prb.safetensors"


def frames(number: int, height: int = 120, width: int = 200) -> list[NDArray[np.uint8]]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(number)]


def test_detections_come_by_falling_score_cut_at_the_border_where_asked_for(weights: Path) -> None:
    found = load_detector(weights, settings=PredictConfig(clip=True)).detect(frames(1)[0])
    whole = load_detector(weights).detect(frames(1)[0])
    assert len(found) > 10
    np.testing.assert_array_equal(whole.scores, found.scores)
    np.testing.assert_allclose(clip_boxes(whole.boxes, 200, 120), found.boxes)
    assert (whole.boxes < 0).any()
    assert (np.diff(found.scores) <= 0).all()
    assert (found.boxes[:, :2] >= 0).all()
    assert (found.boxes[:, 2:] <= [200, 120]).all()
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    assert set(found.classes.tolist()) == {1}


def test_a_batch_of_mixed_sizes_gives_what_single_frames_give(weights: Path) -> None:
    detector = load_detector(weights)
    mixed = [*frames(2), *frames(1, 300, 100), *frames(1)]
    for together, frame in zip(detector.detect_batch(mixed), mixed, strict=True):
        alone = detector.detect(frame)
        np.testing.assert_allclose(together.scores, alone.scores, atol=1e-4)
    assert detector.detect_batch([]) == []


def test_the_fingerprint_follows_weights_and_settings(weights: Path, tmp_path: Path) -> None:
    first = load_detector(weights).fingerprint
    assert load_detector(weights).fingerprint == first
    assert load_detector(weights, settings=PredictConfig(nms=NMSConfig(0.2))).fingerprint != first
    assert load_detector(weights, settings=PredictConfig(height=64, width=96)).fingerprint != first
    config = DetectorConfig("prb-nano", height=96, width=160)
    save_detector(tmp_path / "other.safetensors", build_detector(config), config)
    assert load_detector(tmp_path / "other.safetensors").fingerprint != first


def test_only_the_classes_asked_for(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = DetectorConfig("yolox-nano", ("car", "person", "dog"), 64, 96)
    net = build_detector(config)
    for conv in (*net.head.objectness, *net.head.classes):  # type: ignore[union-attr]
        torch.nn.init.constant_(conv.bias, 0.0)
    save_detector(tmp_path / "three.safetensors", net, config)
    frame = frames(1)[0]
    usual = load_detector(tmp_path / "three.safetensors").detect(frame)
    assert set(usual.classes.tolist()) <= {2}
    both = PredictConfig(classes=("car", "dog"))
    assert set(load_detector(tmp_path / "three.safetensors", settings=both).detect(frame).classes.tolist()) <= {1, 3}
    with pytest.raises(InputError, match=r"knows no 'cat' \(did you mean 'car'\?\)"):
        load_detector(tmp_path / "three.safetensors", settings=PredictConfig(classes=("cat",)))


@pytest.mark.parametrize("architecture", ["prb-nano", "yolox-nano"])
def test_onnx_export_equals_the_network_for_any_batch(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = DetectorConfig(architecture, height=64, width=96, input=BYTETRACK_INPUT)
    net = build_detector(config).eval()
    export_detector_onnx(net, config, tmp_path / "net.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "net.onnx"))
    model = ExportedDetector(open_network(str(tmp_path / "net.onnx")))
    assert (model.own, model.rule) == (config, net.rule)
    for batch in (1, 3):
        images = torch.rand(batch, 3, 64, 96)
        with torch.no_grad():
            torch.testing.assert_close(model(images), net(images), rtol=1e-4, atol=1e-3)
    save_detector(tmp_path / "net.safetensors", net, config)
    settings = PredictConfig(nms=NMSConfig(score_threshold=0.0001))
    by_onnx, by_torch = (
        load_detector(tmp_path / name, settings=settings).detect(frames(1)[0])
        for name in ("net.onnx", "net.safetensors")
    )
    np.testing.assert_allclose(np.sort(by_onnx.scores), np.sort(by_torch.scores), atol=1e-6)


def clip_frames(folder: Path, every: int, most: int) -> list[NDArray[np.uint8]]:
    """Return every n-th frame of the shared clip whose name holds `folder`'s."""
    clip = cv2.VideoCapture(str(folder))
    found: list[Any] = []
    index = 0
    while len(found) < most:
        more, frame = clip.read()
        if not more:
            break
        if index % every == 0:
            found.append(frame)
        index += 1
    clip.release()
    return found


@pytest.mark.parametrize("sequence", ["TUD-Stadtmitte", "MOT17-09"])
def test_public_yolox_nano_sees_the_same_through_onnx_and_through_this_network(
    shared: Path, tmp_path: Path, sequence: str
) -> None:
    path = shared / NANO
    net, config = import_onnx(path, "yolox-nano")
    save_detector(tmp_path / "nano.safetensors", net, config)
    by_onnx, by_torch = load_detector(f"onnx:{path}"), load_detector(tmp_path / "nano.safetensors")
    clip = next(p for p in sorted((shared / "data" / "video").rglob("*")) if sequence in p.name)
    pictures = clip_frames(clip, 25, 4)
    assert len(pictures) >= 4
    people = 0
    for frame in pictures:
        a, b = by_onnx.detect(frame), by_torch.detect(frame)
        assert len(a) == len(b)
        np.testing.assert_allclose(a.boxes, b.boxes, atol=0.02)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)
        people += int((a.scores > 0.5).sum())
    assert people >= 2 * len(pictures)


def test_an_imported_network_can_be_trained_on(shared: Path) -> None:
    net, config = import_onnx(shared / NANO, "yolox-nano")
    assert config.class_names[0] == "person"
    assert config.num_classes == 80
    assert any(parameter.requires_grad for parameter in net.parameters())
    images = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        torch.testing.assert_close(fuse(net)(images), net(images), rtol=1e-3, atol=1e-2)
    with pytest.raises(InputError, match="not a yolox-tiny with 80 classes"):
        import_onnx(shared / NANO, "yolox-tiny")


def test_what_cannot_be_loaded(tmp_path: Path, shared: Path, weights: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    for spec, words in [
        ("onnx:" + str(tmp_path / "gone.onnx"), "no such network file"),
        (tmp_path / "text.onnx", "not an ONNX network"),
        (tmp_path / "gone.safetensors", "no such weight file"),
        (tmp_path / "text.onnx", str(tmp_path)),
        (shared / "data" / "weights" / "osnet_x0_25_msmt17.onnx", "no detector of a form that is known"),
    ]:
        with pytest.raises(InputError) as caught:
            load_detector(spec)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="multiples of 32"):
        load_detector(weights, settings=PredictConfig(height=100, width=100))
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no GPU that PyTorch can use; take cpu"):
            load_detector(weights, "cuda")
    with pytest.raises(ValueError, match="a frame is"):
        load_detector(weights).detect(np.zeros((10, 10), np.uint8))


def test_the_export_command(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    path = export(ExportConfig("detector", str(weights)))
    assert "largest difference" in capsys.readouterr().out
    said = "form yolov5, input rgb1 96 x 160 padded on all sides, 1 classes (person)"
    assert said in load_detector(path).description
