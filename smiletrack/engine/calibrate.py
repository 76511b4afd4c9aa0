"""What a detector's scores are worth, from footage whose truth is known."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from smiletrack.console import print_table, say
from smiletrack.data.sequences import open_sequences
from smiletrack.engine.inputs.score_maps import score_map_file, write_score_map
from smiletrack.engine.inputs.sequence_inputs import sequence_inputs, sequence_names
from smiletrack.engine.settings.sequence_input import SequenceInputConfig
from smiletrack.errors import InputError
from smiletrack.metrics.box_labels import NOT_COUNTED, PERSON, label_boxes
from smiletrack.tracking.score_map import ScoreMap, fit_isotonic, fit_logistic
from smiletrack.types import Floats


@dataclass(frozen=True)
class CalibrateConfig(SequenceInputConfig):
    """Learn what a detector's scores are worth: a map from each to the chance that the box is a person.

    Reads detections, or frames that a detector looks at, and the ground truth. Writes a small JSON file beside the
    detections or the detector, where `smiletrack track` finds it for trackers that bring scores to one scale, such as
    the default; --score-map gives it to any other. Sequences weigh alike.

      smiletrack calibrate --data datasets/MOT17/train --split train_half --detections mine
      smiletrack calibrate --data datasets/MOT17/train --split train_half --detector mine.onnx
      smiletrack calibrate --data datasets/MOT15/train --detections pd0203 --method isotonic --output pd0203.scores.json
    """

    method: Literal["logistic", "isotonic"] = "logistic"
    """logistic: two numbers, logit p = a + b logit s; sure with few boxes. isotonic: any steps that nowhere descend;
    for scores on any scale and thousands of boxes."""

    output: str = ""
    """JSON file to write; empty = NAME.scores.json in the folder of the data, or DETECTOR.scores.json."""


def calibrate_scores(config: CalibrateConfig) -> Path:
    """Fit the map, print how it fits, write it and return its file.

    Raises InputError where there is no truth, no box or no person among them.
    """
    file = Path(config.output) if config.output else score_map_file(config)
    if file is None:
        raise InputError("output: name a JSON file; there is no file of detections or of a detector to put it beside")
    parts = _labelled_scores(config)
    scores, labels = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    weights = np.concatenate([np.full(len(part[0]), len(scores) / len(parts) / len(part[0])) for part in parts])
    if not labels.any() or labels.all():
        raise InputError(f"{len(labels)} boxes, {int(labels.sum())} of them people: both kinds are needed")
    fit = fit_logistic if config.method == "logistic" else fit_isotonic
    score_map = fit(scores, labels == PERSON, weights)
    _print(score_map, scores, labels)
    write_score_map(file, score_map)
    say(f"{config.method} map of {len(scores)} boxes, {int(labels.sum())} of them people -> {file}")
    return file


def _labelled_scores(config: CalibrateConfig) -> list[tuple[Floats, Floats]]:
    """Return scores and labels, 1 for a person, of each sequence that has boxes; those that do not count left out."""
    names, parts = sequence_names(config), []
    opened = open_sequences(config.data, config.split, names, config.seed, config.frame_rate)
    truths = {sequence.name: sequence.truth() for sequence in opened}
    for name, truth in truths.items():
        if truth is None:
            raise InputError(f"{name}: no ground truth")
    for given in sequence_inputs(config, "runs/calibrate"):
        truth, table = truths[given.name], given.detections
        assert truth is not None
        usable = np.isfinite(table.scores) & np.isfinite(table.boxes).all(axis=1)
        frames, boxes, scores = table.frames[usable], table.boxes[usable], table.scores[usable]
        labels = label_boxes(frames, boxes, scores, truth.table, truth.targets())
        counted = labels != NOT_COUNTED
        if counted.any():
            parts.append((scores[counted], labels[counted].astype(np.float64)))
    if not parts:
        raise InputError("no boxes in these sequences")
    return parts


def _print(score_map: ScoreMap, scores: Floats, labels: Floats) -> None:
    """Print for ten groups of boxes, equally many in each, how often they are people, and what the map says."""
    rows = []
    for group in np.array_split(np.argsort(scores, kind="stable"), min(10, len(scores))):
        span = f"{scores[group[0]]:.3f} .. {scores[group[-1]]:.3f}"
        middle = scores[group].mean(keepdims=True)
        rows.append(
            [
                span,
                f"{labels[group].mean():.3f}",
                f"{score_map.chance(scores[group]).mean():.3f}",
                f"{score_map.common(middle)[0]:.3f}",
            ]
        )
    print_table(("score", "people", "map", "counts as"), rows)
