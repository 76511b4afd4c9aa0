"""The articulated figure: a pose becomes capsules, a capsule becomes an eight-cornered polygon.

A body is drawn in units of its height, feet at (0, 0), y up, x in the image's direction. The same polygons give the
amodal box, so that a world without pictures has exactly the boxes of the rendered one.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from smiletrack.data.world.people import Color, Look
from smiletrack.types import Floats, Ints


@dataclass(frozen=True)
class Pose:
    """How M figures stand, one value a row.

    heading: radians, 0 walks to the right, pi / 2 away from the camera. phase: radians of the walking cycle.
    stride: 0 standing still to 1 a full step. seated: 0 or 1. pedalling figures are seated with stride 1.
    """

    heading: Floats
    phase: Floats
    stride: Floats
    seated: Floats

    def __getitem__(self, rows: Ints | slice) -> "Pose":
        """Return the poses that an index array or a slice selects."""
        return Pose(*(getattr(self, column.name)[rows] for column in fields(self)))

    @staticmethod
    def concatenate(poses: list["Pose"]) -> "Pose":
        """Return all poses one after another; none for an empty list."""
        columns = [[getattr(pose, column.name) for pose in poses] for column in fields(Pose)]
        return Pose(*(np.concatenate(column) if column else np.zeros(0) for column in columns))


class Part(NamedTuple):
    """One capsule of every figure: end points (M, 2), half-widths (M,), and the colour's name."""

    start: Floats
    end: Floats
    start_width: Floats
    end_width: Floats
    color: str


# corners of a capsule: (along, across) in units of the half-width, four around each end
_ROUND = np.array([[-0.42, 1.0], [-1.0, 0.42], [-1.0, -0.42], [-0.42, -1.0]])


def polygons(pose: Pose, build: "Build") -> tuple[Floats, list[str]]:
    """Return (M, P, 8, 2) corners in body units, NaN where a figure lacks the part, and the P colour names.

    Row i of `pose` is a figure of row i of `build`. Parts are in painter's order: far arm and leg first, head last.
    """
    parts = _parts(pose, build)
    return np.stack([_capsule(part) for part in parts], 1), [part.color for part in parts]


def palette(look: Look) -> dict[str, Color]:
    """Return the colour of every name that `polygons` uses."""
    sleeve = look.skin if look.short_sleeves else (look.accent if look.pattern == "jacket" else look.top)
    upper = look.accent if look.pattern == "jacket" else look.top
    colors = {
        "skin": look.skin,
        "hair": look.accent if look.hat else look.hair,
        "top": upper,
        "shine": _shade(upper, 1.12),
        "stripe": look.top if look.pattern == "jacket" else look.accent,
        "sleeve": upper,
        "forearm": sleeve,
        "bottom": look.bottom,
        "skirt": look.bottom,
        "shin": look.skin if look.skirt else look.bottom,
        "shoes": look.shoes,
        "bag": look.bag_color,
    }
    return colors | {f"far {name}": _shade(color, 0.72) for name, color in colors.items()}


def extents(corners: Floats) -> Floats:
    """(M, P, 8, 2) -> (M, 4) smallest x, y and largest x, y of the parts that are there."""
    flat = corners.reshape(len(corners), -1, 2)
    if not len(flat):
        return np.zeros((0, 4))
    return np.concatenate([np.nanmin(flat, 1), np.nanmax(flat, 1)], 1)


@dataclass(frozen=True)
class Build:
    """The looks as arrays (M,). Flags are 1 or NaN, so that what is absent becomes NaN."""

    build: Floats
    skirt: Floats
    stripes: Floats
    jacket: Floats
    backpack: Floats
    handbag: Floats
    long_hair: Floats

    @staticmethod
    def of(looks: list[Look]) -> "Build":
        def flag(values: list[bool]) -> Floats:
            return np.where(np.array(values, bool), 1.0, np.nan)

        return Build(
            build=np.array([look.build for look in looks], np.float64),
            skirt=flag([look.skirt for look in looks]),
            stripes=flag([look.pattern == "stripes" for look in looks]),
            jacket=flag([look.pattern == "jacket" for look in looks]),
            backpack=flag([look.bag == "backpack" for look in looks]),
            handbag=flag([look.bag == "handbag" for look in looks]),
            long_hair=flag([look.long_hair for look in looks]),
        )

    def __getitem__(self, rows: Ints) -> "Build":
        """Return the looks that an index array selects."""
        return Build(*(getattr(self, column.name)[rows] for column in fields(self)))


def _parts(pose: Pose, body: Build) -> list[Part]:
    """Return the parts of a walking or sitting figure, in units of its height."""
    side, away = np.cos(pose.heading), np.sin(pose.heading)
    breadth = body.build * (0.085 + 0.035 * np.abs(away))  # half the shoulders' width, side view to front view
    bob = 0.012 * pose.stride * np.cos(2 * pose.phase)
    hip_y = 0.5 + bob - 0.24 * pose.seated
    shift = breadth * 0.55 * away  # the two legs and arms stand apart in a front view

    def point(x: Floats | float, y: Floats | float) -> Floats:
        return np.stack(np.broadcast_arrays(x + 0.0 * side, y + 0.0 * side), -1)

    def leg(sign: float, near: str) -> list[Part]:
        swing = sign * np.sin(pose.phase)
        thigh = np.where(pose.seated > 0, 1.25 + 0.25 * pose.stride * swing, 0.43 * pose.stride * swing)
        lift = 0.75 * pose.stride * np.clip(sign * np.cos(pose.phase), 0, 1)
        shin = np.where(pose.seated > 0, 0.1 - 0.2 * pose.stride * swing, thigh - lift - 0.05)
        hip = point(sign * shift, hip_y)
        knee = hip + point(0.24 * np.sin(thigh) * side, -0.24 * np.cos(thigh))
        foot = knee + point(0.235 * np.sin(shin) * side, -0.235 * np.cos(shin))
        toe = foot + point(0.05 * side, -0.012 - 0.008 * np.abs(away))
        width = body.build * 0.048
        return [
            Part(hip, knee, width, 0.8 * width, f"{near}bottom"),
            Part(knee, foot, 0.72 * width, 0.5 * width, f"{near}shin"),
            Part(foot, toe, 0.5 * width, 0.45 * width, f"{near}shoes"),
        ]

    def arm(sign: float, near: str) -> list[Part]:
        swing = -sign * np.sin(pose.phase) * 0.55 * pose.stride + 0.5 * pose.seated
        spread = 0.12 * sign * away
        shoulder = point(sign * breadth * away * 0.95, hip_y + 0.295)
        elbow = shoulder + point(0.155 * np.sin(swing) * side + 0.155 * spread, -0.155 * np.cos(swing))
        hand = elbow + point(0.14 * np.sin(swing + 0.35) * side, -0.14 * np.cos(swing + 0.35))
        width = body.build * 0.032
        return [
            Part(shoulder, elbow, width, 0.85 * width, f"{near}sleeve"),
            Part(elbow, hand, 0.8 * width, 0.6 * width, f"{near}forearm"),
            Part(hand, hand + point(0.0, -0.012), 0.6 * width, 0.6 * width, f"{near}skin"),
        ]

    def waist(y: float) -> Floats:
        return point(0.0, hip_y + y)

    behind = -0.09 * side
    torso = [
        Part(waist(0.0), waist(0.27), 0.72 * breadth, 0.95 * breadth, "top"),
        Part(waist(-0.015), waist(0.03), 0.75 * breadth, 0.72 * breadth, "bottom"),
        Part(waist(0.1) + point(0.25 * breadth, 0.0), waist(0.25) + point(0.3 * breadth, 0.0),
             0.35 * breadth, 0.4 * breadth, "shine"),
    ]  # fmt: skip
    patterns = [
        _flagged(Part(waist(y) + point(-0.62 * breadth, 0), waist(y) + point(0.62 * breadth, 0),
                      0.018 + 0 * side, 0.018 + 0 * side, "stripe"), body.stripes)
        for y in (0.09, 0.16, 0.23)
    ]  # fmt: skip
    front = np.where(away < 0.5, 1.0, np.nan)
    patterns.append(
        _flagged(Part(waist(0.03) + point(0.5 * breadth * side, 0), waist(0.26) + point(0.4 * breadth * side, 0),
                      0.3 * breadth, 0.3 * breadth, "stripe"), body.jacket * front)
    )  # fmt: skip
    skirt = _flagged(
        Part(waist(0.02), waist(-0.2), 0.72 * breadth, 1.1 * breadth, "skirt"),
        body.skirt * np.where(pose.seated > 0, np.nan, 1.0),
    )
    backpack = _flagged(
        Part(waist(0.08) + point(behind, 0), waist(0.24) + point(behind, 0), 0.055 + 0 * side, 0.05 + 0 * side, "bag"),
        body.backpack,
    )
    handbag = _flagged(
        Part(waist(-0.06) + point(-0.4 * breadth, 0), waist(-0.01) + point(-0.2 * breadth, 0),
             0.05 + 0 * side, 0.035 + 0 * side, "bag"), body.handbag,
    )  # fmt: skip
    seen_from_behind = away > 0.5
    drop = np.where(seen_from_behind, 0.0, 0.035)
    head = [
        Part(waist(0.29), waist(0.36), 0.028 + 0 * side, 0.028 + 0 * side, "skin"),
        _flagged(Part(waist(0.33) - point(0.03 * side, 0), waist(0.42) - point(0.03 * side, 0),
                      0.05 + 0 * side, 0.05 + 0 * side, "hair"), body.long_hair),
        Part(waist(0.385), waist(0.43), 0.043 + 0 * side, 0.05 + 0 * side, "skin"),
        Part(waist(0.41) + point(-0.018 * side, drop), waist(0.45) + point(-0.012 * side, 0.0),
             0.049 + 0 * side, 0.047 + 0 * side, "hair"),
    ]  # fmt: skip
    carried_behind = [_flagged(backpack, np.where(seen_from_behind, np.nan, 1.0))]
    carried_before = [_flagged(backpack, np.where(seen_from_behind, 1.0, np.nan)), handbag]
    return [
        *arm(-1.0, "far "), *leg(-1.0, "far "), *leg(1.0, ""), *carried_behind, *torso, *patterns, skirt,
        *carried_before, *arm(1.0, ""), *head,
    ]  # fmt: skip


def _flagged(part: Part, flag: Floats) -> Part:
    """Return the part with NaN in the rows whose flag is NaN."""
    return part._replace(start=part.start * flag[:, None], end=part.end * flag[:, None])


def _capsule(part: Part) -> Floats:
    """(M, 8, 2) corners around the two ends."""
    along = part.end - part.start
    length = np.linalg.norm(along, axis=1, keepdims=True)
    along = np.where(length > 1e-9, along / np.maximum(length, 1e-9), [0.0, 1.0]) + 0 * length
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    first = part.start[:, None] + part.start_width[:, None, None] * _frame(along, across, _ROUND)
    last = part.end[:, None] - part.end_width[:, None, None] * _frame(along, across, _ROUND)
    return np.concatenate([first, last], 1)


def _frame(along: Floats, across: Floats, corners: Floats) -> Floats:
    return corners[None, :, :1] * along[:, None] + corners[None, :, 1:] * across[:, None]


def _shade(color: Color, factor: float) -> Color:
    blue, green, red = (min(255, round(factor * value)) for value in color)
    return blue, green, red
