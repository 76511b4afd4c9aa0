"""Everything that makes one tracker differ from another. The presets in `configs/tracker` are values of these fields.

Costs are "down is good" and lie in [0, 1] unless a field says otherwise: an IoU cost is 1 - IoU.
"""

from dataclasses import dataclass, field
from typing import Literal

from smiletrack.motion.kalman import CHI2_95

Group = Literal["all", "confirmed", "tracked", "active", "unconfirmed"]
Fusion = Literal["iou", "sum", "minimum", "veto", "motion", "calibrated"]


def _between(config: object, low: float, high: float, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and not low <= value <= high:
            raise ValueError(f"{name} must be between {low:g} and {high:g}, not {value}")


@dataclass(frozen=True)
class SplitConfig:
    """Which detections are high, low, or noise (paper, section "Similarity Matching Cascade")."""

    mode: Literal["fixed", "median"] = "fixed"
    """fixed: high is above `high`. median: high is above the median score of the frame's detections above `low`
    (the paper's mu)."""

    high: float = 0.6
    """Score above which a detection is high; in [0, 1]. Unused with `median`."""

    low: float = 0.1
    """Score above which a detection is not noise; in [0, 1]. Always strict: a score equal to it is noise."""

    ties: Literal["high", "low", "drop"] = "high"
    """Where a score equal to the high threshold goes. The code of ByteTrack, BoT-SORT and OC-SORT drops it."""

    def __post_init__(self) -> None:
        _between(self, 0.0, 1.0, "high", "low")
        if self.mode == "fixed" and self.low > self.high:
            raise ValueError(f"low must not be above high ({self.high}), not {self.low}")


@dataclass(frozen=True)
class MotionConfig:
    """The Kalman filter (`motion.box_states`, `motion.kalman`)."""

    state: Literal["xywh", "xyah", "xysr"] = "xywh"
    """xywh: BoT-SORT, SMILEtrack. xyah: DeepSORT, ByteTrack. xysr: SORT, OC-SORT."""

    stop_when_lost: Literal["nothing", "height", "size"] = "size"
    """Velocities set to zero when a track is lost: of no coordinate, of the last (ByteTrack) or of the last two
    (BoT-SORT)."""

    predict_unconfirmed: bool = True
    """Move unconfirmed tracks on before they are matched. ByteTrack, BoT-SORT and SMILEtrack do not."""

    trust_score: bool = False
    """Scale the measurement's standard deviation by 1 - score (StrongSORT's NSA filter, arXiv 2202.13514, eq. 1)."""

    replay: bool = False
    """On the return of a lost track, replay its absence along a straight line (OC-SORT's ORU, arXiv 2203.14360,
    section 4.1)."""


@dataclass(frozen=True)
class TemplateConfig:
    """How a track remembers its looks."""

    policy: Literal["last", "mean", "bank"] = "mean"
    """last: the embedding of the last match that had one. mean: exponential moving average. bank: the last `size`
    stored ones, the best of which counts (paper, Figure 7)."""

    momentum: float = 0.9
    """Share of the old mean that stays at every update; in [0, 1]."""

    size: int = 5
    """Templates in a bank (the paper's 5); at least 1."""

    min_gap: int = 1
    """Frames between two templates of a bank; at least 1."""

    max_age: int = 0
    """Frames after which a bank's template does not count any more, except the newest; 0 = never."""

    min_score: float = 0.0
    """Detections at or above this score change the templates; in [0, 1]."""

    low_matches: bool = False
    """Also matches with low detections change the templates."""

    def __post_init__(self) -> None:
        _between(self, 0.0, 1.0, "momentum", "min_score")
        if self.size < 1:
            raise ValueError(f"size must be at least 1, not {self.size}")
        if self.min_gap < 1:
            raise ValueError(f"min_gap must be at least 1 frame, not {self.min_gap}")
        if self.max_age < 0:
            raise ValueError(f"max_age must be at least 0 frames, not {self.max_age}")

    @property
    def capacity(self) -> int:
        """Templates that a track holds at most."""
        return self.size if self.policy == "bank" else 1


@dataclass(frozen=True)
class StageConfig:
    """One stage of the cascade: which tracks meet which detections, what a pair costs, what is too much.

    Appearance is the cosine similarity of embeddings, the best over a track's templates. A pair without an embedding on
    either side is judged without appearance: by IoU in `sum`, `minimum` and `veto`, not at all in `motion`.
    """

    tracks: Group = "confirmed"
    """all: every track. confirmed: tracked or lost. tracked: confirmed and matched in the frame before.
    active: tracked or unconfirmed. unconfirmed: not confirmed yet."""

    fusion: Fusion = "iou"
    """iou: 1 - S_iou. sum: 1 - (S_iou + S_app) / 2, the paper's equations 3 and 4. minimum: the lower of IoU cost and
    appearance cost (1 - cosine) / 2, the latter for near and similar pairs only (BoT-SORT, section 3.3). veto: IoU
    cost, refused where appearance or motion disagrees (released SMILEtrack). motion: weighted appearance cost
    1 - cosine and squared Mahalanobis distance (DeepSORT, StrongSORT). calibrated: 1 - S_iou - w tanh(evidence / 4),
    the evidence of appearance in nats as the sequence itself shows it (`tracking.calibration`)."""

    max_cost: float = 0.8
    """A pair matches only below this cost; in (0, 1] (`motion`: (0, 2])."""

    score: bool = False
    """Multiply IoU by the detection's score (ByteTrack's fuse_score)."""

    gate: float | None = None
    """GATE: refuse a pair whose appearance similarity is below this, whatever its IoU; in [-1, 1], null = off."""

    overlap: bool = True
    """Only pairs that overlap can match. `motion` never asks for it."""

    max_iou_cost: float = 0.5
    """`minimum`: appearance counts only where the IoU cost is at most this; in [0, 1]."""

    max_appearance_cost: float = 0.25
    """`minimum`: appearance counts only where (1 - cosine) / 2 is at most this. `veto`: a pair is refused where the
    weighted cost of appearance and motion is above this."""

    motion_weight: float = 0.02
    """`veto`, `motion`: share lambda of the squared Mahalanobis distance, 1 - lambda is the appearance's; in [0, 1]."""

    max_mahalanobis: float | None = CHI2_95[4]
    """`veto`, `motion`: refuse a pair with a squared Mahalanobis distance above this; null = off."""

    appearance_weight: float = 1.0
    """`calibrated`: w, how much IoU the strongest evidence outweighs; at least 0."""

    height_power: float = 0.0
    """Multiply IoU by the overlap of the boxes' vertical extents to this power (Hybrid-SORT's height modulation, arXiv
    2308.00783, section 3.2): heights change slowly, so people at other depths are told apart; at least 0, 0 = off."""

    direction: float = 0.0
    """Weight of the agreement of directions (OC-SORT's OCM, section 4.2); in [0, 1], 0 = off."""

    boxes: Literal["predicted", "observed"] = "predicted"
    """Where a track is: the filter's prediction, or its last matched detection (OC-SORT's OCR, section 4.2)."""

    filter_after: bool = False
    """Take the optimum over all pairs first and drop pairs whose IoU cost is above `max_cost` afterwards (SORT,
    OC-SORT), instead of leaving them out of the assignment."""

    newest_template: bool = False
    """Compare with the newest template of a bank only (the paper's stage I)."""

    by_age: bool = False
    """Match tracks seen most recently first (DeepSORT's matching cascade)."""

    def __post_init__(self) -> None:
        if not 0 < self.max_cost <= (2 if self.fusion == "motion" else 1):
            raise ValueError(f"max_cost must be above 0 and at most 1 (motion: 2), not {self.max_cost}")
        _between(self, -1.0, 1.0, "gate")
        _between(self, 0.0, 1.0, "max_iou_cost", "motion_weight", "direction")
        _between(self, 0.0, 2.0, "max_appearance_cost")
        _between(self, 0.0, float("inf"), "appearance_weight", "height_power")
        _between(self, 0.0, float("inf"), "max_mahalanobis")
        if self.filter_after and self.fusion != "iou":
            raise ValueError(f"filter_after needs fusion iou, not {self.fusion}")
        if self.direction > 0 and not self.filter_after:
            raise ValueError("direction needs filter_after: true")

    @property
    def appearance(self) -> bool:
        """Whether this stage looks at embeddings."""
        return self.fusion != "iou" or self.gate is not None


@dataclass(frozen=True)
class LowStageConfig(StageConfig):
    """Stage II; the fields of `StageConfig` with other defaults."""

    tracks: Group = "tracked"
    """See `StageConfig`."""

    max_cost: float = 0.5
    """See `StageConfig`."""


@dataclass(frozen=True)
class UnconfirmedStageConfig(StageConfig):
    """The last stage; the fields of `StageConfig` with other defaults."""

    tracks: Group = "unconfirmed"
    """See `StageConfig`."""

    max_cost: float = 0.7
    """See `StageConfig`."""


@dataclass(frozen=True)
class LifeConfig:
    """Birth, confirmation and death of tracks."""

    new_score: float = 0.7
    """GATE's tau: an unmatched high detection with at least this score starts a track; in [0, 1]."""

    confirm: int = 1
    """Consecutive matches after birth that confirm a track; 0 = at birth. An unconfirmed track that is not matched is
    removed. Tracks born in the first frame are confirmed at once."""

    max_lost: int = 30
    """Frames (at 30 a second, see `scale_with_frame_rate`) without a match after which a track is removed."""

    scale_with_frame_rate: bool = True
    """Multiply `max_lost` by frame_rate / 30, rounded down."""

    duplicate_cost: float | None = 0.15
    """Of a tracked and a lost track whose IoU cost is below this the younger one is removed; in [0, 1], null = off."""

    revive: bool = False
    """Parity with ByteTrack's code: a track stays matchable for one frame after its removal; if it is matched then, it
    disappears at once when it is lost the next time."""

    def __post_init__(self) -> None:
        _between(self, 0.0, 1.0, "new_score", "duplicate_cost")
        if self.confirm < 0:
            raise ValueError(f"confirm must be at least 0 matches, not {self.confirm}")
        if self.max_lost < 0:
            raise ValueError(f"max_lost must be at least 0 frames, not {self.max_lost}")


@dataclass(frozen=True)
class OutputConfig:
    """Which tracks of a frame are reported, and with which box."""

    boxes: Literal["state", "observed"] = "state"
    """state: the filter's estimate. observed: the matched detection (OC-SORT)."""

    unconfirmed: bool = False
    """Report unconfirmed tracks too (BoT-SORT, SMILEtrack)."""

    min_streak: int = 0
    """Report a track only from this many consecutive matches on (SORT's min_hits); not applied in the first
    `min_streak` frames."""

    min_area: float = 0.0
    """Boxes must be larger than this, in square pixels."""

    max_aspect: float | None = None
    """Boxes with width / height above this are dropped; null = off. 1.6 in ByteTrack's MOT scripts: people stand."""

    def __post_init__(self) -> None:
        if self.min_streak < 0:
            raise ValueError(f"min_streak must be at least 0 matches, not {self.min_streak}")
        if self.min_area < 0:
            raise ValueError(f"min_area must be at least 0 square pixels, not {self.min_area}")
        if self.max_aspect is not None and self.max_aspect <= 0:
            raise ValueError(f"max_aspect must be above 0, not {self.max_aspect}")


@dataclass(frozen=True)
class TrackerConfig:
    """A tracker. Stages run in the order of the fields; a detection or track matched in one is gone for the next."""

    split: SplitConfig = field(default_factory=SplitConfig)
    """High, low and noise."""

    motion: MotionConfig = field(default_factory=MotionConfig)
    """Kalman filter."""

    templates: TemplateConfig = field(default_factory=TemplateConfig)
    """Appearance memory; unused where no stage looks at embeddings."""

    iou_pixel: float = 0.0
    """1 counts both border pixels in every IoU, as ByteTrack, BoT-SORT and SMILEtrack do; 0 is the continuous IoU."""

    first: StageConfig = field(default_factory=StageConfig)
    """Stage I: high detections."""

    second: LowStageConfig | None = field(default_factory=LowStageConfig)
    """Stage II: low detections; null = off."""

    recovery: StageConfig | None = None
    """High detections that are left, once more; null = off."""

    unconfirmed: UnconfirmedStageConfig | None = field(default_factory=UnconfirmedStageConfig)
    """High detections that are left, for unconfirmed tracks; null = off."""

    life: LifeConfig = field(default_factory=LifeConfig)
    """Birth, confirmation and death."""

    output: OutputConfig = field(default_factory=OutputConfig)
    """What is reported."""

    @property
    def stages(self) -> tuple[StageConfig, ...]:
        """The stages that are on, in order."""
        stages = (self.first, self.second, self.recovery, self.unconfirmed)
        return tuple(stage for stage in stages if stage is not None)

    @property
    def appearance(self) -> bool:
        """Whether any stage looks at embeddings."""
        return any(stage.appearance for stage in self.stages)

    @property
    def observes(self) -> bool:
        """Whether tracks have to remember their detections (OC-SORT)."""
        return self.motion.replay or any(s.direction > 0 or s.boxes == "observed" for s in self.stages)
