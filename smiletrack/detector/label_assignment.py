"""Which predictions learn which object: simplified optimal transport (SimOTA, Ge et al. 2021, arXiv:2107.08430, 2.5).

Every object takes its k cheapest candidates, k being the sum of its best overlaps; a candidate that several objects
take stays with the cheapest. The candidates are what differs: anchors of fitting shape around the centre in PRB-Net
and YOLOv7, cells in the box or near its centre in YOLOX.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smiletrack.detector.overlaps import iou_pairs, to_corners


def dynamic_k_matching(cost: Tensor, iou: Tensor, top: int, present: Tensor | None = None) -> Tensor:
    """Return (..., A) the object of each candidate, -1 for none.

    cost, iou: (..., G, A) of object and candidate, several images in front; present: which of these pairs there are,
    None = all. `top` best overlaps of an object sum (cut to an integer, at least 1) to the number of candidates it
    takes. No object or no candidate: all -1.
    """
    objects, candidates = cost.shape[-2:]
    if objects == 0 or candidates == 0:
        return torch.full((*cost.shape[:-2], candidates), -1, dtype=torch.long, device=cost.device)
    if present is None:
        present = torch.ones_like(cost, dtype=torch.bool)
    cost, iou = cost.masked_fill(~present, torch.inf), iou.masked_fill(~present, 0)
    top = min(top, candidates)
    k = iou.topk(top, dim=-1).values.sum(-1).int().clamp(min=1).minimum(present.sum(-1))
    # of equal costs the first is the cheapest, on every device and beside whatever other images
    cheapest = cost.sort(dim=-1, stable=True).indices[..., :top]
    taken = torch.arange(top, device=cost.device) < k[..., None]
    matching = torch.zeros_like(present).scatter_(-1, cheapest, taken)
    claims = matching.sum(-2)
    owner = torch.where(claims > 1, cost.argmin(-2), matching.int().argmax(-2))
    return torch.where(claims > 0, owner, -1)


def class_cost(objectness: Tensor, classes: Tensor, target_classes: Tensor) -> Tensor:
    """Return (..., G, A) binary cross entropy of sqrt(objectness x class) with the object's class, summed over classes.

    objectness (..., A), classes (..., A, C): logits; target_classes: (..., G).
    """
    probability = (classes.sigmoid() * objectness.sigmoid()[..., None]).sqrt()
    # -log(1 - p) for every class, and the object's own class exchanged for -log(p); both cut at 100 as in torch
    absent = -(1 - probability).log().clamp(min=-100)
    present = -probability.log().clamp(min=-100)
    own = target_classes.long()[..., None, :].expand(*classes.shape[:-1], -1)
    exchanged = (present - absent).gather(-1, own).transpose(-1, -2)
    return absent.sum(-1)[..., None, :] + exchanged


@dataclass(frozen=True, eq=False)
class ImageSlots:
    """Rows of several images laid out as a table (images, slots), so that all images are treated at once.

    image, slot: (N,) place of each row in the table, rows of one image in their order. counts: (B,) rows of each image.
    """

    image: Tensor
    slot: Tensor
    counts: Tensor

    @staticmethod
    def of(image: Tensor, batch: int) -> "ImageSlots":
        """image: (N,) image of each row, from 0; batch: number of images."""
        mine = image == torch.arange(batch, device=image.device)[:, None]
        slot = (mine.cumsum(1) * mine).sum(0) - 1
        return ImageSlots(image, slot, mine.sum(1))

    def filled(self, width: int) -> Tensor:
        """Return (B, width): whether a slot holds a row."""
        return torch.arange(width, device=self.counts.device) < self.counts[:, None]

    def rows(self, width: int) -> Tensor:
        """Return (B, width): the row that a slot holds, 0 in empty ones."""
        return self.table(torch.arange(len(self.image), device=self.image.device), width)

    def table(self, values: Tensor, width: int) -> Tensor:
        """(N, ...) values of the rows -> (B, width, ...), zero in empty slots."""
        table = values.new_zeros(len(self.counts), width, *values.shape[1:])
        table[self.image, self.slot] = values
        return table


@dataclass(frozen=True, eq=False)
class Positives:
    """Predictions that learn an object; row i of each is the same pair, rows in the order of levels.

    level, image, anchor, row, column: (P,) place of the prediction. target: (P,) row of the targets.
    """

    level: Tensor
    image: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    target: Tensor

    def select(self, rows: Tensor) -> "Positives":
        """Return the rows that an index selects."""
        return Positives(*(column[rows] for column in self._columns()))

    def split(self, sizes: Sequence[int]) -> list["Positives"]:
        """Cut into parts of so many rows."""
        columns = (torch.split(column, list(sizes)) for column in self._columns())
        return [Positives(*parts) for parts in zip(*columns, strict=True)]

    def _columns(self) -> tuple[Tensor, ...]:
        return self.level, self.image, self.anchor, self.row, self.column, self.target


def anchor_candidates(
    targets: Tensor, anchors: Tensor, strides: Tensor, size: tuple[int, int], reach: float, ratio: float
) -> Positives:
    """Return the anchors whose shape fits a target, in the cell of its centre and in its neighbours, level by level.

    targets: (M, 6) image, class, cx, cy, w, h in pixels. anchors: (L, 3, 2) and strides: (L,), pixels. size: height,
    width of the image in pixels. A shape fits where no side is more than `ratio` times the other's. `reach` 0.5 adds
    the two neighbours nearest to the centre, 1.0 all four; neighbours outside the level are left out. A centre exactly
    on a border of cells can give the same cell twice, as in the originals.
    """
    grid = targets[:, 2:] / strides[:, None, None]
    extent = torch.stack([size[1] / strides, size[0] / strides], 1)  # columns and rows of each level
    relative = grid[:, None, :, 2:] / (anchors / strides[:, None, None])[:, :, None]
    fits = torch.maximum(relative, 1 / relative).amax(3) < ratio
    centre = grid[..., :2]
    mirrored = extent[:, None] - centre
    low = (centre % 1 < reach) & (centre > 1)
    high = (mirrored % 1 < reach) & (mirrored > 1)
    neighbours = torch.cat([torch.ones_like(low[..., :1]), low, high], 2).transpose(1, 2)
    level, which, anchor, target = (fits[:, None] & neighbours[:, :, None]).nonzero().unbind(1)
    # which: the centre's own cell, left, upper, right, lower neighbour
    shift = torch.stack([(which == 1).int() - (which == 3).int(), (which == 2).int() - (which == 4).int()], 1)
    cells = (centre[level, target] - shift * reach).long()
    cells = cells.clamp(min=0).minimum((extent - 1).long()[level])
    return Positives(level, targets[target, 0].long(), anchor, cells[:, 1], cells[:, 0], target)


@torch.no_grad()
def assign_anchors(
    levels: Sequence[Tensor],
    targets: Tensor,
    anchors: Tensor,
    strides: Tensor,
    size: tuple[int, int],
    reach: float = 0.5,
    ratio: float = 4.0,
    top: int = 10,
    unique: bool = False,
) -> list[Positives]:
    """Return the positives of every level, chosen over all levels of an image together.

    levels: raw (B, 3, H, W, 5 + C); targets: (M, 6), anchors: (L, 3, 2), strides: (L,), size: height, width of the
    images, in pixels. `unique` drops the second of equal candidates, which the originals keep (and count twice).

    A GPU is waited for four times, however many images there are: for the number of candidates, for how they spread
    over levels and images, and for the same of the positives.
    """
    batch = len(levels[0])
    found = anchor_candidates(targets, anchors, strides, size, reach, ratio)
    if unique:
        found = found.select(_first_of_each_cell(found))
    candidates, objects = ImageSlots.of(found.image, batch), ImageSlots.of(targets[:, 0].long(), batch)
    spread = _per_level(found.level, len(levels)), candidates.counts.max(), objects.counts.max()
    *sizes, width, height = _numbers(*spread)
    logits = torch.cat([_at(raw, part) for raw, part in zip(levels, found.split(sizes), strict=True)]).float()
    boxes = _anchor_boxes(logits, found, anchors, strides)
    seen, wanted = candidates.table(torch.cat([boxes, logits[:, 4:]], 1), width), objects.table(targets, height)
    iou = iou_pairs(to_corners(wanted[..., 2:]), to_corners(seen[..., :4]))
    cost = class_cost(seen[..., 4], seen[..., 5:], wanted[..., 1]) - 3 * (iou + 1e-8).log()
    present = objects.filled(height)[:, :, None] & candidates.filled(width)[:, None]
    owner = dynamic_k_matching(cost, iou, top, present)[candidates.image, candidates.slot]
    kept = (owner >= 0).nonzero()[:, 0]
    positives = found.select(kept)
    target = objects.rows(height)[positives.image, owner[kept]]
    sizes = _numbers(_per_level(positives.level, len(levels)))
    return dataclasses.replace(positives, target=target).split(sizes)


def _anchor_boxes(logits: Tensor, at: Positives, anchors: Tensor, strides: Tensor) -> Tensor:
    """(P, 5 + C) raw predictions at their places -> (P, 4) cxcywh in pixels."""
    y, stride = logits[:, :4].sigmoid(), strides[at.level, None]
    cells = torch.stack([at.column, at.row], 1)
    in_cells = torch.cat(
        [2 * y[:, :2] - 0.5 + cells, (2 * y[:, 2:]).square() * (anchors[at.level, at.anchor] / stride)], 1
    )
    return in_cells * stride


def _at(level: Tensor, positives: Positives) -> Tensor:
    """(B, 3, H, W, K) -> (P, K)."""
    return level[positives.image, positives.anchor, positives.row, positives.column]


def _per_level(level: Tensor, number: int) -> Tensor:
    """(P,) level of each row -> (number,) rows of each level."""
    return (level == torch.arange(number, device=level.device)[:, None]).sum(1)


def _numbers(*counts: Tensor) -> list[int]:
    """Return all counts as Python's numbers; the device is waited for once."""
    return [int(number) for number in torch.cat([count.reshape(-1) for count in counts]).tolist()]


def _first_of_each_cell(found: Positives) -> Tensor:
    """Return the indices of the first candidate of every (level, image, anchor, row, column), in order."""
    cells = torch.stack([found.level, found.image, found.anchor, found.row, found.column], 1)
    _, group = torch.unique(cells, dim=0, return_inverse=True)
    order = torch.arange(len(group), device=group.device)
    first = torch.full_like(order, len(group)).scatter_reduce_(0, group, order, "amin")
    return first[first < len(group)].sort().values


@torch.no_grad()
def assign_cells(
    predictions: Tensor,
    centres: Tensor,
    strides: Tensor,
    targets: Tensor,
    size: tuple[int, int],
    radius: float = 2.5,
    top: int = 10,
) -> tuple[Tensor, Tensor]:
    """Return (B, A) the row of `targets` that each cell learns, -1 for none, and (B, A) their overlap, 0 for none.

    predictions: (B, A, 5 + C), boxes cxcywh in pixels, the rest logits. centres: (A, 2) of the cells, strides (A,), in
    pixels. targets: (M, 6) image, class, cx, cy, w, h in pixels. size: height, width of the images. Cells in a box or
    within `radius` cells of its centre take part; those that are not both for an object are dear to it. A centre
    outside of the image is moved to its border, as ByteTrack does.

    A GPU is waited for three times, however many images there are: for the most objects of an image, for the number of
    cells that take part, and for the most of an image.
    """
    batch = len(predictions)
    matched = torch.full(predictions.shape[:2], -1, dtype=torch.long, device=predictions.device)
    overlap = predictions.new_zeros(predictions.shape[:2])
    objects = ImageSlots.of(targets[:, 0].long(), batch)
    (height,) = _numbers(objects.counts.max())
    wanted, there = objects.table(targets, height), objects.filled(height)[:, :, None]
    inside, near = _cells_around(wanted[..., 2:], centres, strides, size, radius)
    image, cell = ((inside | near) & there).any(1).nonzero().unbind(1)
    some = ImageSlots.of(image, batch)
    (width,) = _numbers(some.counts.max())
    seen = some.table(predictions[image, cell].float(), width)
    iou = iou_pairs(to_corners(wanted[..., 2:]), to_corners(seen[..., :4]))
    cost = class_cost(seen[..., 4], seen[..., 5:], wanted[..., 1]) - 3 * (iou + 1e-8).log()
    both = (inside & near).gather(2, some.table(cell, width)[:, None].expand(-1, height, -1))
    owner = dynamic_k_matching(cost + 1e5 * ~both, iou, top, there & some.filled(width)[:, None])[image, some.slot]
    taken, owner = owner >= 0, owner.clamp(min=0)
    if height and width:
        matched[image, cell] = torch.where(taken, objects.rows(height)[image, owner], -1)
        overlap[image, cell] = torch.where(taken, iou[image, owner, some.slot], 0).to(overlap.dtype)
    return matched, overlap


def _cells_around(
    boxes: Tensor, centres: Tensor, strides: Tensor, size: tuple[int, int], radius: float
) -> tuple[Tensor, Tensor]:
    """(B, G, 4) cxcywh -> two (B, G, A) masks: cells inside of the box, and within `radius` cells of its centre."""
    x, y = centres.unbind(1)
    left, top, right, bottom = (side[..., None] for side in to_corners(boxes).unbind(-1))
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    middle_x, middle_y = boxes[..., 0].clamp(0, size[1])[..., None], boxes[..., 1].clamp(0, size[0])[..., None]
    near = ((x - middle_x).abs() < radius * strides) & ((y - middle_y).abs() < radius * strides)
    return inside, near
