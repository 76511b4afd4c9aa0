"""Networks as ONNX files, checked against the checkpoint they came from."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from smiletrack.console import say
from smiletrack.detector.checkpoint import load_detector_network
from smiletrack.detector.exported import ExportedDetector
from smiletrack.detector.onnx_model import export_detector_onnx
from smiletrack.engine.joint_onnx import export_joint, refuse_difference
from smiletrack.engine.settings.export import ExportConfig
from smiletrack.errors import InputError
from smiletrack.files import atomic_path
from smiletrack.network_files import open_network
from smiletrack.slm.checkpoint import export_slm_onnx, load_slm_network
from smiletrack.slm.embedder import load_embedder

TOLERANCE = 1e-4
"""Largest difference between the exported network and the checkpoint, in any entry of a unit vector."""


def export(config: ExportConfig) -> Path:
    """Write the file, compare it with the checkpoint, and return its path."""
    exporters = {"slm": export_slm, "detector": export_detector, "joint": export_joint}
    if config.network not in exporters:
        raise InputError(f"network: {config.network!r} cannot be exported; there are {', '.join(exporters)}")
    if not config.checkpoint:
        raise InputError("checkpoint: name the weights to export, e.g. --checkpoint runs/slm/model.safetensors")
    checkpoint = Path(config.checkpoint)
    output = Path(config.output) if config.output else checkpoint.with_suffix(f".{config.format}")
    return exporters[config.network](checkpoint, output)


def export_slm(checkpoint: Path, output: Path) -> Path:
    """Export a similarity network with a free batch size; InputError where ONNX Runtime does not agree with it."""
    network, preprocessing = load_slm_network(checkpoint)
    shape = (3, preprocessing.height, preprocessing.width, 3)
    crops = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with _checked_before(output) as written:
        export_slm_onnx(network, preprocessing, written)
        exported, original = (load_embedder(file).embed_crops(crops) for file in (written, checkpoint))
        difference = float(np.abs(exported - original).max())
        refuse_difference(output, difference, TOLERANCE)
    say(f"{output}: largest difference from the checkpoint {difference:.1e}")
    return output


def export_detector(checkpoint: Path, output: Path) -> Path:
    """Export a detector with a free batch size; InputError where ONNX Runtime does not agree with it.

    Compared on three images of noise: boxes in units of the image's width, probabilities as they are.
    """
    net, config = load_detector_network(checkpoint)
    images = torch.rand(3, 3, *config.size, generator=torch.Generator().manual_seed(0)) / config.input.scale / 255
    with _checked_before(output) as written, torch.no_grad():
        export_detector_onnx(net, config, written)
        original, exported = net(images), ExportedDetector(open_network(str(written)))(images)
        difference = (exported - original).abs()
        largest = max(float(difference[..., :4].max()) / config.width, float(difference[..., 4:].max()))
        refuse_difference(output, largest, TOLERANCE)
    say(f"{output}: largest difference from the checkpoint {largest:.1e}")
    return output


@contextmanager
def _checked_before(output: Path) -> Iterator[Path]:
    """Yield a file of another folder, for a network that takes its place at `output` when the block finds it right."""
    with TemporaryDirectory() as folder:
        written = Path(folder) / output.name
        try:
            yield written
        except InputError as error:
            raise InputError(str(error).replace(str(written), str(output))) from None
        with atomic_path(output) as place:
            shutil.copyfile(written, place)
