"""Patch layouts: how an object of W x H pixels is divided into N_P patches (paper, Fig. 4)."""

import math

import torch
from torch import Tensor
from torch.nn import functional

Box = tuple[float, float, float, float]

_LEFT, _RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
_WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
_CENTRE: Box = (0.25, 0.25, 0.75, 0.75)


def _grid(columns: int, rows: int) -> tuple[Box, ...]:
    """Equal cells in row-major order."""
    return tuple(
        (c / columns, r / rows, (c + 1) / columns, (r + 1) / rows) for r in range(rows) for c in range(columns)
    )


LAYOUTS: dict[str, tuple[Box, ...]] = {
    "A": (_WHOLE,),
    "B": (_LEFT, _RIGHT),
    "C": _grid(1, 3),
    "D": _grid(2, 2),
    "E": (*_grid(2, 2), _CENTRE),
    "F": _grid(2, 3),
    "G": (*_grid(2, 2), _CENTRE, _WHOLE),
    "H": _grid(2, 4),
}
"""Boxes (x1, y1, x2, y2) in [0, 1]. E is the paper's choice: four quadrants and "a shifted version of" them in the
centre; D, its four quadrants, is what the released code uses. The paper shows the other six only in a figure that no
public text defines: A, B, C, F, G and H are this project's reading of it."""


def pixel_boxes(boxes: tuple[Box, ...], width: int, height: int) -> tuple[tuple[int, int, int, int], ...]:
    """Round normalised boxes to pixels of a W x H object; every box keeps at least one pixel."""
    pixels = []
    for x1, y1, x2, y2 in boxes:
        left, top = min(round(x1 * width), width - 1), min(round(y1 * height), height - 1)
        pixels.append((left, top, max(round(x2 * width), left + 1), max(round(y2 * height), top + 1)))
    return tuple(pixels)


def cell_boxes(boxes: tuple[Box, ...], width: int, height: int) -> tuple[tuple[int, int, int, int], ...]:
    """Round normalised boxes outwards to cells of a feature map: a cell that a box cuts belongs to it."""
    return tuple(
        (math.floor(x1 * width), math.floor(y1 * height), math.ceil(x2 * width), math.ceil(y2 * height))
        for x1, y1, x2, y2 in boxes
    )


def cut_patches(objects: Tensor, boxes: tuple[tuple[int, int, int, int], ...], size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) -> (B, N_P, C, H_P, W_P): every patch P_i has the fixed `size` = (W_P, H_P).

    A patch whose box has another size is resized (bilinear); in layouts D and E none is.
    """
    width, height = size
    patches = []
    for left, top, right, bottom in boxes:
        patch = objects[:, :, top:bottom, left:right]
        if (right - left, bottom - top) != size:
            patch = functional.interpolate(patch, (height, width), mode="bilinear", align_corners=False)
        patches.append(patch)
    return torch.stack(patches, 1)


def place_shares(
    boxes: tuple[tuple[int, int, int, int], ...],
    extent: tuple[int, int],
    size: tuple[int, int],
    stride: int,
    grid: tuple[int, int],
) -> Tensor:
    """Return (N_P * d_f, R * C): the share of each place of each patch in each cell of the object; rows add up to 1.

    boxes: of the patches, in pixels (or cells) of an object of `extent` = (width, height). size: (W_P, H_P), of which
    every `stride` makes one place, the last may be cut. grid: R rows and C columns of equal cells over the object.
    """
    matrices = []
    for left, top, right, bottom in boxes:
        across = _shares(left, right, extent[0], size[0], stride, grid[1])
        down = _shares(top, bottom, extent[1], size[1], stride, grid[0])
        matrices.append(torch.kron(down, across))
    return torch.cat(matrices)


def _shares(start: int, end: int, extent: int, size: int, stride: int, cells: int) -> Tensor:
    """Return (places, cells) for one direction."""
    inside = torch.arange(0, size + stride, stride, dtype=torch.float64).clamp(max=size) / size
    edges = (start + inside * (end - start)) / extent * cells
    cell = torch.arange(cells)
    overlaps = torch.minimum(edges[1:, None], cell + 1) - torch.maximum(edges[:-1, None], cell)
    return (overlaps.clamp_min(0) / (edges[1:] - edges[:-1])[:, None]).float()
