"""What a world is made of: the scene, and the errors of the detector that watches it."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from smiletrack.ranges import Checked, NonNegative, Positive, ProperShare, Share


@dataclass(frozen=True)
class SceneConfig(Checked):
    """One kind of street scene. Every sequence of it draws its own street, people and camera from its seed."""

    width: Annotated[int, Ge(64), Le(4096)] = 640
    """Image width in pixels."""
    height: Annotated[int, Ge(64), Le(4096)] = 360
    """Image height in pixels."""
    frame_rate: Annotated[int, Ge(1), Le(1000)] = 30
    """Frames per second."""
    length: Annotated[int, Ge(1), Le(100_000)] = 180
    """Number of frames in a sequence."""
    people: Annotated[int, Ge(0), Le(1000)] = 12
    """Average number of pedestrians in view."""
    camera_height_m: Positive = 3.4
    """Height of the camera above the ground in metres. The higher the camera, the less people occlude each other."""
    depth_m: Annotated[float, Ge(12), Le(1000)] = 24.0
    """Distance from the camera to the houses in metres; people walk up to there."""
    lookalikes: Share = 0.1
    """Fraction of people who wear the same clothes as an earlier one."""
    couples: Share = 0.25
    """Fraction of people who walk side by side with somebody."""
    swaps: Annotated[int, Ge(0), Le(100)] = 2
    """Pairs per sequence who meet behind a kiosk and turn back, so that motion alone swaps their identities."""
    moving_cameras: Share = 0.5
    """Fraction of sequences whose camera pans."""
    shake_px: NonNegative = 0.6
    """Standard deviation of the hand-held shake of a moving camera in pixels."""
    light: Annotated[float, Ge(0), Le(0.9)] = 0.15
    """Maximum relative change of brightness over a sequence."""
    exposure: Share = 0.4
    """Fraction of the frame interval in which the shutter is open; sets the motion blur."""
    noise: NonNegative = 4.0
    """Standard deviation of the sensor noise in grey levels (of 255)."""
    distractors: bool = True
    """Draw and annotate what MOTChallenge ignores: seated people, a mannequin, a cyclist, a reflection."""
    occluders: bool = True
    """Put poles, trees, a kiosk and a parked van between the people and the camera."""


@dataclass(frozen=True)
class SyntheticDetectorConfig(Checked):
    """The detector's noise. All errors of one person are correlated in time, as those of real detectors are.

    With the visible share v and the height h of a figure, the quality is
    `q = logistic((v - half_visibility) / 0.1) * logistic((h / half_height_px - 1) / 0.2)`, a person is found with
    probability `recall * min(1, 2 q)`, and the score is normal around `0.2 + 0.75 q`.
    """

    recall: Share = 0.985
    """Probability of detecting a large person in full view."""
    half_visibility: Share = 0.35
    """Visible fraction at which the quality is one half."""
    half_height_px: Positive = 22.0
    """Height in pixels at which the quality is one half."""
    score_noise: NonNegative = 0.05
    """Standard deviation of the score."""
    jitter: NonNegative = 0.02
    """Standard deviation of centre and size at q = 1 as a fraction of the box's sides; doubled at q = 0.5."""
    correlation: ProperShare = 0.6
    """Correlation of an error with that in the previous frame."""
    false_alarms: Annotated[float, Ge(0), Le(1000)] = 0.5
    """Mean number of false positives per frame; half of them recur at the same places."""
    embedding_size: Annotated[int, Ge(2), Le(4096)] = 64
    """Dimension of the synthetic embeddings."""
    embedding_noise: NonNegative = 0.5
    """Norm of the noise added to the unit embedding of a person in full view."""

    @staticmethod
    def perfect() -> "SyntheticDetectorConfig":
        """Return a detector without errors that sees everything of which a tenth is visible."""
        return SyntheticDetectorConfig(
            recall=1.0, half_visibility=0.0, half_height_px=1e-3, score_noise=0.0, jitter=0.0, false_alarms=0.0,
            embedding_noise=0.0,
        )  # fmt: skip
