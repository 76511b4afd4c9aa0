"""One colour an identity: the same in every picture, video and report, and unlike those of the identities near it."""

import colorsys
import math

_GOLDEN = (math.sqrt(5) - 1) / 2
_SHADES = ((0.85, 1.0), (0.35, 1.0), (1.0, 0.6))
"""Saturation and value, taken in turn: hues alone run out after a dozen identities."""

MATCH, MISS, FALSE_ALARM, SWITCH = (80, 200, 80), (60, 60, 255), (0, 165, 255), (255, 0, 255)
"""Blue, green, red of the marks of errors: green, red, orange, magenta."""


def identity_color(identity: int) -> tuple[int, int, int]:
    """Return the (blue, green, red) colour of an identity, each in 0 .. 255.

    Hues step by the golden ratio of the circle, so that any run of consecutive identities is spread around it.
    """
    saturation, value = _SHADES[identity % len(_SHADES)]
    red, green, blue = colorsys.hsv_to_rgb(identity * _GOLDEN % 1.0, saturation, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def hex_color(color: tuple[int, int, int]) -> str:
    """Return a (blue, green, red) colour as CSS writes it."""
    blue, green, red = color
    return f"#{red:02x}{green:02x}{blue:02x}"
