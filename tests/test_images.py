"""The one image contract: boxes cut out of frames, odd frames, and what a network is fed."""

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from smiletrack.detector.letterbox import BYTETRACK_INPUT, YOLOX_INPUT
from smiletrack.image_tensors import to_input
from smiletrack.images import PixelFormat, as_bgr, cut_boxes, pixel_corners
from smiletrack.types import Floats


def noise(height: int = 160, width: int = 200) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_crops_are_what_slicing_and_resizing_give() -> None:
    frame = noise()
    generator = np.random.default_rng(1)
    centres, sides = generator.uniform(-10, 210, (200, 2)), generator.uniform(0.2, 80, (200, 2))
    boxes: Floats = np.concatenate([centres - sides / 2, centres + sides / 2], 1)
    for dtype in (np.uint8, np.float32):
        crops, rows = cut_boxes(frame, boxes, (40, 56), dtype=dtype)
        shown = iter(zip(crops, rows, strict=True))
        for i, box in enumerate(boxes):
            inside = np.clip(box, 0, [200, 160, 200, 160])
            if inside[0] >= inside[2] or inside[1] >= inside[3]:
                continue
            x1, y1, x2, y2 = (round(float(v)) for v in inside)
            x1, y1 = min(x1, 199), min(y1, 159)
            part = frame[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)].astype(dtype)
            crop, row = next(shown)
            assert row == i
            np.testing.assert_array_equal(crop, cv2.resize(part, (40, 56), interpolation=cv2.INTER_LINEAR))
        assert next(shown, None) is None


def test_a_margin_keeps_the_box_in_the_middle_and_repeats_the_border() -> None:
    frame = np.zeros((160, 200, 3), np.uint8)
    frame[:, 100:] = 50
    frame[80:, :] += 100
    box = np.array([[20.0, 20.0, 60.0, 76.0]])
    (tight,), _ = cut_boxes(frame, box, (40, 56))
    (wide,), _ = cut_boxes(frame, box, (40, 56), margin=0.25)
    assert wide.shape == (84, 60, 3)
    np.testing.assert_array_equal(wide[14:70, 10:50], tight)
    padded = np.pad(noise(), ((14, 14), (10, 10), (0, 0)), mode="edge")
    for x, y in ((0, 0), (160, 0), (0, 104), (160, 104)):
        (corner,), _ = cut_boxes(noise(), np.array([[x, y, x + 40.0, y + 56.0]]), (40, 56), margin=0.25)
        np.testing.assert_array_equal(corner, padded[y : y + 84, x : x + 60])


def test_boxes_without_area_in_the_frame_are_left_out_and_the_rest_keep_a_pixel() -> None:
    boxes = np.array(
        [
            [5.4, 5.4, 5.6, 5.7],
            [9, 9, 9, 20],
            [20, 9, 9, 20],
            [np.nan, 0, 9, 9],
            [-9, 0, 0, 9],
            [199.8, 159.9, 300, 300],
        ]
    )
    rows, corners = pixel_corners(boxes, 200, 160)
    assert rows.tolist() == [0, 5]
    assert corners.tolist() == [[5, 5, 6, 6], [199, 159, 200, 160]]
    crops, rows = cut_boxes(noise(), np.zeros((0, 4)), (4, 8))
    assert crops.shape == (0, 8, 4, 3) and not len(rows)


def test_grey_alpha_and_16_bit_frames_are_converted_and_others_refused() -> None:
    grey = noise()[:, :, 0]
    expected = np.repeat(grey[:, :, None], 3, 2)
    for frame in (grey, grey[:, :, None], grey.astype(np.uint16) * 257):
        np.testing.assert_array_equal(as_bgr(frame), expected)
    np.testing.assert_array_equal(as_bgr(np.concatenate([noise(), noise()[:, :, :1]], 2)), noise())
    for wrong in (noise().astype(np.float32), np.zeros((2, 3, 4, 5), np.uint8), np.zeros((4, 4, 2), np.uint8)):
        with pytest.raises(ValueError, match="frame must"):
            as_bgr(wrong)


def test_colours_scale_and_statistics() -> None:
    pixel = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 1, 1, 3)
    assert to_input(pixel, YOLOX_INPUT).flatten().tolist() == [10, 20, 30]
    assert to_input(pixel, PixelFormat()).flatten().tolist() == pytest.approx([30 / 255, 20 / 255, 10 / 255])
    expected = [(30 / 255 - 0.485) / 0.229, (20 / 255 - 0.456) / 0.224, (10 / 255 - 0.406) / 0.225]
    assert to_input(pixel, BYTETRACK_INPUT).flatten().tolist() == pytest.approx(expected)
    for wrong in ({"std": (0, 1, 1)}, {"mean": (0.0,)}):
        with pytest.raises(ValueError, match=r"std\.0 must be above 0|mean must have 3 entries"):
            PixelFormat(**wrong)  # type: ignore[arg-type]
