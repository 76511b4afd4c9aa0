"""What detectors are scored on."""

from dataclasses import dataclass

from smiletrack.engine.settings.computing import DeviceConfig
from smiletrack.input_paths import InputPath
from smiletrack.ranges import Count, PositiveCount, Share


@dataclass(frozen=True)
class EvalDetectorConfig(DeviceConfig):
    """Score detectors: COCO's AP, AP50, AP75 and AP by size, precision and recall at the tracker's score, images per
    second.

    Reads checkpoints and network files, and COCO files or MOTChallenge folders. Prints a table with a row for each
    detector; --json writes the figures.

      smiletrack eval-detector runs/detector/best.safetensors --data datasets/MOT17/train@val_half
      smiletrack eval-detector nano.safetensors tiny.safetensors yolox_nano.onnx --data datasets/world/val
      smiletrack eval-detector runs/detector/best.safetensors --data val.json --step 5 --json figures.json
    """

    detectors: tuple[InputPath, ...] = ()
    """Checkpoints (best.safetensors of a run) and network files of other programs (.onnx, .xml) to evaluate."""
    data: tuple[InputPath, ...] = ()
    """COCO files (FILE.json) and MOTChallenge folders (FOLDER or FOLDER@SPLIT), all with the same classes."""
    image_root: InputPath = ""
    """Folder that the file names in COCO files are relative to; empty = found beside the file."""
    min_visibility: Share = 0.0
    """People of lower visibility in MOTChallenge folders are ignored."""
    step: PositiveCount = 1
    """Use every n-th image."""
    operating_score: Share = 0.6
    """Score threshold of the reported precision and recall: where the tracker's first stage begins."""
    height: Count = 0
    """Height of the network's input in pixels; 0 = what it was trained with."""
    width: Count = 0
    """Width of the network's input in pixels; 0 = what it was trained with."""
    half: bool = False
    """Use half precision (GPU only)."""
    json: str = ""
    """JSON file for all figures at full precision; empty = none."""
