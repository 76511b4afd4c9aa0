"""Which checkpoint is imported, and as what."""

from dataclasses import dataclass
from typing import Literal

from smiletrack.input_paths import InputPath
from smiletrack.ranges import Checked, Count, PositiveCount


@dataclass(frozen=True)
class ImportConfig(Checked):
    """Convert a public checkpoint of a detector or a similarity network to one of this project, without running code
    that the file may hold.

    Reads .pt files of PRB-Net and YOLOv7, .pth and .pth.tar files of YOLOX and ByteTrack, .onnx files of YOLOX. Writes
    a .safetensors file that also holds the classes, the input size, the colour order and the normalisation; use it with
    --detector FILE, or as --weights of a training.

    With --as slm it reads Open Model Zoo's person-reidentification-retail-0277 and -0288 (.xml and .bin) and writes an
    SLM (--slm FILE) that is told which parts of a person others hide, and takes them for what --data shows there on the
    average.

      smiletrack import-weights bytetrack_x_mot17.pth.tar --as yolox-x
      smiletrack import-weights prb-fpn6-2py.pt --as prb-fpn6-2py --output weights/prb.safetensors
      smiletrack import-weights yolox_nano_416x416.onnx --as yolox-nano
      smiletrack import-weights person-reidentification-retail-0288.xml --as slm --data datasets/MOT17/train@train_half
    """

    checkpoint: InputPath = ""
    """Checkpoint: .pt of PRB-Net or YOLOv7, .pth or .pth.tar of YOLOX or ByteTrack, .onnx of YOLOX, .xml of Open Model
    Zoo's re-identification networks."""

    architecture: str = ""
    """Architecture of the network: prb-fpn6-2py, yolox-x ..., or slm (also written --as)."""

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

    data: tuple[InputPath, ...] = ()
    """Annotated people, for --as slm: MOTChallenge folders (FOLDER or FOLDER@SPLIT, train_half if no split is named)
    and identity tables (FILE.csv)."""

    step: PositiveCount = 30
    """Look at every n-th frame of a folder in data."""

    def __post_init__(self) -> None:
        super().__post_init__()
        of_detectors = self.class_names or self.height or self.width or self.normalisation != "auto"
        if self.architecture == "slm" and of_detectors:
            raise ValueError("class_names, height, width and normalisation are of detectors, not of --as slm")
        if self.architecture and self.architecture != "slm" and self.data:
            raise ValueError(f"data is for --as slm, not for {self.architecture}")
