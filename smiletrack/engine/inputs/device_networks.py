"""Detector and similarity network of one frame without leaving the device: one upload, one answer, one wait.

The frame goes up as it is. There it is letterboxed, detected, suppressed with fixed shapes, and its objects are cut and
embedded in batches of a few sizes, each part a CUDA graph; boxes, scores and embeddings come back in one copy. How many
objects there are is known only then, so as many are embedded as the frame before had, and the rest, if any, in a second
turn. On a CPU the same stages run without graphs.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from smiletrack.boxes import area, clip_boxes
from smiletrack.detector.device_letterbox import letterbox_on_device, to_frame_on_device
from smiletrack.detector.fixed_postprocess import postprocess_fixed
from smiletrack.detector.letterbox import place
from smiletrack.detector.predictor import Predictor
from smiletrack.device_graphs import Recorded
from smiletrack.engine.inputs.detection_cache import EMBEDDED_ABOVE
from smiletrack.images import Frame
from smiletrack.slm.device_crops import bucket_sizes, cut_on_device
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
        self._see, self._look = Recorded(self._seen, self._device), Recorded(self._embedded, self._device)
        self._hosts: dict[tuple[torch.Size, torch.dtype], Tensor] = {}
        self._expected = 0
        self._latest: tuple[_SeenFrame, ...] = ()

    @torch.inference_mode()
    def detect(self, frame: Frame) -> Detections:
        """Return what the detector sees, by falling score; what the SLM sees is kept for `embed` of the same frame."""
        there = self._upload(self._predictor.checked(frame))
        rows = self._see(there)
        parts = self._launch(there, rows, 0, self._expected)
        seen, Z = self._download(rows, parts)
        if not seen[:, 7].all():
            return self._predictor.detect(frame)
        kept = seen[:, 6] > 0
        wanted = int((kept & (seen[:, 4] > EMBEDDED_ABOVE)).sum())  # detections come first, by falling score
        if self._embedder and wanted > len(Z):
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

    def _seen(self, frame: Tensor) -> Tensor:
        """(H, W, 3) uint8 -> (K, 8): corners in the frame, score, class number, is it one, is the answer exact."""
        predictor = self._predictor
        at = place(frame.shape[0], frame.shape[1], predictor.size, predictor.config.input, predictor.stride)
        images = letterbox_on_device(frame, at, predictor.config.input).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, enabled=False):
            predictions = predictor.network(images.half() if predictor.half else images)
        found = postprocess_fixed(predictions, predictor.nms, predictor.rule)
        rows, kept = found.rows[0], found.kept[0, :, None].float()
        boxes, exact = to_frame_on_device(rows[:, :4], at), found.exact.float().expand_as(kept)
        return torch.cat([boxes, rows[:, 4:], kept, exact], 1)

    def _launch(self, frame: Tensor, rows: Tensor, start: int, end: int) -> list[Tensor]:
        """Return the embeddings of the rows from `start` to `end` or beyond, one tensor a batch."""
        parts: list[Tensor] = []
        for size in bucket_sizes(max(min(end, len(rows)) - start, 0)) if self._embedder else ():
            boxes = rows[start : start + size, :4]
            padded = functional.pad(boxes, (0, 0, 0, size - len(boxes)))
            parts.append(self._look(frame, padded).clone()[: len(boxes)])  # the next batch may be of the same shape
            start += size
        return parts

    def _embedded(self, frame: Tensor, boxes: Tensor) -> Tensor:
        """(H, W, 3) uint8, (n, 4) -> (n, D) float32 unit rows, zeros where a box has no area in the frame."""
        assert self._embedder is not None, "else nobody asks"
        objects, visible = cut_on_device(frame, boxes, self._embedder.preprocessing)
        return functional.normalize(self._embedder.infer(objects), dim=1).where(visible[:, None], 0.0)

    def _upload(self, frame: Frame) -> Tensor:
        if self._device.type != "cuda":
            return torch.from_numpy(frame)
        host = self._host(torch.Size(frame.shape), torch.uint8)
        host.numpy()[:] = frame
        return host.to(self._device, non_blocking=True)

    def _download(self, rows: Tensor, parts: list[Tensor]) -> tuple[Floats, NDArray[np.float32]]:
        """Return the rows in float64, and the embeddings, in one copy and one wait."""
        packed = torch.cat([rows.flatten(), *(part.flatten() for part in parts)])
        if self._device.type == "cuda":
            host = self._host(packed.shape, packed.dtype)
            host.copy_(packed, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record()
            done.synchronize()
            packed = host
        numbers = packed.numpy().copy()
        dimension = self._embedder.dimension if self._embedder else 0
        Z = numbers[rows.numel() :].reshape(sum(map(len, parts)), dimension)
        return numbers[: rows.numel()].reshape(rows.shape).astype(np.float64), Z

    def _host(self, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """Return pinned memory, the same for the same shape: whoever used it before has been waited for."""
        key = (shape, dtype)
        if key not in self._hosts:
            self._hosts[key] = torch.empty(shape, dtype=dtype).pin_memory()
        return self._hosts[key]
