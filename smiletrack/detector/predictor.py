"""A detector ready for use: frames in, `Detections` out.

detector = load_detector("model.safetensors", "cuda")      # a checkpoint of this project
detector = load_detector("yolox_nano_416x416.onnx")        # a network of others, see output_forms.py
detections = detector.detect(frame)                         # (H, W, 3) uint8 BGR, any size
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smiletrack.boxes import area, clip_boxes
from smiletrack.config import nearest
from smiletrack.detector.build import Detector
from smiletrack.detector.checkpoint import load_detector_network
from smiletrack.detector.deploy import fuse, halved
from smiletrack.detector.exported import ExportedDetector
from smiletrack.detector.foreign import DetectorInterface
from smiletrack.detector.letterbox import Placement, letterbox, place, to_frame
from smiletrack.detector.postprocess import Rule, postprocess
from smiletrack.detector.settings import DetectorConfig
from smiletrack.detector.settings import PredictConfig as PredictConfig
from smiletrack.errors import InputError
from smiletrack.image_tensors import to_input
from smiletrack.images import Frame
from smiletrack.lazy import LazyModule
from smiletrack.network_files import is_network_file, network_path, open_network
from smiletrack.runtime_twin import RuntimeTwin
from smiletrack.types import Detections

onnx_model = LazyModule("smiletrack.detector.onnx_model")


class Predictor:
    """A network with everything around it: letterbox, batching, suppression, boxes back in the frame.

    `config` is the network's, `fingerprint` names weights and settings: equal fingerprints give equal detections.
    `settings` are the settings one by one, as text. `description` is one line about what a network file was taken for,
    "" for a checkpoint.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        config: DetectorConfig | DetectorInterface,
        settings: PredictConfig,
        rule: Rule,
        stride: int,
        device: str,
        weights_digest: str,
        description: str = "",
    ) -> None:
        self.description = description
        self.network, self.config, self.rule, self.stride = network, config, rule, stride
        self.device = torch.device(device)
        self.half = settings.half and self.device.type == "cuda"
        self.clip = settings.clip
        self.size = (settings.height, settings.width) if settings.height else config.size
        if any(side % stride for side in self.size):
            raise InputError(f"height, width: must be multiples of {stride} for this detector, not {self.size}")
        kept = _class_numbers(settings.classes, config.class_names)
        self.nms = dataclasses.replace(settings.nms, classes=kept)
        told = dataclasses.asdict(settings)
        if not isinstance(network, RuntimeTwin):
            del told["runtime"]  # it is the network file's, or PyTorch
        self.settings = _flat(told, "predict.")
        said = json.dumps([weights_digest, self.size, told, list(kept)])
        self.fingerprint = hashlib.sha256(said.encode()).hexdigest()[:16]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes 1, 2 ... of detections."""
        return tuple(self.config.class_names)

    def detect(self, frame: Frame) -> Detections:
        """Return what is seen in a frame, by falling score; classes count from 1."""
        return self.detect_batch([frame])[0]

    @torch.inference_mode()
    def detect_batch(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the detections of each frame; frames of one size go through the network together."""
        for frame in frames:
            self.checked(frame)
        found: list[Detections] = [Detections(np.zeros((0, 4)), np.zeros(0))] * len(frames)
        shapes = [frame.shape[:2] for frame in frames]
        for shape in dict.fromkeys(shapes):
            rows = [i for i, other in enumerate(shapes) if other == shape]
            placement = place(shape[0], shape[1], self.size, self.config.input, self.stride)
            for i, detections in zip(rows, self._same_size([frames[i] for i in rows], placement), strict=True):
                found[i] = detections
        return found

    @staticmethod
    def checked(frame: Frame) -> Frame:
        """Return the frame; ValueError where it is none."""
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
            raise ValueError(f"a frame is (height, width, 3) uint8 BGR, not {frame.dtype} {frame.shape}")
        return frame

    def images(self, frames: Sequence[Frame], placement: Placement) -> Tensor:
        """Return frames of one size as the network takes them, on its device."""
        boxed = torch.from_numpy(np.stack([letterbox(f, placement, self.config.input) for f in frames]))
        if self.device.type == "cuda":
            boxed = boxed.pin_memory().to(self.device, non_blocking=True)
        images = to_input(boxed, self.config.input).contiguous(memory_format=torch.channels_last)
        return images.half() if self.half else images

    def _same_size(self, frames: Sequence[Frame], placement: Placement) -> list[Detections]:
        """Detect in frames of one size, as one batch."""
        images = self.images(frames, placement)
        try:
            with torch.autocast(self.device.type, enabled=False):  # a training's bfloat16 is too coarse for boxes
                predictions = self.network(images)
        except torch.OutOfMemoryError:
            rows, columns = placement.size
            raise InputError(
                f"GPU memory ran out on {len(frames)} images of {columns} x {rows}; lower the batch or height and width"
            ) from None
        height, width = frames[0].shape[:2]
        answers = []
        for rows_tensor in postprocess(predictions, self.nms, self.rule):
            rows_array = rows_tensor.double().cpu().numpy()
            boxes = to_frame(rows_array[:, :4], placement, height, width, clip=False)
            inside = clip_boxes(boxes, width, height)
            answer = Detections(
                inside if self.clip else boxes, rows_array[:, 4], classes=rows_array[:, 5].astype(np.int64) + 1
            )
            # boxes that lie in the padding have no area in the frame
            answers.append(answer[np.flatnonzero(area(inside))])
        return answers


def load_detector(
    spec: str | Path, device: str = "cpu", settings: PredictConfig | None = None, threads: int = 0
) -> Predictor:
    """Return the detector of a checkpoint or of a network file (`FILE.onnx`, `FILE.xml`, `onnx:FILE`, `openvino:FILE`).

    device: cpu, cuda, cuda:N, or auto for a GPU where there is one that can run it. threads: of a CPU, for another
    runtime than PyTorch; 0 = its own choice. Raises InputError for a missing or
    foreign file and for a device that is not there.
    """
    settings = settings or PredictConfig()
    if is_network_file(str(spec)):
        model = ExportedDetector(open_network(str(spec), device, threads), settings)
        digest = _digest(network_path(str(spec)))
        return Predictor(model, model.config, settings, model.rule, model.stride, "cpu", digest, model.description)
    path = Path(spec)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device: {device} was asked for, but there is no GPU that PyTorch can use; take cpu")
    net, config = load_detector_network(path)
    ready = fuse(net).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    ready = halved(ready) if settings.half and device.startswith("cuda") else ready
    network: Callable[[Tensor], Tensor] = torch.compile(ready) if settings.compile else ready
    if device == "cpu" and settings.runtime not in ("auto", "torch"):
        network = RuntimeTwin(ready, partial(_export, net, config), _same_predictions, settings.runtime, threads)
    return Predictor(network, config, settings, net.rule, max(net.strides), device, _digest(path))


def _export(net: Detector, config: DetectorConfig, path: Path, size: tuple[int, int]) -> None:
    onnx_model.export_detector_onnx(net, dataclasses.replace(config, height=size[0], width=size[1]), path)


def _same_predictions(first: Tensor, second: Tensor) -> bool:
    """Tell predictions apart that differ by more than a twentieth of a pixel or a thousandth of a score."""
    apart = (first - second).abs().amax((0, 1))
    return bool(apart[:4].max() < 0.05 and apart[4:].max() < 1e-3)


def _flat(tree: dict[str, Any], prefix: str) -> dict[str, str]:
    """Return the leaves of a tree as text, by their full keys."""
    leaves: dict[str, str] = {}
    for key, value in tree.items():
        leaves |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": str(value)}
    return leaves


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _class_numbers(wanted: Sequence[str], names: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of the wanted classes, () for all."""
    if not wanted:
        return (names.index("person"),) if "person" in names and len(names) > 1 else ()
    for name in wanted:
        if name not in names:
            raise InputError(f"classes: the detector knows no {name!r}{nearest(name, list(names))}")
    return tuple(names.index(name) for name in wanted)
