"""A camera over a ground plane, and its motion as one affine map a frame."""

from dataclasses import dataclass

import numpy as np

from smiletrack.data.world.config import SceneConfig
from smiletrack.types import Floats


@dataclass(frozen=True)
class Ground:
    """A level pinhole camera at rest. A point is (x, z): metres to the right of the camera, and ahead of it.

    width, height: image in px. focal: px. horizon: image row in px. camera_height: metres.
    A person of height H whose feet are at row y is `(y - horizon) * H / camera_height` px tall, at any depth.
    """

    width: int
    height: int
    focal: float
    horizon: float
    camera_height: float

    @staticmethod
    def of(config: SceneConfig) -> "Ground":
        """The nearest people (two camera heights away) stand near the lower border."""
        focal = 0.9 * config.width
        nearest_m = 2.0 * config.camera_height_m
        horizon = 0.97 * config.height - focal * config.camera_height_m / nearest_m
        return Ground(config.width, config.height, focal, horizon, config.camera_height_m)

    @property
    def nearest(self) -> float:
        """Depth in metres at which the ground meets the lower 3% of the image."""
        return self.focal * self.camera_height / (0.97 * self.height - self.horizon)

    def project(self, xz: Floats) -> Floats:
        """(N, 2) metres on the ground -> (N, 2) px in the image of the camera at rest."""
        x, z = np.moveaxis(np.asarray(xz, np.float64), -1, 0)
        column = self.width / 2 + self.focal * x / z
        return np.stack([column, self.horizon + self.focal * self.camera_height / z], -1)

    def pixels_per_metre(self, z: Floats | float) -> Floats:
        """Scale at depth z (metres)."""
        return self.focal / np.asarray(z, np.float64)

    def half_view(self, z: Floats | float) -> Floats:
        """Metres from the middle to the border of the image at depth z."""
        return self.width / 2 / self.pixels_per_metre(z)


def camera_path(config: SceneConfig, moving: bool, rng: np.random.Generator) -> Floats:
    """(T, 2, 3) affine maps from the image at rest to the image of each frame, the first the identity.

    The camera looks at a flat panorama: it pans (shift), shakes (shift and roll) and breathes (zoom), so that the map
    from frame to frame is exactly affine.
    """
    length = config.length
    path = np.tile(np.array([[1.0, 0, 0], [0, 1.0, 0]]), (length, 1, 1))
    if not moving:
        return path
    time_s = np.arange(length) / config.frame_rate
    reach, period_s, start = max_pan(config), rng.uniform(7, 12), rng.uniform(0, 2 * np.pi)
    pan = reach / 2 * (np.sin(2 * np.pi * time_s / period_s + start) - np.sin(start))
    shake = _smooth_noise(length, 4, rng) * np.array([1.0, 0.7, 0.0006, 0.0006]) * config.shake_px
    angle, zoom = shake[:, 2], 1 + shake[:, 3]
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    centre = np.array([config.width, config.height]) / 2
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    path[:, :, :2] = linear
    path[:, :, 2] = centre - linear @ centre + shake[:, :2] - np.stack([pan, 0.1 * pan], -1)
    return compose(path, np.broadcast_to(invert(path[:1]), path.shape))


def max_pan(config: SceneConfig) -> float:
    """Farthest shift of the panorama in px; the canvas has this margin on every side."""
    return 0.16 * config.width


def frame_warps(path: Floats) -> Floats:
    """(T, 2, 3) maps from the frame before to each frame; the first is the identity."""
    before = np.concatenate([path[:1], path[:-1]])
    return compose(path, invert(before))


def compose(second: Floats, first: Floats) -> Floats:
    """(T, 2, 3), (T, 2, 3) -> (T, 2, 3): the map that does `first`, then `second`."""
    linear = second[:, :, :2] @ first[:, :, :2]
    shift = np.einsum("tij,tj->ti", second[:, :, :2], first[:, :, 2]) + second[:, :, 2]
    return np.concatenate([linear, shift[:, :, None]], 2)


def invert(path: Floats) -> Floats:
    """(T, 2, 3) -> (T, 2, 3) inverse maps."""
    linear = np.linalg.inv(path[:, :, :2])
    shift = -np.einsum("tij,tj->ti", linear, path[:, :, 2])
    return np.concatenate([linear, shift[:, :, None]], 2)


def _smooth_noise(length: int, channels: int, rng: np.random.Generator) -> Floats:
    """(T, channels) noise of unit variance, correlated over about five frames."""
    width = 5
    raw = rng.standard_normal((length + width - 1, channels))
    return np.sum([raw[i : i + length] for i in range(width)], 0) / np.sqrt(width)
