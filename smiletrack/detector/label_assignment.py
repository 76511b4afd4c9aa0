"""Which predictions learn which object: simplified optimal transport (SimOTA, Ge et al. 2021, arXiv:2107.08430, 2.5).

Every object takes its k cheapest candidates, k being the sum of its best overlaps; a candidate that several objects
take stays with the cheapest. The candidates are what differs: anchors of fitting shape around the centre in PRB-Net
and YOLOv7, cells in the box or near its centre in YOLOX.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smiletrack.detector.overlaps import iou_pairs, to_corners


def dynamic_k_matching(cost: Tensor, iou: Tensor, top: int) -> Tensor:
    """Return (A,) the object of each candidate, -1 for none.

    cost, iou: (G, A) of object and candidate; `top` best overlaps of an object sum (cut to an integer, at least 1) to
    the number of candidates it takes. No object or no candidate: all -1.
    """
    objects, candidates = cost.shape
    if objects == 0 or candidates == 0:
        return torch.full((candidates,), -1, dtype=torch.long, device=cost.device)
    best = iou.topk(min(top, candidates), dim=1).values
    k = best.sum(1).int().clamp(min=1, max=candidates)
    cheapest = cost.topk(int(k.max()), dim=1, largest=False).indices
    taken = torch.arange(cheapest.shape[1], device=cost.device) < k[:, None]
    matching = torch.zeros_like(cost, dtype=torch.bool).scatter_(1, cheapest, taken)
    claims = matching.sum(0)
    owner = torch.where(claims > 1, cost.argmin(0), matching.int().argmax(0))
    return torch.where(claims > 0, owner, -1)


def class_cost(objectness: Tensor, classes: Tensor, target_classes: Tensor) -> Tensor:
    """Return (G, A) binary cross entropy of sqrt(objectness x class) with each object's class, summed over classes.

    objectness (A,), classes (A, C): logits; target_classes: (G,).
    """
    probability = (classes.sigmoid() * objectness.sigmoid()[:, None]).sqrt()
    # -log(1 - p) for every class, and the object's own class exchanged for -log(p); both cut at 100 as in torch
    absent = -(1 - probability).log().clamp(min=-100)
    present = -probability.log().clamp(min=-100)
    own = target_classes.long()
    return absent.sum(1)[None] + (present - absent).T[own]


@dataclass(frozen=True, eq=False)
class Positives:
    """Predictions of one level that learn an object; row i of each is the same pair.

    image, anchor, row, column: (P,) place of the prediction. target: (P,) row of the targets.
    """

    image: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    target: Tensor

    def select(self, rows: Tensor) -> "Positives":
        """Return the rows that an index or a mask selects."""
        return Positives(self.image[rows], self.anchor[rows], self.row[rows], self.column[rows], self.target[rows])


def anchor_candidates(
    targets: Tensor, anchors: Tensor, stride: int, size: tuple[int, int], reach: float, ratio: float
) -> Positives:
    """Return the anchors of one level whose shape fits a target, in the cell of its centre and in its neighbours.

    targets: (M, 6) image, class, cx, cy, w, h in pixels. anchors: (3, 2) pixels. size: rows, columns of the level.
    A shape fits where no side is more than `ratio` times the other's. `reach` 0.5 adds the two neighbours nearest to
    the centre, 1.0 all four; neighbours outside the level are left out. A centre exactly on a border of cells can
    give the same cell twice, as in the originals.
    """
    rows, columns = size
    grid = targets[:, 2:] / stride
    relative = grid[:, 2:] / (anchors[:, None] / stride)
    anchor, target = (torch.maximum(relative, 1 / relative).amax(2) < ratio).nonzero().unbind(1)
    centre = grid[target, :2]
    mirrored = grid.new_tensor([columns, rows]) - centre
    low = (centre % 1 < reach) & (centre > 1)
    high = (mirrored % 1 < reach) & (mirrored > 1)
    chosen = torch.cat([torch.ones_like(low[:, :1]), low, high], 1).T
    shifts = centre.new_tensor([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]]) * reach
    which, index = chosen.nonzero().unbind(1)
    cells = (centre[index] - shifts[which]).long()
    return Positives(
        image=targets[target[index], 0].long(),
        anchor=anchor[index],
        row=cells[:, 1].clamp(0, rows - 1),
        column=cells[:, 0].clamp(0, columns - 1),
        target=target[index],
    )


@torch.no_grad()
def assign_anchors(
    levels: Sequence[Tensor],
    decoded: Sequence[Tensor],
    targets: Tensor,
    anchors: Tensor,
    strides: Sequence[int],
    reach: float = 0.5,
    ratio: float = 4.0,
    top: int = 10,
    unique: bool = False,
) -> list[Positives]:
    """Return the positives of every level, chosen over all levels of an image together.

    levels: raw (B, 3, H, W, 5 + C); decoded: the same with boxes cxcywh in pixels; targets: (M, 6) in pixels.
    `unique` drops the second of equal candidates, which the originals keep (and count twice).
    """
    candidates = []
    for raw, boxes, stride in zip(levels, anchors, strides, strict=True):
        found = anchor_candidates(targets, boxes, stride, (raw.shape[2], raw.shape[3]), reach, ratio)
        candidates.append(found.select(_first_of_each_cell(found)) if unique else found)
    predicted = torch.cat([_at(d, c) for d, c in zip(decoded, candidates, strict=True)]).float()
    logits = torch.cat([_at(raw, c) for raw, c in zip(levels, candidates, strict=True)]).float()
    image = torch.cat([c.image for c in candidates])
    matched = torch.full_like(image, -1)
    for number in torch.unique(targets[:, 0]):
        mine, here = (image == number).nonzero()[:, 0], (targets[:, 0] == number).nonzero()[:, 0]
        iou = iou_pairs(to_corners(targets[here, 2:]), to_corners(predicted[mine, :4]))
        cost = class_cost(logits[mine, 4], logits[mine, 5:], targets[here, 1])
        owner = dynamic_k_matching(cost - 3 * (iou + 1e-8).log(), iou, top)
        matched[mine] = torch.where(owner >= 0, here[owner], -1)
    positives = []
    for found, owner in zip(candidates, torch.split(matched, [len(c.image) for c in candidates]), strict=True):
        kept = found.select(owner >= 0)
        positives.append(Positives(kept.image, kept.anchor, kept.row, kept.column, owner[owner >= 0]))
    return positives


def _at(level: Tensor, positives: Positives) -> Tensor:
    """(B, 3, H, W, K) -> (P, K)."""
    return level[positives.image, positives.anchor, positives.row, positives.column]


def _first_of_each_cell(found: Positives) -> Tensor:
    """Return the indices of the first candidate of every (image, anchor, row, column), in order."""
    cells = torch.stack([found.image, found.anchor, found.row, found.column], 1)
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
    """Return for one image (A,) the matched target of every cell, -1 for none, and (A,) its overlap, 0 for none.

    predictions: (A, 5 + C), boxes cxcywh in pixels, the rest logits. centres: (A, 2) of the cells, strides (A,), in
    pixels. targets: (G, 5) class, cx, cy, w, h in pixels. size: height, width of the image. Cells in a box or within
    `radius` cells of its centre take part; those that are not both for an object are dear to it. A centre outside of
    the image is moved to its border, as ByteTrack does.
    """
    matched = torch.full((len(predictions),), -1, dtype=torch.long, device=predictions.device)
    overlap = predictions.new_zeros(len(predictions))
    if len(targets) == 0:
        return matched, overlap
    corners = to_corners(targets[:, 1:])
    inside = ((centres > corners[:, None, :2]) & (centres < corners[:, None, 2:])).all(2)
    middle = targets[:, 1:3].clamp(min=0).minimum(targets.new_tensor([size[1], size[0]]))
    near = ((centres - middle[:, None]).abs() < radius * strides[:, None]).all(2)
    some = (inside | near).any(0).nonzero()[:, 0]
    rows = predictions[some].float()
    iou = iou_pairs(corners, to_corners(rows[:, :4]))
    cost = class_cost(rows[:, 4], rows[:, 5:], targets[:, 0]) - 3 * (iou + 1e-8).log()
    cost = cost + 1e5 * ~(inside & near)[:, some]
    owner = dynamic_k_matching(cost, iou, top)
    taken = owner >= 0
    matched[some] = owner
    overlap[some[taken]] = iou[owner[taken], taken.nonzero()[:, 0]].to(overlap.dtype)
    return matched, overlap
