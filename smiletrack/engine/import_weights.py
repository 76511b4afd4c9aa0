"""Public detector checkpoints as weight files of this project."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smiletrack.console import notify, say
from smiletrack.detector.checkpoint import import_public, save_detector
from smiletrack.detector.letterbox import BYTETRACK_INPUT, YOLOX_INPUT, ImageFormat
from smiletrack.detector.onnx_model import import_onnx
from smiletrack.errors import InputError
from smiletrack.images import pixel_word
from smiletrack.ranges import Checked, Count

INPUTS = {"bytetrack": BYTETRACK_INPUT, "yolox": YOLOX_INPUT, "prb": ImageFormat()}
"""What the publishers fed their networks."""


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

    checkpoint: str = ""
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


def import_weights(config: ImportConfig) -> Path:
    """Write the weights with everything needed to use them, print what they are, and return the file's path."""
    if not config.checkpoint:
        raise InputError("checkpoint: name the checkpoint to import")
    if not config.architecture:
        raise InputError("architecture: say what the checkpoint is, e.g. --as yolox-x")
    path = Path(config.checkpoint)
    size = (config.height, config.width) if config.height and config.width else None
    if path.suffix == ".onnx":
        net, about = import_onnx(path, config.architecture)
        rows, columns = size or about.size
        seen = INPUTS.get(config.normalisation, about.input)
        about = dataclasses.replace(about, height=rows, width=columns, input=seen)
    else:
        net, about = import_public(path, config.architecture, size, INPUTS.get(config.normalisation))
    if config.class_names:
        if len(config.class_names) != about.num_classes:
            raise InputError(
                f"class_names: {about.num_classes} classes in the checkpoint, but {len(config.class_names)} names came"
            )
        about = dataclasses.replace(about, class_names=config.class_names)
    output = Path(config.output) if config.output else path.with_name(path.name.split(".")[0] + ".safetensors")
    save_detector(output, net, about, source=path.name)
    names = ", ".join(about.class_names[:5]) + (" ..." if about.num_classes > 5 else "")
    fed = f"input {about.height} x {about.width} {pixel_word(about.input)}"
    say(f"{output}: {about.architecture}, {about.num_classes} classes ({names}), {fed}")
    if config.normalisation == "auto" and about.num_classes == 1 and config.architecture.startswith("yolox"):
        kind = "ByteTrack's" if about.input == BYTETRACK_INPUT else "YOLOX's own"
        notify(
            f"A YOLOX of one class is taken for {kind}: {fed}. If it was trained otherwise, import it again with "
            "--normalisation yolox (or bytetrack), --height and --width."
        )
    return output
