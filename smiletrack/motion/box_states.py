"""What the Kalman filter's four coordinates mean, and how uncertain each is: the four box states of the field.

Every state is a position of four coordinates and their velocities, dt = 1 frame. Variances depend on the third and the
fourth coordinate alone. Compiled, one box a call; a position, a box and the variances of the coordinates are tuples.
"""

from math import sqrt

from smiletrack.compiled import leaf
from smiletrack.types import Floats

XYWH, XYAH, XYSR, XYHR = 0, 1, 2, 3
"""XYWH: centre, width, height (BoT-SORT, arXiv 2206.14651, section 3.1; SMILEtrack); noise follows (w, h, w, h). XYAH:
centre, aspect ratio w/h, height (DeepSORT, 1703.07402; ByteTrack); noise follows h, the ratio's is fixed. XYSR: centre,
area s, aspect ratio r = w/h, which has no velocity (SORT, arXiv 1602.00763; OC-SORT); noise is fixed. XYHR: centre,
height, aspect ratio w/h (BoostTrack, arXiv 2408.13003); noise is fixed."""

BOX_STATES = {"xywh": XYWH, "xyah": XYAH, "xysr": XYSR, "xyhr": XYHR}
"""The box states by the name that a configuration uses."""

POSITION = 1 / 20
"""Standard deviation of a position, as a share of the box's size (DeepSORT, arXiv 1703.07402)."""
VELOCITY = 1 / 160
"""Standard deviation of a velocity, as a share of the box's size a frame."""

Four = tuple[float, float, float, float]
"""One number a coordinate."""

# squared here, so that compiled and interpreted code use the same numbers
_POSITION, _VELOCITY = POSITION**2, VELOCITY**2
_FIRST_POSITION, _FIRST_VELOCITY = (2 * POSITION) ** 2, (10 * VELOCITY) ** 2
_RATIO, _RATIO_VELOCITY, _MEASURED_RATIO = 1e-2**2, 1e-5**2, 1e-1**2


@leaf
def position_of(state: int, x1: float, y1: float, x2: float, y2: float) -> Four:
    """Corners of a box with an area -> its coordinates."""
    width, height = x2 - x1, y2 - y1
    x, y = x1 + width * 0.5, y1 + height * 0.5
    if state == XYWH:
        return x, y, width, height
    if state == XYAH:
        return x, y, width / height, height
    if state == XYSR:
        return x, y, width * height, width / height
    return x, y, height, width / height


@leaf
def corners_of(state: int, x: float, y: float, third: float, fourth: float) -> Four:
    """Coordinates -> corners x1, y1, x2, y2."""
    if state == XYWH:
        width, height = third, fourth
    elif state == XYAH:
        width, height = third * fourth, fourth
    elif state == XYHR:
        width, height = third * fourth, third
    else:
        # `is_possible` keeps the product positive; a lone rounding error must not become NaN
        width = sqrt(max(third * fourth, 0.0))
        height = third / width if width > 0 else 0.0
    x1, y1 = x - width * 0.5, y - height * 0.5
    return x1, y1, x1 + width, y1 + height


@leaf
def initial_variances(state: int, third: float, fourth: float) -> tuple[Four, Four]:
    """Return the variances of the position and of the velocity of a track that is born there."""
    if state == XYWH:
        w, h = third * third, fourth * fourth
        return (
            (w * _FIRST_POSITION, h * _FIRST_POSITION, w * _FIRST_POSITION, h * _FIRST_POSITION),
            (w * _FIRST_VELOCITY, h * _FIRST_VELOCITY, w * _FIRST_VELOCITY, h * _FIRST_VELOCITY),
        )
    if state == XYAH:
        at, by = fourth * fourth * _FIRST_POSITION, fourth * fourth * _FIRST_VELOCITY
        return (at, at, _RATIO, at), (by, by, _RATIO_VELOCITY, by)
    return (10.0, 10.0, 10.0, 10.0), (1e4, 1e4, 1e4, 1e4 if state == XYHR else 0.0)


@leaf
def process_variances(state: int, third: float, fourth: float) -> tuple[Four, Four]:
    """Return the variances that one frame adds to the position and to the velocity."""
    if state == XYWH:
        w, h = third * third, fourth * fourth
        return (
            (w * _POSITION, h * _POSITION, w * _POSITION, h * _POSITION),
            (w * _VELOCITY, h * _VELOCITY, w * _VELOCITY, h * _VELOCITY),
        )
    if state == XYAH:
        at, by = fourth * fourth * _POSITION, fourth * fourth * _VELOCITY
        return (at, at, _RATIO, at), (by, by, _RATIO_VELOCITY, by)
    if state == XYHR:
        return (1.0, 1.0, 1.0, 1.0), (1e-2, 1e-2, 1e-2, 1e-2)
    return (1.0, 1.0, 1.0, 1.0), (1e-2, 1e-2, 1e-4, 0.0)


@leaf
def measurement_variances(state: int, third: float, fourth: float) -> Four:
    """Return the variances of a detection's position, the track being at these coordinates."""
    if state == XYWH:
        w, h = third * POSITION, fourth * POSITION
        return w * w, h * h, w * w, h * h
    if state == XYAH:
        at = fourth * fourth * _POSITION
        return at, at, _MEASURED_RATIO, at
    return 1.0, 1.0, 10.0, 0.01 if state == XYHR else 10.0


@leaf
def is_possible(state: int, third: float, third_step: float) -> bool:
    """Tell whether the box after a step of the third coordinate is one; an area must not become negative."""
    return state != XYSR or third + third_step > 0


@leaf
def warp_blocks(state: int, linear: Floats) -> tuple[Four, Four]:
    """Return the maps of coordinates 0-1 and 2-3, row by row, from the (2, 2) linear part of an image warp.

    XYWH maps the size as the centre, which is BoT-SORT's rule (equations 3-6). XYAH keeps the ratio and scales the
    height by the square root of the area's scale, and so does XYHR; XYSR scales the area and keeps the ratio.
    """
    a, b, c, d = linear[0, 0], linear[0, 1], linear[1, 0], linear[1, 1]
    zoom = abs(a * d - b * c)
    centre = (a, b, c, d)
    if state == XYWH:
        return centre, centre
    if state == XYAH:
        return centre, (1.0, 0.0, 0.0, sqrt(zoom))
    return centre, (zoom if state == XYSR else sqrt(zoom), 0.0, 0.0, 1.0)
