"""Training losses of both detector families: `loss(outputs, targets) -> LossTerms`.

`outputs` is what a network gives in train mode, its list of raw levels. `targets` is (M, 6): image index in the batch,
class from 0, then centre x, centre y, width, height in pixels of the network's input; (0, 6) where there is no box.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.detector.anchor_head import AnchorHead, cell_grid
from smiletrack.detector.label_assignment import Positives, assign_anchors, assign_cells
from smiletrack.detector.overlaps import iou_loss_rows, iou_rows
from smiletrack.detector.settings import OTALossConfig
from smiletrack.detector.yolox import STRIDES, decode_boxes


class LossTerms(NamedTuple):
    """The loss and its parts, each a scalar tensor; the parts carry their gains."""

    total: Tensor
    """What to call `backward` on."""
    box: Tensor
    objectness: Tensor
    classes: Tensor
    l1: Tensor
    """Zero unless YOLOX's extra term is on."""


BALANCE = {3: (4.0, 1.0, 0.4), 4: (4.0, 1.0, 0.25, 0.06)}
"""Weights of the objectness loss, fine to coarse, by number of levels."""


class OTALoss(nn.Module):
    """PRB-Net's and YOLOv7's loss with SimOTA assignment over all levels.

    Lead predictions choose the positives, also those of the auxiliary levels (from a wider neighbourhood). Box loss is
    1 - CIoU in cells, the target of objectness is that overlap, the class loss is skipped with one class. The total
    is multiplied by the batch size, as the released learning rates expect.
    """

    def __init__(self, head: AnchorHead, config: OTALossConfig | None = None) -> None:
        super().__init__()
        self.config = config or OTALossConfig()
        self.head = head
        self.num_classes = head.num_classes
        self.strides = head.strides
        self.has_auxiliary = len(head.auxiliary) > 0
        self.register_buffer("stride_of", torch.tensor(head.strides, dtype=torch.float32), persistent=False)

    stride_of: Tensor

    @property
    def anchors(self) -> Tensor:
        """(L, 3, 2) pixels: the head's own at every call, for weights that are loaded later may bring others."""
        return self.head.anchors

    def forward(self, outputs: Sequence[Tensor], targets: Tensor) -> LossTerms:
        """Return the loss, in float32 also under autocast."""
        with torch.autocast(outputs[0].device.type, enabled=False):
            return self._terms(outputs, targets)

    def _terms(self, outputs: Sequence[Tensor], targets: Tensor) -> LossTerms:
        """Return the loss and its terms: the lead head's and the auxiliary one's at its weight, times their gains."""
        num_levels = len(self.strides)
        lead, auxiliary = list(outputs[:num_levels]), list(outputs[num_levels:])
        targets = targets.to(lead[0].device, torch.float32)
        box, objectness, classes = self._head_terms(lead, self.assign(lead, targets), targets)
        if auxiliary:
            extra = self._head_terms(auxiliary, self.assign(lead, targets, auxiliary=True), targets)
            weight = self.config.auxiliary
            box, objectness, classes = (a + weight * b for a, b in zip((box, objectness, classes), extra, strict=True))
        gain_box, gain_objectness, gain_classes = self._gains(lead[0])
        box, objectness, classes = box * gain_box, objectness * gain_objectness, classes * gain_classes
        total = (box + objectness + classes) * len(lead[0])
        return LossTerms(total, box.detach(), objectness.detach(), classes.detach(), box.new_zeros(()))

    def assign(self, lead: Sequence[Tensor], targets: Tensor, auxiliary: bool = False) -> list[Positives]:
        """Return each level's positives, for the lead head or for the auxiliary one."""
        rows, columns = lead[0].shape[2:4]
        return assign_anchors(
            lead,
            targets,
            self.anchors,
            self.stride_of,
            size=(rows * self.strides[0], columns * self.strides[0]),
            reach=1.0 if auxiliary else 0.5,
            ratio=self.config.anchor_ratio,
            top=20 if self.has_auxiliary else 10,
            unique=self.config.unique,
        )

    def _head_terms(
        self, levels: Sequence[Tensor], positives: Sequence[Positives], targets: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return box, objectness and class loss of one head, without gains."""
        box = objectness = classes = levels[0].new_zeros((), dtype=torch.float32)
        smoothing = self.config.label_smoothing
        everywhere = sum(len(at.target) for at in positives)
        for level, (raw, at) in enumerate(zip(levels, positives, strict=True)):
            wanted = torch.zeros_like(raw[..., 4], dtype=torch.float32)
            if len(at.target):
                rows = raw[at.image, at.anchor, at.row, at.column].float()
                cells = torch.stack([at.column, at.row], 1).float()
                iou = self._overlap(rows, at, targets, cells, level)
                box = box + (1 - iou).sum() / (everywhere if self.config.box_mean == "all" else len(iou))
                wanted[at.image, at.anchor, at.row, at.column] = iou.detach().clamp(min=0)
                if self.num_classes > 1:
                    one_hot = _one_hot(targets[at.target, 1], self.num_classes)
                    soft = one_hot * (1 - smoothing) + 0.5 * smoothing
                    classes = classes + functional.binary_cross_entropy_with_logits(rows[:, 5:], soft)
            weight = BALANCE[len(levels)][level]
            objectness = objectness + weight * functional.binary_cross_entropy_with_logits(raw[..., 4].float(), wanted)
        return box, objectness, classes

    def _overlap(self, rows: Tensor, at: Positives, targets: Tensor, cells: Tensor, level: int) -> Tensor:
        """Return (P,) CIoU of predicted and target boxes, in cells from the corner of each prediction's cell."""
        y = rows[:, :4].sigmoid()
        anchors = self.anchors[level][at.anchor] / self.strides[level]
        predicted = torch.cat([2 * y[:, :2] - 0.5, (2 * y[:, 2:]).square() * anchors], 1)
        target = targets[at.target, 2:] / self.strides[level]
        return iou_rows(predicted, torch.cat([target[:, :2] - cells, target[:, 2:]], 1), "ciou")

    def _gains(self, finest: Tensor) -> tuple[float, float, float]:
        config, per_level = self.config, 3 / len(self.strides)
        if not config.rescale:
            return config.box, config.objectness, config.classes
        side = max(finest.shape[2:4]) * self.strides[0]
        return (
            config.box * per_level,
            config.objectness * (side / 640) ** 2 * per_level,
            config.classes * self.num_classes / 80 * per_level,
        )


class YOLOXLoss(nn.Module):
    """YOLOX's loss: 5 (1 - IoU^2), objectness, classes weighted by IoU, each summed and divided by the positives.

    `use_l1` adds the absolute error of the raw boxes; training turns it on for the last epochs (set the attribute).
    """

    def __init__(self, num_classes: int, use_l1: bool = False) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.use_l1 = use_l1

    def forward(self, outputs: Sequence[Tensor], targets: Tensor) -> LossTerms:
        """Return the loss, in float32 also under autocast."""
        with torch.autocast(outputs[0].device.type, enabled=False):
            return self._terms([level.float() for level in outputs], targets)

    def _terms(self, outputs: Sequence[Tensor], targets: Tensor) -> LossTerms:
        """Return the loss and its terms, each a sum over the batch divided by the number of positives."""
        predictions = decode_boxes(outputs)
        targets = targets.to(predictions.device, torch.float32)
        cells, strides = cell_table(outputs)
        matched, overlap = self._assign(predictions.detach(), outputs, targets)
        image, cell = (matched >= 0).nonzero().unbind(1)
        rows, wanted = predictions[image, cell], targets[matched[image, cell]]
        count = max(1, len(rows))
        binary = functional.binary_cross_entropy_with_logits
        box = 5 * iou_loss_rows(rows[:, :4], wanted[:, 2:]).sum() / count
        objectness = binary(predictions[..., 4], (matched >= 0).float(), reduction="sum") / count
        one_hot = _one_hot(wanted[:, 1], self.num_classes) * overlap[image, cell][:, None]
        classes = binary(rows[:, 5:], one_hot, reduction="sum") / count
        l1 = box.new_zeros(())
        if self.use_l1:
            raw = torch.cat([level.flatten(2).transpose(1, 2)[..., :4] for level in outputs], 1)[image, cell]
            scaled = wanted[:, 2:] / strides[cell][:, None]
            goal = torch.cat([scaled[:, :2] - cells[cell], (scaled[:, 2:] + 1e-8).log()], 1)
            l1 = (raw - goal).abs().sum() / count
        total = box + objectness + classes + l1
        return LossTerms(total, box.detach(), objectness.detach(), classes.detach(), l1.detach())

    def assign(self, outputs: Sequence[Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, A) the row of `targets` that each cell learns, -1 for none, and (B, A) their overlap."""
        levels = [level.detach().float() for level in outputs]
        return self._assign(decode_boxes(levels), levels, targets)

    def _assign(self, predictions: Tensor, outputs: Sequence[Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        cells, strides = cell_table(outputs)
        size = (outputs[0].shape[2] * STRIDES[0], outputs[0].shape[3] * STRIDES[0])
        return assign_cells(predictions, (cells + 0.5) * strides[:, None], strides, targets, size)


def _one_hot(classes: Tensor, number: int) -> Tensor:
    """(P,) -> (P, number) float; torch's own looks at the classes, for which a GPU would be waited for."""
    return (classes[:, None] == torch.arange(number, device=classes.device)).float()


def cell_table(levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Raw YOLOX levels -> (A, 2) column and row of every cell of all levels, (A,) its stride in pixels."""
    cells = [cell_grid(level.shape[2], level.shape[3], level.float()).view(-1, 2) for level in levels]
    strides = [c.new_full((len(c),), stride) for c, stride in zip(cells, STRIDES, strict=True)]
    return torch.cat(cells), torch.cat(strides)
