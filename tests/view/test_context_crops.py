"""Crops of one card: one size and one scale, the person in the middle, dark where the frame ends."""

import base64

import cv2
import numpy as np

from smiletrack.view.context_crops import Window, context_crop


def decoded(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def frame_with(box: list[float]) -> np.ndarray:
    """A green frame of 320 x 240 with a red box."""
    frame = np.full((240, 320, 3), (90, 160, 90), np.uint8)
    x1, y1, x2, y2 = map(int, box)
    frame[max(y1, 0) : y2, max(x1, 0) : x2] = (30, 30, 220)
    return frame


def red_size(picture: np.ndarray) -> tuple[int, int]:
    red = (picture[..., 2] > 150) & (picture[..., 1] < 110)
    return int(red.any(0).sum()), int(red.any(1).sum())


def test_pictures_of_a_card_have_one_scale() -> None:
    near, far = [100.0, 60, 140, 160], [200.0, 100, 220, 150]
    window = Window.around(np.array([near, far]))
    assert (window.width, window.height) == (120, 130)
    pictures = [decoded(context_crop(frame_with(box), np.array(box), window)) for box in (near, far)]
    assert pictures[0].shape == pictures[1].shape
    scale = pictures[0].shape[0] / window.height
    for picture, box in zip(pictures, (near, far), strict=True):
        expected = scale * (box[2] - box[0]), scale * (box[3] - box[1])
        assert np.allclose(red_size(picture), expected, atol=5)
        height, width = picture.shape[:2]
        assert picture[height // 2, width // 2, 2] > 150, "the person is in the middle"


def test_what_is_outside_of_the_frame_is_dark() -> None:
    box = [-10.0, 180, 30, 280]
    picture = decoded(context_crop(frame_with(box), np.array(box), Window.around(np.array([box]))))
    height, width = picture.shape[:2]
    assert picture[: height // 3, : width // 4].max() < 70 and picture[-height // 4 :, : width // 4].max() < 70
    assert picture[height // 4, -5, 1] > 130
    nowhere = decoded(context_crop(frame_with(box), np.array([900.0, 900, 950, 999]), Window(150, 130)))
    assert nowhere[:20].max() < 70


def test_windows_are_bounded() -> None:
    assert Window.around(np.array([[5.0, 5, 5, 5]])) == Window(48, 48)
    assert Window.around(np.array([[0.0, 0, 1e9, 1e9]])) == Window(4096, 4096)
