"""The street itself: a painted panorama, and for every pixel of it whom it hides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smiletrack.data.world.camera import Ground, max_pan
from smiletrack.data.world.layout import Layout, Obstacle
from smiletrack.data.world.people import Color
from smiletrack.data.world.scene import Scene
from smiletrack.lazy import LazyModule
from smiletrack.types import Floats

cv2 = LazyModule("cv2")

Pixels = NDArray[np.uint8]
_WALLS: tuple[Color, ...] = (
    (88, 104, 156),
    (150, 178, 200),
    (140, 146, 150),
    (96, 150, 190),
    (160, 160, 140),
    (110, 120, 168),
)
_AWNINGS: tuple[Color, ...] = ((60, 60, 170), (60, 120, 50), (140, 80, 40), (40, 140, 200))


@dataclass(frozen=True)
class Street:
    """A panorama of the empty street, `margin` px larger than the image at rest on every side.

    image: (H, W, 3) BGR. hides: (H, W) float32: a pixel hides everybody whose feet are above this row of the image at
    rest; 0 where it hides nobody. Walls of houses hide what is behind them, shop windows do not, so that reflections
    show there.
    """

    image: Pixels
    hides: NDArray[np.float32]
    margin: int


def paint_street(scene: Scene) -> Street:
    """Paint ground, houses and sky, then the obstacles from far to near."""
    ground, margin = scene.ground, int(max_pan(scene.config)) + 24
    rng = scene.random("street")
    canvas = _Canvas(ground, margin)
    canvas.image[:] = _sky(canvas, rng)
    _paint_houses(canvas, scene.layout, rng)
    _paint_ground(canvas, scene.layout, rng)
    for actor in scene.actors:
        if actor.kind == "seated":
            _paint_bench(canvas, float(actor.xz[0, 0]), float(actor.xz[0, 1]) + 0.25)
    for obstacle in sorted(scene.layout.obstacles, key=lambda obstacle: -obstacle.z):
        _PAINTERS[obstacle.kind](canvas, obstacle, rng)
    grain = cv2.GaussianBlur(rng.normal(0, 7, canvas.image.shape[:2]).astype(np.float32), (0, 0), 0.8)
    image = np.clip(canvas.image + grain[:, :, None], 0, 255).astype(np.uint8)
    return Street(cv2.GaussianBlur(image, (3, 3), 0.6), canvas.hides, margin)


class _Canvas:
    """The panorama while it is painted. Upright things are given in metres around a foot on the ground."""

    def __init__(self, ground: Ground, margin: int) -> None:
        self.ground, self.margin = ground, margin
        shape = (ground.height + 2 * margin, ground.width + 2 * margin)
        self.image = np.zeros((*shape, 3), np.uint8)
        self.hides = np.zeros(shape, np.float32)

    def point(self, x: float, z: float, up: float = 0.0) -> tuple[float, float]:
        """Return the px of the point `up` metres above (x, z)."""
        column, row = self.ground.project(np.array([x, z]))
        return float(column) + self.margin, float(row) - up * float(self.ground.pixels_per_metre(z)) + self.margin

    def polygon(self, x: float, z: float, corners: list[tuple[float, float]], color: Color, solid: bool = True) -> None:
        """Fill corners (metres right of x, metres up); a `solid` one hides who is behind it."""
        points = np.array([self.point(x + right, z, up) for right, up in corners])
        fixed = np.round(points * 16).astype(np.int32)
        cv2.fillPoly(self.image, [fixed], color, cv2.LINE_AA, 4)
        if solid:
            cv2.fillPoly(self.hides, [fixed], self.point(x, z)[1] - self.margin, cv2.LINE_8, 4)

    def rectangle(
        self, x: float, z: float, left: float, low: float, right: float, high: float, color: Color, solid: bool = True
    ) -> None:
        """Fill a rectangle given in metres around the foot."""
        self.polygon(x, z, [(left, low), (right, low), (right, high), (left, high)], color, solid)

    def disc(
        self, x: float, z: float, right: float, up: float, radius: float, color: Color, solid: bool = True
    ) -> None:
        """Fill a disc given in metres around the foot."""
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        corners = [(right + radius * float(np.cos(a)), up + radius * float(np.sin(a))) for a in angles]
        self.polygon(x, z, corners, color, solid)


def _sky(canvas: _Canvas, rng: np.random.Generator) -> Pixels:
    height, width = canvas.image.shape[:2]
    clouds = cv2.resize(rng.random((6, 12)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    share = np.clip(clouds * 1.6 - 0.5, 0, 1)[:, :, None]
    blue, white = np.array([225, 190, 150.0]), np.array([240, 238, 235.0])
    return np.asarray(blue + (white - blue) * share, np.uint8)


def _paint_ground(canvas: _Canvas, layout: Layout, rng: np.random.Generator) -> None:
    """Colour every pixel below the houses by the place on the ground that it shows."""
    ground, (height, width) = canvas.ground, canvas.hides.shape
    rows = np.arange(height)[:, None] - canvas.margin - ground.horizon
    z = ground.focal * ground.camera_height / np.maximum(rows, 1e-3)
    x = (np.arange(width)[None] - canvas.margin - ground.width / 2) * z / ground.focal
    z = np.broadcast_to(z, x.shape)
    road = (z > layout.kerb_near) & (z < layout.kerb_far)
    tile = np.where(z < layout.kerb_near, 1.0, 0.7)
    shades = rng.uniform(0.93, 1.05, 4096)
    plate = shades[(np.floor(x / tile).astype(np.int64) * 73 + np.floor(z / tile).astype(np.int64) * 131) % 4096]
    sharpness = ground.focal / z  # px a metre: joints are about one px wide and fade with distance
    joint = np.minimum(_line(x / tile, tile * sharpness), _line(z / tile, tile * sharpness * ground.camera_height / z))
    paving = np.array([150, 160, 168.0]) * (plate * (0.72 + 0.28 * joint))[:, :, None]
    patches = cv2.resize(rng.uniform(0.9, 1.08, (24, 48)), (width, height), interpolation=cv2.INTER_CUBIC)
    asphalt = np.array([92, 90, 88.0]) * patches[:, :, None]
    color = np.where(road[:, :, None], asphalt, paving * (0.5 + 0.5 * patches[:, :, None]))
    middle = (layout.kerb_near + layout.kerb_far) / 2
    dash = road & (np.abs(z - middle) < 0.09) & (np.mod(x, 3.0) < 1.6)
    left, right = layout.crossing
    zebra = road & (x > left) & (x < right) & (np.mod(x - left, 1.0) < 0.5)
    on_crossing = road & (x > left - 0.3) & (x < right + 0.3)
    color[(dash & ~on_crossing) | zebra] = (215, 218, 220)
    for kerb in (layout.kerb_near, layout.kerb_far):
        color[np.abs(z - kerb) < 0.14] = (188, 194, 198)
    near_wall = np.clip((layout.houses - z) / 1.2, 0, 1)
    color *= (0.72 + 0.28 * near_wall)[:, :, None]
    below = np.broadcast_to((rows > 0) & (z <= layout.houses), x.shape)
    canvas.image[below] = np.clip(color, 0, 255)[below].astype(np.uint8)
    canvas.hides[below] = 0


def _line(position: Floats, pixels: Floats) -> Floats:
    """Return 0 on whole numbers, 1 about a px away from them; always near 1 where the grid is finer than a few px."""
    distance = np.abs(position - np.round(position)) * pixels
    return np.maximum(np.clip(distance / 0.9, 0, 1), np.clip(1.6 - pixels / 6, 0, 1))


def _paint_houses(canvas: _Canvas, layout: Layout, rng: np.random.Generator) -> None:
    z = layout.houses
    reach = float(canvas.ground.half_view(z)) + canvas.margin / float(canvas.ground.pixels_per_metre(z))
    x = -reach
    while x < reach:
        width = float(rng.uniform(5.5, 9.0))
        _paint_house(canvas, x, z, width, float(rng.choice([4.6, 7.5, 10.5, 13.5])), rng)
        x += width


def _paint_house(canvas: _Canvas, x: float, z: float, width: float, height: float, rng: np.random.Generator) -> None:
    """Paint a house whose lower left corner is at (x, z): shop windows and a door below, windows above, bricks."""
    wall = _WALLS[rng.integers(len(_WALLS))]
    wall = tuple(int(np.clip(value * rng.uniform(0.85, 1.1), 0, 255)) for value in wall)  # type: ignore[assignment]
    dark: Color = (wall[0] * 3 // 4, wall[1] * 3 // 4, wall[2] * 3 // 4)
    canvas.rectangle(x, z, 0, 0, width, height, wall)
    for course in np.arange(0.2, height, 0.25):
        canvas.rectangle(x, z, 0, float(course), width, float(course) + 0.03, dark)
    canvas.rectangle(x, z, -0.05, height - 0.3, width + 0.05, height, dark)
    _paint_shop(canvas, x, z, width, rng)
    columns = int((width - 0.6) // 1.7)
    gap = (width - columns * 1.0) / (columns + 1)
    for floor in np.arange(3.6, height - 1.9, 2.9):
        for column in range(columns):
            _paint_window(canvas, x, z, gap + column * (1.0 + gap), float(floor), rng)


def _paint_shop(canvas: _Canvas, x: float, z: float, width: float, rng: np.random.Generator) -> None:
    """Paint a shop's ground floor: two windows with goods, a door and an awning."""
    awning = _AWNINGS[rng.integers(len(_AWNINGS))]
    door = float(rng.uniform(0.3, width - 1.5))
    canvas.rectangle(x, z, 0, 0, width, 0.35, (70, 72, 75))
    for left, right in ((0.3, door - 0.2), (door + 1.2, width - 0.3)):
        if right - left > 0.8:
            glass: Color = (90, 78, 66) if rng.random() < 0.5 else (120, 128, 120)
            canvas.rectangle(x, z, left - 0.08, 0.4, right + 0.08, 2.55, (60, 60, 60))
            canvas.rectangle(x, z, left, 0.48, right, 2.47, glass, solid=False)
            _clear(canvas, x, z, left, 0.48, right, 2.47)
            for _ in range(4):  # goods
                place, size = rng.uniform(left, right - 0.3), rng.uniform(0.2, 0.6)
                goods = tuple(int(value) for value in rng.integers(60, 200, 3))
                canvas.rectangle(x, z, place, 0.5, min(right, place + 0.35), 0.5 + size, goods, solid=False)  # type: ignore[arg-type]
    canvas.rectangle(x, z, door, 0.05, door + 1.0, 2.3, (50, 62, 85))
    canvas.rectangle(x, z, door + 0.15, 1.0, door + 0.85, 2.1, (115, 110, 100))
    stripes = int(width / 0.4)
    for stripe in range(stripes):
        left = stripe * width / stripes
        color = awning if stripe % 2 else (225, 228, 230)
        canvas.rectangle(x, z, left, 2.55, left + width / stripes, 3.0, color)
    canvas.rectangle(x, z, 0.1, 3.05, width - 0.1, 3.35, awning)


def _paint_window(canvas: _Canvas, x: float, z: float, left: float, low: float, rng: np.random.Generator) -> None:
    canvas.rectangle(x, z, left - 0.08, low - 0.1, left + 1.08, low + 1.5, (215, 218, 220))
    canvas.rectangle(x, z, left, low, left + 1.0, low + 1.42, (120, 100, 78))
    canvas.polygon(
        x, z, [(left, low + 0.6), (left + 1, low + 1.1), (left + 1, low + 1.42), (left, low + 1.42)], (160, 140, 112)
    )
    if rng.random() < 0.5:
        canvas.rectangle(x, z, left, low + 0.5, left + 0.25, low + 1.42, (190, 200, 205))
        canvas.rectangle(x, z, left + 0.75, low + 0.5, left + 1.0, low + 1.42, (190, 200, 205))
    canvas.rectangle(x, z, left + 0.47, low, left + 0.53, low + 1.42, (215, 218, 220))


def _clear(canvas: _Canvas, x: float, z: float, left: float, low: float, right: float, high: float) -> None:
    """Let a reflection show in this rectangle of the wall."""
    (x1, y2), (x2, y1) = canvas.point(x + left, z, low), canvas.point(x + right, z, high)
    canvas.hides[max(0, round(y1)) : max(0, round(y2)), max(0, round(x1)) : max(0, round(x2))] = 0


def _paint_bench(canvas: _Canvas, x: float, z: float) -> None:
    for low, high in ((0.42, 0.5), (0.65, 0.72), (0.78, 0.86)):
        canvas.rectangle(x, z, -0.9, low, 0.9, high, (48, 86, 128), solid=False)
    for left in (-0.75, 0.68):
        canvas.rectangle(x, z, left, 0.0, left + 0.07, 0.86, (45, 45, 48), solid=False)


def _paint_pole(canvas: _Canvas, pole: Obstacle, rng: np.random.Generator) -> None:
    half = pole.width_m / 2
    canvas.rectangle(pole.x, pole.z, -half, 0, half, pole.height_m, (62, 66, 62))
    canvas.rectangle(pole.x, pole.z, -half * 0.4, 0, half * 0.2, pole.height_m, (96, 100, 96))
    canvas.rectangle(pole.x, pole.z, -half * 1.6, 0, half * 1.6, 0.4, (52, 54, 52))
    canvas.rectangle(pole.x, pole.z, -0.05, pole.height_m - 0.12, 0.9, pole.height_m, (62, 66, 62))
    canvas.rectangle(pole.x, pole.z, 0.45, pole.height_m - 0.3, 1.0, pole.height_m - 0.08, (170, 215, 230))


def _paint_tree(canvas: _Canvas, tree: Obstacle, rng: np.random.Generator) -> None:
    half = tree.width_m / 2
    canvas.polygon(tree.x, tree.z, [(-half, 0), (half, 0), (half * 0.7, 3.0), (-half * 0.7, 3.0)], (52, 74, 98))
    canvas.rectangle(tree.x, tree.z, -half * 0.3, 0, 0.0, 2.8, (70, 96, 122))
    for shade in (0.75, 0.9, 1.05):
        for _ in range(14):
            angle, radius = rng.uniform(0, 2 * np.pi), 1.35 * np.sqrt(rng.random())
            color = (int(50 * shade), int(125 * shade * rng.uniform(0.85, 1.15)), int(72 * shade))
            right, up = radius * float(np.cos(angle)), 3.9 + 0.8 * radius * float(np.sin(angle))
            canvas.disc(tree.x, tree.z, right - 0.1, up + 0.3 * (shade - 0.9), float(rng.uniform(0.25, 0.5)), color)


def _paint_kiosk(canvas: _Canvas, kiosk: Obstacle, rng: np.random.Generator) -> None:
    x, z, half, top = kiosk.x, kiosk.z, kiosk.width_m / 2, kiosk.height_m
    canvas.rectangle(x, z, -half, 0, half, top, (74, 92, 60))
    canvas.rectangle(x, z, -half, 0, half, 0.22, (50, 54, 50))
    canvas.rectangle(x, z, -half * 0.84, 1.0, half * 0.84, 2.0, (96, 86, 70))
    for shelf in np.linspace(-0.8, 0.55, 6):
        for level in (1.04, 1.5):
            cover = tuple(int(value) for value in rng.integers(70, 240, 3))
            canvas.rectangle(x, z, half * float(shelf), level, half * (float(shelf) + 0.19), level + 0.4, cover)  # type: ignore[arg-type]
    roof = [(-half * 1.12, top - 0.2), (half * 1.12, top - 0.2), (half * 0.9, top + 0.12), (-half * 0.9, top + 0.12)]
    canvas.polygon(x, z, roof, (46, 58, 40))
    canvas.rectangle(x, z, -half * 0.7, top - 0.42, half * 0.7, top - 0.22, (200, 222, 226))


def _paint_van(canvas: _Canvas, van: Obstacle, rng: np.random.Generator) -> None:
    x, z, half, top = van.x, van.z, van.width_m / 2, van.height_m
    paint = ((200, 205, 208), (150, 90, 50), (50, 50, 160))[rng.integers(3)]
    body = [(-half, 0.35), (half, 0.35), (half, 0.9), (half - 0.35, 1.0), (half - 1.0, top), (-half, top)]
    canvas.polygon(x, z, body, paint)
    canvas.polygon(x, z, [(half - 1.05, 1.0), (half - 0.45, 1.0), (half - 1.05, top - 0.12), (half - 1.5, top - 0.12),
                          (half - 1.5, 1.0)], (96, 82, 66))  # fmt: skip
    canvas.rectangle(x, z, -half + 0.3, 1.0, half - 1.7, top - 0.15, (104, 90, 74))
    canvas.rectangle(x, z, -half, 0.35, half, 0.5, (60, 60, 60))
    canvas.rectangle(x, z, half - 0.12, 0.65, half, 0.85, (190, 230, 245))
    for wheel in (-half + 0.75, half - 0.8):
        canvas.disc(x, z, wheel, 0.36, 0.36, (32, 32, 32))
        canvas.disc(x, z, wheel, 0.36, 0.18, (150, 150, 150))


def _paint_wall(canvas: _Canvas, wall: Obstacle, rng: np.random.Generator) -> None:
    x, z, half, top = wall.x, wall.z, wall.width_m / 2, wall.height_m
    canvas.rectangle(x, z, -half, 0, half, top, (92, 112, 150))
    for course in np.arange(0.0, top, 0.2):
        canvas.rectangle(x, z, -half, float(course), half, float(course) + 0.02, (70, 84, 112))
    canvas.rectangle(x, z, -0.45, 0.0, 0.45, 2.05, (60, 70, 74))  # a door
    canvas.rectangle(x, z, 0.28, 0.95, 0.36, 1.1, (150, 190, 200))


_PAINTERS = {
    "pole": _paint_pole, "tree": _paint_tree, "kiosk": _paint_kiosk, "van": _paint_van, "wall": _paint_wall,
}  # fmt: skip
