"""How good a detector is: COCO's average precisions, and precision and recall where the tracker works."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from smiletrack.boxes import xyxy_to_xywh
from smiletrack.types import Detections, Floats, Ints


def detection_figures(
    truth: Sequence[tuple[Floats, Ints, NDArray[np.bool_]]],
    detections: Sequence[Detections],
    operating_score: float = 0.6,
    max_detections: int = 300,
) -> dict[str, float]:
    """Return AP, AP50, AP75, AP_small, AP_medium, AP_large, precision and recall, each in [0, 1].

    truth: for each image boxes (K, 4) xyxy px, classes (K,), ignored (K,): a detection that matches an ignored box
    counts neither way. detections: the same images, the same class numbers. AP is the mean over IoU 0.5 .. 0.95, over
    classes, with at most `max_detections` a image (COCO's code, arXiv:1405.0312; sizes split at 32^2 and 96^2 px).
    precision and recall are those of the detections with a score of at least `operating_score` at IoU 0.5, matched
    from the highest score down as COCO does. A figure with nothing to measure is -1.
    """
    evaluation = _evaluate(truth, detections, max_detections)
    precision = evaluation.eval["precision"]  # (IoU, recall, class, size, number of detections)

    def mean(part: NDArray[np.float64]) -> float:
        return float(part[part > -1].mean()) if (part > -1).any() else -1.0

    figures = {"AP": mean(precision[:, :, :, 0]), "AP50": mean(precision[0, :, :, 0])}
    figures["AP75"] = mean(precision[5, :, :, 0])
    for number, name in enumerate(("small", "medium", "large"), start=1):
        figures[f"AP_{name}"] = mean(precision[:, :, :, number])
    return figures | _at_score(evaluation, operating_score)


def _evaluate(
    truth: Sequence[tuple[Floats, Ints, NDArray[np.bool_]]], detections: Sequence[Detections], max_detections: int
) -> Any:
    """Run pycocotools, whose own text goes nowhere."""
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    labels: set[int] = set()
    for image, ((boxes, classes, ignored), found) in enumerate(zip(truth, detections, strict=True), start=1):
        for box, label, skip in zip(xyxy_to_xywh(boxes).tolist(), classes.tolist(), ignored.tolist(), strict=True):
            row = {"id": len(annotations) + 1, "image_id": image, "category_id": label, "bbox": box}
            annotations.append(
                row | {"area": max(box[2], 0) * max(box[3], 0), "iscrowd": int(skip), "ignore": int(skip)}
            )
        rows = zip(xyxy_to_xywh(found.boxes).tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
        results += [{"image_id": image, "category_id": c, "bbox": b, "score": s} for b, s, c in rows]
        labels |= set(classes.tolist()) | set(found.classes.tolist())
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = {
            "info": {},
            "images": [{"id": image} for image in range(1, len(truth) + 1)],
            "annotations": annotations,
            "categories": [{"id": label} for label in sorted(labels)],
        }
        reference.createIndex()
        answer = reference.loadRes(results) if results else COCO()
        evaluation = COCOeval(reference, answer, "bbox")
        evaluation.params.imgIds = list(range(1, len(truth) + 1))
        evaluation.params.catIds = sorted(labels)
        evaluation.params.maxDets = [max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _at_score(evaluation: Any, score: float) -> dict[str, float]:
    """Count matches at IoU 0.5 over all sizes in what pycocotools matched."""
    sizes = evaluation.params.areaRng
    matched = found = wanted = 0
    for image in evaluation.evalImgs:
        if image is None or image["aRng"] != sizes[0]:
            continue
        counted = (np.asarray(image["dtScores"]) >= score) & ~image["dtIgnore"][0].astype(bool)
        found += int(counted.sum())
        matched += int((image["dtMatches"][0][counted] > 0).sum())
        wanted += int((np.asarray(image["gtIgnore"]) == 0).sum())
    return {"precision": matched / found if found else -1.0, "recall": matched / wanted if wanted else -1.0}
