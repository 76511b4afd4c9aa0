"""Detectors of other makers: every form people export is understood, told, and can be overridden."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from smiletrack import network_files
from smiletrack.boxes import iou_matrix
from smiletrack.data.mot import read_detections
from smiletrack.data.sources import open_source
from smiletrack.detector.predictor import Predictor, load_detector
from smiletrack.detector.settings import NMSConfig, PredictConfig
from smiletrack.errors import InputError
from smiletrack.network_files import open_network
from tests.network_graphs import (
    HEIGHT,
    ULTRALYTICS,
    WIDTH,
    Graph,
    detector_file,
    expected_boxes,
    expected_scores,
)

BGR255 = {"colour": "bgr", "scale": 1.0}
KINDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "YOLOX": ({"form": "yolox", **BGR255}, "form yolox, input bgr255", "below and right"),
    "ByteTrack": (
        {"form": "yolox", "imagenet": True, "classes": 1},
        "form yolox, input rgb-imagenet",
        "below and right",
    ),
    "YOLOX, decoded": ({"form": "yolov5", **BGR255}, "form yolov5, input bgr255", "below and right"),
    "YOLOv5": ({"form": "yolov5"}, "form yolov5, input rgb1", "on all sides"),
    "YOLOv8": ({"form": "yolov8"}, "form yolov8, input rgb1", "on all sides"),
    "YOLO11": ({"form": "yolov8", "metadata": ULTRALYTICS}, "form yolov8, input rgb1", "2 classes (person, car)"),
    "YOLO26": (
        {"form": "end-to-end", "metadata": ULTRALYTICS},
        "form end-to-end, input rgb1",
        "2 classes (person, car)",
    ),
    "YOLOv10": ({"form": "end-to-end"}, "form end-to-end, input rgb1", "80 classes"),
    "RT-DETR": ({"form": "detr"}, "form detr, input rgb1", "on all sides"),
    "Open Model Zoo": ({"form": "boxes", "classes": 1, **BGR255}, "form boxes, input bgr255", "stretched"),
}


def picture() -> NDArray[np.uint8]:
    """Blobs of colours of the network's input size."""
    coarse = np.random.default_rng(3).integers(0, 256, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
    return coarse.repeat(4, 0).repeat(4, 1)


def check_detections(detector: Predictor, frame: NDArray[np.uint8], classes: int = 2, atol: float = 1e-3) -> None:
    """Compare with the best cells' boxes after suppression, found by loops."""
    scores, boxes = expected_scores(frame)[:, :classes], expected_boxes()
    wanted = PredictConfig().nms
    for label in range(classes):
        left = [i for i in np.argsort(-scores[:, label]) if scores[i].argmax() == label]
        kept: list[int] = []
        for i in left:
            overlaps = iou_matrix(boxes[[i]], boxes[kept])[0]
            if scores[i, label] >= wanted.score_threshold and not (overlaps > wanted.iou_threshold).any():
                kept.append(int(i))
        found = detector.detect(frame)
        found = found[np.flatnonzero(found.classes == label + 1)]
        assert len(kept) > 5
        np.testing.assert_allclose(found.scores, scores[kept, label], atol=atol)
        order, wanted_order = np.lexsort(found.boxes.T.round(1)), np.lexsort(boxes[kept].T.round(1))
        np.testing.assert_allclose(found.boxes[order], boxes[kept][wanted_order], atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_is_told_and_gives_its_boxes(kind: str, tmp_path: Path) -> None:
    made, said, also = KINDS[kind]
    path = detector_file(tmp_path / "net.onnx", **made)
    names = load_detector(path).config.class_names
    detector = load_detector(path, settings=PredictConfig(classes=names[: made.get("classes", 2)]))
    assert said in detector.description and also in detector.description
    assert f"{HEIGHT} x {WIDTH}" in detector.description and "ONNX Runtime on cpu" in detector.description
    check_detections(detector, picture(), made.get("classes", 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("batch", "half"), [("batch", False), (4, False), (1, True)])
def test_batches_and_half_precision(kind: str, batch: int | str, half: bool, tmp_path: Path) -> None:
    made, _, _ = KINDS[kind]
    if made["form"] == "boxes" and batch != 1:
        return  # one image at a time is what the form is
    one = load_detector(detector_file(tmp_path / "one.onnx", **made))
    many = load_detector(detector_file(tmp_path / "many.onnx", **made, batch=batch, half=half))
    frames = [np.roll(picture(), 8 * i, 1) for i in range(6)]
    for alone, together in zip(map(one.detect, frames), many.detect_batch(frames), strict=True):
        assert len(alone) == len(together) > 5
        np.testing.assert_allclose(alone.scores, together.scores, atol=2e-2 if half else 1e-6)


def test_free_sides_take_the_size_that_is_asked_for(tmp_path: Path) -> None:
    path = detector_file(tmp_path / "free.onnx", "yolox", **BGR255, free=True, batch="batch")
    assert load_detector(path).size == (640, 640)
    asked = load_detector(path, settings=PredictConfig(height=64, width=96))
    check_detections(asked, picture())
    with pytest.raises(InputError, match="multiples of 32"):
        load_detector(path, settings=PredictConfig(height=100, width=96))
    fixed = detector_file(tmp_path / "fixed.onnx", "yolox", **BGR255)
    with pytest.raises(InputError, match=r"its input is fixed at 64 x 96; leave predict\.height"):
        load_detector(fixed, settings=PredictConfig(height=128, width=96))


def test_the_command_line_overrides_each_conclusion(tmp_path: Path) -> None:
    path = detector_file(tmp_path / "net.onnx", "yolov5", colour="bgr", scale=1 / 255)
    assert "input rgb1 64 x 96 padded on all sides" in load_detector(path).description
    settings = PredictConfig(form="yolov5", input="bgr1", padding="corner")
    detector = load_detector(path, settings=settings)
    assert "form yolov5, input bgr1 64 x 96 padded below and right" in detector.description
    check_detections(load_detector(path, settings=PredictConfig(input="bgr1", classes=("class0", "class1"))), picture())
    assert load_detector(path).fingerprint != detector.fingerprint
    with pytest.raises(InputError, match="taken for the form yolox with input rgb-imagenet, but its boxes would reach"):
        load_detector(path, settings=PredictConfig(form="yolox"))
    with pytest.raises(ValueError, match="'rgb2' is not one of rgb1"):
        PredictConfig(input="rgb2")


def test_padding_of_others_keeps_boxes_in_the_frame(tmp_path: Path) -> None:
    """A frame of another shape: the box of a bright patch lies where the patch is, however the frame is placed."""
    path = detector_file(tmp_path / "net.onnx", "yolov8")
    frame = np.zeros((128, 64, 3), np.uint8)
    frame[64:96, 16:48] = 255
    for padding in ("centred", "corner", "stretched"):
        found = load_detector(path, settings=PredictConfig(padding=padding, nms=NMSConfig(0.9))).detect(frame)  # type: ignore[arg-type]
        best = found.boxes[np.argmax(found.scores)]
        middle = (best[:2] + best[2:]) / 2
        assert len(found) and np.abs(middle - [32, 80]).max() < 20, padding


def constant_file(path: Path, value: Any, *more: Any) -> Path:
    """A network that adds zero times its input to constants."""
    graph = Graph([], [])
    zero = graph.add("Mul", graph.add("ReduceMean", "images", keepdims=0), graph.constant(np.float32(0)))
    outputs = [graph.add("Add", graph.constant(np.asarray(v, np.float32)), zero) for v in (value, *more)]
    return graph.save(path, outputs, [1, 3, HEIGHT, WIDTH], False, {})


def test_what_fits_no_form_is_refused_in_one_line(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = generator.random((1, 126, 85)) * [WIDTH, HEIGHT, 9, 9, *[1] * 81]
    for value, words in [
        ([rows[0]], "same answer to every picture"),
        ([rows[0] * np.nan], "not finite"),
        ([np.concatenate([rows[0, :, :4], rows[0, :, 4:] * 50], 1)], "no probabilities"),
        ([np.concatenate([rows[0, :, :4] * 1e6, rows[0, :, 4:]], 1)], "reach to"),
        (generator.random((1, 512)), "an embedder, give it as --slm"),
        (generator.random((1, 3, 8, 12)), "no output, or more than one, holds boxes"),
        (generator.random((1, 50, 9)) + 5, "its output 1x50x9 has no form that is known"),
    ]:
        with pytest.raises(InputError) as caught:
            load_detector(constant_file(tmp_path / "net.onnx", value))
        assert words in str(caught.value) and "\n" not in str(caught.value)
    two = constant_file(tmp_path / "two.onnx", rows, rows)
    with pytest.raises(InputError, match="more than one, holds boxes"):
        load_detector(two)
    segments = detector_file(tmp_path / "seg.onnx", "yolov8", metadata=ULTRALYTICS | {"task": "segment"})
    with pytest.raises(InputError, match="made for the task 'segment'"):
        load_detector(segments)


def test_inputs_that_are_no_images_or_too_large_are_refused(tmp_path: Path) -> None:
    for shape, words in [
        ([1, 3, 100_000, 100_000], "at most 64 of 16777216 pixels"),
        ([10_000, 3, 64, 64], "at most 64"),
        ([1, 3, 0, 64], "at most 64"),
        ([1, 64, 96, 3], "not one batch of images"),
        ([1, 3, 64], "not one batch of images"),
    ]:
        graph = Graph([], [])
        path = graph.save(tmp_path / "net.onnx", [graph.add("Identity", "images")], shape, False, {})
        with pytest.raises(InputError, match=words):
            load_detector(path)


@pytest.mark.parametrize(
    "metadata",
    [
        {"names": "{0: 'person'", "stride": "32", "imgsz": "[64"},
        {"names": "[" * 1000, "imgsz": "7", "stride": ""},
        {"names": "{'a': 1}", "imgsz": "['x', 'y']", "stride": "x"},
        {"names": "__import__('os').system('true')", "stride": "1", "imgsz": "()"},
    ],
)
def test_metadata_of_another_form_are_passed_over(metadata: dict[str, str], tmp_path: Path) -> None:
    detector = load_detector(detector_file(tmp_path / "net.onnx", "yolov8", metadata=metadata))
    assert detector.config.class_names == ("class0", "class1")


def test_other_exporters_files_of_the_public_yolox_nano(shared: Path, tmp_path: Path) -> None:
    """The rewritten files of the shared cases give the boxes of the original (some in another place of the input)."""
    nano = shared / "data" / "weights" / "yolox_nano_416x416.onnx"
    make = shared / "cases" / "01-onnx-forms" / "make.py"
    subprocess.run([sys.executable, str(make), str(nano), str(tmp_path)], check=True, capture_output=True)
    frames = list(open_source(shared / "cases" / "clip.mp4"))[::4]
    original = load_detector(nano)
    forms = sorted(tmp_path.glob("*.onnx"))
    assert len(forms) == 6
    for path in forms:
        detector = load_detector(path, settings=PredictConfig(padding="corner"))
        for frame in frames:
            expected, found = original.detect(frame), detector.detect(frame)
            atol = 5e-3 if path.stem == "v8half" else 1e-4
            sure = expected.scores > 0.15  # half precision moves scores over the threshold, and past each other
            overlaps = iou_matrix(expected.boxes[sure], found.boxes)
            assert sure.sum() > 5
            np.testing.assert_allclose(overlaps.max(1), 1, atol=10 * atol)
            np.testing.assert_allclose(found.scores[overlaps.argmax(1)], expected.scores[sure], atol=atol)


def test_open_model_zoos_detector_by_openvino(shared: Path, real_data: Path) -> None:
    """The detections that are recorded beside real frames were made by the network itself, without this program."""
    pytest.importorskip("openvino")
    path = shared / "data" / "weights" / "openvino" / "person-detection-0203.xml"
    detector = load_detector(path, settings=PredictConfig(nms=NMSConfig(0.05)))
    assert "form boxes, input bgr255 480 x 864 stretched, 1 classes (person), OpenVINO on cpu" in detector.description
    recorded = read_detections(real_data / "extra" / "train" / "KITTI-17" / "det" / "pd0203.txt")
    for number, frame in open_source(shared / "data" / "video" / "KITTI-17.mp4").pick([1, 60, 120]):
        rows = recorded.frame(number)
        rows = rows[recorded.scores[rows] > 0.3]
        found = detector.detect(frame)
        overlaps = iou_matrix(recorded.boxes[rows], found.boxes)
        # recorded from the original pictures, which the clip shows compressed
        assert len(rows) >= 3 and np.median(overlaps.max(1)) > 0.94
        np.testing.assert_allclose(found.scores[overlaps.argmax(1)], recorded.scores[rows], atol=0.07)


def test_a_gpu_that_the_runtime_lacks_is_an_error(tmp_path: Path) -> None:
    path = detector_file(tmp_path / "net.onnx", "yolov8")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        for device in ("cuda", "cuda:1"):
            with pytest.raises(InputError, match=f"device: {device} was asked for.*pip install onnxruntime-gpu"):
                load_detector(path, device)
        assert "ONNX Runtime on cpu" in load_detector(path, "auto").description


def test_the_number_of_the_gpu_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a runtime that says it has GPUs: providers and device number as they arrive there."""
    asked: list[Any] = []
    start = onnxruntime.InferenceSession

    def session(*arguments: Any, providers: list[Any]) -> Any:
        asked.append(providers)
        return start(*arguments, providers=["CPUExecutionProvider"])

    said = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(network_files.onnxruntime, "get_available_providers", lambda: said)
    monkeypatch.setattr(network_files.onnxruntime, "InferenceSession", session)
    with pytest.raises(InputError, match="ONNX Runtime cannot start on it"):
        open_network(str(detector_file(tmp_path / "net.onnx", "yolov8")), "cuda:1")
    assert asked == [[("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]]


def test_networks_of_openvino_that_come_and_go_leave_signals_alone(tmp_path: Path) -> None:
    """Two cores freed in the order in which they were made ended the process at its next signal."""
    pytest.importorskip("openvino")
    detector_file(tmp_path / "a.onnx", "yolov8")
    code = (
        "import gc, os, signal, sys\nfrom smiletrack.network_files import open_network\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('a signal'))\n"
        "networks = [open_network(f'openvino:{sys.argv[1]}') for _ in range(2)]\n"
        "while networks: networks.pop(0); gc.collect()\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.onnx")], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"a signal\n")
