"""Judge a detector on labelled images: COCO's figures, and precision and recall at the tracker's operating point."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from smiletrack.data.labelled import LabelledImages
from smiletrack.data.video import read_image
from smiletrack.detector.build import Detector, DetectorConfig
from smiletrack.detector.letterbox import letterbox, place, to_frame, to_input
from smiletrack.detector.postprocess import NMSConfig, postprocess
from smiletrack.engine.progress import Picture
from smiletrack.metrics.detection import detection_figures
from smiletrack.types import Detections
from smiletrack.view.drawing import draw_box

JUDGED = NMSConfig(score_threshold=0.001, iou_threshold=0.65, max_detections=300)
"""What is kept for the precision-recall curve; the values of the originals' test scripts."""


@torch.no_grad()
def detect_images(
    net: Detector, config: DetectorConfig, paths: Sequence[Path], nms: NMSConfig = JUDGED
) -> list[Detections]:
    """Run `net`, in eval mode, over image files; boxes in pixels of the file, not clipped, classes from 0."""
    device = next(net.parameters()).device
    stride = max(net.strides)
    found = []
    for path in paths:
        frame = read_image(path)
        height, width = frame.shape[:2]
        placement = place(height, width, config.size, config.input, stride)
        image = torch.from_numpy(letterbox(frame, placement, config.input)[None]).to(device)
        rows = postprocess(net(to_input(image, config.input)), nms, net.rule)[0].double().cpu().numpy()
        boxes = to_frame(rows[:, :4], placement, height, width, clip=False)
        found.append(Detections(boxes, rows[:, 4], classes=rows[:, 5].astype(np.int64)))
    return found


def score_detections(
    labels: LabelledImages, detections: Sequence[Detections], operating_score: float = 0.6
) -> dict[str, float]:
    """Return `metrics.detection.detection_figures` of one `Detections` for each image."""
    truth = [(labels.boxes[rows], labels.classes[rows], labels.ignored[rows]) for rows in _rows(labels)]
    return detection_figures(truth, detections, operating_score)


def prediction_pictures(
    net: Detector, config: DetectorConfig, labels: LabelledImages, number: int = 4, score: float = 0.3
) -> dict[str, Picture]:
    """Return RGB pictures of evenly spread images: truth thin and white, detections with their score."""
    chosen = np.linspace(0, len(labels) - 1, min(number, len(labels))).round().astype(int).tolist()
    part = labels[chosen]
    pictures = {}
    for index, found in enumerate(detect_images(net, config, part.paths)):
        image = read_image(part.paths[index])
        for box in part.boxes[part.rows(index)]:
            draw_box(image, box, (255, 255, 255), width=1)
        for row in np.flatnonzero(found.scores >= score):
            draw_box(image, found.boxes[row], (60, 160, 255), f"{found.scores[row]:.2f}")
        pictures[f"val/{index}"] = np.ascontiguousarray(image[:, :, ::-1])
    return pictures


def _rows(labels: LabelledImages) -> Iterator[slice]:
    return (labels.rows(image) for image in range(len(labels)))
