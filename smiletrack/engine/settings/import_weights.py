"""Which checkpoint is imported, and as what."""

from dataclasses import dataclass
from typing import Literal

from smiletrack.input_paths import InputPath
from smiletrack.ranges import Checked, Count


@dataclass(frozen=True)
class ImportConfig(Checked):
    """Convert a public detector checkpoint to a checkpoint of this project, without running code that the file may
    hold.

    Reads .pt files of PRB-Net and YOLOv7, .pth and .pth.tar files of YOLOX and ByteTrack, .onnx files of YOLOX. Writes
    a .safetensors file that also holds the classes, the input size, the colour order and the normalisation; use it with
    --detector FILE, or as --weights of a training.

      smiletrack import-weights bytetrack_x_mot17.pth.tar --as yolox-x
      smiletrack import-weights prb-fpn6-2py.pt --as prb-fpn6-2py --output weights/prb.safetensors
      smiletrack import-weights yolox_nano_416x416.onnx --as yolox-nano
    """

    checkpoint: InputPath = ""
    """Checkpoint: .pt of PRB-Net or YOLOv7, .pth or .pth.tar of YOLOX or ByteTrack, .onnx of YOLOX."""

    architecture: str = ""
    """Architecture of the network: prb-fpn6-2py, yolox-x ... (also written --as)."""

    output: str = ""
    """File to write; empty = beside the checkpoint, with suffix .safetensors."""

    class_names: tuple[str, ...] = ()
    """Names of the classes, separated by commas; empty = those in the checkpoint, else person or COCO's."""

    height: Count = 0
    """Height of the input in pixels; 0 = what the architecture is trained with."""

    width: Count = 0
    """Width of the input in pixels; 0 = what the architecture is trained with."""

    normalisation: Literal["auto", "bytetrack", "yolox", "prb"] = "auto"
    """Colour order and normalisation of the training images; auto = bytetrack for one class, yolox for more, prb for
    PRB-Net."""
