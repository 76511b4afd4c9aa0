"""Where the map of a detector's scores is kept: a small JSON file beside the detections or the detector."""

from dataclasses import asdict
from pathlib import Path

from smiletrack.config import build_config
from smiletrack.engine.settings.sequence_input import SequenceInputConfig
from smiletrack.errors import InputError
from smiletrack.files import read_json, write_json
from smiletrack.tracking.score_map import ScoreMap


def score_map_file(config: SequenceInputConfig) -> Path | None:
    """Return where the map of these scores belongs; None where nothing on the disk stands for the detector.

    DATA/NAME.scores.json for stored detections, DETECTOR.scores.json for a network's file.
    """
    if config.stored:
        name = config.detector.removeprefix("file:") or config.detections
        return Path(config.data) / f"{name}.scores.json" if config.data else None
    return Path(f"{config.detector}.scores.json") if Path(config.detector).is_file() else None


def read_score_map(file: Path) -> ScoreMap:
    """Return the map in a file; InputError where it is missing or none."""
    found = read_json(file)
    if not isinstance(found, dict) or not {"scores", "chances"} <= found.keys():
        raise InputError(f"{file}: no map of scores; smiletrack calibrate makes one")
    try:
        return build_config(ScoreMap, found)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def write_score_map(file: Path, score_map: ScoreMap) -> None:
    """Write a map atomically."""
    write_json(file, asdict(score_map))
