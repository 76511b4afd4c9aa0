"""The networks of a pipeline, ready to run on one device."""

from smiletrack.detector.predictor import load_detector
from smiletrack.detector.settings import PredictConfig
from smiletrack.engine.inputs.detection_cache import DetectorLike, EmbedderLike
from smiletrack.slm.embedder import load_embedder
from smiletrack.training.runtime import choose_device


def load_networks(
    detector: str, slm: str, device: str = "auto", predict: PredictConfig | None = None
) -> tuple[DetectorLike | None, EmbedderLike | None]:
    """Load a detector (checkpoint or onnx:FILE; "" = none) and a similarity network (checkpoint, .onnx or "none").

    Raises InputError for a missing or foreign file and for a device that is not there.
    """
    place = str(choose_device(device))
    seeing = load_detector(detector, place, predict) if detector else None
    embedding = load_embedder(slm.removeprefix("onnx:"), place) if slm not in ("", "none") else None
    return seeing, embedding
