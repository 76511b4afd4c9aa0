"""A `TrackerConfig` as the compiled loops read it: numbers with names, no text, no None.

Choices become numbers from 0 in the order in which the configuration lists them; a limit that is off becomes an
infinite one. `flattening.flatten` turns a configuration into arrays once, `read_rules` and `read_stage` give the names
back.
"""

from typing import NamedTuple

from smiletrack.compiled import inner
from smiletrack.types import Floats

IOU, SUM, MINIMUM, VETO, MOTION, CALIBRATED, EVIDENCE, BOOST, CLIPPED, ADAPTIVE = range(10)
"""`Fusion`."""
ALL, CONFIRMED, ACTIVE_LAST, ACTIVE, YOUNG = range(5)
"""`Group`; ACTIVE_LAST is its `tracked`, YOUNG its `unconfirmed`."""
TIES_HIGH, TIES_LOW, TIES_DROP = range(3)
"""`SplitConfig.ties`."""
LAST, MEAN, BANK = range(3)
"""`TemplateConfig.policy`."""
NOISE, LOW, HIGH, ANY_LEVEL = range(4)
"""What a detection's score makes of it; ANY_LEVEL of a stage stands for LOW and HIGH."""


class Rules(NamedTuple):
    """What holds for all stages; the fields of `TrackerConfig`'s sections, where not said otherwise.

    calibrated: whether similarities are learned. weighs: whether a stage asks for evidence. measurement_noise,
    velocity_noise: factors on variances. frame_time: frames at 30 a second that a frame is worth. coordinates: of the
    filter, `motion.box_states`. stopped: the first coordinate whose velocity is set to zero when a track is lost, 4 for
    none. max_lost, max_lost_with_appearance: in frames of this sequence. grace: frames for which a removed track can
    still be matched. everything: whether any stage may look at pairs that do not overlap. rescored: whether scores
    are not those given. trust_from: 1 for none.
    """

    median: bool
    high: float
    low: float
    ties: int
    coordinates: int
    stopped: int
    predict_unconfirmed: bool
    trust_score: bool
    replay: bool
    policy: int
    momentum: float
    min_gap: int
    max_age: int
    min_score: float
    low_matches: bool
    appearance: bool
    calibrated: bool
    observes: bool
    iou_pixel: float
    new_score: float
    confirm: int
    max_lost: int
    grace: int
    duplicate_cost: float
    observed_boxes: bool
    report_unconfirmed: bool
    min_streak: int
    min_area: float
    max_aspect: float
    across_classes: bool
    rescale: bool
    weighs: bool
    measurement_noise: float
    velocity_noise: float
    frame_time: float
    max_lost_with_appearance: float
    max_overlap: float
    everything: bool
    boost_likely: bool
    boost_unexplained: bool
    rescored: bool
    trust_from: float
    corners: bool
    expects_scores: bool
    best_birth: bool
    carry_observations: bool
    patience: int
    hidden_patience: int


class StageRules(NamedTuple):
    """One stage of the cascade; the fields of `StageConfig`, where not said otherwise.

    level: of the detections that take part. appearance: whether embeddings are compared. observed: whether a track is
    where it was last detected, instead of predicted. mutual: of `assignment`. filtered_score: of `expected_score`.
    least_score, most_score: bounds of expected scores. perspectives: whether a pair has more parts than the fusion.
    """

    level: int
    group: int
    fusion: int
    max_cost: float
    score: bool
    gate: float
    overlap: bool
    max_iou_cost: float
    max_appearance_cost: float
    motion_weight: float
    max_mahalanobis: float
    appearance_weight: float
    height_power: float
    direction: float
    observed: bool
    filter_after: bool
    newest_template: bool
    by_age: bool
    appearance: bool
    margin: float
    low_cost: float
    min_iou: float
    mutual: bool
    score_weight: float
    filtered_score: bool
    least_score: float
    most_score: float
    corners: bool
    perspectives: bool


@inner
def read_rules(row: Floats) -> Rules:
    """Return the rules with their names."""
    return Rules(
        row[0] != 0,
        row[1],
        row[2],
        int(row[3]),
        int(row[4]),
        int(row[5]),
        row[6] != 0,
        row[7] != 0,
        row[8] != 0,
        int(row[9]),
        row[10],
        int(row[11]),
        int(row[12]),
        row[13],
        row[14] != 0,
        row[15] != 0,
        row[16] != 0,
        row[17] != 0,
        row[18],
        row[19],
        int(row[20]),
        int(row[21]),
        int(row[22]),
        row[23],
        row[24] != 0,
        row[25] != 0,
        int(row[26]),
        row[27],
        row[28],
        row[29] != 0,
        row[30] != 0,
        row[31] != 0,
        row[32],
        row[33],
        row[34],
        row[35],
        row[36],
        row[37] != 0,
        row[38] != 0,
        row[39] != 0,
        row[40] != 0,
        row[41],
        row[42] != 0,
        row[43] != 0,
        row[44] != 0,
        row[45] != 0,
        int(row[46]),
        int(row[47]),
    )


@inner
def read_stage(row: Floats) -> StageRules:
    """Return a stage with its names."""
    return StageRules(
        int(row[0]),
        int(row[1]),
        int(row[2]),
        row[3],
        row[4] != 0,
        row[5],
        row[6] != 0,
        row[7],
        row[8],
        row[9],
        row[10],
        row[11],
        row[12],
        row[13],
        row[14] != 0,
        row[15] != 0,
        row[16] != 0,
        row[17] != 0,
        row[18] != 0,
        row[19],
        row[20],
        row[21],
        row[22] != 0,
        row[23],
        row[24] != 0,
        row[25],
        row[26],
        row[27] != 0,
        row[28] != 0,
    )
