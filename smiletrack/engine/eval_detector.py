"""Judge a detector on labelled images: COCO's figures, and precision and recall at the tracker's operating point."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smiletrack.console import print_table, progress
from smiletrack.data.detection.labels import LabelledImages, read_labelled
from smiletrack.data.image_files import read_image
from smiletrack.detector.build import Detector
from smiletrack.detector.postprocess import NMSConfig
from smiletrack.detector.predictor import PredictConfig, Predictor
from smiletrack.detector.settings import DetectorConfig
from smiletrack.engine.inputs.networks import open_detector
from smiletrack.engine.settings.eval_detector import EvalDetectorConfig
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.metrics.detection_figures import detection_figures
from smiletrack.training.log import Picture
from smiletrack.types import Detections
from smiletrack.view.drawing import draw_box

JUDGED = NMSConfig(score_threshold=0.001, iou_threshold=0.65, max_detections=300)
"""What is kept for the precision-recall curve; the values of the originals' test scripts."""


def eval_detector(config: EvalDetectorConfig) -> dict[str, dict[str, float]]:
    """Print and return the figures of each detector, with images a second (network and suppression, no decoding)."""
    for name in ("detectors", "data"):
        if not getattr(config, name):
            raise InputError(f"{name}: nothing is named; see --help")
    labels = read_labelled(config.data, config.min_visibility, config.step, config.image_root)
    settings = PredictConfig(height=config.height, width=config.width, half=config.half, nms=JUDGED)
    results = {}
    for spec in config.detectors:
        detector = open_detector(spec, config.device, settings)
        found, seconds = detect_images(detector, labels)
        results[spec] = score_detections(labels, found, config.operating_score) | {"fps": len(labels) / seconds}
    rows = [
        [spec, *(f"{value:.1f}" if name == "fps" else f"{value:.3f}" for name, value in figures.items())]
        for spec, figures in results.items()
    ]
    print_table(("detector", *next(iter(results.values()))), rows)
    if config.json:
        write_json(Path(config.json), results)
    return results


def in_training(net: Detector, config: DetectorConfig) -> Predictor:
    """Return a predictor around a network as it is, all classes reported, everything kept for the curve."""
    settings = PredictConfig(classes=config.class_names, nms=JUDGED)
    device = str(next(net.parameters()).device)
    return Predictor(net, config, settings, net.rule, max(net.strides), device, "")


def detect_images(detector: Predictor, labels: LabelledImages, batch_size: int = 1) -> tuple[list[Detections], float]:
    """Return what is seen in each image, and the seconds that this took without reading the files."""
    found: list[Detections] = []
    seconds = 0.0
    starts = range(0, len(labels), batch_size)
    for start in progress(starts, "detecting"):
        frames = [read_image(path) for path in labels.paths[start : start + batch_size]]
        begin = time.perf_counter()
        found += detector.detect_batch(frames)
        seconds += time.perf_counter() - begin
    return found, seconds


def score_detections(
    labels: LabelledImages, detections: Sequence[Detections], operating_score: float = 0.6
) -> dict[str, float]:
    """Return `metrics.detection_figures.detection_figures` of one `Detections` (classes from 1) for each image."""
    rows = [labels.rows(image) for image in range(len(labels))]
    truth = [(labels.boxes[part], labels.classes[part] + 1, labels.ignored[part]) for part in rows]
    return detection_figures(truth, detections, operating_score)


def prediction_pictures(
    labels: LabelledImages, detections: Sequence[Detections], number: int = 4, score: float = 0.3
) -> dict[str, Picture]:
    """Return RGB pictures of evenly spread images: truth thin and white, detections (one `Detections` an image) with
    their score."""
    chosen = np.linspace(0, len(labels) - 1, min(number, len(labels))).round().astype(int).tolist()
    pictures = {}
    for index, number in enumerate(chosen):
        image, found = read_image(labels.paths[number]), detections[number]
        for box in labels.boxes[labels.rows(number)]:
            draw_box(image, box, (255, 255, 255), width=1)
        for row in np.flatnonzero(found.scores >= score):
            draw_box(image, found.boxes[row], (60, 160, 255), f"{found.scores[row]:.2f}")
        pictures[f"val/{index}"] = np.ascontiguousarray(image[:, :, ::-1])
    return pictures
