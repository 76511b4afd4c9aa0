"""Everything that makes one tracker differ from another. The presets in `configs/tracker` are values of these fields.

Costs are "down is good" and lie in [0, 1] unless a field says otherwise: an IoU cost is 1 - IoU.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Le, Lt

from smiletrack.ranges import Checked, Count, NonNegative, Positive, PositiveCount, Share
from smiletrack.tracking.stages import LowStageConfig, StageConfig, UnconfirmedStageConfig


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
    """Bring scores to one scale before they meet a threshold: those of a detector that gives people in full view low
    scores are multiplied (`tracking.score_scale`)."""

    ties: Literal["high", "low", "drop"] = "high"
    """What becomes of a score equal to the high threshold. The code of ByteTrack, BoT-SORT and OC-SORT drops it."""

    boost_likely: bool = False
    """Raise the scores of detections that resemble a track, before high and low are told apart (BoostTrack++, arXiv
    2408.13003; `tracking.boosting`)."""

    boost_unexplained: bool = False
    """Make low detections high that are far from every track (likewise)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode == "fixed" and self.low > self.high:
            raise ValueError(f"low must not be above high ({self.high}), not {self.low}")


@dataclass(frozen=True)
class MotionConfig(Checked):
    """The Kalman filter (`motion.box_states`, `motion.kalman`)."""

    state: Literal["xywh", "xyah", "xysr", "xyhr"] = "xywh"
    """State of the filter. xywh: BoT-SORT, SMILEtrack. xyah: DeepSORT, ByteTrack. xysr: SORT, OC-SORT.
    xyhr: BoostTrack."""

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

    carry_observations: bool = False
    """Move what a track remembers of its detections, and the filter from before it was lost, along with the camera
    (Deep OC-SORT, arXiv 2302.11813, section 3.1)."""

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

    trust_from: Annotated[float, Ge(0), Lt(1)] | None = None
    """mean: let `momentum` m grow for doubtful detections, to m + (1 - m) (1 - t) with the trust t = (score -
    trust_from) / (1 - trust_from), not below 0 (Deep OC-SORT, arXiv 2302.11813, section 3.2); null = off."""

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
class LifeConfig(Checked):
    """Birth, confirmation and removal of tracks."""

    new_score: Share = 0.7
    """GATE's tau: minimum score of an unmatched high detection that starts a track."""

    confirm: Count = 1
    """Consecutive matches after its first detection that confirm a track; 0 = confirmed at birth. An unconfirmed track
    is removed when it is not matched. Tracks born in the first frame are confirmed at once."""

    patience: Count = 0
    """Number of frames without a match for which a tracked track still counts as tracked (FastTracker: 2)."""

    hidden_patience: Count = 0
    """The same for a track most of which another one covers; it is set back to where it went before that, slower
    (FastTracker, arXiv 2508.14370: 10). Needs the state xywh or xyah; 0 = off."""

    max_lost: Count = 30
    """Number of frames without a match, at 30 frames per second, after which a track is removed."""

    max_lost_with_appearance: Count | None = None
    """The same for tracks with embeddings where a stage weighs `evidence`, since appearance finds people again after
    longer absences; null = `max_lost`."""

    scale_with_frame_rate: bool = True
    """Multiply `max_lost` by frame_rate / 30, rounded down."""

    max_overlap: Share = 1.0
    """A detection whose IoU with a matched detection of its frame is above this starts no track (TrackTrack: 0.55)."""

    best_birth: bool = False
    """`max_overlap` holds for detections too that could start a track themselves and score more (track-aware
    initialisation of TrackTrack)."""

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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.life.hidden_patience and self.motion.state not in ("xywh", "xyah"):
            raise ValueError(f"life.hidden_patience needs motion.state xywh or xyah, not {self.motion.state}")

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

    @property
    def corners(self) -> bool:
        """Whether tracks have to remember where their corners went (Hybrid-SORT, TrackTrack)."""
        return any(stage.corners for stage in self.stages)

    @property
    def expects_scores(self) -> bool:
        """Whether tracks have to remember their scores (Hybrid-SORT, TrackTrack)."""
        return any(stage.score_weight > 0 for stage in self.stages)
