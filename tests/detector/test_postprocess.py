"""Suppression and letterbox against the recorded originals, and boxes back in the frame."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from smiletrack.detector.letterbox import BYTETRACK_INPUT, YOLOX_INPUT, ImageFormat, letterbox, place, to_frame
from smiletrack.detector.postprocess import NMSConfig, postprocess
from smiletrack.image_tensors import to_input
from tests.detector.recorded import Record

Oracle = Callable[[str], Path]


def test_prb_suppression_equals_the_original(oracle: Oracle) -> None:
    record = Record(oracle("networks"), "nms_prb")
    for key, case in record.meta["cases"].items():
        said = case["args"]
        config = NMSConfig(
            said["conf_thres"],
            said["iou_thres"],
            agnostic=said.get("agnostic", False),
            multi_label=said.get("multi_label", False),
            classes=tuple(said.get("classes", ())),
        )
        found = postprocess(torch.from_numpy(record.arrays[case["input"]]), config, "prb")
        for image, rows in enumerate(found):
            np.testing.assert_array_equal(rows.numpy(), record.arrays[f"{key}_img{image}"])


def test_yolox_suppression_equals_the_original(oracle: Oracle) -> None:
    record = Record(oracle("networks"), "nms_yolox")
    for key, case in record.meta["cases"].items():
        config = NMSConfig(case["conf_thre"], case["nms_thre"], max_detections=0)
        found = postprocess(torch.from_numpy(record.arrays[case["input"]]), config, "yolox")
        for image, rows in enumerate(found):
            stored = record.arrays[f"{key}_img{image}"]
            score = stored[:, 4] * stored[:, 5]
            expected = np.concatenate([stored[:, :4], score[:, None], stored[:, 6:]], 1)
            np.testing.assert_array_equal(rows.numpy(), expected)


def test_nothing_above_the_threshold_and_the_limit() -> None:
    rows = torch.tensor([[[50, 50, 20, 40, 0.9, 1.0], [150, 50, 20, 40, 0.8, 1.0], [250, 50, 20, 40, 0.7, 1.0]]])
    assert postprocess(rows, NMSConfig(0.95), "prb")[0].shape == (0, 6)
    best = postprocess(rows, NMSConfig(0.1, max_detections=2), "yolox")[0]
    np.testing.assert_allclose(best.numpy(), [[40, 30, 60, 70, 0.9, 0], [140, 30, 160, 70, 0.8, 0]], rtol=1e-6)
    with pytest.raises(ValueError, match="score_threshold must be in"):
        NMSConfig(score_threshold=1.5)


def image_of(record: Record, name: str) -> NDArray[np.uint8]:
    """Return a recorded source image by its rule."""
    if name == "noise":
        image: NDArray[Any] = np.random.Generator(np.random.PCG64(40)).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    elif name == "smooth":
        rows, columns, channel = np.meshgrid(np.arange(1080), np.arange(1920), np.arange(3), indexing="ij")
        wave = 127.5 + 90 * np.sin(columns / 37 + channel) + 37 * np.cos(rows / 23 - 2 * channel)
        image = np.clip(np.rint(wave), 0, 255).astype(np.uint8)
    else:
        seed, shape = name.split("PCG64(")[1].split(")")[0], name.split("256,(")[1].split(")")[0]
        size = tuple(map(int, shape.split(",")))
        return np.random.Generator(np.random.PCG64(int(seed))).integers(0, 256, size, dtype=np.uint8)
    assert zlib.crc32(image.tobytes()) == record.meta["image_crc32"][name]
    return image


def test_prb_letterbox_equals_the_original(oracle: Oracle) -> None:
    record = Record(oracle("networks"), "preproc_prb")
    images: dict[str, NDArray[np.uint8]] = {}
    checked = 0
    for key, case in record.meta.items() if "cases" not in record.meta else record.meta["cases"].items():
        if not isinstance(case, dict) or "out_shape" not in case:
            continue
        name = case["image"]
        images[name] = image = images[name] if name in images else image_of(record, name)
        said, shape = case["args"], case["new_shape"]
        size = (shape, shape) if isinstance(shape, int) else tuple(shape)
        config = ImageFormat(minimal=said.get("auto", True))
        at = place(*image.shape[:2], size, config, said["stride"], said.get("scaleup", True))
        boxed = letterbox(image, at, config)
        assert list(boxed.shape) == case["out_shape"], key
        assert [at.ratio_x, at.ratio_y] == pytest.approx(case["ratio"])
        assert [at.left, at.top] == case["pad_wh"]
        step = 8 if key.startswith("odd") else 64
        # another build of OpenCV may round a grey level differently
        np.testing.assert_allclose(boxed[::step, ::step].astype(int), record.arrays[f"{key}_grid"].astype(int), atol=1)
        assert boxed.sum() == pytest.approx(case["sum"], rel=1e-5)
        if cv2.__version__ == record.meta["cv2"]:
            assert zlib.crc32(boxed.tobytes()) == case["crc32"]
        checked += 1
    assert checked == 14


def test_yolox_input_equals_the_original(oracle: Oracle) -> None:
    record = Record(oracle("networks"), "preproc_yolox")
    cases = record.meta.get("cases", record.meta)
    for key, case in cases.items():
        if not isinstance(case, dict) or "out_shape" not in case or "smooth" in key:
            continue
        image = image_of(record, case["image"])
        config = BYTETRACK_INPUT
        if case["mean"] is None:
            config = ImageFormat(centred=False, minimal=False)
        at = place(1080, 1920, tuple(case["input_size"]), config, 32)
        assert at.ratio_x == pytest.approx(case["r"])
        found = to_input(torch.from_numpy(letterbox(image, at, config))[None], config)[0].numpy()
        y, x = case["crop"][:2]
        if (crop := record.arrays.get(f"{key}_crop")) is not None:
            height, width = crop.shape[1:]
            np.testing.assert_allclose(found[:, y : y + height, x : x + width], crop, atol=2e-5)
        if (grid := record.arrays.get(f"{key}_grid")) is not None:
            np.testing.assert_allclose(found[:, ::64, ::64], grid, atol=2e-5)
        assert found.shape == tuple(case["out_shape"])


def test_boxes_return_to_the_frame(oracle: Oracle) -> None:
    record = Record(oracle("networks"), "preproc_prb")
    at = place(1080, 1920, (1280, 1280), ImageFormat(), 64)
    assert at.size == (768, 1280)
    boxes = to_frame(record.arrays["scale_in"].astype(float), at, 1080, 1920)
    np.testing.assert_allclose(boxes, record.arrays["scale_768x1280_to_1080x1920"], atol=1e-3)


@pytest.mark.parametrize("config", [ImageFormat(), BYTETRACK_INPUT, YOLOX_INPUT])
def test_a_point_survives_the_way_there_and_back(config: ImageFormat) -> None:
    frame = np.zeros((300, 500, 3), np.uint8)
    frame[200:220, 100:110] = 255
    at = place(300, 500, (256, 320), config, 32)
    boxed = letterbox(frame, at, config)
    ys, xs = np.nonzero(boxed[..., 0] > 200)
    box = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float64)
    np.testing.assert_allclose(to_frame(box, at, 300, 500), [[100, 200, 110, 220]], atol=2.5)


def test_an_odd_row_of_padding_goes_below() -> None:
    config = ImageFormat()
    at = place(93, 160, (160, 160), config, 32)
    assert (at.top, at.size) == (1.5, (96, 160))
    boxed = letterbox(np.zeros((93, 160, 3), np.uint8), at, config)
    assert boxed[:, 0, 0].tolist() == [114] + [0] * 93 + [114] * 2
