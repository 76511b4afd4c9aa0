"""The plan of the street: pavements, road, houses, and what stands in the way of the camera."""

from dataclasses import dataclass

import numpy as np

from smiletrack.data.world.camera import Ground
from smiletrack.types import Floats


@dataclass(frozen=True)
class Obstacle:
    """Something upright that hides people behind it: pole, tree, kiosk, van or wall.

    x, z: middle of its foot on the ground in metres. width_m, height_m: of the part that hides.
    """

    kind: str
    x: float
    z: float
    width_m: float
    height_m: float

    def box(self, ground: Ground) -> Floats:
        """(4,) xyxy px in the image at rest."""
        column, row = ground.project(np.array([self.x, self.z]))
        scale = float(ground.pixels_per_metre(self.z))
        half = self.width_m * scale / 2
        return np.array([column - half, row - self.height_m * scale, column + half, row])


@dataclass(frozen=True)
class Layout:
    """Depths in metres from the camera: pavement from `near` to `kerb_near`, road to `kerb_far`, pavement to `houses`.

    crossing: the zebra crossing's left and right end in metres. obstacles: in no order.
    """

    near: float
    kerb_near: float
    kerb_far: float
    houses: float
    crossing: tuple[float, float]
    obstacles: tuple[Obstacle, ...]


def draw_layout(ground: Ground, depth_m: float, occluders: bool, rng: np.random.Generator) -> Layout:
    """Return a street seen from across it; its obstacles, where wanted, are at random places."""
    near = ground.nearest
    kerb_near, kerb_far = near + 0.42 * (depth_m - near), near + 0.7 * (depth_m - near)
    left = float(rng.uniform(-0.5, 0.3) * ground.half_view(kerb_near))
    crossing = (left, left + 3.5)
    obstacles: list[Obstacle] = []
    if occluders:
        spread = float(ground.half_view(kerb_near))
        offset = rng.uniform(0, 0.4)
        obstacles += [
            Obstacle("pole", float((share + offset) * spread), kerb_near - 0.3, 0.22, 4.4) for share in (-0.9, 0.35)
        ]
        kiosk_z = float(rng.uniform(0.35, 0.65) * (kerb_near - near) + near)
        kiosk_x = float(rng.choice([-1, 1]) * rng.uniform(0.25, 0.6) * ground.half_view(kiosk_z))
        obstacles.append(Obstacle("kiosk", kiosk_x, kiosk_z, 1.5, 2.5))
        van_x = crossing[1] + 3.5 if left < 0 else crossing[0] - 3.5
        obstacles.append(Obstacle("van", van_x, kerb_far - 0.4, 4.2, 1.75))
        trunk_x = rng.uniform(-0.9, 0.9, 2) * ground.half_view(kerb_far)
        trunk_x = trunk_x[(trunk_x < crossing[0] - 0.5) | (trunk_x > crossing[1] + 0.5)]
        obstacles += [Obstacle("tree", float(x), kerb_far + 0.5, 0.35, 2.6) for x in trunk_x]
    return Layout(near, kerb_near, kerb_far, depth_m, crossing, tuple(obstacles))
