"""Detectors in files: this project's safetensors, and the public checkpoints it imports.

A detector file holds the network's `state_dict` and, as metadata "detector", its `DetectorConfig` as JSON: from the
file alone the network, its classes and its input are known.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smiletrack.config import build_config
from smiletrack.detector.anchor_head import AnchorHead
from smiletrack.detector.build import ARCHITECTURES, Detector, build_detector
from smiletrack.detector.coco import class_names
from smiletrack.detector.letterbox import BYTETRACK_INPUT, YOLOX_INPUT, ImageFormat
from smiletrack.detector.pickles import StandIn, module_state, read_checkpoint
from smiletrack.detector.public_names import public_names
from smiletrack.detector.settings import DetectorConfig
from smiletrack.detector.yolox import YOLOX
from smiletrack.errors import InputError
from smiletrack.limits import MOST_CLASSES
from smiletrack.weights import check_fit, load_exactly, load_weights, save_weights

KEY = "detector"


def save_detector(path: Path, net: Detector, config: DetectorConfig, source: str = "") -> None:
    """Write weights and configuration; `source` says where the weights came from."""
    metadata = {KEY: json.dumps(dataclasses.asdict(config))}
    save_weights(path, net.state_dict(), metadata | ({"source": source} if source else {}))


def load_detector_network(path: Path) -> tuple[Detector, DetectorConfig]:
    """Return the network of a file, in eval mode on the CPU, and its configuration; InputError for another file.

    Weights of a similarity network on the detector's maps (`slm.*`) are no part of it.
    """
    state, metadata = load_weights(path)
    if KEY not in metadata:
        raise InputError(f"{path}: holds no detector (metadata {KEY!r} is missing)")
    state = {name: value for name, value in state.items() if not name.startswith("slm.")}
    config = stored_config(metadata, path)
    with torch.device("meta"):
        outline = build_detector(config)
    check_fit(outline, state, str(path))  # before memory is taken for what does not fit
    net = build_detector(config)
    load_exactly(net, state, str(path))
    return net.eval(), config


def stored_config(metadata: Mapping[str, str], path: Path) -> DetectorConfig:
    """Return the configuration in the metadata of a detector's file; InputError where it builds no network here."""
    try:
        config = build_config(DetectorConfig, json.loads(metadata[KEY]))
        with torch.device("meta"):
            build_detector(config)
    except (InputError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: its detector is not one of this version ({error})") from None
    return config


@dataclass(frozen=True)
class Transfer:
    """What happened to the weights of another network."""

    loaded: tuple[str, ...]
    """Names of the weights that were taken."""
    reshaped: tuple[str, ...]
    """Names of those of another shape, e.g. for another number of classes; they keep their random start."""
    missing: tuple[str, ...]
    """Names of weights that the source did not have."""
    foreign: tuple[str, ...]
    """Names in the source that this network does not have."""

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} of {len(self.loaded) + len(self.reshaped) + len(self.missing)} weights taken"]
        kinds = (("of another shape", self.reshaped), ("missing", self.missing), ("not used", self.foreign))
        lines += [f"  {kind}: {', '.join(names)}" for kind, names in kinds if names]
        return "\n".join(lines)


@torch.no_grad()
def transfer(
    net: Detector, state: Mapping[str, Tensor], classes: Sequence[int | None] = (), number: int = 0
) -> Transfer:
    """Copy what fits by name and shape into the network (fine-tuning to other classes), and say what did not.

    classes: for each class of the network which of the source's `number` classes means the same, None where none does:
    the outputs of a class come from its own there or keep their random start, those of boxes and objectness come too.
    """
    own = net.state_dict()
    by_class = {n for n in own if n in state and _is_by_class(n)} if number else set()
    fitting = [name for name in own if name in state and state[name].shape == own[name].shape and name not in by_class]
    for name in fitting:
        own[name].copy_(state[name])
    placed = [name for name in sorted(by_class) if _place_classes(net, name, own[name], state[name], classes, number)]
    taken = {*fitting, *placed}
    return Transfer(
        loaded=tuple(n for n in own if n in taken),
        reshaped=tuple(n for n in own if n in state and n not in taken),
        missing=tuple(n for n in own if n not in state),
        foreign=tuple(n for n in state if n not in own),
    )


def _is_by_class(name: str) -> bool:
    """Whether a weight has entries for each class."""
    return name.startswith(("head.classes.", "head.lead.", "head.auxiliary.", "head.multiplied."))


def _place_classes(
    net: Detector, name: str, own: Tensor, theirs: Tensor, classes: Sequence[int | None], number: int
) -> bool:
    """Copy the outputs of the classes that both have, and those before them; False where none fits."""
    groups, before = (net.head.num_anchors, 5) if isinstance(net.head, AnchorHead) else (1, 0)
    axis = 1 if name.startswith("head.multiplied.") else 0
    ours, source = own.movedim(axis, 0), theirs.movedim(axis, 0)
    if ours.shape[1:] != source.shape[1:] or len(source) != groups * (before + number):
        return False
    ours, source = (x.view(groups, -1, *x.shape[1:]) for x in (ours, source))
    ours[:, :before] = source[:, :before]
    for c, d in enumerate(classes):
        if d is not None:
            ours[:, before + c] = source[:, before + d]
    return before > 0 or any(d is not None for d in classes)


def import_public(
    path: Path, architecture: str, size: tuple[int, int] | None = None, source_input: ImageFormat | None = None
) -> tuple[Detector, DetectorConfig]:
    """Return a public checkpoint (PRB-Net, YOLOv7, YOLOX, ByteTrack) as a network here, with its configuration.

    The number of classes is the checkpoint's. `size` (rows, columns) and `source_input` default to what the family
    was trained with. Weights averaged over training (`ema`) are preferred. Raises InputError, one line, where the file
    is not a checkpoint or not of this architecture.
    """
    if architecture not in ARCHITECTURES:
        raise InputError(f"--as: {architecture!r} is not known; there are slm, {', '.join(ARCHITECTURES)}")
    state, names = _public_state(read_checkpoint(path), path)
    with torch.device("meta"):
        public = public_names(ARCHITECTURES[architecture](1))
    yolox = architecture.startswith("yolox")
    key = public["head.classes.0.weight" if yolox else "head.lead.0.weight"]
    if key not in state:
        raise InputError(f"{path}: not a checkpoint of {architecture} (it has no {key})")
    outputs = state[key].shape[0]
    num_classes = outputs if yolox else outputs // 3 - 5
    stride = 64 if "fpn6" in architecture or "e6e" in architecture else 32
    if not 1 <= num_classes <= MOST_CLASSES:
        raise InputError(f"{path}: not a checkpoint of {architecture} ({num_classes} classes)")
    rows, columns = size or _usual_size(yolox, num_classes, stride)
    config = DetectorConfig(
        architecture,
        names if len(names) == num_classes else class_names(num_classes),
        rows,
        columns,
        input=source_input or _usual_input(yolox, num_classes),
    )
    with torch.device("meta"):
        renamed = from_public(outline := build_detector(config), state)
    check_fit(outline, renamed, f"{path} as {architecture}")
    net = build_detector(config)
    load_exactly(net, renamed, f"{path} as {architecture}")
    return net.eval(), config


def _usual_size(yolox: bool, num_classes: int, stride: int) -> tuple[int, int]:
    """Return the input size of ByteTrack's detectors, of the P6 networks, and of the others."""
    if yolox and num_classes == 1:
        return 800, 1440
    return (1280, 1280) if stride == 64 else (640, 640)


def _usual_input(yolox: bool, num_classes: int) -> ImageFormat:
    """Return what the publishers fed: PRB-Net's, ByteTrack's with one class, else YOLOX's for COCO."""
    if not yolox:
        return ImageFormat()
    return BYTETRACK_INPUT if num_classes == 1 else YOLOX_INPUT


def from_public(net: Detector, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename public weights to this project's; names that the network does not know stay as they are."""
    back = {public: own for own, public in public_names(net).items()}
    renamed = {
        back.get(name, name): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
        if "anchor" not in name
    }
    if not isinstance(net, YOLOX):
        found = next((tensor for name, tensor in state.items() if name.endswith(".anchor_grid")), None)
        if found is not None and found.numel() == net.head.anchors.numel():
            renamed["head.anchors"] = found.float().view_as(net.head.anchors)
    return renamed


def to_public(net: Detector) -> dict[str, Tensor]:
    """Return the network's weights under the names of the public checkpoints, anchors included."""
    own = net.state_dict()
    public = {name: own[key] for key, name in public_names(net).items()}
    if isinstance(net.head, AnchorHead):
        head = public_names(net)["head.lead.0.weight"].removesuffix("m.0.weight")
        anchors = net.head.anchors
        strides = anchors.new_tensor(net.strides)[:, None, None]
        public[f"{head}anchors"] = anchors / strides
        public[f"{head}anchor_grid"] = anchors[:, None, :, None, None, :]
    return public


def _public_state(content: Any, path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the weights and the class names of a checkpoint's content."""
    if isinstance(content, Mapping):
        held = next((content[key] for key in ("ema", "model", "state_dict") if content.get(key) is not None), content)
    else:
        held = content
    names: tuple[str, ...] = ()
    if isinstance(held, StandIn):
        listed = held.state.get("names", ())
        names = tuple(str(n) for n in (listed.values() if isinstance(listed, dict) else listed))
        held = module_state(held)
    if not isinstance(held, Mapping):
        raise InputError(f"{path}: holds no network")
    state = {str(k).removeprefix("module."): v for k, v in held.items() if isinstance(v, Tensor)}
    if not state:
        raise InputError(f"{path}: holds no weights")
    return state, names
