"""Small pictures of one person in context, as data URIs that a page can hold."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np

from smiletrack.types import Floats
from smiletrack.view.colors import identity_color
from smiletrack.view.drawing import Image, draw_box

_HEIGHT = 220


def context_crop(frame: Image, box: Floats, others: Sequence[tuple[int, Floats]] = ()) -> str:
    """Return a JPEG data URI of the surroundings of a box (4,), dashed white, and of those of (identity, box) pairs.

    The window is three times as wide and 1.3 times as high as the box, at least 48 pixels, cut at the borders of the
    frame; a box wholly outside gives the nearest corner of the frame.
    """
    rows, columns = frame.shape[:2]
    centre_x, centre_y = np.clip(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), 0, (columns - 1, rows - 1))
    half_width = max(1.5 * (box[2] - box[0]), 24.0)
    half_height = max(0.65 * (box[3] - box[1]), 24.0)
    left, top = max(0, int(centre_x - half_width)), max(0, int(centre_y - half_height))
    window = frame[top : max(top + 1, int(centre_y + half_height)), left : max(left + 1, int(centre_x + half_width))]
    scale = _HEIGHT / window.shape[0]
    size = (max(1, round(window.shape[1] * scale)), _HEIGHT)
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(window, size, interpolation=smooth), np.uint8)
    draw_box(image, (box - (left, top, left, top)) * scale, (255, 255, 255), dashed=True, width=1)
    for identity, other in others:
        moved = (other - (left, top, left, top)) * scale
        draw_box(image, moved, identity_color(identity), str(identity), width=2)
    _, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 80))
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
