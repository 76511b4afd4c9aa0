"""What the Kalman filter's four coordinates mean, and how uncertain each is: the three box states of the field.

Every state is a position of four coordinates and their velocities, dt = 1 frame. Arrays carry the track on the LAST
axis, so that one coordinate of all tracks is one contiguous row: boxes and positions are (4, N), variances (2, 4, N)
with position before velocity.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from smiletrack.types import Floats

POSITION = 1 / 20
"""Standard deviation of a position, as a share of the box's size (DeepSORT, arXiv 1703.07402)."""
VELOCITY = 1 / 160
"""Standard deviation of a velocity, as a share of the box's size a frame."""


def _table(*rows: tuple[float, float, float, float]) -> Floats:
    """(rows, 4, 1): one value a coordinate, ready to broadcast over the tracks."""
    return np.array(rows, np.float64)[:, :, None]


class BoxModel(ABC):
    """One meaning of the four coordinates. All methods are pure and batched over the last axis."""

    velocities: ClassVar[tuple[bool, bool, bool, bool]] = (True, True, True, True)
    """Which coordinates have a velocity."""

    @abstractmethod
    def measure(self, boxes: Floats) -> Floats:
        """(4, N) corners -> (4, N) coordinates."""

    @abstractmethod
    def boxes(self, position: Floats) -> Floats:
        """(4, N) coordinates -> (4, N) corners x1, y1, x2, y2."""

    @abstractmethod
    def initial_variance(self, position: Floats) -> Floats:
        """(2, 4, N) variances of a track born at `position`."""

    @abstractmethod
    def process_variance(self, position: Floats) -> Floats:
        """(2, 4, N) variances that one frame adds."""

    @abstractmethod
    def measurement_variance(self, position: Floats) -> Floats:
        """(4, N) variances of a detection, or (4, 1) where they are the same for all tracks."""

    @abstractmethod
    def warp_blocks(self, linear: Floats) -> Floats:
        """(2, 2) linear part of an image warp -> (2, 2, 2): the maps of coordinates 0-1 and of coordinates 2-3."""

    def possible(self, mean: Floats) -> Floats:
        """Return the (2, 4, N) mean without velocities that would lead to an impossible box in the next frame."""
        return mean


class XYWH(BoxModel):
    """Centre, width, height (BoT-SORT, arXiv 2206.14651, section 3.1; SMILEtrack). Noise follows (w, h, w, h)."""

    def measure(self, boxes: Floats) -> Floats:
        position = np.empty_like(boxes)
        position[2:] = boxes[2:] - boxes[:2]
        position[:2] = boxes[:2] + position[2:] * 0.5
        return position

    def boxes(self, position: Floats) -> Floats:
        boxes = np.empty_like(position)
        boxes[:2] = position[:2] - position[2:] * 0.5
        boxes[2:] = boxes[:2] + position[2:]
        return boxes

    def initial_variance(self, position: Floats) -> Floats:
        return _squares(position, 2 * POSITION, 10 * VELOCITY)

    def process_variance(self, position: Floats) -> Floats:
        return _squares(position, POSITION, VELOCITY)

    def measurement_variance(self, position: Floats) -> Floats:
        size = position[2:] * POSITION
        size *= size
        return np.concatenate((size, size))

    def warp_blocks(self, linear: Floats) -> Floats:
        """The size is mapped as the centre is, which is BoT-SORT's rule (equations 3-6)."""
        return np.stack((linear, linear))


def _squares(position: Floats, position_share: float, velocity_share: float) -> Floats:
    square = position[2:] * position[2:]
    variance = np.empty((2, 2, *square.shape))
    variance[0] = square * position_share**2
    variance[1] = square * velocity_share**2
    return variance.reshape(2, *position.shape)


class XYAH(BoxModel):
    """Centre, aspect ratio w/h, height (DeepSORT, 1703.07402; ByteTrack). Noise follows h; the ratio's is fixed."""

    _initial = _table(
        ((2 * POSITION) ** 2, (2 * POSITION) ** 2, 0, (2 * POSITION) ** 2),
        ((10 * VELOCITY) ** 2, (10 * VELOCITY) ** 2, 0, (10 * VELOCITY) ** 2),
    )
    _process = _table((POSITION**2, POSITION**2, 0, POSITION**2), (VELOCITY**2, VELOCITY**2, 0, VELOCITY**2))
    _measurement = _table((POSITION**2, POSITION**2, 0, POSITION**2))[0]
    _ratio = _table((0, 0, 1e-2**2, 0), (0, 0, 1e-5**2, 0))
    _measured_ratio = _table((0, 0, 1e-1**2, 0))[0]

    def measure(self, boxes: Floats) -> Floats:
        position = np.empty_like(boxes)
        size = boxes[2:] - boxes[:2]
        position[:2] = boxes[:2] + size * 0.5
        position[2] = size[0] / size[1]
        position[3] = size[1]
        return position

    def boxes(self, position: Floats) -> Floats:
        boxes = np.empty_like(position)
        size = position[2:].copy()
        size[0] *= size[1]
        boxes[:2] = position[:2] - size * 0.5
        boxes[2:] = boxes[:2] + size
        return boxes

    def initial_variance(self, position: Floats) -> Floats:
        return np.asarray(self._initial * position[3] ** 2 + self._ratio)

    def process_variance(self, position: Floats) -> Floats:
        return np.asarray(self._process * position[3] ** 2 + self._ratio)

    def measurement_variance(self, position: Floats) -> Floats:
        return np.asarray(self._measurement * position[3] ** 2 + self._measured_ratio)

    def warp_blocks(self, linear: Floats) -> Floats:
        """A warp keeps the ratio and scales the height by the square root of the area's scale."""
        return np.stack((linear, np.diag([1.0, np.sqrt(abs(_determinant(linear)))])))


class XYSR(BoxModel):
    """Centre, area s, aspect ratio r = w/h, which has no velocity (SORT, arXiv 1602.00763; OC-SORT). Noise is fixed."""

    velocities = (True, True, True, False)

    _initial = _table((10, 10, 10, 10), (1e4, 1e4, 1e4, 0))
    _process = _table((1, 1, 1, 1), (1e-2, 1e-2, 1e-4, 0))
    _measurement = _table((1, 1, 10, 10))[0]

    def measure(self, boxes: Floats) -> Floats:
        position = np.empty_like(boxes)
        size = boxes[2:] - boxes[:2]
        position[:2] = boxes[:2] + size * 0.5
        position[2] = size[0] * size[1]
        position[3] = size[0] / size[1]
        return position

    def boxes(self, position: Floats) -> Floats:
        boxes = np.empty_like(position)
        # the area's guard in limit_velocity keeps the product positive; a lone rounding error must not become NaN
        width = np.sqrt(np.maximum(position[2] * position[3], 0.0))
        size = np.stack((width, np.divide(position[2], width, out=np.zeros_like(width), where=width > 0)))
        boxes[:2] = position[:2] - size * 0.5
        boxes[2:] = boxes[:2] + size
        return boxes

    def initial_variance(self, position: Floats) -> Floats:
        return np.array(np.broadcast_to(self._initial, (2, *position.shape)))

    def process_variance(self, position: Floats) -> Floats:
        return np.asarray(self._process)

    def measurement_variance(self, position: Floats) -> Floats:
        return np.asarray(self._measurement)

    def warp_blocks(self, linear: Floats) -> Floats:
        """A warp scales the area and keeps the ratio."""
        return np.stack((linear, np.diag([abs(_determinant(linear)), 1.0])))

    def possible(self, mean: Floats) -> Floats:
        mean = mean.copy()
        mean[1, 2][mean[0, 2] + mean[1, 2] <= 0] = 0.0
        return mean


def _determinant(linear: Floats) -> float:
    return float(linear[0, 0] * linear[1, 1] - linear[0, 1] * linear[1, 0])


MODELS: dict[str, BoxModel] = {"xywh": XYWH(), "xyah": XYAH(), "xysr": XYSR()}
"""The box states by the name that a configuration uses."""
