"""One network for boxes and embeddings: an SLM on the feature maps of the detector, which runs once a frame.

A joint file is the detector's checkpoint with the SLM's weights beside its own (`slm.*`).
"""

import copy
import dataclasses
import hashlib
import threading
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from smiletrack.boxes import area, clip_boxes, hidden_cells
from smiletrack.detector.checkpoint import KEY as DETECTOR
from smiletrack.detector.letterbox import place
from smiletrack.detector.predictor import Predictor, load_detector
from smiletrack.detector.pyramid import PyramidRecorder, pyramid_channels
from smiletrack.detector.settings import NMSConfig, PredictConfig
from smiletrack.errors import InputError
from smiletrack.images import Frame
from smiletrack.slm.checkpoint import build_slm
from smiletrack.slm.embedder import fuse_norms
from smiletrack.slm.network import SLM
from smiletrack.slm.regions import cut_regions
from smiletrack.types import Detections, Floats
from smiletrack.weights import load_weights, save_weights

_PREFIX = "joint:"
_KEPT = 8
"""Frames whose maps are kept: more than detection may be ahead of embedding."""


def is_joint(spec: str) -> bool:
    """Tell `joint:FILE` from other words that name an SLM."""
    return spec.startswith(_PREFIX)


def joint_path(spec: str) -> Path:
    """Return the file that the words of `is_joint` name."""
    return Path(spec.removeprefix(_PREFIX))


class JointNetwork:
    """A detector and an SLM that sees its feature maps: `detect` and `embed` of one frame share one pass.

    `fingerprint` names the weights of the SLM and the detector's own fingerprint.
    """

    def __init__(self, predictor: Predictor, slm: SLM, fingerprint: str) -> None:
        self._predictor, self.slm = predictor, slm
        self.fingerprint = f"{fingerprint} {predictor.fingerprint}"
        assert isinstance(predictor.network, torch.nn.Module)
        self._recorder = PyramidRecorder(predictor.network)  # type: ignore[arg-type]
        self._passing = threading.Lock()  # detection of a frame and embedding of an earlier one may meet
        self._passes: tuple[tuple[Frame, list[Tensor]], ...] = ()
        self.mask_grid = slm.mask_grid or (2 * slm.config.height, 2 * slm.config.width)

    @property
    def dimension(self) -> int:
        """D of the embeddings."""
        return self.slm.config.embedding

    @property
    def nms(self) -> NMSConfig:
        """How its detections are selected, by numbers of classes."""
        return self._predictor.nms

    def with_slm(self, slm: SLM) -> "JointNetwork":
        """Return this with another SLM on the same detector, whose passes they share."""
        other = copy.copy(self)
        other.slm = slm
        return other

    def detect(self, frame: Frame) -> Detections:
        """Return what the detector sees; its maps are kept for `embed` of the same frame."""
        with self._passing:
            found = self._predictor.detect(frame)
            self._passes = (*self._passes[1 - _KEPT :], (frame, self._recorder.maps))
        return found

    def regions(self, frame: Frame, boxes: Floats) -> Tensor:
        """(N, 4) xyxy boxes in pixels of the frame -> (N, C, rows, columns) of the detector's maps."""
        maps = self._maps(frame)
        if maps is None:
            self.detect(frame)
            maps = self._maps(frame)
            assert maps is not None, "just made"
        size = self.slm.config.height, self.slm.config.width
        predictor = self._predictor
        where = place(frame.shape[0], frame.shape[1], predictor.size, predictor.config.input, predictor.stride)
        corners = boxes * np.tile(where[:2], 2) + np.tile(where[2:4], 2)
        return cut_regions(maps, torch.from_numpy(corners).float().to(maps[0].device), where.size[0], size)

    def _maps(self, frame: Frame) -> list[Tensor] | None:
        """Return what the detector saw of a frame, None where that is not kept."""
        return next((maps for seen, maps in self._passes if seen is frame), None)

    @torch.inference_mode()
    def embed(self, frame: Frame, boxes: Floats) -> NDArray[np.float32]:
        """(N, 4) xyxy boxes -> (N, D) float32 unit rows, zeros for a box without area in the frame."""
        inside = clip_boxes(np.asarray(boxes, np.float64).reshape(-1, 4), frame.shape[1], frame.shape[0])
        rows = np.flatnonzero(area(inside) > 0)
        embeddings = np.zeros((len(boxes), self.slm.config.embedding), np.float32)
        if len(rows):
            visibility = torch.from_numpy(1 - hidden_cells(inside[rows], inside[rows], *self.mask_grid)).float()
            objects = self.regions(frame, inside[rows])
            Z = self.slm(objects, visibility.to(objects.device) if self.slm.mask_grid else None)
            embeddings[rows] = functional.normalize(Z.float(), dim=1).cpu().numpy()
        return embeddings


def load_joint(path: Path, device: str = "cpu", predict: PredictConfig | None = None) -> JointNetwork:
    """Return the network of a joint file; InputError where the file is none."""
    state, about = load_weights(path)
    if DETECTOR not in about or about.get("network") != "slm":
        raise InputError(f"{path}: no joint file; smiletrack train-slm --detector FILE makes one (joint.safetensors)")
    slm = build_slm(
        {name.removeprefix("slm."): value for name, value in state.items() if name[:4] == "slm."}, about, path
    )
    fuse_norms(slm)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    predict = dataclasses.replace(predict or PredictConfig(), runtime="torch")  # others do not show their maps
    predictor = load_detector(path, device, predict)
    shown, wanted = pyramid_channels(predictor.network), slm.config.channels[0]  # type: ignore[arg-type]
    if shown != wanted:
        raise InputError(
            f"{path}: its SLM wants {wanted} channels of the detector's maps, this version shows {shown}; train it anew"
        )
    return JointNetwork(predictor, slm.to(device), f"{path.name}:{digest}")


def save_joint(path: Path, detector: Path, slm: Path) -> None:
    """Write a detector's checkpoint and an SLM's that was trained on its maps into one file."""
    seeing, about_detector = load_weights(detector)
    comparing, about_slm = load_weights(slm)
    own = {name: value for name, value in seeing.items() if not name.startswith("slm.")}
    save_weights(path, own | {f"slm.{name}": value for name, value in comparing.items()}, about_detector | about_slm)
