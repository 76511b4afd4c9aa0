"""Trackers tried on sequences whose answer is known: what the searches and the paper's tables are made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from smiletrack.data.mot import list_sequences, read_sequence_info, read_truth
from smiletrack.data.splits import cut_frames, resolve_split, split_range
from smiletrack.engine.inputs.sequence_inputs import (
    SequenceInput,
    SequenceInputConfig,
    crowd,
    sequence_inputs,
    sequence_names,
)
from smiletrack.engine.track import track_sequence
from smiletrack.errors import InputError
from smiletrack.metrics.preprocess import compare
from smiletrack.metrics.table import COMBINED, Measures, combine, measure
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import TrackTable


@dataclass(frozen=True)
class ScoredDataConfig(SequenceInputConfig):
    """A data set with ground truth."""

    benchmark: Literal["MOT15", "MOT16", "MOT17", "MOT20", "DanceTrack"] = "MOT17"
    """Whose preprocessing rules apply."""


@dataclass(frozen=True, eq=False)
class ScoredSequence:
    """One sequence: what a tracker gets, and the truth, frames numbered alike."""

    given: SequenceInput
    truth: TrackTable
    benchmark: str


def read_scored_sequences(config: ScoredDataConfig, held_out: Sequence[str] = ()) -> list[ScoredSequence]:
    """Return the sequences of a data set; those in `held_out` are not even read.

    Raises InputError for what is missing, and where nothing is left.
    """
    truths = _folder_truths(config) if config.data else _crowd_truths(config)
    wanted = tuple(name for name in sequence_names(config) if name not in held_out)
    if not wanted:
        raise InputError(f"held_out: every sequence of {config.data or 'the generated crowd'} is held out")
    inputs = sequence_inputs(replace(config, sequences=wanted))
    return [ScoredSequence(given, truths(given.name), config.benchmark) for given in inputs]


def _folder_truths(config: ScoredDataConfig) -> Callable[[str], TrackTable]:
    folders = {folder.name: folder for folder in list_sequences(config.data)}
    split = resolve_split(config.split, config.data)

    def truth(name: str) -> TrackTable:
        first, last = split_range(read_sequence_info(folders[name]).length, split)
        return cut_frames(read_truth(folders[name] / "gt" / "gt.txt"), first, last)

    return truth


def _crowd_truths(config: ScoredDataConfig) -> Callable[[str], TrackTable]:
    worlds = crowd(config.seed)
    return lambda name: cut_frames(worlds[name].truth, *split_range(worlds[name].info.length, config.split))


def measure_tracker(tracker: TrackerConfig, problems: Sequence[ScoredSequence]) -> dict[str, Measures]:
    """Return the measures of each sequence and those over all under COMBINED."""
    measures = {}
    for problem in problems:
        given = problem.given
        found = track_sequence(Tracker(tracker, given.frame_rate), given.frames(), given.warps)
        comparison = compare(problem.truth, found.table, given.num_frames, problem.benchmark)
        measures[given.name] = measure(comparison)
    return measures | {COMBINED: combine(measures)}


def mean_hota(measures: Measures) -> float:
    """Return HOTA, in [0, 1], as tables print it: the mean over the 19 thresholds."""
    return float(measures["HOTA"]["HOTA"].mean())
