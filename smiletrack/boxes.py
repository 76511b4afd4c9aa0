"""Box formats and overlaps. `boxes` are (N, 4) xyxy; the other formats carry their name."""

from collections.abc import Callable

import numpy as np

from smiletrack.types import Floats

PRESENCE, SPREAD = 0.75, 0.25
"""The chance that a person is in the middle column of their box, and how many widths from there it has fallen to 1 / e
of it."""


def xywh_to_xyxy(boxes_xywh: Floats) -> Floats:
    """(N, 4) left, top, width, height -> corners."""
    boxes = np.array(boxes_xywh, np.float64)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def xyxy_to_xywh(boxes: Floats) -> Floats:
    """(N, 4) corners -> left, top, width, height."""
    boxes_xywh = np.array(boxes, np.float64)
    boxes_xywh[:, 2:] -= boxes_xywh[:, :2]
    return boxes_xywh


def area(boxes: Floats) -> Floats:
    """(N, 4) -> (N,) in square pixels; 0 where a side is zero or negative."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return sides[:, 0] * sides[:, 1]


def clip_boxes(boxes: Floats, width: float, height: float) -> Floats:
    """Return the boxes cut at the borders of an image of `width` x `height` pixels."""
    return np.clip(boxes, 0.0, np.array([width, height, width, height], np.float64))


def iou_matrix(boxes_a: Floats, boxes_b: Floats, pixel: float = 0.0) -> Floats:
    """(N, 4), (M, 4) -> (N, M) intersection over union in [0, 1]; 0 where a box has no area.

    `pixel` = 1 counts both border pixels, as the PASCAL VOC code and the original ByteTrack do.
    """
    top_left = np.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    bottom_right = np.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    sides = np.maximum(bottom_right - top_left + pixel, 0.0)
    intersection = sides[..., 0] * sides[..., 1]
    size_a = np.maximum(boxes_a[:, 2:] - boxes_a[:, :2] + pixel, 0.0)
    size_b = np.maximum(boxes_b[:, 2:] - boxes_b[:, :2] + pixel, 0.0)
    union = size_a.prod(1)[:, None] + size_b.prod(1)[None, :] - intersection
    overlap: Floats = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
    return overlap


def cover_cells(boxes: Floats, others: Floats, rows: int, columns: int) -> Floats:
    """(N, 4), (M, 4) -> (N, rows, columns): how much of each cell of each box lies under nearer boxes, in [0, 1].

    Of two people who stand on one ground the nearer one's box ends further down, so the boxes that cover a box are
    those of `others` whose lower edge is below its own; a box that is among `others` itself never covers itself.
    Where several boxes cut one cell, their shares of it are taken as independent.
    """
    return _nearer_cells(boxes, others, rows, columns, 0.0, _share_of_cells, np.multiply)


def hidden_cells(boxes: Floats, others: Floats, rows: int, columns: int, margin: float = 0.0) -> Floats:
    """As `cover_cells`, but how much of each cell nearer people hide, who do not fill their boxes.

    margin: the cells are those of the box and this share of its sides on every side of it.

    At u widths from the middle of a box its person is there with a chance of PRESENCE exp(-(u / SPREAD)^2). Where
    several boxes cut one cell, the greatest chance counts: they are often one person's.
    """
    return _nearer_cells(boxes, others, rows, columns, margin, _chance_in_cells, np.minimum)


def _nearer_cells(
    boxes: Floats,
    others: Floats,
    rows: int,
    columns: int,
    margin: float,
    across: Callable[[Floats, Floats, int], Floats],
    together: np.ufunc,
) -> Floats:
    """Return (N, rows, columns). across: left and right edges (K,), in widths of the box behind -> (K, columns).

    together: makes one visible share of those that two nearer boxes leave.
    """
    sides = np.maximum(boxes[:, None, 2:] - boxes[:, None, :2], 1e-9)
    start, sides = boxes[:, None, :2] - margin * sides, (1 + 2 * margin) * sides
    low, high = (others[None, :, :2] - start) / sides, (others[None, :, 2:] - start) / sides
    covers = (others[None, :, 3] > boxes[:, None, 3]) & (high > np.maximum(low, 0)).all(2) & (low < 1).all(2)
    i, j = np.nonzero(covers)
    visible = np.ones((len(boxes), rows, columns))
    down = _share_of_cells(low[i, j, 1], high[i, j, 1], rows)
    together.at(visible, i, 1 - down[:, :, None] * across(low[i, j, 0], high[i, j, 0], columns)[:, None, :])
    return 1 - visible


def _share_of_cells(low: Floats, high: Floats, cells: int) -> Floats:
    """(K,), (K,) intervals -> (K, cells): the covered share of each of `cells` equal parts of [0, 1]."""
    edges = np.arange(cells + 1) / cells
    inside = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    return np.maximum(inside, 0) * cells


def _chance_in_cells(low: Floats, high: Floats, cells: int) -> Floats:
    """(K,), (K,) left and right edges of boxes -> (K, cells): the chance that their person is in the covered share.

    It is taken in the middle of what the box has of a part.
    """
    edges = np.clip(np.arange(cells + 1) / cells, low[:, None], high[:, None])
    u = (edges[:, 1:] + edges[:, :-1] - (low + high)[:, None]) / 2 / (high - low)[:, None]
    return np.asarray(PRESENCE * np.exp(-((u / SPREAD) ** 2)) * _share_of_cells(low, high, cells))


def covered_shares(boxes: Floats, others: Floats) -> Floats:
    """(N, 4), (M, 4) -> (N,): the share of each box under the nearer ones of `others`, see `cover_cells`."""
    return cover_cells(boxes, others, 32, 16).mean((1, 2))
