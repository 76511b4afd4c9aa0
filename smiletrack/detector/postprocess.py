"""From decoded predictions to detections: scores, threshold, non-maximum suppression.

The two families differ in three details, kept as `rule` because published figures depend on them:
"prb": with one class the score is objectness alone (the class branch is not trained then); a score must exceed the
threshold; at most 30,000 candidates go into suppression. "yolox": score = objectness x class; equal to the threshold
is enough.
"""

from typing import Literal

import torch
from torch import Tensor
from torchvision.ops import batched_nms, nms

from smiletrack.detector.overlaps import to_corners
from smiletrack.detector.settings import NMSConfig as NMSConfig

Rule = Literal["prb", "yolox"]
MAX_CANDIDATES = 30_000


def postprocess(predictions: Tensor, config: NMSConfig, rule: Rule) -> list[Tensor]:
    """(B, N, 5 + C) decoded predictions -> for each image (K, 6) x1, y1, x2, y2, score, class by falling score.

    Boxes are in pixels of the network's input and may reach over its border. No detection: (0, 6).
    """
    return [_one_image(rows, config, rule) for rows in predictions.float()]


def _one_image(rows: Tensor, config: NMSConfig, rule: Rule) -> Tensor:
    """Return the boxes of one image that are left after thresholds and suppression."""
    objectness, classes = rows[:, 4:5], rows[:, 5:]
    above = torch.gt if rule == "prb" else torch.ge
    if rule == "prb":
        # the originals ask objectness alone first, so a product that rounds up cannot come back
        kept = above(objectness[:, 0], config.score_threshold)
        rows, objectness, classes = rows[kept], objectness[kept], classes[kept]
    scores = objectness if rule == "prb" and classes.shape[1] == 1 else objectness * classes
    if config.multi_label:
        row, label = above(scores, config.score_threshold).nonzero().unbind(1)
    else:
        best = scores.argmax(1) if scores.shape[1] > 1 else scores.new_zeros(len(scores), dtype=torch.long)
        row = above(scores.gather(1, best[:, None])[:, 0], config.score_threshold).nonzero()[:, 0]
        label = best[row]
    if config.classes:
        wanted = torch.isin(label, torch.tensor(config.classes, device=label.device))
        row, label = row[wanted], label[wanted]
    score, boxes = scores[row, label], to_corners(rows[row, :4])
    if rule == "prb" and len(score) > MAX_CANDIDATES:
        first = score.topk(MAX_CANDIDATES).indices
        score, boxes, label = score[first], boxes[first], label[first]
    if config.agnostic:
        keep = nms(boxes, score, config.iou_threshold)
    else:
        keep = batched_nms(boxes, score, label, config.iou_threshold)
    keep = keep[: config.max_detections] if config.max_detections else keep
    return torch.cat([boxes[keep], score[keep, None], label[keep, None].to(boxes.dtype)], 1)
