"""The training command on drawn and real images: it learns, resumes, fine-tunes, and stops with one line."""

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.boxes import xyxy_to_xywh
from smiletrack.config import build_config
from smiletrack.data.detection.augment import DetectionAugmentConfig
from smiletrack.data.mot import read_truth
from smiletrack.data.sources import open_source
from smiletrack.detector.predictor import load_detector
from smiletrack.detector.settings import DetectorConfig, OTALossConfig
from smiletrack.engine.eval_detector import eval_detector
from smiletrack.engine.settings.eval_detector import EvalDetectorConfig
from smiletrack.engine.settings.train_detector import TrainDetectorConfig
from smiletrack.engine.train_detector import train_detector
from smiletrack.errors import InputError
from smiletrack.files import read_json
from smiletrack.training.loop import FitConfig
from smiletrack.types import Floats
from smiletrack.weights import load_weights

SMALL = DetectorConfig(height=64, width=96)


def write_coco(
    folder: Path, images: list[np.ndarray], boxes: list[Floats], names: tuple[str, ...] = ("person",)
) -> str:
    annotations = []
    for number, (image, rows) in enumerate(zip(images, boxes, strict=True)):
        cv2.imwrite(str(folder / f"{number}.png"), image)
        for box in xyxy_to_xywh(rows).tolist():
            annotations.append({"id": len(annotations), "image_id": number, "category_id": 1, "bbox": box})
    content = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in range(len(images))],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
    }
    file = folder / "boxes.json"
    file.write_text(json.dumps(content))
    return str(file)


@pytest.fixture
def drawn(tmp_path: Path) -> str:
    """Six noisy images with up to two bright rectangles; the last has none."""
    rng = np.random.default_rng(0)
    images, boxes = [], []
    for number in range(6):
        image = rng.integers(0, 60, (64, 96, 3), dtype=np.uint8)
        rows = np.array([[5 + 8 * k, 8, 17 + 8 * k, 40 + 2 * k] for k in (number, number + 4)], np.float64)
        rows = rows if number < 5 else rows[:0]
        for x1, y1, x2, y2 in rows.astype(int):
            image[y1:y2, x1:x2] = 220
        images.append(image)
        boxes.append(rows)
    return write_coco(tmp_path, images, boxes)


def config(data: str, output: Path, **changes: object) -> TrainDetectorConfig:
    base = TrainDetectorConfig(
        train=(data,), val=(data,), output=str(output), network=SMALL, batch_size=3, workers=0, device="cpu",
        multi_scale=0.3, closing_epochs=1, fit=FitConfig(epochs=2, learning_rate=1e-3),
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def test_stopped_and_resumed_training_ends_with_the_same_weights(drawn: str, tmp_path: Path) -> None:
    """Mosaic, mixup, several sizes; cut off by an unreadable image, which is mended."""
    whole = train_detector(config(drawn, tmp_path / "whole", augment=DetectionAugmentConfig(mosaic=0.5)))
    assert {"AP", "AP50", "precision", "recall", "box"} <= whole.history[-1].keys()
    image = tmp_path / "3.png"
    kept = image.read_bytes()
    again = config(drawn, tmp_path / "again", augment=DetectionAugmentConfig(mosaic=0.5))
    image.write_bytes(kept[:100])
    with pytest.raises(InputError, match=r"3\.png: the image is corrupt.*saved up to here in .*last\.pt") as error:
        train_detector(again)
    assert "\n" not in str(error.value)
    image.write_bytes(kept)
    train_detector(replace(again, resume=True))
    first, second = (load_weights(tmp_path / name / "model.safetensors")[0] for name in ("whole", "again"))
    assert all((first[key] == second[key]).all() for key in first)


def test_weights_of_a_run_are_a_detector_and_a_start(
    drawn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train_detector(config(drawn, tmp_path / "run", fit=FitConfig(epochs=1)))
    detector = load_detector(result.weights)
    assert detector.config.class_names == ("person",) and detector.config.size == (64, 96)
    figures = eval_detector(EvalDetectorConfig((str(result.weights),), (drawn,), json=str(tmp_path / "f.json")))
    assert read_json(tmp_path / "f.json") == figures
    assert figures[str(result.weights)]["AP50"] == pytest.approx(result.history[-1]["AP50"], abs=0.02)
    two = write_coco(
        tmp_path, [np.zeros((64, 96, 3), np.uint8)] * 2, [np.array([[1.0, 2, 30, 60]])] * 2, ("person", "bag")
    )
    capsys.readouterr()
    train_detector(config(two, tmp_path / "fine", weights=str(result.weights), fit=FitConfig(epochs=1)))
    told = capsys.readouterr().out
    assert "919 of 919 weights taken; person begins as person" in told
    assert "train: 2 images, 2 boxes of person, bag" in told
    with pytest.raises(InputError, match=r"^weights: only \d+ of \d+ weights fit .* another architecture"):
        other = replace(SMALL, architecture="yolox-nano")
        train_detector(config(two, tmp_path / "other", weights=str(result.weights), network=other))


def test_wrong_settings_and_data_are_one_line(drawn: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        train_detector(config(str(tmp_path / "none.json"), tmp_path / "run"))
    with pytest.raises(InputError, match="no such weight file"):
        train_detector(config(drawn, tmp_path / "run", weights=str(tmp_path / "none.safetensors")))
    with pytest.raises(InputError, match=r"asks for a GPU|not there"):
        train_detector(config(drawn, tmp_path / "run", device="cuda:63"))
    with pytest.raises(InputError, match=r"^batch_size must be in \[1, 100000\], not 0"):
        build_config(TrainDetectorConfig, {"batch_size": 0})
    with pytest.raises(InputError, match=r"^fit\.learning_rate must be above 0"):
        build_config(TrainDetectorConfig, {"fit": {"learning_rate": -1.0}})


@pytest.mark.slow
@pytest.mark.skipif("SMILETRACK_FULL" not in os.environ, reason="a minute of training; SMILETRACK_FULL=1 runs it")
def test_overfits_eight_real_frames(shared: Path, real_data: Path, tmp_path: Path) -> None:
    """TUD-Campus, every ninth frame: no two people overlap as much as suppression forbids.

    Each frame is in the batch twice: batch norm's running variance is 1 / (n - 1) based, and with one copy the 96
    values a channel of the deepest level make that matter through a hundred layers.
    """
    frames = list(open_source(shared / "data" / "video" / "TUD-Campus.mp4"))[0:71:9]
    truth = read_truth(real_data / "MOT15" / "train" / "TUD-Campus" / "gt" / "gt.txt")
    data = write_coco(tmp_path, frames, [truth.boxes[truth.frames == number] for number in range(1, 72, 9)])
    off = DetectionAugmentConfig(mosaic=0, mixup=0, translate=0, scale=0, flip=0, hue=0, saturation=0, value=0)
    fit_config = FitConfig(
        epochs=90, learning_rate=6e-3, warmup_epochs=5, weight_decay=5e-4, ema_decay=0.9, evaluate_every=90
    )
    run = TrainDetectorConfig(
        train=(data,), val=(data,), output=str(tmp_path / "run"), network=DetectorConfig(height=96, width=128),
        loss=OTALossConfig(objectness=4.0), augment=off, batch_size=16, epoch_length=16, workers=0, cache=True,
        norm_momentum=0.1, fit=fit_config, device="cpu",
    )  # fmt: skip
    assert train_detector(run).history[-1]["AP50"] > 0.95
