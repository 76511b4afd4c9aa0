"""Which network is exported."""

from dataclasses import dataclass
from typing import Literal

from smiletrack.input_paths import InputPath
from smiletrack.ranges import Checked


@dataclass(frozen=True)
class ExportConfig(Checked):
    """Export a trained network to ONNX and check the file against the checkpoint with ONNX Runtime.

    Reads a checkpoint. Writes an .onnx file, which this project and other programs run without PyTorch.

      smiletrack export slm --checkpoint runs/slm/model.safetensors
      smiletrack export detector --checkpoint runs/detector/best.safetensors
      smiletrack export detector --checkpoint runs/detector/best.safetensors --output detector.onnx
      smiletrack export joint --checkpoint runs/joint/joint.safetensors
    """

    network: str = "slm"
    """Kind of network: slm, detector, or joint (a detector with an SLM on its maps, joint.safetensors)."""
    checkpoint: InputPath = ""
    """Weights of the network: model.safetensors of a run, or a released checkpoint."""
    format: Literal["onnx"] = "onnx"
    """Format of the file."""
    output: str = ""
    """File to write; empty = beside the checkpoint."""
