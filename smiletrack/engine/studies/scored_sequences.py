"""Trackers tried on sequences whose answer is known: what the searches and the paper's tables are made of."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from smiletrack.data.sequences import Sequence, open_sequences
from smiletrack.data.strides import every, frames_of, looks_of
from smiletrack.engine.inputs.sequence_inputs import (
    SequenceInput,
    sequence_inputs,
    sequence_names,
)
from smiletrack.engine.settings.sequence_input import SequenceInputConfig
from smiletrack.errors import InputError
from smiletrack.metrics.hota import combine_hota, hota
from smiletrack.metrics.preprocess import Comparison, compare
from smiletrack.metrics.table import COMBINED, Measures, combine, measure
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections, Floats, Ints, TrackTable


@dataclass(frozen=True)
class ScoredDataConfig(SequenceInputConfig):
    """A data set with ground truth."""

    benchmark: Literal["MOT15", "MOT16", "MOT17", "MOT20", "DanceTrack"] = "MOT17"
    """Benchmark whose preprocessing rules apply."""


@dataclass(frozen=True, eq=False)
class ScoredSequence:
    """One sequence: what a tracker gets, and the truth, frames numbered alike."""

    given: SequenceInput
    truth: TrackTable
    benchmark: str

    @cached_property
    def detections(self) -> tuple[Detections, Ints]:
        """All detections, in the order of their frames, and the look of each; made once for all trackers."""
        table = self.given.detections
        order = np.argsort(table.frames, kind="stable")
        whole = Detections(table.boxes, table.scores, self.given.embeddings, table.classes)
        return whole[order], looks_of(table.frames[order], self.given.stride)


def read_scored_sequences(config: ScoredDataConfig, held_out: Collection[str] = ()) -> list[ScoredSequence]:
    """Return the sequences of a data set; those in `held_out` are not even read.

    Raises InputError for what is missing, and where nothing is left.
    """
    wanted = tuple(name for name in sequence_names(config) if name not in held_out)
    if not wanted:
        raise InputError(f"held_out: every sequence of {config.data or 'the generated crowd'} is held out")
    opened = open_sequences(config.data, config.split, wanted, config.seed)
    inputs = sequence_inputs(replace(config, sequences=wanted))
    return [
        ScoredSequence(given, every(_truth(sequence), config.stride), config.benchmark)
        for sequence, given in zip(opened, inputs, strict=True)
    ]


def read_sources(sources: Iterable[ScoredDataConfig]) -> list[ScoredSequence]:
    """Return the sequences of several data sets; InputError where two have one name."""
    problems: list[ScoredSequence] = []
    for source in sources:
        known = {problem.given.name for problem in problems}
        for problem in read_scored_sequences(source):
            if problem.given.name in known:
                raise InputError(f"sources: {problem.given.name} is in two of them; take one, or one split of it")
            problems.append(problem)
    return problems


def without_embeddings(problem: ScoredSequence) -> ScoredSequence:
    """Return the sequence without appearance: motion alone."""
    return with_embeddings_of(problem, np.zeros((len(problem.given.detections), 0)))


def with_embeddings_of(problem: ScoredSequence, embeddings: Floats) -> ScoredSequence:
    """Return the sequence with other (N, D) embeddings beside its detections."""
    return replace(problem, given=replace(problem.given, embeddings=embeddings))


def _truth(sequence: Sequence) -> TrackTable:
    truth = sequence.truth()
    if truth is None:
        raise InputError(f"{sequence.origin}: no ground truth")
    return truth.table


def measure_tracker(tracker: TrackerConfig, problems: Iterable[ScoredSequence]) -> dict[str, Measures]:
    """Return the measures of each sequence and those over all under COMBINED."""
    measures = {problem.given.name: measure(tracked_comparison(tracker, problem)) for problem in problems}
    return measures | {COMBINED: combine(measures)}


def tracked_comparison(tracker: TrackerConfig, problem: ScoredSequence) -> Comparison:
    """Track a sequence and compare what comes out with the truth."""
    given = problem.given
    seen, looks = problem.detections
    found = Tracker(tracker, given.frame_rate).run(seen, looks, given.num_looks, given.warps, given.stride)
    found = replace(found, frames=frames_of(found.frames, given.stride))
    return compare(problem.truth, found, given.num_frames, problem.benchmark)


def tracked_hota(tracker: TrackerConfig, problems: Iterable[ScoredSequence]) -> float:
    """Return the `mean_hota` over all sequences, with nothing else computed."""
    parts = {problem.given.name: hota(tracked_comparison(tracker, problem)) for problem in problems}
    return mean_hota({"HOTA": combine_hota([parts[name] for name in sorted(parts)])})


def mean_hota(measures: Measures) -> float:
    """Return HOTA, in [0, 1], as tables print it: the mean over the 19 thresholds."""
    return float(measures["HOTA"]["HOTA"].mean())
