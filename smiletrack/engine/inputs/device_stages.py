"""What happens to a frame on the device, stage by stage, and how it gets there and back.

Stages are tensors in, tensors out; none waits for the device, so each can be part of a CUDA graph, and all of them run
on a CPU too.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from smiletrack.detector.device_letterbox import letterbox_on_device, to_frame_on_device
from smiletrack.detector.fixed_postprocess import postprocess_fixed
from smiletrack.detector.letterbox import Placement, place
from smiletrack.detector.predictor import Predictor
from smiletrack.images import Frame
from smiletrack.slm.device_crops import cut_on_device
from smiletrack.slm.embedder import Embedder


@dataclass(frozen=True, eq=False)
class DeviceStages:
    """The stages of a detector and, if there is one, a similarity network."""

    predictor: Predictor
    embedder: Embedder | None

    def letterbox(self, frame: Tensor) -> Tensor:
        """(H, W, 3) uint8 -> (1, 3, height, width), what the detector takes."""
        images = letterbox_on_device(frame, self._place(frame), self.predictor.config.input)
        images = images.contiguous(memory_format=torch.channels_last)
        return images.half() if self.predictor.half else images

    def predict(self, images: Tensor) -> Tensor:
        """Return (1, N, 5 + C), boxes decoded in float32."""
        with torch.autocast(images.device.type, enabled=False):
            return self.predictor.network(images)

    def suppress(self, frame: Tensor, predictions: Tensor) -> Tensor:
        """Return (K, 8): corners in the frame, score, class number, is it one, is the answer exact."""
        found = postprocess_fixed(predictions, self.predictor.nms, self.predictor.rule)
        rows, kept = found.rows[0], found.kept[0, :, None].float()
        boxes, exact = to_frame_on_device(rows[:, :4], self._place(frame)), found.exact.float().expand_as(kept)
        return torch.cat([boxes, rows[:, 4:], kept, exact], 1)

    def see(self, frame: Tensor) -> Tensor:
        """The three before, one after another."""
        return self.suppress(frame, self.predict(self.letterbox(frame)))

    def cut(self, frame: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """(H, W, 3) uint8, (n, 4) -> (n, 3, h, w) objects, (n,) whether a box has area in the frame."""
        assert self.embedder is not None, "else nobody asks"
        return cut_on_device(frame, boxes, self.embedder.preprocessing)

    def embed(self, objects: Tensor, visible: Tensor) -> Tensor:
        """Return (n, D) float32 unit rows, zeros where a box has no area in the frame."""
        assert self.embedder is not None, "else nobody asks"
        return functional.normalize(self.embedder.infer(objects), dim=1).where(visible[:, None], 0.0)

    def look(self, frame: Tensor, boxes: Tensor) -> Tensor:
        """The two before, one after another."""
        return self.embed(*self.cut(frame, boxes))

    def _place(self, frame: Tensor) -> Placement:
        predictor = self.predictor
        return place(frame.shape[0], frame.shape[1], predictor.size, predictor.config.input, predictor.stride)


class DeviceTransfer:
    """The way to a device and back, through pinned memory that is used again for what has the same shape.

    Whoever uploads downloads something that comes of it before the next upload: then the memory is free again.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pinned: dict[tuple[torch.Size, torch.dtype], Tensor] = {}

    def current(self) -> AbstractContextManager[object]:
        """Return the context in which the device is the current one: events and recordings are made on that."""
        return torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext()

    def upload(self, frame: Frame) -> Tensor:
        """Return the frame on the device, on its way there without waiting; a CPU shares its memory."""
        if self._device.type != "cuda":
            return torch.from_numpy(frame)
        host = self._host(torch.Size(frame.shape), torch.uint8)
        host.numpy()[:] = frame
        return host.to(self._device, non_blocking=True)

    def download(self, values: Tensor) -> NDArray[np.float32]:
        """Return the values when all that was launched before is done: one copy, one wait."""
        if self._device.type == "cuda":
            host = self._host(values.shape, values.dtype)
            host.copy_(values, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record()
            done.synchronize()
            values = host
        return np.asarray(values.numpy().copy())

    def _host(self, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        key = (shape, dtype)
        if key not in self._pinned:
            self._pinned[key] = torch.empty(shape, dtype=dtype).pin_memory()
        return self._pinned[key]
