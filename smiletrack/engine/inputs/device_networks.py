"""Detector and similarity network of one frame without leaving the device: one upload, one answer, one wait.

The frame goes up as it is. There it is letterboxed, detected, suppressed with fixed shapes, and its objects are cut and
embedded in batches of a few sizes, each part a CUDA graph; boxes, scores and embeddings come back in one copy. How many
objects there are is known only then, so as many are embedded as the frame before had, and the rest, if any, in a second
turn. On a CPU the same stages run without graphs.
"""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from smiletrack.boxes import area, clip_boxes
from smiletrack.detector.predictor import Predictor
from smiletrack.device_graphs import Recorded
from smiletrack.engine.inputs.detection_cache import EMBEDDED_ABOVE
from smiletrack.engine.inputs.device_stages import DeviceStages, DeviceTransfer
from smiletrack.images import Frame
from smiletrack.slm.device_crops import bucket_sizes
from smiletrack.slm.embedder import Embedder
from smiletrack.types import Detections, Floats

_KEPT = 8
"""Frames whose embeddings are kept: more than detection may be ahead of whoever asks for them."""


class _SeenFrame(NamedTuple):
    """What objects of a frame look like: boxes (N, 4), and the embeddings (n, D) of the first n of them."""

    frame: Frame
    boxes: Floats
    Z: NDArray[np.float32]


class DeviceNetworks:
    """A detector and, if there is one, a similarity network on the same device: `detect` also embeds, `embed` recalls.

    Answers are those of the two by themselves but for rounding, and for the borders of crops (`slm.device_crops`). A
    frame with more candidates than the fixed shapes have room for goes to the two by themselves.
    """

    def __init__(self, predictor: Predictor, embedder: Embedder | None) -> None:
        """predictor: a network of PyTorch, without `nms.multi_label`. embedder: of the same device, without a mask."""
        self._predictor, self._embedder, self._device = predictor, embedder, predictor.device
        self.fingerprint = f"{predictor.fingerprint} {embedder.fingerprint if embedder else 'none'} on the device"
        self.settings, self.class_names = predictor.settings, predictor.class_names
        self.stages, self.host = DeviceStages(predictor, embedder), DeviceTransfer(self._device)
        self._upload, self._fetch = self.host.upload, self.host.download
        self._see: Callable[[Tensor], Tensor] = Recorded(self.stages.see, self._device)
        self._look: Callable[[Tensor, Tensor], Tensor] = Recorded(self.stages.look, self._device)
        self._expected = 0
        self._latest: tuple[_SeenFrame, ...] = ()

    def detect(self, frame: Frame) -> Detections:
        """Return what the detector sees, by falling score; what the SLM sees is kept for `embed` of the same frame."""
        with torch.inference_mode(), self.host.current():
            return self._detect(frame)

    def in_stages(self, timed: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> "DeviceNetworks":
        """Return the same with every stage recorded by itself, and called as `timed(name, stage)` says."""
        stages, apart = self.stages, copy.copy(self)

        def one(name: str, stage: Callable[..., Any]) -> Callable[..., Any]:
            return timed(name, Recorded(stage, self._device))

        apart._upload = timed("upload", self._upload)
        letterbox, predict = one("letterbox", stages.letterbox), one("detector", stages.predict)
        suppress, cut, embed = one("suppression", stages.suppress), one("crops", stages.cut), one("SLM", stages.embed)
        apart._see = lambda frame: suppress(frame, predict(letterbox(frame)))
        apart._look = lambda frame, boxes: embed(*cut(frame, boxes))
        apart._fetch = timed("copy back", self._fetch)
        return apart

    def _detect(self, frame: Frame) -> Detections:
        there = self._upload(self._predictor.checked(frame))
        rows = self._see(there)
        parts = self._launch(there, rows, 0, self._expected)
        seen, Z = self._download(rows, parts)
        if not seen[:, 7].all():
            return self._predictor.detect(frame)
        kept = seen[:, 6] > 0
        # detections come first, by falling score
        wanted = int((kept & (seen[:, 4] > EMBEDDED_ABOVE)).sum()) if self._embedder else 0
        if wanted > len(Z):
            _, others = self._download(rows, self._launch(there, rows, len(Z), wanted))
            Z = np.concatenate([Z, others])
        self._expected = wanted
        boxes = seen[kept, :4]
        inside = clip_boxes(boxes, frame.shape[1], frame.shape[0])
        found = Detections(
            inside if self._predictor.clip else boxes, seen[kept, 4], classes=seen[kept, 5].astype(np.int64) + 1
        )
        visible = area(inside) > 0  # boxes that lie in the padding have no area in the frame
        answer = found[np.flatnonzero(visible)]
        latest = _SeenFrame(frame, answer.boxes, Z[:wanted][visible[:wanted]])
        self._latest = (*self._latest[1 - _KEPT :], latest)
        return answer

    def embed(self, frame: Frame, boxes: Floats) -> NDArray[np.float32]:
        """(N, 4) xyxy boxes -> (N, D) float32 unit rows; those of the frame's first detections are there already."""
        assert self._embedder is not None, "else nobody asks"
        known = next((latest for latest in self._latest if latest.frame is frame), None)
        if known and len(boxes) <= len(known.Z) and np.array_equal(boxes, known.boxes[: len(boxes)]):
            return known.Z[: len(boxes)]
        return self._embedder.embed(frame, boxes)

    def _launch(self, frame: Tensor, rows: Tensor, start: int, end: int) -> list[Tensor]:
        """Return the embeddings of the rows from `start` to `end` or beyond, one tensor a batch."""
        parts: list[Tensor] = []
        for size in bucket_sizes(max(min(end, len(rows)) - start, 0)) if self._embedder else ():
            boxes = rows[start : start + size, :4]
            padded = functional.pad(boxes, (0, 0, 0, size - len(boxes)))
            parts.append(self._look(frame, padded).clone()[: len(boxes)])  # the next batch may be of the same shape
            start += size
        return parts

    def _download(self, rows: Tensor, parts: list[Tensor]) -> tuple[Floats, NDArray[np.float32]]:
        """Return the rows in float64, and the embeddings, in one copy and one wait."""
        numbers = self._fetch(torch.cat([rows.flatten(), *(part.flatten() for part in parts)]))
        dimension = self._embedder.dimension if self._embedder else 0
        Z = numbers[rows.numel() :].reshape(sum(map(len, parts)), dimension)
        return numbers[: rows.numel()].reshape(rows.shape).astype(np.float64), Z
