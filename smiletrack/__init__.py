"""smiletrack: training and evaluation of multi-object trackers.

from smiletrack import Detections, evaluate, load_tracker

tracker = load_tracker("smiletrack", frame_rate=30)
tracks = tracker.update(Detections(boxes, scores))      # boxes (N, 4) xyxy pixels, scores (N,)
tracks.ids, tracks.boxes                                # who is where, this frame

Names are loaded when they are first used: tracking and metrics never wait for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smiletrack.data.mot import write_results as write_results
    from smiletrack.data.sources import open_source as open_source
    from smiletrack.detector.predictor import load_detector as load_detector
    from smiletrack.engine.eval_mot import evaluate as evaluate
    from smiletrack.engine.track import join_tracks as join_tracks
    from smiletrack.errors import InputError as InputError
    from smiletrack.slm.embedder import load_embedder as load_embedder
    from smiletrack.tracking.config import TrackerConfig as TrackerConfig
    from smiletrack.tracking.tracker import Tracker as Tracker
    from smiletrack.tracking.tracker import load_tracker as load_tracker
    from smiletrack.types import Detections as Detections
    from smiletrack.types import Tracks as Tracks
    from smiletrack.types import TrackTable as TrackTable
    from smiletrack.version import __version__ as __version__

_HOMES = {
    "__version__": "version",
    "Detections": "types",
    "InputError": "errors",
    "TrackTable": "types",
    "Tracker": "tracking.tracker",
    "TrackerConfig": "tracking.config",
    "Tracks": "types",
    "evaluate": "engine.eval_mot",
    "join_tracks": "engine.track",
    "load_detector": "detector.predictor",
    "load_embedder": "slm.embedder",
    "load_tracker": "tracking.tracker",
    "open_source": "data.sources",
    "write_results": "data.mot",
}
__all__ = [name for name in _HOMES if name != "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"smiletrack.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
