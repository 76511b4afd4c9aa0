"""What a network seems to want as its input, concluded from what it answers to pictures that are made here."""

import math

import numpy as np
import torch

from smiletrack.image_tensors import to_input
from smiletrack.images import Frame, PixelFormat, pixel_format
from smiletrack.network_files import Arrays, NetworkFile

CANDIDATES = ("bgr255", "rgb1", "rgb-imagenet")
"""What networks of others are fed: OpenCV's pixels as they are, colours in [0, 1], the same standardised."""


def probe_pictures(height: int, width: int) -> tuple[Frame, Frame]:
    """Return two pictures of coloured waves over the whole range of grey levels, always the same ones."""
    rows, columns = np.linspace(0, 1, height, False)[:, None, None], np.linspace(0, 1, width, False)[None, :, None]
    pictures = []
    for start in (0.0, 2.0):
        channels = np.arange(3.0) + start
        # coarse, middle and fine, so that first layers of every size see contrast
        waves = np.sin(2 * np.pi * (0.8 * rows + 0.4 * columns) + 2 * channels)
        waves = waves + np.sin(2 * np.pi * (5 * rows + 3 * channels * columns) + channels)
        waves = waves + np.sin(2 * np.pi * ((7 + channels) * columns - 4 * rows) + 2 * channels)
        pictures.append((127.5 + 42.4 * waves).astype(np.uint8))
    return pictures[0], pictures[1]


def answers_to_probes(file: NetworkFile, pixels: PixelFormat, height: int, width: int) -> list[Arrays]:
    """Return the outputs for each of `probe_pictures`, alone in its pass."""
    return [next(file(_input(picture, pixels)))[1] for picture in probe_pictures(height, width)]


def first_layer_deviations(file: NetworkFile, height: int, width: int) -> dict[str, float]:
    """Return how widely the first layer's answers spread, the median over channels, for each of `CANDIDATES`.

    Behind a batch norm, folded into the convolution or not, values spread by about one where the input is what the
    network was trained on: fed 0-255 instead of 0-1 they spread 255 times as far. Nothing where a file has no
    convolution, or shows no spread.
    """
    picture, _ = probe_pictures(height, width)
    found = {}
    for word in CANDIDATES:
        answer = file.first_layer(_input(picture, pixel_format(word)))
        if answer is not None and np.isfinite(answer).all() and (deviation := float(np.median(answer.std(1)))) > 0:
            found[word] = deviation
    return found if len(found) == len(CANDIDATES) else {}


def likely_input(deviations: dict[str, float]) -> str:
    """Return which of `CANDIDATES` lets the first layer spread by about one; "" where it tells nothing.

    A network that standardises its input itself spreads the same for all of them.
    """
    if not deviations or deviations["bgr255"] < 4 * deviations["rgb1"]:
        return ""
    return min(CANDIDATES, key=lambda word: abs(math.log(deviations[word])))


def _input(picture: Frame, pixels: PixelFormat) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    return to_input(torch.from_numpy(picture)[None], pixels).contiguous().numpy()
