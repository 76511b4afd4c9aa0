"""A `TrackerConfig` as the compiled loops read it: numbers with names, no text, no None.

Choices become numbers from 0 in the order in which the configuration lists them; a limit that is off becomes an
infinite one. `flatten` turns a configuration into arrays once, `read_rules` and `read_stage` give the names back.
"""

from typing import NamedTuple, get_args, get_type_hints

import numpy as np

from smiletrack.compiled import inner
from smiletrack.motion.box_states import BOX_STATES
from smiletrack.tracking.config import MotionConfig, SplitConfig, TemplateConfig, TrackerConfig
from smiletrack.tracking.stages import Fusion, Group, StageConfig
from smiletrack.types import Floats

IOU, SUM, MINIMUM, VETO, MOTION, CALIBRATED, EVIDENCE, BOOST = range(8)
"""`Fusion`."""
ALL, CONFIRMED, ACTIVE_LAST, ACTIVE, YOUNG = range(5)
"""`Group`; ACTIVE_LAST is its `tracked`, YOUNG its `unconfirmed`."""
TIES_HIGH, TIES_LOW, TIES_DROP = range(3)
"""`SplitConfig.ties`."""
LAST, MEAN, BANK = range(3)
"""`TemplateConfig.policy`."""
NOISE, LOW, HIGH = range(3)
"""What a detection's score makes of it."""


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


class StageRules(NamedTuple):
    """One stage of the cascade; the fields of `StageConfig`, where not said otherwise.

    level: of the detections that take part. appearance: whether embeddings are compared. observed: whether a track is
    where it was last detected, instead of predicted.
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


def flatten(config: TrackerConfig, frame_rate: float) -> tuple[Floats, Floats]:
    """Return the rules, one number a field of `Rules`, and the stages that are on, (stages, fields of `StageRules`)."""
    rules = np.array([float(value) for value in _rules(config, frame_rate)])
    stages = [_stage(stage, LOW if stage is config.second else HIGH) for stage in config.stages]
    return rules, np.array([[float(value) for value in stage] for stage in stages])


def _rules(config: TrackerConfig, frame_rate: float) -> Rules:
    """Return a tracker's settings as numbers, words by their place among the choices."""
    split, motion, templates, life, output = (
        config.split,
        config.motion,
        config.templates,
        config.life,
        config.output,
    )
    scale = frame_rate / 30.0 if life.scale_with_frame_rate else 1.0
    return Rules(
        median=split.mode == "median",
        high=split.high,
        low=split.low,
        ties=_number(SplitConfig, "ties", split.ties),
        coordinates=BOX_STATES[motion.state],
        stopped=4 - _number(MotionConfig, "stop_when_lost", motion.stop_when_lost),
        predict_unconfirmed=motion.predict_unconfirmed,
        trust_score=motion.trust_score,
        replay=motion.replay,
        policy=_number(TemplateConfig, "policy", templates.policy),
        momentum=templates.momentum,
        min_gap=templates.min_gap,
        max_age=templates.max_age,
        min_score=templates.min_score,
        low_matches=templates.low_matches,
        appearance=config.appearance,
        calibrated=config.weighs or any(stage.fusion == "calibrated" for stage in config.stages),
        observes=config.observes,
        iou_pixel=config.iou_pixel,
        new_score=life.new_score,
        confirm=life.confirm,
        max_lost=int(scale * life.max_lost),
        grace=1 if life.revive else 0,
        duplicate_cost=_or(life.duplicate_cost, -np.inf),
        observed_boxes=output.boxes == "observed",
        report_unconfirmed=output.unconfirmed,
        min_streak=output.min_streak,
        min_area=output.min_area,
        max_aspect=_or(output.max_aspect, np.inf),
        across_classes=config.across_classes,
        rescale=split.rescale,
        weighs=config.weighs,
        measurement_noise=motion.measurement_noise**2,
        velocity_noise=30.0 / frame_rate if motion.noise_by_frame_rate else 1.0,
        frame_time=30.0 / frame_rate,
        max_lost_with_appearance=scale * _or(life.max_lost_with_appearance, life.max_lost),
        max_overlap=life.max_overlap,
        everything=any(
            stage.filter_after or not stage.overlap or stage.fusion == "motion" or stage.boxes == "observed"
            for stage in config.stages
        ),
        boost_likely=split.boost_likely,
        boost_unexplained=split.boost_unexplained,
        rescored=split.rescale or split.boost_likely or split.boost_unexplained,
        trust_from=_or(templates.trust_from, 1.0),
    )


def _stage(stage: StageConfig, level: int) -> StageRules:
    """Return a stage's settings as numbers; what is off is a limit that nothing reaches."""
    return StageRules(
        level=level,
        group=get_args(Group).index(stage.tracks),
        fusion=get_args(Fusion).index(stage.fusion),
        max_cost=stage.max_cost,
        score=stage.score,
        gate=_or(stage.gate, -np.inf),
        overlap=stage.overlap and stage.fusion != "motion",
        max_iou_cost=stage.max_iou_cost,
        max_appearance_cost=stage.max_appearance_cost,
        motion_weight=stage.motion_weight,
        max_mahalanobis=_or(stage.max_mahalanobis, np.inf),
        appearance_weight=stage.appearance_weight,
        height_power=stage.height_power,
        direction=stage.direction,
        observed=stage.boxes == "observed",
        filter_after=stage.filter_after,
        newest_template=stage.newest_template,
        by_age=stage.by_age,
        appearance=stage.appearance,
        margin=stage.margin,
    )


def _number(section: type, name: str, choice: str) -> int:
    """Return the place of a choice among those that the configuration lists for a field."""
    return get_args(get_type_hints(section)[name]).index(choice)


def _or(limit: float | None, off: float) -> float:
    return off if limit is None else limit


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
    )
