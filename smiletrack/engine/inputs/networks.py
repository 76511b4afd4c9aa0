"""The networks of a pipeline, ready to run on one device."""

from smiletrack.console import notify
from smiletrack.detector.predictor import Predictor, load_detector
from smiletrack.detector.settings import PredictConfig
from smiletrack.engine.inputs.detection_cache import DetectorLike, EmbedderLike
from smiletrack.network_files import is_network_file
from smiletrack.slm.embedder import load_embedder
from smiletrack.training.runtime import choose_device


def load_networks(
    detector: str, slm: str, device: str = "auto", predict: PredictConfig | None = None
) -> tuple[DetectorLike | None, EmbedderLike | None]:
    """Load a detector (see `open_detector`; "" = none) and a similarity network (checkpoint, .onnx or "none").

    Raises InputError for a missing or foreign file and for a device that is not there.
    """
    place = str(choose_device(device))
    seeing = open_detector(detector, device, predict) if detector else None
    embedding = load_embedder(slm.removeprefix("onnx:"), place) if slm not in ("", "none") else None
    return seeing, embedding


def open_detector(spec: str, device: str = "auto", predict: PredictConfig | None = None) -> Predictor:
    """Load a checkpoint or a network file, and tell on standard error what a network file was taken for.

    Raises InputError for a missing or foreign file and for a device that is not there.
    """
    # a network file has a runtime of its own, which may have no GPU where PyTorch has one
    detector = load_detector(spec, device if is_network_file(spec) else str(choose_device(device)), predict)
    if detector.description:
        notify(detector.description)
    return detector
