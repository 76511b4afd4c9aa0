"""Variances of the filter as a tracker's rules have them: the box state's, with factors (`MotionConfig`)."""

from smiletrack.compiled import inner
from smiletrack.motion.box_states import Four, initial_variances, measurement_variances, process_variances
from smiletrack.tracking.settings import Rules


@inner
def birth_noise(rules: Rules, third: float, fourth: float) -> tuple[Four, Four]:
    """Return the variances of position and velocity of a new track, its third and fourth coordinate given."""
    position, velocity = initial_variances(rules.coordinates, third, fourth)
    return position, _times(velocity, rules.velocity_noise)


@inner
def frame_noise(rules: Rules, third: float, fourth: float) -> tuple[Four, Four]:
    """Return the variances that one frame adds to position and velocity."""
    position, velocity = process_variances(rules.coordinates, third, fourth)
    return position, _times(velocity, rules.velocity_noise)


@inner
def detection_noise(rules: Rules, third: float, fourth: float) -> Four:
    """Return the variances of a detection's position."""
    return _times(measurement_variances(rules.coordinates, third, fourth), rules.measurement_noise)


@inner
def _times(variances: Four, factor: float) -> Four:
    return variances[0] * factor, variances[1] * factor, variances[2] * factor, variances[3] * factor
