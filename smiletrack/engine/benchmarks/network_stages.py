"""Networks with a clock in each of their stages, whatever they are."""

from smiletrack.detector.predictor import Predictor
from smiletrack.engine.benchmarks.stage_clock import StageClock
from smiletrack.engine.inputs.detection_cache import DetectorLike, EmbedderLike
from smiletrack.engine.inputs.device_networks import DeviceNetworks
from smiletrack.slm.embedder import Embedder


def in_stages(
    detector: DetectorLike, embedder: EmbedderLike | None, clock: StageClock
) -> tuple[DetectorLike, EmbedderLike | None]:
    """Return copies of both whose stages are timed; of networks that are not this project's, detect and embed are."""
    if isinstance(detector, DeviceNetworks):
        both = clock.watch(detector.in_stages(clock.timed), {"detect": "the rest"})
        return both, both if embedder is detector else embedder
    parts = {"detect": "detect"}
    if isinstance(detector, Predictor):
        parts = {"images": "letterbox", "network": "detector", "detect": "suppression"}
    seeing = clock.watch(detector, parts)
    if embedder is None:
        return seeing, None
    if isinstance(embedder, Embedder):
        return seeing, clock.watch(embedder, {"embed": "crops", "infer": "SLM"})
    return seeing, clock.watch(embedder, {"embed": "embed"})
