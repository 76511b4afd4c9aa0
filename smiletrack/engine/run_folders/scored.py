"""What is scored: sequences beside their result files, and what of both counts."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from smiletrack.data.column_checks import check_frames
from smiletrack.data.mot import read_results
from smiletrack.data.sequences import Sequence
from smiletrack.data.strides import every_truth
from smiletrack.engine.run_folders.class_views import ClassView
from smiletrack.engine.run_folders.results import Run, class_names_of, ends_early
from smiletrack.errors import InputError
from smiletrack.metrics.preprocess import Comparison, Source, compare

_SHOWN = 20
"""Names that a message lists."""


@dataclass(frozen=True)
class Scored:
    """What is scored: sequences with their result files, and the rules.

    stride: every how many frames are scored. folder: where the results were found. left_out: one line for each
    sequence, and for each file of the run, that is not read. run: None where the results are a plain folder.
    """

    pairs: tuple[tuple[Sequence, Path], ...]
    benchmark: str
    title: str
    folder: Path
    left_out: tuple[str, ...] = ()
    run: Run | None = None
    stride: int = 1

    def only(self, names: Collection[str]) -> "Scored":
        """Return the same with these sequences alone."""
        return replace(self, pairs=tuple((sequence, file) for sequence, file in self.pairs if sequence.name in names))

    def compared(self, view: ClassView | None = None) -> Iterator["Compared"]:
        """Yield sequence after sequence; InputError, after the last, where no row of the truth counts in any.

        view: the class that counts, None for pedestrians.
        """
        why: list[str] = []
        counts = False
        for sequence, file in self.pairs:
            compared = compare_sequence(sequence, file, self.benchmark, view, self.stride)
            counts |= not compared.why_none
            why.append(compared.why_none)
            yield compared
        if not counts:
            raise InputError(f"nothing to score: {why[0]}")

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes 1, 2 ... of the result files, () where nothing tells them."""
        return class_names_of(self.folder)


@dataclass(frozen=True, eq=False)
class Compared:
    """A sequence's preprocessed boxes. dialect: what the truth's columns were taken for. notes: what looks wrong.

    why_none: why no row of the truth counts, "" where one does.
    """

    name: str
    comparison: Comparison
    dialect: str
    notes: tuple[str, ...]
    why_none: str = ""


def compare_sequence(
    sequence: Sequence, file: Path, benchmark: str, view: ClassView | None = None, stride: int = 1
) -> Compared:
    """Compare a result file, whose frames count from 1, with the truth. view: the class, None for pedestrians.

    stride: only frames 1, 1 + stride ... count; the metrics do not ask how far two frames lie apart.
    """
    truth = sequence.truth()
    if truth is None:
        raise InputError(f"{sequence.origin}: no ground truth (gt/gt.txt)")
    results, source = read_results(file, min_columns=7), Source(str(file))
    check_frames(results.frames, sequence.num_frames, source)
    last = int(results.frames.max(initial=0))
    if stride > 1:
        rows = np.flatnonzero((results.frames - 1) % stride == 0)
        truth, results, source = every_truth(truth, stride), results[rows], Source(str(file), rows + 1)
    if view is not None:
        truth, results, source = view.of(truth, results, source)
    comparison = compare(
        truth.table,
        results,
        sequence.num_frames,
        benchmark,
        truth_source=truth.source,
        result_source=source,
    )
    why_none = "" if len(comparison.truth_ids) else truth.why_none()
    notes = [*sequence.notes, *filter(None, (why_none,)), *ends_early(last, sequence)]
    if negative := int((results.ids < 0).sum()):
        notes.append(f"{file}: {negative} rows have an id below 0, which is another person's to the official evaluator")
    return Compared(sequence.name, comparison, truth.dialect, tuple(notes), why_none)


def match_results(
    sequences: list[Sequence], results: dict[str, Path], folder: Path, asked: set[str]
) -> tuple[tuple[tuple[Sequence, Path], ...], tuple[str, ...]]:
    """Pair sequences with their result files, and name those of either that have no partner.

    Raises InputError for a sequence that is `asked` for by its name and has no result file, and where none has.
    """
    missing = [sequence.name for sequence in sequences if sequence.name not in results]
    lacking = [name for name in missing if name in asked] or (missing if len(missing) == len(sequences) else [])
    if lacking:
        there = f"; there are results of {', '.join(results)}" if len(results) <= _SHOWN else ""
        raise InputError(f"{folder / lacking[0]}.txt: no such file{there}")
    pairs = tuple((sequence, results[sequence.name]) for sequence in sequences if sequence.name in results)
    known = {sequence.name for sequence in sequences}
    strangers = [name for name in results if name not in known] if not asked else []
    notes = []
    if missing:
        notes.append(f"left out, no result file: {', '.join(missing)}")
    if strangers:
        notes.append(f"left out, no such sequence: {', '.join(f'{name}.txt' for name in strangers)}")
    return pairs, tuple(notes)
