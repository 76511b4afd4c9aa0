"""`unmixed:` before a similarity network's name: its rows of a frame are told apart before anybody compares them."""

import numpy as np
from numpy.typing import NDArray

from smiletrack.engine.inputs.detection_cache import EmbedderLike
from smiletrack.images import Frame
from smiletrack.slm.unmixing import unmixed
from smiletrack.types import Floats

_PREFIX = "unmixed:"


def is_unmixed(spec: str) -> bool:
    """Tell `unmixed:SLM` from other words that name an SLM."""
    return spec.startswith(_PREFIX)


def mixed_spec(spec: str) -> str:
    """Return the SLM that the words of `is_unmixed` name."""
    return spec.removeprefix(_PREFIX)


class Unmixed:
    """A similarity network whose rows of each frame go through `slm.unmixing.unmixed`."""

    def __init__(self, embedder: EmbedderLike, dimension: int = 0) -> None:
        """dimension: D of its rows, 0 = nobody will ask."""
        self._embedder, self.dimension = embedder, dimension
        self.fingerprint = f"{_PREFIX}{embedder.fingerprint}"

    def embed(self, frame: Frame, boxes: Floats) -> NDArray[np.float32]:
        """(N, 4) xyxy boxes, all of the frame -> (N, D) float32 unit rows, zeros for "no appearance"."""
        return unmixed(self._embedder.embed(frame, boxes), boxes)
