"""What a world is made of: the scene, and the errors of the detector that watches it."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class SceneConfig:
    """One kind of street scene. Every sequence of it draws its own street, people and camera from its seed."""

    width: int = 640
    """Image width in pixels, at least 64."""
    height: int = 360
    """Image height in pixels, at least 64."""
    frame_rate: int = 30
    """Frames a second, at least 1."""
    length: int = 180
    """Frames in a sequence, at least 1."""
    people: int = 12
    """Pedestrians in view at a time, on average; at least 0."""
    camera_height_m: float = 3.4
    """Height of the camera above the ground in metres, above 0. A high camera packs people less over one another."""
    depth_m: float = 24.0
    """Distance from the camera to the houses in metres, at least 12: the people walk up to there."""
    lookalikes: float = 0.1
    """Share of people who wear the same clothes as an earlier one, in [0, 1]."""
    couples: float = 0.25
    """Share of people who walk beside somebody, in [0, 1]."""
    swaps: int = 2
    """Pairs a sequence who meet behind a kiosk and turn back, so that motion alone swaps them; at least 0."""
    moving_cameras: float = 0.5
    """Share of sequences whose camera pans, in [0, 1]."""
    shake_px: float = 0.6
    """Standard deviation of the hand-held shake of a moving camera in pixels, at least 0."""
    light: float = 0.15
    """Largest change of brightness over a sequence as a share, in [0, 0.9]."""
    exposure: float = 0.4
    """Share of the frame time that the shutter is open, in [0, 1]; sets the motion blur."""
    noise: float = 4.0
    """Standard deviation of the sensor noise in grey levels (of 255), at least 0."""
    distractors: bool = True
    """Draw and annotate what MOTChallenge ignores: seated people, a mannequin, a cyclist, a reflection."""
    occluders: bool = True
    """Put poles, trees, a kiosk and a parked van between the people and the camera."""

    def __post_init__(self) -> None:
        _at_least(self, width=64, height=64, frame_rate=1, length=1, people=0, depth_m=12, swaps=0, noise=0, shake_px=0)
        _shares(self, "lookalikes", "couples", "moving_cameras", "exposure")
        if not 0 <= self.light <= 0.9:
            raise ValueError(f"light must be in [0, 0.9], not {self.light}")
        if self.camera_height_m <= 0:
            raise ValueError(f"camera_height_m must be above 0, not {self.camera_height_m}")


@dataclass(frozen=True)
class SyntheticDetectorConfig:
    """The detector's noise. All errors of one person are correlated in time, as those of real detectors are.

    With the visible share v and the height h of a figure, the quality is
    `q = logistic((v - half_visibility) / 0.1) * logistic((h / half_height_px - 1) / 0.2)`, a person is found with
    probability `recall * min(1, 2 q)`, and the score is normal around `0.2 + 0.75 q`.
    """

    recall: float = 0.985
    """Probability of finding a large person in full view, in [0, 1]."""
    half_visibility: float = 0.35
    """Visible share at which the quality is half, in [0, 1]."""
    half_height_px: float = 22.0
    """Height in pixels at which the quality is half, above 0."""
    score_noise: float = 0.05
    """Standard deviation of the score, at least 0."""
    jitter: float = 0.02
    """Standard deviation of centre and size at q = 1 as a share of the box's sides, at least 0; doubled at q = 0.5."""
    correlation: float = 0.6
    """Correlation of an error with that of the frame before, in [0, 1)."""
    false_alarms: float = 0.5
    """Mean number of false alarms a frame, at least 0; half of them keep coming back at the same places."""
    embedding_size: int = 64
    """Length of the synthetic appearance vectors, at least 2."""
    embedding_noise: float = 0.5
    """Norm of the noise added to the unit appearance vector of a person in full view, at least 0."""

    def __post_init__(self) -> None:
        _at_least(self, score_noise=0, jitter=0, false_alarms=0, embedding_size=2, embedding_noise=0)
        _shares(self, "recall", "half_visibility", "correlation")
        if self.half_height_px <= 0:
            raise ValueError(f"half_height_px must be above 0, not {self.half_height_px}")
        if self.correlation >= 1:
            raise ValueError(f"correlation must be below 1, not {self.correlation}")

    @staticmethod
    def perfect() -> "SyntheticDetectorConfig":
        """Return a detector without errors that sees everything of which a tenth is visible."""
        return SyntheticDetectorConfig(
            recall=1.0, half_visibility=0.0, half_height_px=1e-3, score_noise=0.0, jitter=0.0, false_alarms=0.0,
            embedding_noise=0.0,
        )  # fmt: skip


def _at_least(config: Any, **lowest: float) -> None:
    for name, low in lowest.items():
        if getattr(config, name) < low:
            raise ValueError(f"{name} must be at least {low}, not {getattr(config, name)}")


def _shares(config: Any, *names: str) -> None:
    assert set(names) <= {field.name for field in fields(config)}
    for name in names:
        if not 0 <= getattr(config, name) <= 1:
            raise ValueError(f"{name} must be in [0, 1], not {getattr(config, name)}")
