"""Suppression with fixed shapes: the same answer as `postprocess`, and nothing in it waits for the device.

`postprocess` selects rows, whose number the host must be told: eight waits a frame. Here a fixed number of candidates
goes through, a mask says which of them are detections, and one suppression runs for all classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from smiletrack.detector.overlaps import to_corners
from smiletrack.detector.postprocess import Rule
from smiletrack.detector.settings import NMSConfig

CANDIDATES = 1024
"""Best predictions of an image that take part."""
_ROUNDS = 16
"""Rounds of suppression; a box that stays because its suppressor is suppressed needs one more than that one."""


class FixedDetections(NamedTuple):
    """Detections of a batch in arrays of one shape, the detections first, by falling score.

    rows: (B, K, 6) x1, y1, x2, y2, score, class number in pixels of the network's input. kept: (B, K), which of them
    are detections. exact: (B,), false where more candidates or rounds were needed; there `postprocess` has the answer.
    """

    rows: Tensor
    kept: Tensor
    exact: Tensor


def postprocess_fixed(
    predictions: Tensor, config: NMSConfig, rule: Rule, candidates: int = CANDIDATES
) -> FixedDetections:
    """(B, N, 5 + C) decoded predictions -> detections in min(N, candidates, max_detections) rows an image.

    Raises ValueError for `multi_label`, which gives a prediction a row for each class.
    """
    if config.multi_label:
        raise ValueError("multi_label leaves the number of candidates open")
    predictions = predictions.float()
    scores, labels, possible = _scored(predictions, config, rule)
    number = min(candidates, scores.shape[1])
    complete = possible.sum(1) <= number
    scores, best = scores.where(possible, -1.0).topk(number, 1)
    boxes = to_corners(predictions[..., :4].gather(1, best[..., None].expand(-1, -1, 4)).flatten(0, 1))
    boxes, labels = boxes.view(*best.shape, 4), labels.gather(1, best)
    kept, settled = _suppressed(boxes, labels, scores >= 0, config)
    places = torch.arange(number, device=kept.device) + number * kept.logical_not()  # ONNX knows no stable sort
    first = places.topk(min(number, config.max_detections or number), 1, largest=False).indices
    rows = torch.cat([boxes, scores[..., None], labels[..., None].to(boxes.dtype)], -1)
    rows = rows.gather(1, first[..., None].expand(-1, -1, 6))
    return FixedDetections(rows, kept.gather(1, first), complete & settled)


def _scored(predictions: Tensor, config: NMSConfig, rule: Rule) -> tuple[Tensor, Tensor, Tensor]:
    """Return score, class number and whether it is above the threshold, (B, N) each; the rules of `postprocess`."""
    objectness, classes = predictions[..., 4], predictions[..., 5:]
    above = torch.gt if rule == "prb" else torch.ge
    by_class = objectness[..., None] if rule == "prb" and classes.shape[-1] == 1 else objectness[..., None] * classes
    scores, labels = by_class.max(-1)
    possible = above(scores, config.score_threshold)
    if rule == "prb":
        possible = possible & above(objectness, config.score_threshold)
    if config.classes:
        wanted = [labels == number for number in config.classes]
        possible = possible & torch.stack(wanted).any(0)
    return scores, labels, possible


def _suppressed(boxes: Tensor, labels: Tensor, possible: Tensor, config: NMSConfig) -> tuple[Tensor, Tensor]:
    """Return which of (B, K) boxes, by falling score, stay, and (B,) whether that is settled.

    Greedy suppression is the only answer in which a box stays if and only if no better box that stays overlaps it;
    it is reached from "all stay" in as many rounds as its longest chain has links.
    """
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    top_left = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    bottom_right = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = (bottom_right - top_left).clamp(0).prod(-1)
    overlapping = shared / (areas[:, :, None] + areas[:, None, :] - shared) > config.iou_threshold
    if not config.agnostic:
        overlapping = overlapping & (labels[:, :, None] == labels[:, None, :])
    suppresses = overlapping.triu(1)  # the better one the worse one
    kept = possible
    for _ in range(_ROUNDS):
        kept = possible & ~(suppresses & kept[:, :, None]).any(1)
    return kept, (kept == possible & ~(suppresses & kept[:, :, None]).any(1)).all(1)
