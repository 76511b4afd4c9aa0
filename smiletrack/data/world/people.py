"""Who is in the scene: what each person looks like."""

import colorsys
from dataclasses import dataclass, replace

import numpy as np

Color = tuple[int, int, int]  # BGR, 0 to 255

SKIN: tuple[Color, ...] = ((178, 205, 240), (150, 180, 225), (110, 150, 200), (80, 110, 165), (50, 75, 120))
HAIR: tuple[Color, ...] = ((25, 25, 30), (30, 45, 70), (45, 75, 120), (110, 165, 205), (140, 140, 145), (35, 50, 140))
SHOES: tuple[Color, ...] = ((30, 30, 30), (40, 60, 95), (225, 225, 225), (60, 60, 160))


@dataclass(frozen=True)
class Look:
    """Body and clothes. `group` is equal for people who dress alike, and for nobody else.

    height_m: stature in metres. build: body width as a factor around 1. pattern: plain, stripes or jacket.
    bag: none, backpack or handbag. Colours are BGR.
    """

    group: int
    height_m: float
    build: float
    skin: Color
    hair: Color
    long_hair: bool
    hat: bool
    top: Color
    accent: Color
    pattern: str
    short_sleeves: bool
    bottom: Color
    skirt: bool
    shoes: Color
    bag: str
    bag_color: Color


def draw_look(group: int, rng: np.random.Generator) -> Look:
    """Return a random look of its own."""
    skirt = bool(rng.random() < 0.2)
    top, bottom = _cloth(rng), _cloth(rng, sober=True)
    return Look(
        group=group,
        height_m=float(np.clip(rng.normal(1.72, 0.08), 1.5, 1.95)),
        build=float(rng.uniform(0.88, 1.15)),
        skin=SKIN[rng.integers(len(SKIN))],
        hair=HAIR[rng.integers(len(HAIR))],
        long_hair=bool(rng.random() < (0.8 if skirt else 0.25)),
        hat=bool(rng.random() < 0.15),
        top=top,
        accent=_cloth(rng),
        pattern=str(rng.choice(["plain", "plain", "stripes", "jacket"])),
        short_sleeves=bool(rng.random() < 0.4),
        bottom=bottom,
        skirt=skirt,
        shoes=SHOES[rng.integers(len(SHOES))],
        bag=str(rng.choice(["none", "none", "backpack", "handbag"])),
        bag_color=_cloth(rng),
    )


def draw_looks(number: int, lookalikes: float, rng: np.random.Generator) -> list[Look]:
    """Return `number` looks; a share `lookalikes` of them repeats the clothes of an earlier one."""
    looks: list[Look] = []
    for group in range(number):
        if looks and rng.random() < lookalikes:
            looks.append(dress_like(looks[int(rng.integers(len(looks)))], rng))
        else:
            looks.append(draw_look(group, rng))
    return looks


def dress_like(other: Look, rng: np.random.Generator) -> Look:
    """Return the same clothes on a body of almost the same size."""
    return replace(other, height_m=float(other.height_m * rng.uniform(0.98, 1.02)))


def _cloth(rng: np.random.Generator, sober: bool = False) -> Color:
    """Return a colour of cloth: any hue, `sober` for trousers and skirts: darker and duller."""
    hue = rng.random()
    saturation = rng.uniform(0.05, 0.45) if sober else rng.uniform(0.1, 0.95)
    value = rng.uniform(0.15, 0.55) if sober else rng.uniform(0.25, 0.95)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * blue), round(255 * green), round(255 * red)
