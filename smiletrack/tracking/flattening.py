"""A `TrackerConfig` made into the numbers of `tracking.settings`."""

from typing import get_args, get_type_hints

import numpy as np

from smiletrack.motion.box_states import BOX_STATES
from smiletrack.tracking.config import MotionConfig, SplitConfig, TemplateConfig, TrackerConfig
from smiletrack.tracking.settings import ANY_LEVEL, HIGH, LOW, Rules, StageRules
from smiletrack.tracking.stages import Fusion, Group, StageConfig
from smiletrack.types import Floats


def flatten(config: TrackerConfig, frame_rate: float) -> tuple[Floats, Floats]:
    """Return the rules, one number a field of `Rules`, and the stages that are on, (stages, fields of `StageRules`)."""
    rules = np.array([float(value) for value in _rules(config, frame_rate)])
    stages = [_stage(stage, LOW if stage is config.second else HIGH, config.split) for stage in config.stages]
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
        corners=config.corners,
        expects_scores=config.expects_scores,
        best_birth=life.best_birth,
        carry_observations=motion.carry_observations and config.observes,
        patience=life.patience,
        hidden_patience=life.hidden_patience,
    )


def _stage(stage: StageConfig, level: int, split: SplitConfig) -> StageRules:
    """Return a stage's settings as numbers; what is off is a limit that nothing reaches."""
    scores = (-np.inf, np.inf)
    if stage.filter_after:  # Hybrid-SORT expects no scores but those that the stage's detections can have
        scores = (split.low, split.high) if level == LOW else (split.high, 1.0)
    return StageRules(
        level=level if stage.low_cost is None else ANY_LEVEL,
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
        low_cost=_or(stage.low_cost, np.inf),
        min_iou=stage.min_iou,
        mutual=stage.assignment == "mutual",
        score_weight=stage.score_weight,
        filtered_score=stage.expected_score == "filter",
        least_score=scores[0],
        most_score=scores[1],
        corners=stage.corners,
        perspectives=stage.low_cost is not None
        or stage.min_iou > 0
        or stage.score_weight > 0
        or stage.corners
        or stage.fusion == "adaptive",
    )


def _number(section: type, name: str, choice: str) -> int:
    """Return the place of a choice among those that the configuration lists for a field."""
    return get_args(get_type_hints(section)[name]).index(choice)


def _or(limit: float | None, off: float) -> float:
    return off if limit is None else limit
