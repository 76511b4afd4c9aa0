"""One stage of the cascade as a configuration: who meets whom, what a pair costs, what is too much."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from smiletrack.motion.kalman import CHI2_95
from smiletrack.ranges import Checked, NonNegative, Share

Group = Literal["all", "confirmed", "tracked", "active", "unconfirmed"]
Fusion = Literal["iou", "sum", "minimum", "veto", "motion", "calibrated", "evidence", "boost", "clipped", "adaptive"]


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
    others cover and how old the track's template is (`tracking.evidence`); without appearance 1 - S_iou. boost: IoU,
    motion, shape and cosine are added up and weighted by confidence, and a match stays if its IoU is enough, or half of
    it and appearance is alike (BoostTrack; `tracking.boosting`); needs `filter_after`. clipped: as sum, but a cosine
    below 0 counts 0 (TrackTrack). adaptive: to the IoU, w cosine is added for boxes that overlap, more
    where the best cosine of the track or the detection stands out (Deep OC-SORT, arXiv 2302.11813, section 3.3); needs
    `filter_after`."""

    max_cost: Annotated[float, Gt(0), Le(2)] = 0.8
    """A pair can match only below this cost. Above 1 only with `motion`."""

    score: bool = False
    """Multiply the IoU by the detection score (fuse_score of ByteTrack); with `evidence` only as far as
    appearance says nothing."""

    gate: Annotated[float, Ge(-1), Le(1)] | None = None
    """GATE: minimum appearance similarity of a match, whatever its IoU; null = off."""

    overlap: bool = True
    """Only boxes that overlap can match. Not used with `motion`. If off, `evidence` has the cost 1 - w L, and
    `max_mahalanobis` alone limits the distance."""

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
    """Weight w. `calibrated`: IoU that the strongest evidence is worth; `evidence`: IoU that one nat is worth.
    `boost`, `adaptive`: weight of the cosine."""

    low_cost: Share | None = None
    """Low detections take part in this stage too, at this much more cost (TrackTrack: 0.2); null = high ones only."""

    min_iou: Share = 0.0
    """A pair can match only if its IoU is above this, whatever its cost."""

    assignment: Literal["optimal", "mutual"] = "optimal"
    """optimal: the lowest sum of costs. mutual: again and again all pairs match that are the cheapest of both sides,
    while `max_cost` falls by 0.05 each time (iterative assignment of TrackTrack)."""

    score_weight: NonNegative = 0.0
    """Weight of the distance of a detection's score to the score that the track's scores lead to (Hybrid-SORT, arXiv
    2308.00783, section 3.2; TrackTrack); 0 = off."""

    expected_score: Literal["linear", "filter"] = "linear"
    """What a track's scores lead to. linear: the last one and once more its last step. filter: the prediction of a
    Kalman filter over scores (Hybrid-SORT's for high detections)."""

    margin: NonNegative = 0.0
    """A pair can match only if its cost is lower, by this much, than that of any other pair of its track and of its
    detection; 0 = off."""

    height_power: NonNegative = 0.0
    """Multiply the IoU by the overlap of the boxes' vertical extents to this power (height-modulated IoU of
    Hybrid-SORT, arXiv 2308.00783, section 3.2), which separates people at different depths; 0 = off."""

    direction: Share = 0.0
    """Weight of the agreement of directions (observation-centric momentum of OC-SORT, section 4.2); 0 = off."""

    corners: bool = False
    """Directions are those of the four corners, over one to three frames, instead of the centre's over three
    (Hybrid-SORT, section 3.3). Without `filter_after` the mean angle is a cost (TrackTrack)."""

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
        if self.filter_after and self.fusion not in ("iou", "boost", "adaptive"):
            raise ValueError(f"filter_after needs fusion iou, boost or adaptive, not {self.fusion}")
        if self.fusion in ("boost", "adaptive") and not self.filter_after:
            raise ValueError(f"fusion {self.fusion} needs filter_after: true")
        if self.direction > 0 and not (self.filter_after or self.corners):
            raise ValueError("direction needs filter_after: true or corners: true")
        if self.corners and self.direction == 0:
            raise ValueError("corners needs a direction above 0")
        for key in ("low_cost", "min_iou"):
            if self.filter_after and getattr(self, key):
                raise ValueError(f"{key} needs filter_after: false")

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
