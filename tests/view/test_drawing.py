"""Drawings say what the arrays say: right pixels, right colours, nothing that crashes."""

from itertools import combinations

import cv2
import numpy as np

from smiletrack.view.colors import hex_color, identity_color
from smiletrack.view.drawing import TrackPainter, draw_box, draw_lines, draw_trail, speed_lines


def blank() -> np.ndarray:
    return np.zeros((120, 200, 3), np.uint8)


def inked(image: np.ndarray) -> np.ndarray:
    return image.any(2)


def test_colours_are_stable_and_neighbours_differ() -> None:
    assert identity_color(7) == identity_color(7)
    colors = np.array([[identity_color(i) for i in range(300)]], np.float32) / 255
    lab = cv2.cvtColor(colors, cv2.COLOR_BGR2LAB)[0]
    near = [np.linalg.norm(lab[i] - lab[j]) for i, j in combinations(range(300), 2) if j - i <= 8]
    assert min(near) > 20
    assert hex_color((1, 2, 255)) == "#ff0201"


def test_box_is_on_its_border_only() -> None:
    image = blank()
    draw_box(image, np.array([20.0, 30, 80, 90]), (10, 200, 30))
    assert tuple(image[30, 50]) == (10, 200, 30) and tuple(image[60, 80]) == (10, 200, 30)
    assert not inked(image)[35:85, 25:75].any() and not inked(image)[:, 90:].any()


def test_dashes_have_gaps() -> None:
    image = blank()
    draw_box(image, np.array([20.0, 30, 180, 90]), (255, 255, 255), dashed=True)
    top = inked(image)[30, 20:180]
    assert 0.3 < top.mean() < 0.8


def test_boxes_outside_not_finite_or_empty_do_no_harm() -> None:
    image = blank()
    for dashed in (False, True):
        for box in ([-1e9, 5, 1e9, 40], [np.nan, 0, 1, 1], [300, 300, 400, 400], [5, 5, 5, 5], [np.inf, 0, 9, 9]):
            draw_box(image, np.array(box, float), (0, 0, 255), "a label", dashed=dashed)
    draw_trail(image, [], (1, 1, 1))
    draw_trail(image, [(3, 3)], (1, 1, 1))
    draw_lines(image, [])


def test_painter_trails_and_lost_tracks() -> None:
    painter = TrackPainter(trail_length=5, lost_shown=2)
    boxes = [np.array([[10.0 + 10 * i, 40, 30 + 10 * i, 80]]) for i in range(4)]
    for box in boxes[:3]:
        image = painter.paint(blank(), np.array([4]), box)
    assert np.abs(image[80, 28].astype(int) - identity_color(4)).max() < 30, "the trail passes where the foot was"
    nobody = (np.empty(0, np.int64), np.empty((0, 4)))
    lost = [inked(painter.paint(blank(), *nobody)).sum() for _ in range(3)]
    assert lost[0] > 0 and lost[1] > 0 and lost[2] == 0


def test_painter_leaves_the_frame_alone_and_draws_stale_tracks_behind() -> None:
    frame = blank()
    image = TrackPainter().paint(
        frame, np.array([1, 2]), np.array([[1.0, 1, 50, 50], [np.nan] * 4]), np.array([1, 0.5])
    )
    assert not frame.any() and image.any()


def test_speed_lines() -> None:
    assert speed_lines({"detect": 1.5, "associate": 0.5}, 100) == [
        "50.0 frames/s",
        "detect 15.0 ms",
        "associate 5.0 ms",
    ]
    assert speed_lines({}, 0) == []
