"""The networks of a pipeline, ready to run on one device."""

import os
from dataclasses import replace
from pathlib import Path

import torch

from smiletrack.console import notify
from smiletrack.detector.predictor import Predictor, load_detector
from smiletrack.detector.settings import PredictConfig
from smiletrack.engine.inputs.detection_cache import DetectorLike, EmbedderLike
from smiletrack.engine.inputs.device_networks import DeviceNetworks
from smiletrack.engine.inputs.joint import JointNetwork, is_joint, joint_path, load_joint
from smiletrack.engine.inputs.own_networks import OwnDetector, OwnEmbedder, is_own_class
from smiletrack.engine.inputs.unmixed_rows import Unmixed, is_unmixed, mixed_spec
from smiletrack.errors import InputError
from smiletrack.network_files import is_network_file
from smiletrack.slm.embedder import Embedder, load_embedder
from smiletrack.training.runtime import choose_device


def load_networks(
    detector: str, slm: str, device: str = "auto", predict: PredictConfig | None = None
) -> tuple[DetectorLike | None, EmbedderLike | None]:
    """Load a detector and a similarity network, each of a file or a class of one's own; "" and "none" are none.

    An SLM `joint:FILE` sees what the detector in its file sees: both are then one, and the detector is that file too.
    The rows of `unmixed:` and any of these words are told apart (`slm.unmixing`).
    Tells on standard error what network files were taken for. Raises InputError for a missing or foreign file and for a
    device that is not there.
    """
    if is_unmixed(slm):
        seeing, embedding = load_networks(detector, mixed_spec(slm), device, predict)
        return seeing, Unmixed(embedding) if embedding else None
    predict = predict or PredictConfig()
    if predict.runtime == "auto":
        predict = replace(predict, runtime="torch" if predict.compile else "onnx")
    several = bool(detector) and slm not in ("", "none")
    threads = max(1, torch.get_num_threads() // 2) if several else 0  # both work at once
    seeing, embedding = None, None
    if is_joint(slm):
        joint = open_joint(slm, device, predict)
        if detector and Path(detector).resolve() != joint_path(slm).resolve():
            raise InputError(f"slm: {slm} sees what its own detector sees: --detector {joint_path(slm)}")
        return (joint if detector else None), joint
    if detector:
        seeing = OwnDetector(detector) if is_own_class(detector) else open_detector(detector, device, predict, threads)
    if slm not in ("", "none"):
        embedding = OwnEmbedder(slm) if is_own_class(slm) else open_embedder(slm, device, predict.runtime, threads)
    return _together(seeing, embedding, predict)


def _together(
    seeing: DetectorLike | None, embedding: EmbedderLike | None, predict: PredictConfig
) -> tuple[DetectorLike | None, EmbedderLike | None]:
    """Return the two as one where a GPU can take a frame through both without waiting for anybody."""
    if not isinstance(seeing, Predictor) or seeing.device.type != "cuda" or not predict.graphs:
        return seeing, embedding
    if predict.compile or predict.nms.multi_label:
        return seeing, embedding
    if embedding is None:
        return DeviceNetworks(seeing, None), None
    if not isinstance(embedding, Embedder) or embedding.device != seeing.device or embedding.mask_grid:
        return seeing, embedding
    both = DeviceNetworks(seeing, embedding)
    return both, both


def open_detector(spec: str, device: str = "auto", predict: PredictConfig | None = None, threads: int = 0) -> Predictor:
    """Load a detector: a checkpoint, or a network file, about which a line is told. Errors: see `load_networks`."""
    detector = load_detector(spec, _place(spec, device), predict, threads)
    if detector.description:
        notify(detector.description)
    return detector


def open_embedder(spec: str, device: str = "auto", runtime: str = "torch", threads: int = 0) -> Embedder:
    """Load a similarity network: a checkpoint, or a network file, about which a line is told."""
    place = _place(spec.rpartition("@")[0] or spec, device)
    embedder = load_embedder(spec, place, runtime=runtime, threads=threads)
    if embedder.description:
        notify(embedder.description)
    return embedder


def open_joint(spec: str, device: str = "auto", predict: PredictConfig | None = None) -> JointNetwork:
    """Load the network of `joint:FILE`."""
    return load_joint(joint_path(spec), _place(spec, device), predict)


def _place(spec: str, device: str) -> str:
    """Return where a network runs; a network file's runtime may have no GPU where PyTorch has one, and finds out.

    Of several processes that a launcher starts on a machine, each takes a GPU of its own.
    """
    if is_network_file(spec):
        return device
    chosen = choose_device(device)
    local = os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", ""))
    if str(chosen) == "cuda" and local.isdecimal():
        return f"cuda:{int(local) % torch.cuda.device_count()}"
    return str(chosen)
