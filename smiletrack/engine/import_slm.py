"""Public re-identification networks as SLMs that are told what is hidden."""

from pathlib import Path

import torch

from smiletrack.boxes import clip_boxes, hidden_cells
from smiletrack.console import progress, say
from smiletrack.data.image_files import read_image
from smiletrack.data.reid.sightings import SequenceSightings
from smiletrack.engine.inputs.person_crops import read_sightings
from smiletrack.errors import InputError
from smiletrack.slm.checkpoint import metadata
from smiletrack.slm.network import SLM
from smiletrack.slm.open_model_zoo import open_model_zoo_slm
from smiletrack.slm.preprocessing import Preprocessing
from smiletrack.weights import save_weights


def import_slm(path: Path, data: tuple[str, ...], step: int, output: str = "") -> Path:
    """Write one of Open Model Zoo's networks as an SLM that is told what is hidden, and return the file's path.

    data, step: sources of annotated people as `read_sightings` takes them; by them hidden places are taken for what
    such places show on the average. output: the file to write; empty = beside the network.
    """
    if not data:
        raise InputError(
            "data: name annotated people, e.g. --data datasets/MOT17/train; they say what to take hidden parts for"
        )
    if path.suffix.lower() != ".xml":
        raise InputError(f"{path}: an SLM is made of Open Model Zoo's .xml with its .bin beside it")
    slm = open_model_zoo_slm(path)
    sequences = read_sightings(data, "train_half", (), step, ())
    people = sum(_learn_hidden_places(slm, sequence) for sequence in sequences)
    if not people:
        raise InputError(f"{', '.join(data)}: no box of a person")
    target = Path(output) if output else path.with_suffix(".safetensors")
    save_weights(target, slm.state_dict(), metadata(slm.config))
    say(f"{target}: SLM, {slm.config.embedding} numbers a crop; hidden places are the average of {people} crops")
    return target


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
