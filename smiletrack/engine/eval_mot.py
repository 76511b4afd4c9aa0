"""Score result files against ground truth: the figures of TrackEval, a table, and JSON with every field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from smiletrack.config import nearest, read_tree
from smiletrack.console import print_table, say
from smiletrack.data.mot import list_sequences, read_results, read_sequence_info, read_truth
from smiletrack.data.splits import cut_frames, resolve_split, split_range
from smiletrack.data.synthetic import crowd_sequences
from smiletrack.engine.run_folders.cross_check import CrossCheck, combine_checks, cross_check
from smiletrack.engine.run_folders.folder import latest_run
from smiletrack.engine.run_folders.results import benchmark_of
from smiletrack.errors import InputError
from smiletrack.files import read_json, write_json
from smiletrack.metrics.preprocess import BENCHMARKS, Comparison, Source, compare
from smiletrack.metrics.table import COMBINED, Measures, cell, combine, measure
from smiletrack.types import TrackTable

Tables = TrackTable | Mapping[str, TrackTable]

COLUMNS = {
    "HOTA": ("HOTA", "DetA", "AssA"),
    "CLEAR": ("MOTA",),
    "Identity": ("IDF1",),
    "CLEAR ": ("IDSW", "CLR_FP", "CLR_FN", "MT", "ML", "Frag"),
}
"""The columns of the printed table, by metric family."""


@dataclass(frozen=True)
class EvalConfig:
    """What `tools/eval_mot.py` is asked for."""

    gt: str = ""
    """Folder of sequences with gt/gt.txt and seqinfo.ini, as downloaded, or one such sequence; empty: the run's."""
    results: str = ""
    """Folder with a result file SEQUENCE.txt for each, or a run of track.py; empty: the last run below runs/."""
    benchmark: Literal["auto", "MOT15", "MOT16", "MOT17", "MOT20", "DanceTrack"] = "auto"
    """Whose preprocessing rules apply; auto: the benchmark named in the path of the truth, else MOT17's."""
    split: Literal["auto", "all", "train", "val", "test", "train_half", "val_half"] = "auto"
    """Part of each sequence that was tracked; frames of half results count from 1; auto: the run's, else all."""
    sequences: tuple[str, ...] = ()
    """Names of the sequences to score; empty: those of the run, else all."""
    json: str = ""
    """File that gets every figure at full precision."""
    cross_check: bool = False
    """Also compute MOTA and IDF1 with motmetrics and show both."""


def evaluate(
    truth: str | Path | Tables,
    results: str | Path | Tables,
    benchmark: str = "MOT17",
    split: str = "all",
    sequences: tuple[str, ...] = (),
    num_frames: int | None = None,
    threshold: float = 0.5,
) -> dict[str, Measures]:
    """Return `{sequence: {"HOTA": {...}, "CLEAR": {...}, "Identity": {...}, "Count": {...}}, ..., "COMBINED": ...}`.

    Fields are named as in TrackEval and equal to its figures; ratios are in [0, 1] (MOTA may be below 0); HOTA's are
    arrays over the 19 localisation thresholds, whose mean is what tables print.

    truth, results: two folders (a data set as downloaded, and one with SEQUENCE.txt files), two `TrackTable`s (named
    "sequence" in the answer), or two mappings of names to tables.
    benchmark: whose preprocessing rules apply: MOT15, MOT16, MOT17, MOT20 or DanceTrack.
    split, sequences: as in `EvalConfig`; only for folders. num_frames: length of the sequences given as tables; by
    default the last frame of each. threshold: IoU that CLEAR and Identity ask of a match.

    Raises InputError for what TrackEval rejects, naming file and line where there is a file.
    """
    if benchmark not in BENCHMARKS:
        raise InputError(
            f"benchmark: no {benchmark!r}{nearest(benchmark, BENCHMARKS)}; there are {', '.join(BENCHMARKS)}"
        )
    if isinstance(truth, (str, Path)) and isinstance(results, (str, Path)):
        pairs = compare_folders(Path(truth), Path(results), benchmark, split, sequences)
    elif not isinstance(truth, (str, Path)) and not isinstance(results, (str, Path)):
        pairs = _compare_tables(truth, results, benchmark, num_frames)
    else:
        raise InputError("truth and results must be two folders, or tables both")
    return with_combined({name: measure(comparison, threshold) for name, comparison in pairs})


def with_combined(measures: dict[str, Measures]) -> dict[str, Measures]:
    """Return the measures with those over all sequences appended."""
    return measures | {COMBINED: combine(measures)}


def compare_folders(
    truth_root: Path, result_folder: Path, benchmark: str, split: str = "all", sequences: tuple[str, ...] = ()
) -> Iterator[tuple[str, Comparison]]:
    """Yield each sequence's name and preprocessed boxes; half splits are cut in memory.

    Raises InputError for a sequence without truth or result file, and for result files of sequences that are not there.
    """
    folders = {folder.name: folder for folder in list_sequences(truth_root)}
    unknown = [name for name in sequences if name not in folders]
    if unknown:
        raise InputError(f"sequences: no {unknown[0]!r} in {truth_root}{nearest(unknown[0], list(folders))}")
    if not result_folder.is_dir():
        raise InputError(f"{result_folder}: no such folder of result files")
    strangers = sorted({file.stem for file in result_folder.glob("*.txt")} - set(folders))
    if strangers and len(folders) > 1:
        raise InputError(f"{result_folder / strangers[0]}.txt: no sequence {strangers[0]!r} in {truth_root}")
    for name in sequences or sorted(folders):
        yield name, _compare_files(folders[name], result_folder / f"{name}.txt", benchmark, split)


def _compare_files(folder: Path, result_file: Path, benchmark: str, split: str) -> Comparison:
    truth_file = folder / "gt" / "gt.txt"
    length = read_sequence_info(folder).length
    truth = read_truth(truth_file, min_columns=8)
    outside = (truth.frames < 1) | (truth.frames > length)
    if outside.any():
        row = int(outside.argmax())
        raise InputError(f"{truth_file}:{row + 1}: frame {truth.frames[row]} is outside the sequence, 1 .. {length}")
    return _compare_part(truth, str(truth_file), length, result_file, benchmark, resolve_split(split, folder))


def _compare_part(
    truth: TrackTable, truth_name: str, length: int, result_file: Path, benchmark: str, split: str
) -> Comparison:
    """Compare a split of a sequence of `length` frames with results that count their frames from 1."""
    if not result_file.is_file():
        raise InputError(f"{result_file}: no such file; every sequence needs one (--sequences chooses among them)")
    first, last = split_range(length, split)
    lines = np.flatnonzero((truth.frames >= first) & (truth.frames <= last)) + 1
    return compare(
        cut_frames(truth, first, last),
        read_results(result_file, min_columns=7),
        last - first + 1,
        benchmark,
        truth_source=Source(truth_name, lines),
        result_source=Source(str(result_file)),
    )


def _compare_tables(
    truth: Tables, results: Tables, benchmark: str, num_frames: int | None
) -> Iterator[tuple[str, Comparison]]:
    truths = {"sequence": truth} if isinstance(truth, TrackTable) else truth
    found = {"sequence": results} if isinstance(results, TrackTable) else results
    if set(truths) != set(found):
        odd = sorted(set(truths) ^ set(found))[0]
        raise InputError(f"{odd}: is in one of truth and results only")
    for name in sorted(truths):
        last = max(truths[name].frames.max(initial=0), found[name].frames.max(initial=0))
        length = int(last) if num_frames is None else num_frames
        sources = Source(f"{name} truth"), Source(f"{name} results")
        yield name, compare(truths[name], found[name], length, benchmark, True, *sources)


def comparisons(config: EvalConfig) -> Iterator[tuple[str, Comparison]]:
    """Yield each sequence's name and preprocessed boxes, found as `tools/eval_mot.py` finds them."""
    yield from _comparisons(_asked(config))


def eval_mot(config: EvalConfig) -> dict[str, Measures]:
    """Score as configured, print the table, write the JSON files; the command behind `tools/eval_mot.py`."""
    asked = _asked(config)
    measures: dict[str, Measures] = {}
    checks: dict[str, CrossCheck] = {}
    for name, comparison in _comparisons(asked):
        measures[name] = measure(comparison)
        if config.cross_check:
            checks[name] = cross_check(comparison)
    measures = with_combined(measures)
    speeds = _speeds(asked.run, list(measures)) if asked.run else {}
    _print(measures, speeds, f"{asked.results}: {asked.benchmark} rules, split {asked.split}")
    if config.cross_check:
        _print_checks(measures, checks | {COMBINED: combine_checks(list(checks.values()))})
    scores = to_json(measures)
    if config.json:
        write_json(Path(config.json), scores)
    if asked.run:
        speed = {name: {"FPS": speeds[name]} if name in speeds else {} for name in scores}
        write_json(asked.run / "summary.json", {name: scores[name] | speed[name] for name in scores})
    return measures


def to_json(measures: Mapping[str, Measures]) -> dict[str, Any]:
    """Return the measures with arrays as lists and numbers as plain ones."""
    return {
        sequence: {
            family: {name: np.asarray(value).tolist() for name, value in fields.items()}
            for family, fields in families.items()
        }
        for sequence, families in measures.items()
    }


@dataclass(frozen=True)
class _Asked:
    """What is scored, after the run's configuration filled what the flags left open.

    truth: None for the generated crowd of `seed`. run: None where the results are a plain folder.
    """

    truth: Path | None
    results: Path
    run: Path | None
    benchmark: str
    split: str
    sequences: tuple[str, ...]
    seed: int


def _asked(config: EvalConfig) -> _Asked:
    folder = Path(config.results) if config.results else latest_run()
    run = folder if (folder / "tracks").is_dir() else None
    ran = read_tree(folder / "config.yaml") if run and (folder / "config.yaml").is_file() else {}
    made = bool(ran) and not ran.get("data") and not config.gt
    truth = None if made else Path(config.gt or ran.get("data", ""))
    if not (made or config.gt or ran):
        raise InputError("gt: name the folder with the ground truth")
    # results are of the run's split and sequences, whatever truth they are held against
    split = (ran.get("split") or "all") if config.split == "auto" else config.split
    return _Asked(
        truth,
        folder / "tracks" if run else folder,
        run,
        benchmark_of(truth) if config.benchmark == "auto" else config.benchmark,
        resolve_split(split, truth) if truth else split,
        config.sequences or tuple(ran.get("sequences") or ()),
        int(ran.get("seed") or 0),
    )


def _comparisons(asked: _Asked) -> Iterator[tuple[str, Comparison]]:
    if asked.truth:
        yield from compare_folders(asked.truth, asked.results, asked.benchmark, asked.split, asked.sequences)
        return
    worlds = {world.name: world for world in crowd_sequences(seed=asked.seed)}
    for name in asked.sequences or worlds:
        if name not in worlds:
            raise InputError(f"sequences: no {name!r} in the generated crowd{nearest(name, list(worlds))}")
        world, file = worlds[name], asked.results / f"{name}.txt"
        yield name, _compare_part(world.truth, f"{name} truth", world.info.length, file, asked.benchmark, asked.split)


def _speeds(run: Path, names: list[str]) -> dict[str, float]:
    """Return frames per second of each sequence that `timing.json` records, and over all of them."""
    file = run / "timing.json"
    timing = read_json(file) if file.is_file() else {}
    spent = {name: (timing[name]["frames"], sum(timing[name]["seconds"].values())) for name in names if name in timing}
    if spent:
        spent[COMBINED] = (sum(frames for frames, _ in spent.values()), sum(seconds for _, seconds in spent.values()))
    return {name: frames / seconds for name, (frames, seconds) in spent.items() if seconds > 0}


def _print(measures: Mapping[str, Measures], speeds: Mapping[str, float], title: str) -> None:
    columns = [(family.strip(), name) for family, names in COLUMNS.items() for name in names]
    rows = []
    for sequence, families in measures.items():
        cells = [cell(name, families[family][name]) for family, name in columns]
        cells += [f"{speeds[sequence]:.1f}" if sequence in speeds else "-"] if speeds else []
        rows.append([sequence, *cells])
    headings = ["sequence", *(name.removeprefix("CLR_") for _, name in columns), *(["FPS"] if speeds else [])]
    say(title)
    print_table(headings, rows, total=True)


def _print_checks(measures: Mapping[str, Measures], checks: Mapping[str, CrossCheck]) -> None:
    rows = []
    for sequence, check in checks.items():
        mota, idf1 = measures[sequence]["CLEAR"]["MOTA"], measures[sequence]["Identity"]["IDF1"]
        rows.append([sequence, *(f"{100 * value:.3f}" for value in (mota, check.mota, idf1, check.idf1))])
    say("cross-check with motmetrics")
    print_table(("sequence", "MOTA", "MOTA motmetrics", "IDF1", "IDF1 motmetrics"), rows, total=True)
    say(
        "motmetrics keeps a pair from any earlier frame and then matches as many boxes as it can; TrackEval keeps only"
        " pairs of the frame before and then maximises overlap, so MOTA may differ by some hundredths. IDF1 agrees."
    )
