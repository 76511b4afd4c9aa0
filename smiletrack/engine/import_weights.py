"""Public checkpoints as weight files of this project."""

import dataclasses
from pathlib import Path

from smiletrack.console import notify, say
from smiletrack.detector.checkpoint import import_public, save_detector
from smiletrack.detector.letterbox import BYTETRACK_INPUT, YOLOX_INPUT, ImageFormat
from smiletrack.detector.onnx_model import import_onnx
from smiletrack.engine.import_slm import import_slm
from smiletrack.engine.settings.import_weights import ImportConfig
from smiletrack.errors import InputError
from smiletrack.images import pixel_word

INPUTS = {"bytetrack": BYTETRACK_INPUT, "yolox": YOLOX_INPUT, "prb": ImageFormat()}
"""What the publishers fed their networks."""


def import_weights(config: ImportConfig) -> Path:
    """Write the weights with everything needed to use them, print what they are, and return the file's path."""
    if not config.checkpoint:
        raise InputError("checkpoint: name the checkpoint to import")
    if not config.architecture:
        raise InputError("architecture: say what the checkpoint is, e.g. --as yolox-x")
    path = Path(config.checkpoint)
    if config.architecture == "slm":
        return import_slm(path, config.data, config.step, config.output)
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
