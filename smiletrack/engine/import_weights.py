"""Public checkpoints as weight files of this project."""

import dataclasses
from pathlib import Path

import torch

from smiletrack.boxes import clip_boxes, hidden_cells
from smiletrack.console import notify, progress, say
from smiletrack.data.image_files import read_image
from smiletrack.data.reid.sightings import SequenceSightings
from smiletrack.detector.checkpoint import import_public, save_detector
from smiletrack.detector.letterbox import BYTETRACK_INPUT, YOLOX_INPUT, ImageFormat
from smiletrack.detector.onnx_model import import_onnx
from smiletrack.engine.inputs.person_crops import read_sightings
from smiletrack.engine.settings.import_weights import ImportConfig
from smiletrack.errors import InputError
from smiletrack.images import pixel_word
from smiletrack.slm.checkpoint import metadata
from smiletrack.slm.network import SLM
from smiletrack.slm.open_model_zoo import open_model_zoo_slm
from smiletrack.slm.preprocessing import Preprocessing
from smiletrack.weights import save_weights

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
        return _import_slm(config, path)
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


def _import_slm(config: ImportConfig, path: Path) -> Path:
    if not config.data:
        raise InputError(
            "data: name annotated people, e.g. --data datasets/MOT17/train; they say what to take hidden parts for"
        )
    slm = open_model_zoo_slm(path)
    sequences = read_sightings(config.data, "train_half", (), config.step, ())
    people = sum(_learn_hidden_places(slm, sequence) for sequence in sequences)
    if not people:
        raise InputError(f"{', '.join(config.data)}: no box of a person")
    output = Path(config.output) if config.output else path.with_suffix(".safetensors")
    save_weights(output, slm.state_dict(), metadata(slm.config))
    say(f"{output}: SLM, {slm.config.embedding} numbers a crop; hidden places are the average of {people} crops")
    return output


@torch.inference_mode()
def _learn_hidden_places(slm: SLM, sequence: SequenceSightings) -> int:
    """Show the network everybody in a sequence and who hides whom; return how many crops that were."""
    preprocessing, people = Preprocessing(slm.config.width, slm.config.height), 0
    assert slm.mask_grid is not None
    for index, image in enumerate(progress(sequence.images, sequence.name)):
        frame, boxes = read_image(image), sequence.boxes[sequence.image_indices == index]
        crops, rows = preprocessing.cut(frame, boxes)
        if not len(crops):
            continue
        inside = clip_boxes(boxes[rows], frame.shape[1], frame.shape[0])
        visible = torch.from_numpy(1 - hidden_cells(inside, inside, *slm.mask_grid)).float()
        F = slm.places_of(slm.backbone(preprocessing.tensor(crops)))
        slm.hidden.learn(F, slm.seen(visible)[..., None], slowest=0)  # every frame counts alike
        people += len(crops)
    return people
