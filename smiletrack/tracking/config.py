"""Everything that makes one tracker differ from another. The presets in `configs/tracker` are values of these fields.

Costs are "down is good" and lie in [0, 1] unless a field says otherwise: an IoU cost is 1 - IoU.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from smiletrack.motion.kalman import CHI2_95
from smiletrack.ranges import Checked, Count, NonNegative, Positive, PositiveCount, Share

Group = Literal["all", "confirmed", "tracked", "active", "unconfirmed"]
Fusion = Literal["iou", "sum", "minimum", "veto", "motion", "calibrated", "evidence"]


@dataclass(frozen=True)
class SplitConfig(Checked):
    """Which detections are high, low, or noise (paper, section "Similarity Matching Cascade")."""

    mode: Literal["fixed", "median"] = "fixed"
    """fixed: a detection that scores above `high` is high. median: one that scores above the median of the frame's
    detections above `low` (the paper's mu)."""

    high: Share = 0.6
    """Score above which a detection is high. Not used with `median`."""

    low: Share = 0.1
    """Score above which a detection is kept; a score equal to it is noise."""

    rescale: bool = False
    """Bring scores to one scale before they meet a threshold: where what clear people score is low, multiply
    (`tracking.score_scale`)."""

    ties: Literal["high", "low", "drop"] = "high"
    """What becomes of a score equal to the high threshold. The code of ByteTrack, BoT-SORT and OC-SORT drops it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode == "fixed" and self.low > self.high:
            raise ValueError(f"low must not be above high ({self.high}), not {self.low}")


@dataclass(frozen=True)
class MotionConfig(Checked):
    """The Kalman filter (`motion.box_states`, `motion.kalman`)."""

    state: Literal["xywh", "xyah", "xysr"] = "xywh"
    """State of the filter. xywh: BoT-SORT, SMILEtrack. xyah: DeepSORT, ByteTrack. xysr: SORT, OC-SORT."""

    stop_when_lost: Literal["nothing", "height", "size"] = "size"
    """Velocities set to zero when a track is lost: none, that of the last coordinate (ByteTrack), or those of the last
    two (BoT-SORT)."""

    predict_unconfirmed: bool = True
    """Predict unconfirmed tracks before they are matched. ByteTrack, BoT-SORT and SMILEtrack do not."""

    trust_score: bool = False
    """Scale the standard deviation of the measurement noise by 1 - score (NSA Kalman filter of StrongSORT, arXiv
    2202.13514, eq. 1)."""

    measurement_noise: Positive = 1.0
    """Factor on the standard deviation of the measurement noise."""

    noise_by_frame_rate: bool = False
    """Multiply the variances of velocities, at birth and of every frame, by 30 / frame_rate: people go further between
    fewer frames."""

    replay: bool = False
    """When a lost track is found again, update the filter along a straight line through the gap (observation-centric
    re-update of OC-SORT, arXiv 2203.14360, section 4.1)."""


@dataclass(frozen=True)
class TemplateConfig(Checked):
    """How a track remembers its appearance."""

    policy: Literal["last", "mean", "bank"] = "mean"
    """last: the embedding of the latest match that had one. mean: an exponential moving average. bank: the latest
    `size` stored embeddings, of which the most similar one counts (paper, Figure 7)."""

    momentum: Share = 0.9
    """Weight of the old mean in the moving average."""

    size: Annotated[int, Ge(1), Le(1000)] = 5
    """Number of embeddings in a bank (the paper's 5)."""

    min_gap: PositiveCount = 1
    """Minimum number of frames between two embeddings of a bank."""

    max_age: Count = 0
    """Age in frames after which an embedding of a bank no longer counts, unless it is the newest; 0 = no limit."""

    min_score: Share = 0.0
    """Minimum score of a detection that updates the templates."""

    low_matches: bool = False
    """Let matches with low detections update the templates too."""

    @property
    def capacity(self) -> int:
        """Templates that a track holds at most."""
        return self.size if self.policy == "bank" else 1


@dataclass(frozen=True)
class StageConfig(Checked):
    """One stage of the cascade: which tracks meet which detections, what a pair costs, what is too much.

    Appearance is the cosine similarity of embeddings, the best over a track's templates. A pair without an embedding on
    either side is judged without appearance: by IoU in `sum`, `minimum` and `veto`, not at all in `motion`.
    """

    tracks: Group = "confirmed"
    """Tracks that take part. all: every track. confirmed: tracked or lost. tracked: confirmed and matched in the
    previous frame. active: tracked or unconfirmed. unconfirmed: not confirmed yet."""

    fusion: Fusion = "iou"
    """Cost of a pair. iou: 1 - S_iou. sum: 1 - (S_iou + S_app) / 2, the paper's equations 3 and 4. minimum: the lower
    of the IoU cost and the appearance cost (1 - cosine) / 2, the latter only for near and similar pairs (BoT-SORT,
    section 3.3). veto: the IoU cost, refused where appearance or motion disagrees (released SMILEtrack). motion:
    weighted sum of the appearance cost 1 - cosine and the squared Mahalanobis distance (DeepSORT, StrongSORT).
    calibrated: 1 - S_iou - w tanh(evidence / 4), with the evidence of appearance in nats, calibrated on the sequence
    itself (`tracking.calibration`). evidence: 1 - S_iou - w L, with L in nats, which weighs how much of a detection
    others cover and how old the track's template is (`tracking.evidence`); without appearance 1 - S_iou."""

    max_cost: Annotated[float, Gt(0), Le(2)] = 0.8
    """A pair can match only below this cost. Above 1 only with `motion`."""

    score: bool = False
    """Multiply the IoU by the detection score (fuse_score of ByteTrack); with `evidence` only as far as looks say
    nothing."""

    gate: Annotated[float, Ge(-1), Le(1)] | None = None
    """GATE: minimum appearance similarity of a match, whatever its IoU; null = off."""

    overlap: bool = True
    """Only boxes that overlap can match. Not used with `motion`. Off with `evidence`, position counts by
    `max_mahalanobis` only: 1 - w L."""

    max_iou_cost: Share = 0.5
    """`minimum`: appearance counts only up to this IoU cost."""

    max_appearance_cost: Annotated[float, Ge(0), Le(2)] = 0.25
    """`minimum`: appearance counts only up to this (1 - cosine) / 2. `veto`: maximum weighted cost of appearance and
    motion."""

    motion_weight: Share = 0.02
    """`veto`, `motion`: weight lambda of the squared Mahalanobis distance; appearance has 1 - lambda."""

    max_mahalanobis: NonNegative | None = CHI2_95[4]
    """`veto`, `motion`, `evidence` without `overlap`: maximum squared Mahalanobis distance of a match; null = off."""

    appearance_weight: NonNegative = 1.0
    """Weight w. `calibrated`: the IoU that the strongest evidence outweighs; `evidence`: IoU that a nat outweighs."""

    margin: NonNegative = 0.0
    """A pair can match only if its cost is lower, by this much, than that of any other pair of its track and of its
    detection; 0 = off."""

    height_power: NonNegative = 0.0
    """Multiply the IoU by the overlap of the boxes' vertical extents to this power (height-modulated IoU of
    Hybrid-SORT, arXiv 2308.00783, section 3.2), which separates people at different depths; 0 = off."""

    direction: Share = 0.0
    """Weight of the agreement of directions (observation-centric momentum of OC-SORT, section 4.2); 0 = off."""

    boxes: Literal["predicted", "observed"] = "predicted"
    """Box of a track: the filter's prediction, or the last matched detection (observation-centric recovery of OC-SORT,
    section 4.2)."""

    filter_after: bool = False
    """Assign over all pairs first and drop matches whose IoU cost is above `max_cost` afterwards (SORT, OC-SORT),
    instead of leaving such pairs out of the assignment."""

    newest_template: bool = False
    """Compare only with the newest template of a bank (the paper's stage I)."""

    by_age: bool = False
    """Match the most recently seen tracks first (matching cascade of DeepSORT)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_cost > 1 and self.fusion != "motion":
            raise ValueError(f"max_cost must be in (0, 1] without fusion motion, not {self.max_cost}")
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

    max_cost: Annotated[float, Gt(0), Le(2)] = 0.5


@dataclass(frozen=True)
class UnconfirmedStageConfig(StageConfig):
    """The last stage; the fields of `StageConfig` with other defaults."""

    tracks: Group = "unconfirmed"

    max_cost: Annotated[float, Gt(0), Le(2)] = 0.7


@dataclass(frozen=True)
class LifeConfig(Checked):
    """Birth, confirmation and removal of tracks."""

    new_score: Share = 0.7
    """GATE's tau: minimum score of an unmatched high detection that starts a track."""

    confirm: Count = 1
    """Consecutive matches after its first detection that confirm a track; 0 = confirmed at birth. An unconfirmed track
    is removed when it is not matched. Tracks born in the first frame are confirmed at once."""

    max_lost: Count = 30
    """Number of frames without a match, at 30 frames per second, after which a track is removed."""

    max_lost_by_looks: Count | None = None
    """The same where embeddings are evidence (`tracking.evidence`): by appearance tracks are found again after longer
    absences; null = `max_lost`."""

    scale_with_frame_rate: bool = True
    """Multiply `max_lost` by frame_rate / 30, rounded down."""

    max_overlap: Share = 1.0
    """A detection whose IoU with a matched detection of its frame is above this starts no track (TrackTrack: 0.55)."""

    duplicate_cost: Share | None = 0.15
    """A tracked and a lost track whose IoU cost is below this are duplicates, and the younger one is removed; null =
    off."""

    revive: bool = False
    """As in ByteTrack's code: a track can still be matched in the frame after its removal; if it is, it is removed as
    soon as it is lost again."""


@dataclass(frozen=True)
class OutputConfig(Checked):
    """Which tracks of a frame are reported, and with which box."""

    boxes: Literal["state", "observed"] = "state"
    """state: the filter's estimate. observed: the matched detection (OC-SORT)."""

    unconfirmed: bool = False
    """Report unconfirmed tracks as well (BoT-SORT, SMILEtrack)."""

    min_streak: Count = 0
    """Consecutive matches after which a track is reported (min_hits of SORT); not applied in the first `min_streak`
    frames."""

    min_area: NonNegative = 0.0
    """Boxes of this area or less, in square pixels, are not reported."""

    max_aspect: Positive | None = None
    """Boxes with a larger width / height are not reported; null = off. 1.6 in ByteTrack's MOT scripts: people stand."""


@dataclass(frozen=True)
class TrackerConfig(Checked):
    """A tracker. Stages run in the order of the fields; a detection or track matched in one is gone for the next."""

    split: SplitConfig = field(default_factory=SplitConfig)
    """Division of the detections into high, low and noise."""

    motion: MotionConfig = field(default_factory=MotionConfig)
    """Kalman filter."""

    templates: TemplateConfig = field(default_factory=TemplateConfig)
    """Appearance memory; not used unless a stage compares embeddings."""

    across_classes: bool = False
    """Match tracks with detections of other classes, as the original trackers do."""
    iou_pixel: Share = 0.0
    """Pixels added to every side of a box in an IoU: 1 as in ByteTrack, BoT-SORT and SMILEtrack, 0 for the continuous
    IoU."""

    first: StageConfig = field(default_factory=StageConfig)
    """Stage I: high detections."""

    second: LowStageConfig | None = field(default_factory=LowStageConfig)
    """Stage II: low detections; null = off."""

    recovery: StageConfig | None = None
    """Second attempt for the remaining high detections; null = off."""

    unconfirmed: UnconfirmedStageConfig | None = field(default_factory=UnconfirmedStageConfig)
    """Remaining high detections and unconfirmed tracks; null = off."""

    life: LifeConfig = field(default_factory=LifeConfig)
    """Birth, confirmation and removal of tracks."""

    output: OutputConfig = field(default_factory=OutputConfig)
    """Which tracks are reported, and with which box."""

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
    def weighs(self) -> bool:
        """Whether any stage asks for evidence that knows cover and age (`tracking.evidence`)."""
        return any(stage.fusion == "evidence" for stage in self.stages)

    @property
    def observes(self) -> bool:
        """Whether tracks have to remember their detections (OC-SORT)."""
        return self.motion.replay or any(s.direction > 0 or s.boxes == "observed" for s in self.stages)
