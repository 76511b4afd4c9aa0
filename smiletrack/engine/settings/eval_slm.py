"""What similarity networks are scored on."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen

from smiletrack.engine.settings.computing import DeviceConfig
from smiletrack.input_paths import InputPath
from smiletrack.ranges import Count, PositiveCount, Seed, Share

GAPS = (5, 30, 90)


@dataclass(frozen=True)
class EvalSLMConfig(DeviceConfig):
    """Score a similarity network: rank-1, rank-5, mAP, verification AUC and equal error rate, by time gap and
    visibility.

    Reads identity tables, MOTChallenge folders or the demo world; --against scores another network on the same crops in
    the same run, speed included. Writes summary.json and a picture of the hardest pairs into OUTPUT.

      smiletrack eval-slm                                                # the last SLM run, on the demo world
      smiletrack eval-slm --checkpoint runs/slm/model.safetensors --data datasets/MOT17/train@val_half
      smiletrack eval-slm --checkpoint runs/slm/model.safetensors --data datasets/MOT17/train@val_half \\
          --against osnet_x0_25.onnx
    """

    checkpoint: InputPath = ""
    """SLM to evaluate: model.safetensors of a run, a released checkpoint or an .onnx file; empty = that of the last SLM
    run."""
    against: tuple[InputPath, ...] = ()
    """Networks to compare with on the same boxes: other SLMs, or any re-identification networks (.onnx,
    OpenVINO's .xml; FILE@bgr255 says what one is fed, docs/slm.md)."""
    data: tuple[InputPath, ...] = ()
    """Identity tables (FILE.csv) and MOTChallenge folders (FOLDER or FOLDER@SPLIT); empty = the demo world."""
    detections: tuple[str, ...] = ()
    """Evaluate on stored detections (<seq>/det/NAME.txt) matched to the annotations: names, of which each sequence's
    first is taken that is there; empty = on the annotated boxes."""
    gaps: Annotated[tuple[PositiveCount, ...], MinLen(1)] = GAPS
    """Distances in frames between the boxes of a pair: minimum distances for ranking, exact ones for the pairs of the
    figures by cover."""
    step: PositiveCount = 5
    """Use every n-th frame of a folder, and the frames that follow it by a gap."""
    min_visibility: Share = 0.3
    """Boxes of lower visibility are left out of the first table; the figures by cover use all boxes."""
    resamples: Count = 200
    """Draws of people and sequences for the intervals; 0 = no intervals."""
    seed: Seed = 0
    """Seed of the draws."""
    output: str = "runs/slm-eval"
    """Folder for summary.json and hardest_pairs.png."""
