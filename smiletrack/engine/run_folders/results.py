"""What a run left: its results, its truth if that can be found, its detections, and how it was made."""

import glob
import itertools
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.config import read_tree
from smiletrack.data.mot import SequenceInfo, list_sequences, read_results, read_sequence_info, read_truth
from smiletrack.data.splits import cut_frames, resolve_split, split_range
from smiletrack.data.synthetic import crowd_sequences
from smiletrack.data.world.sequence import WorldSequence
from smiletrack.errors import InputError
from smiletrack.files import read_json
from smiletrack.metrics import clear
from smiletrack.metrics.preprocess import BENCHMARKS, Comparison, compare
from smiletrack.types import Ints, TrackTable
from smiletrack.view.error_analysis import Matching


@dataclass(frozen=True)
class Run:
    """A run folder. results: sequence name -> result file. config, summary, timing: as read, {} for none."""

    folder: Path
    results: dict[str, Path]
    config: dict[str, Any]
    summary: dict[str, Any]
    timing: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    def data_root(self, gt: str = "") -> Path | None:
        """Return the folder of the sequences: `gt`, else what the run was made from, None where that is not there.

        Raises InputError where `gt` is given and not there.
        """
        if gt and not Path(gt).is_dir():
            raise InputError(f"gt: {gt}: no such folder")
        named = gt or str(self.config.get("data") or "")
        return Path(named) if named and Path(named).is_dir() else None

    @property
    def made_crowd(self) -> bool:
        """Whether the run tracked the generated crowd, which is what track.py does without data."""
        return self.config.get("data") == "" and not self.config.get("source")

    @cached_property
    def crowd(self) -> dict[str, WorldSequence]:
        """The sequences of the generated crowd by name, made anew from the run's seed."""
        return {world.name: world for world in crowd_sequences(seed=int(self.config.get("seed") or 0))}


@dataclass(frozen=True, eq=False)
class SequenceRun:
    """One sequence of a run, frame numbers from 1 as in its result file.

    results: stably sorted by frame. folder: of the sequence, None where it was not found. offset: frames of the
    sequence before the first of the run (the half splits). comparison, matching: None without truth.
    """

    name: str
    num_frames: int
    results: TrackTable
    folder: Path | None = None
    offset: int = 0
    frame_rate: float = 30.0
    comparison: Comparison | None = None
    matching: Matching | None = None
    notes: list[str] = field(default_factory=list)


def read_run(folder: str | Path) -> Run:
    """Read what a run folder tells; raises InputError where there is no result file in it."""
    folder = Path(folder)
    tracks = folder / "tracks" if (folder / "tracks").is_dir() else folder
    results = {path.stem: path for path in sorted(tracks.glob("*.txt"))}
    if not results:
        missing = "no such folder" if not folder.is_dir() else "no result files (tracks/<sequence>.txt) in it"
        raise InputError(f"{folder}: {missing}")
    files = {name: folder / f"{name}.json" for name in ("summary", "timing")}
    read = {name: read_json(file) if file.is_file() else {} for name, file in files.items()}
    config = read_tree(folder / "config.yaml") if (folder / "config.yaml").is_file() else {}
    notes = []
    if not config:
        notes.append("no config.yaml: how it was made is not known")
    if not read["timing"]:
        notes.append("no timing.json: its speed is not known")
    asked = config.get("sequences") or ()
    notes += [f"no result file of {name}, which its configuration asks for" for name in asked if name not in results]
    return Run(folder, results, config, read["summary"], read["timing"], tuple(notes))


def read_sequence_run(run: Run, name: str, gt: str = "", split: str = "auto", benchmark: str = "MOT17") -> SequenceRun:
    """Read one sequence of a run with its truth; what is missing is told in `notes`.

    gt: root of the sequences, "" = the run's own data. split: auto = the run's own. Raises InputError for a result or
    truth file that cannot be read or compared.
    """
    results = by_frame(read_results(run.results[name]))
    last = int(results.frames.max()) if len(results) else 0
    footage = _footage(run, name, gt)
    split = str(run.config.get("split") or "all") if split == "auto" else split
    if footage.folder is not None:
        split = resolve_split(split, footage.folder.parent)
    length = last if footage.length is None else footage.length
    first, end = split_range(length, split) if footage.length is not None else (1, last)
    common = SequenceRun(name, end - first + 1, results, footage.folder, first - 1, footage.frame_rate)
    if footage.truth is None:
        return replace(common, num_frames=max(common.num_frames, last), notes=footage.notes)
    notes = []
    if last < 0.9 * common.num_frames:
        notes.append(f"the results end at frame {last} of {common.num_frames}: all truth after that counts as missed")
    truth = by_frame(cut_frames(footage.truth, first, end))
    comparison, matching = match_tables(truth, results, common.num_frames, benchmark)
    return replace(common, comparison=comparison, matching=matching, notes=notes)


@dataclass(frozen=True, eq=False)
class _Footage:
    """What is known of the sequence that was tracked, all of its frames. length: None where nothing tells it."""

    folder: Path | None = None
    length: int | None = None
    frame_rate: float = 30.0
    truth: TrackTable | None = None
    notes: list[str] = field(default_factory=list)


def _footage(run: Run, name: str, gt: str) -> _Footage:
    if run.made_crowd and not gt:
        world = run.crowd.get(name)
        return _Footage(None, world.info.length, world.info.frame_rate, world.truth) if world else _Footage()
    source = str(run.config.get("source") or "")
    if source and not gt:
        return _Footage(Path(source) if Path(source).exists() else None, notes=["no ground truth"])
    root = run.data_root(gt)
    folder = _find(root, name) if root is not None else None
    if folder is None:
        where = f"not found in {root}" if root is not None else "not found: give --gt"
        return _Footage(notes=[f"sequence {where}; no truth and no images"])
    info = _info(folder)
    length, rate = (None, 30.0) if info is None else (info.length, info.frame_rate)
    if not (folder / "gt" / "gt.txt").is_file():
        return _Footage(folder, length, rate, notes=["no ground truth"])
    return _Footage(folder, length, rate, read_truth(folder / "gt" / "gt.txt"))


def benchmark_of(root: Path | None) -> str:
    """Return the benchmark that the path of the data names, MOT17 where it names none."""
    named = [name for name in BENCHMARKS if root is not None and name.lower() in str(root.resolve()).lower()]
    return named[-1] if named else "MOT17"


def by_frame(table: TrackTable) -> TrackTable:
    """Return the table stably sorted by frame."""
    return table[np.argsort(table.frames, kind="stable")]


def match_tables(
    truth: TrackTable, results: TrackTable, num_frames: int, benchmark: str
) -> tuple[Comparison, Matching]:
    """Match two tables that are sorted by frame as MOTA does, after the official preprocessing."""
    comparison = compare(truth, results, num_frames, benchmark)
    identities, _ = clear.match_frame_by_frame(comparison)
    close = comparison.pairs[comparison.pairs.iou >= 0.5]
    matching = Matching(
        truth=truth[comparison.truth_rows],
        results=results[comparison.result_rows],
        partner=_rows_of(comparison, identities),
        close=np.column_stack((close.truth_rows, close.result_rows)),
    )
    return comparison, matching


def _rows_of(comparison: Comparison, identities: Ints) -> Ints:
    """Return the result row of each truth row whose matched identity (of the same frame) is given, -1 for none."""
    num_ids = comparison.num_result_ids + 1
    frames = np.arange(comparison.num_frames)
    truth_frames = np.repeat(frames, np.diff(comparison.truth_starts))
    result_frames = np.repeat(frames, np.diff(comparison.result_starts))
    keys = result_frames * num_ids + comparison.result_ids
    order = np.argsort(keys, kind="stable")
    rows = np.full(len(identities), -1)
    found = identities >= 0
    wanted = truth_frames[found] * num_ids + identities[found]
    rows[found] = order[np.searchsorted(keys[order], wanted)]
    return rows


def _find(root: Path, name: str) -> Path | None:
    """Return the sequence `name` at or up to three folders below `root`, None where it is not."""
    if root.resolve().name == name:
        return root
    candidates = itertools.chain.from_iterable(root.glob("*/" * depth + glob.escape(name)) for depth in range(4))
    return next((folder for folder in candidates if folder.is_dir() and _is_sequence(folder)), None)


def _is_sequence(folder: Path) -> bool:
    try:
        return list_sequences(folder) == [folder]
    except InputError:
        return False


def _info(folder: Path) -> SequenceInfo | None:
    try:
        return read_sequence_info(folder)
    except InputError:
        return None
