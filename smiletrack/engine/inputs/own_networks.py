"""Detectors and embedders of one's own in the command line: `--detector module:Class`, `--slm module:Class`.

The class is made without arguments; what it must offer is in `DetectorLike` and `EmbedderLike`. Its module is found in
the current folder, or installed.
"""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smiletrack.config import nearest
from smiletrack.engine.inputs.detection_cache import DetectorLike, EmbedderLike
from smiletrack.errors import InputError
from smiletrack.images import Frame
from smiletrack.lazy import LazyModule
from smiletrack.types import Detections, Floats

_SPEC = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_RUNTIMES = ("onnx", "openvino", "file")


def is_own_class(spec: str) -> bool:
    """Tell `module:Class` from the names of files."""
    match = _SPEC.fullmatch(spec)
    return match is not None and match[1] not in _RUNTIMES and not Path(spec).exists()


class OwnDetector:
    """A detector of one's own, whose answers are checked; see `DetectorLike`."""

    def __init__(self, spec: str) -> None:
        """Raises InputError where the class is not there or does not offer what a detector must."""
        self._spec = spec
        self._detector: DetectorLike = _make(spec, "detect")
        self.fingerprint = f"{spec} {self._detector.fingerprint}"
        self.class_names = tuple(map(str, getattr(self._detector, "class_names", ())))

    def detect(self, frame: Frame) -> Detections:
        """Return what the detector sees; InputError where that is something else than `Detections`."""
        found = self._detector.detect(frame)
        if not isinstance(found, Detections):
            raise InputError(f"{self._spec}: detect must return smiletrack.Detections, not {type(found).__name__}")
        return found


class OwnEmbedder:
    """An embedder of one's own, whose answers are checked; see `EmbedderLike`."""

    def __init__(self, spec: str) -> None:
        """Raises InputError where the class is not there or does not offer what an embedder must."""
        self._spec = spec
        self._embedder: EmbedderLike = _make(spec, "embed")
        self.fingerprint = f"{spec} {self._embedder.fingerprint}"

    def embed(self, frame: Frame, boxes: Floats) -> NDArray[np.float32]:
        """Return the embedder's rows as unit rows; InputError where they are not one row of numbers a box."""
        rows = np.asarray(self._embedder.embed(frame, boxes), np.float32)
        if rows.ndim != 2 or len(rows) != len(boxes) or not np.isfinite(rows).all():
            raise InputError(
                f"{self._spec}: embed must return one row of finite numbers a box, ({len(boxes)}, D), not {rows.shape}"
            )
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def _make(spec: str, method: str) -> Any:
    """Return an object of the class."""
    module, _, name = spec.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        made = getattr(LazyModule(module), name)()
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there, and misses another one
        raise InputError(f"{spec}: no module {module!r} in {Path.cwd()}, and none that is installed") from None
    except AttributeError:
        known = vars(sys.modules[module]) if module in sys.modules else {}
        if name in known:
            raise  # of the class itself
        raise InputError(f"{spec}: {module} has no {name}{nearest(name, list(known))}") from None
    except TypeError as error:
        raise InputError(f"{spec}: is made without arguments ({error})") from None
    for wanted in (method, "fingerprint"):
        if not hasattr(made, wanted):
            raise InputError(f"{spec}: has no {wanted}; docs/detectors.md shows what a class must offer")
    return made
