"""What a run left: its results, its truth if that can be found, and what it tells of itself."""

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from smiletrack.data.mot import read_results
from smiletrack.data.sequence_folders import find_sequence, is_sequence
from smiletrack.data.sequences import Sequence, open_folder, open_sequences
from smiletrack.data.sources import open_source
from smiletrack.data.strides import every
from smiletrack.data.truth import read_class_names
from smiletrack.data.video import FrameSource
from smiletrack.engine.run_folders.folder import run_is_whole
from smiletrack.engine.run_folders.records import (
    RunSettings,
    SequenceTiming,
    Summary,
    read_sequence_times,
    read_settings,
    read_summary,
)
from smiletrack.engine.run_folders.shards import refuse_while_at_work
from smiletrack.errors import InputError
from smiletrack.metrics import clear
from smiletrack.metrics.preprocess import BENCHMARKS, Comparison, compare
from smiletrack.types import TrackTable
from smiletrack.view.error_analysis import Matching


@dataclass(frozen=True)
class Run:
    """A run folder, or a plain folder of result files.

    results: sequence name -> result file. settings: None where nothing tells how the results were made. damaged: a line
    for each file that is there and cannot be read. notes: what is missing.
    """

    folder: Path
    results: dict[str, Path]
    settings: RunSettings | None
    summary: Summary
    timing: dict[str, SequenceTiming]
    damaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes 1, 2 ... of its result files, from `labels.txt`; () where nothing tells them."""
        return class_names_of(self.folder)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def source(self) -> str:
        """The video, folder or camera that was tracked; "" where the run tracked sequences."""
        return self.settings.source if self.settings else ""

    @property
    def made_crowd(self) -> bool:
        """Whether the run tracked the generated crowd, which is what smiletrack track does without data."""
        return self.settings is not None and self.settings.data == "" and not self.source

    @property
    def seed(self) -> int:
        """The seed of the generated crowd."""
        return self.settings.seed if self.settings else 0

    @property
    def asked(self) -> tuple[str, ...]:
        """The sequences that were asked for, () for all."""
        return self.settings.sequences if self.settings else ()

    @property
    def stride(self) -> int:
        """Every how many frames the results are there."""
        return self.settings.scored_stride if self.settings else 1

    def split(self, split: str = "auto") -> str:
        """Return the split that was tracked; `auto` is the run's own."""
        if split != "auto":
            return split
        return self.settings.split if self.settings else "all"

    def data_root(self, gt: str = "") -> Path | None:
        """Return the folder of the sequences: `gt`, else what the run was made from, None where that is not there.

        Raises InputError where `gt` is given and not there.
        """
        if gt and not Path(gt).is_dir():
            raise InputError(f"gt: {gt}: no such folder")
        named = gt or (self.settings.data if self.settings else "") or ""
        if not named and self.source and is_sequence(Path(self.source)):
            named = self.source
        return Path(named) if named and Path(named).is_dir() else None

    def sequence(self, name: str, gt: str = "", split: str = "auto") -> Sequence | None:
        """Open the sequence that a result is of, cut as it was tracked; None where it is not found.

        gt: folder of the sequences, "" = the run's own data. Raises InputError for a sequence that cannot be read.
        """
        if self.made_crowd and not gt:
            try:
                return open_sequences("", self.split(split), (name,), self.seed)[0]
            except InputError:
                return None
        root = self.data_root(gt)
        folder = find_sequence(root, name) if root is not None else None
        return None if folder is None else open_folder(folder, self.split(split))


@dataclass(frozen=True, eq=False)
class SequenceRun:
    """One sequence of a run, frame numbers from 1 as in its result file.

    results: stably sorted by frame. sequence: None where it was not found. source: what was tracked instead of a
    sequence, "" for nothing. comparison, matching: None without truth.
    """

    name: str
    num_frames: int
    results: TrackTable
    sequence: Sequence | None = None
    source: str = ""
    comparison: Comparison | None = None
    matching: Matching | None = None
    notes: list[str] = field(default_factory=list)

    def images(self) -> FrameSource:
        """Return the frames that were tracked; InputError where they are not there."""
        if self.sequence is not None:
            return self.sequence.images()
        if self.source:
            return open_source(self.source)
        raise InputError(f"{self.name}: {'; '.join(self.notes)}; --gt names the folder of the sequences")


def read_run(folder: str | Path) -> Run:
    """Read what a run folder tells.

    Raises InputError where there is no result file in it, while `smiletrack track` writes them, and for a configuration
    that cannot be read, since that says which truth the results belong to. Speed and figures are told as damaged, and
    so is a run that was stopped.
    """
    folder = Path(folder)
    refuse_while_at_work(folder, "track")
    results = result_files(folder)
    settings = read_settings(folder)
    summary: Summary = {}
    timing: dict[str, SequenceTiming] = {}
    damaged, notes = [], []
    if not run_is_whole(folder):
        damaged.append(f"{folder}: the run was stopped before its end; the same smiletrack track makes it whole")
    try:
        summary = read_summary(folder)
    except InputError as error:
        damaged.append(f"its figures are not known ({error})")
    try:
        timing = read_sequence_times(folder)
    except InputError as error:
        damaged.append(f"its speed is not known ({error})")
    else:
        notes += [] if timing else ["no timing.json: its speed is not known"]
    if settings is None:
        notes.append("no config.yaml: how it was made is not known")
    for name in settings.sequences if settings else ():
        if not any(fnmatchcase(there, name) for there in results) and name not in results:
            notes.append(f"no result file of {name}, which its configuration asks for")
    return Run(folder, results, settings, summary, timing, tuple(damaged), tuple(notes))


def class_names_of(folder: Path) -> tuple[str, ...]:
    """Return what `labels.txt` in a run or a folder of result files calls the classes 1, 2 ..."""
    file = folder / "labels.txt"
    return read_class_names(file) if file.is_file() else ()


def result_files(folder: Path) -> dict[str, Path]:
    """Return sequence name -> result file of a run (`tracks/`), of a folder of result files, or of one with them below.

    The last is TrackEval's form, TRACKER/data/SEQUENCE.txt. Hidden files, such as those of a killed writer, are none.
    Raises InputError where there is no result file.
    """
    below = sorted(path for path in folder.glob("[!.]*/") if path.is_dir())
    for place in (folder / "tracks", folder, folder / "data", *(below if len(below) == 1 else ())):
        results = {path.stem: path for path in sorted(place.glob("[!.]*.txt")) if path.is_file()}
        results.pop("labels", None)  # names of classes
        if results:
            return results
    missing = (
        "no result files (SEQUENCE.txt or tracks/SEQUENCE.txt) in it"
        if folder.is_dir()
        else "no such folder of result files"
    )
    raise InputError(f"{folder}: {missing}")


def read_sequence_run(run: Run, name: str, gt: str = "", split: str = "auto", benchmark: str = "MOT17") -> SequenceRun:
    """Read one sequence of a run with its truth; what is missing is told in `notes`.

    gt: root of the sequences, "" = the run's own data. split: auto = the run's own. Raises InputError for a result or
    truth file that cannot be read or compared.
    """
    results = by_frame(read_results(run.results[name]))
    last = int(results.frames.max()) if len(results) else 0
    try:
        sequence = run.sequence(name, gt, split)
    except InputError as error:
        return SequenceRun(name, last, results, notes=[f"the sequence cannot be opened ({error})"])
    if sequence is None:
        return SequenceRun(name, last, results, source=run.source, notes=[_not_found(run, gt)])
    found = SequenceRun(name, max(sequence.num_frames, last), results, sequence)
    truth = sequence.truth()
    if truth is None:
        return replace(found, notes=["no ground truth"])
    if (results.classes > 1).any():
        note = "results of several classes are not compared here; smiletrack eval --classes car,person scores each"
        return replace(found, notes=[note])
    table, results = by_frame(every(truth.table, run.stride)), every(results, run.stride)
    comparison, matching = match_tables(table, results, sequence.num_frames, benchmark)
    notes = ends_early(last, sequence)
    return replace(found, num_frames=sequence.num_frames, comparison=comparison, matching=matching, notes=notes)


def _not_found(run: Run, gt: str) -> str:
    if run.source and not gt:
        return "no ground truth"
    root = run.data_root(gt)
    where = f"not found in {root}" if root is not None else "not found: give --gt"
    return f"sequence {where}; no truth and no images"


def ends_early(last: int, sequence: Sequence) -> list[str]:
    """Return a line where results end, at frame `last`, long before their sequence does."""
    length = sequence.num_frames
    if last >= 0.9 * length:
        return []
    half = (
        "; results of half a sequence are scored with --split val_half or train_half" if last <= length // 2 + 1 else ""
    )
    return [f"the results end at frame {last} of {length}: all truth after that counts as missed{half}"]


def benchmark_of(root: Path | None) -> str:
    """Return the benchmark that a folder of the data's path is named after, the nearest one; MOT17 where there is none.

    Only whole names count, so that a folder `mot15fps` is no MOT15.
    """
    known = {name.lower(): name for name in BENCHMARKS} | {"2dmot2015": "MOT15"}
    named = [known[part.lower()] for part in _folders(root) if part.lower() in known]
    return named[0] if named else "MOT17"


def _folders(root: Path | None) -> list[str]:
    """Return the names of the folders above and at `root`, the nearest first, as given and then without links."""
    return [] if root is None else [*reversed(root.absolute().parts), *reversed(root.resolve().parts)]


def by_frame(table: TrackTable) -> TrackTable:
    """Return the table stably sorted by frame."""
    return table[np.argsort(table.frames, kind="stable")]


def match_tables(
    truth: TrackTable, results: TrackTable, num_frames: int, benchmark: str
) -> tuple[Comparison, Matching]:
    """Match two tables that are sorted by frame as MOTA does, after the official preprocessing."""
    comparison = compare(truth, results, num_frames, benchmark)
    matched = clear.match_frame_by_frame(comparison)
    partner = np.full(len(comparison.truth_ids), -1)
    partner[matched.truth_rows] = matched.result_rows
    close = comparison.pairs[comparison.pairs.iou >= 0.5]
    matching = Matching(
        truth=truth[comparison.truth_rows],
        results=results[comparison.result_rows],
        partner=partner,
        close=np.column_stack((close.truth_rows, close.result_rows)),
    )
    return comparison, matching
