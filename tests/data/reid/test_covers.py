"""Covers of training crops against boxes painted pixel by pixel."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.data.reid.covers import CELLS, table_covers
from smiletrack.data.reid.identities import IdentityTable


def table(images: list[str], index: list[int], boxes: list[list[float]]) -> IdentityTable:
    rows = len(boxes)
    return IdentityTable(
        tuple(map(Path, images)), np.array(index), np.array(boxes, float), np.ones(rows), np.arange(rows),
        np.array(index), np.full(rows, "a"),
    )  # fmt: skip


def chance(x: NDArray[np.float64], left: float, right: float) -> NDArray[np.float64]:
    """Of a box's person to be at x, of 255."""
    return 255 * 0.75 * np.exp(-(((x - (left + right) / 2) / (right - left) / 0.25) ** 2))


def test_covers_are_the_people_in_nearer_boxes_of_the_same_image_margin_included() -> None:
    far, near, other = [100.0, 100, 148, 196], [124.0, 140, 200, 300], [0.0, 0, 300, 400]
    # the table has the far one of the first image alone; everybody's images come in another order
    learned = table(["1.png", "2.png"], [0, 1], [far, far])
    everybody = table(["2.png", "1.png"], [0, 1, 1], [far, far, near])
    covers = table_covers(learned, everybody, 0.5)
    painted, x = np.zeros((192, 96)), 76 + np.arange(96) + 0.5  # the far box and half its sides around it, by pixels
    painted[(140 - 52) :, (124 - 76) :] = chance(x, 124, 200)[(124 - 76) :]
    expected = painted.reshape(CELLS[0], 4, CELLS[1], 4).mean((1, 3))
    np.testing.assert_allclose(covers[0], expected, atol=2)
    assert covers[0].max() > 150 and not covers[1].any() and covers.dtype == np.uint8
    hidden = table_covers(learned, table(["1.png"], [0, 0], [far, other]), 0.5)
    np.testing.assert_allclose(hidden[0], np.tile(chance(x, 0, 300).reshape(-1, 4).mean(1), (CELLS[0], 1)), atol=2)
    assert not hidden[1].any()
