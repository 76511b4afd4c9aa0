"""What a run left: its results, its truth if that can be found, its detections, and how it was made."""

import glob
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.config import read_tree
from smiletrack.data.mot import SequenceInfo, list_sequences, read_results, read_sequence_info, read_truth
from smiletrack.data.splits import cut, resolve_split, split_range
from smiletrack.errors import InputError
from smiletrack.files import read_json
from smiletrack.metrics import clear
from smiletrack.metrics.preprocess import BENCHMARKS, Comparison, compare
from smiletrack.types import Ints, TrackTable
from smiletrack.view.mistakes import Matching


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
        """Return the folder of the sequences: `gt`, else what the run was made from, None where that is not there."""
        named = [Path(root) for root in (gt, str(self.config.get("data") or "")) if root]
        roots = [*named[:1], self.folder / "data"]
        return next((root for root in roots if root.is_dir()), None)


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


def read_sequence(run: Run, name: str, gt: str = "", split: str = "auto", benchmark: str = "MOT17") -> SequenceRun:
    """Read one sequence of a run with its truth; what is missing is told in `notes`.

    gt: root of the sequences, "" = the run's own data. split: auto = the run's own.
    """
    results = by_frame(read_results(run.results[name]))
    last = int(results.frames.max()) if len(results) else 0
    root = run.data_root(gt)
    folder = _find(root, name) if root is not None else None
    if folder is None:
        where = f"not found in {root}" if root is not None else "not found: give --gt"
        return SequenceRun(name, last, results, notes=[f"sequence {where}; no truth and no images"])
    info = _info(folder)
    length = info.length if info is not None else last
    rate = info.frame_rate if info is not None else 30.0
    split = resolve_split(str(run.config.get("split") or "all") if split == "auto" else split, folder.parent)
    first, end = split_range(length, split)
    num_frames, offset = end - first + 1, first - 1
    if not (folder / "gt" / "gt.txt").is_file():
        return SequenceRun(name, max(num_frames, last), results, folder, offset, rate, notes=["no ground truth"])
    truth = by_frame(cut(read_truth(folder / "gt" / "gt.txt"), first, end))
    notes = []
    if last < num_frames and len(results) and last < 0.9 * num_frames:
        notes.append(f"the results end at frame {last} of {num_frames}: unfinished? All later truth counts as missed")
    comparison, matching = match_tables(truth, results, num_frames, benchmark)
    return SequenceRun(name, num_frames, results, folder, offset, rate, comparison, matching, notes)


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
    identities, _ = clear.match(comparison)
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
