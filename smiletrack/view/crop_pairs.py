"""Sheets of crop pairs: what an appearance network finds alike, and what it does not."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smiletrack.lazy import LazyModule

cv2 = LazyModule("cv2")

Picture = NDArray[np.uint8]

_GAP, _LINE = 6, 22


class Pair(NamedTuple):
    """Two BGR crops of one size and what to write below them."""

    left: Picture
    right: Picture
    text: str


def pair_sheet(*rows: tuple[str, list[Pair]]) -> Picture:
    """Return an RGB picture with one titled row of pairs below the other; rows without pairs keep their title."""
    bands = [_row(title, pairs) for title, pairs in rows]
    width = max(band.shape[1] for band in bands)
    padded = [np.pad(band, ((0, 0), (0, width - band.shape[1]), (0, 0)), constant_values=255) for band in bands]
    return np.ascontiguousarray(np.concatenate(padded)[:, :, ::-1])


def _row(title: str, pairs: list[Pair]) -> Picture:
    cells = [_cell(pair) for pair in pairs] or [np.full((_LINE, _GAP, 3), 255, np.uint8)]
    height = max(cell.shape[0] for cell in cells)
    cells = [np.pad(cell, ((0, height - len(cell)), (0, 0), (0, 0)), constant_values=255) for cell in cells]
    body = np.concatenate(cells, 1)
    return np.concatenate([_text(title, max(body.shape[1], 320))[:, : max(body.shape[1], 320)], _fit(body, 320)])


def _fit(body: Picture, least: int) -> Picture:
    missing = max(least - body.shape[1], 0)
    return np.pad(body, ((0, 0), (0, missing), (0, 0)), constant_values=255)


def _cell(pair: Pair) -> Picture:
    crops = np.concatenate([pair.left, pair.right], 1)
    framed = np.pad(crops, ((0, 0), (_GAP, _GAP), (0, 0)), constant_values=255)
    return np.concatenate([framed, _text(pair.text, framed.shape[1])])


def _text(text: str, width: int) -> Picture:
    line = np.full((_LINE, width, 3), 255, np.uint8)
    cv2.putText(line, text, (_GAP, _LINE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return line
