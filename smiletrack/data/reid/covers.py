"""Where people nearer to the camera cover the crops of a table: what training tells a network that sees masks."""

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import hidden_cells
from smiletrack.data.reid.identities import IdentityTable

CELLS = (48, 24)
"""Rows and columns of a cover; a cell of a crop of 224 x 80 pixels with its margin is 6 x 4."""


def table_covers(table: IdentityTable, everybody: IdentityTable, margin: float) -> NDArray[np.uint8]:
    """Return (N, *CELLS): how much of each cell of each of the table's crops is covered, 0 to 255.

    everybody: all who are in the table's images, those included whom it leaves out because little of them is seen.
    margin: the crops show this share of the box's sides around it.
    """
    covers = np.zeros((len(table), *CELLS), np.uint8)
    place = {image: index for index, image in enumerate(everybody.images)}
    groups = _rows_by_image(everybody)
    for image, rows in zip(table.images, _rows_by_image(table), strict=True):
        others = everybody.boxes[groups[place[image]]] if image in place else table.boxes[rows]
        covers[rows] = np.rint(255 * hidden_cells(table.boxes[rows], others, *CELLS, margin))
    return covers


def _rows_by_image(table: IdentityTable) -> list[NDArray[np.intp]]:
    order = np.argsort(table.image_indices, kind="stable")
    return np.split(order, np.searchsorted(table.image_indices[order], np.arange(1, len(table.images))))
