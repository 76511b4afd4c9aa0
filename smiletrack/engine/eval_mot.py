"""Score result files against ground truth: the figures of TrackEval, a table, and JSON with every field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smiletrack.config import nearest
from smiletrack.console import print_table, say
from smiletrack.data.sequences import open_sequences
from smiletrack.data.splits import resolve_split
from smiletrack.engine.run_folders.class_views import Numbering, class_views
from smiletrack.engine.run_folders.cross_check import CrossCheck, combine_checks, cross_check, print_checks
from smiletrack.engine.run_folders.folder import latest_run
from smiletrack.engine.run_folders.records import SequenceTiming, frames_per_second
from smiletrack.engine.run_folders.results import benchmark_of, read_run
from smiletrack.engine.run_folders.scored import Compared, Scored, compare_sequence, match_results
from smiletrack.engine.run_folders.shards import Shard, ShardConfig, this_shard
from smiletrack.engine.run_folders.shared_scores import SequenceScores, share_scores, to_json
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.metrics.preprocess import BENCHMARKS, Comparison, Source, compare
from smiletrack.metrics.table import COMBINED, Measures, cell, combine, mean_over_classes, measure
from smiletrack.ranges import Count
from smiletrack.types import TrackTable

Tables = TrackTable | Mapping[str, TrackTable]

COLUMNS = {
    "HOTA": ("HOTA", "DetA", "AssA"),
    "CLEAR": ("MOTA",),
    "Identity": ("IDF1",),
    "CLEAR ": ("IDSW", "CLR_FP", "CLR_FN", "MT", "ML", "Frag"),
}
"""The columns of the printed table, by metric family."""
CLASS_MEAN = "CLASS MEAN"
"""The name of the row over all classes."""


@dataclass(frozen=True)
class EvalConfig(ShardConfig):
    """Score tracks against ground truth: HOTA, MOTA, IDF1 and the rest, equal to the official evaluator's.

    Reads a result file SEQUENCE.txt (frame,id,x,y,w,h,score lines) for each sequence and the data set as downloaded.
    Prints a table in percent and writes RUN/summary.json; --json has every figure at full precision under TrackEval's
    names. docs/metrics.md explains them.

      smiletrack eval                                                    # the last run of smiletrack track
      smiletrack eval --results runs/botsort
      smiletrack eval --gt datasets/MOT17/train --results my_results --benchmark MOT17 --json scores.json
      smiletrack eval --gt datasets/MOT17/train --results my_results --split val_half --cross-check
      smiletrack eval --gt datasets/KITTI-mot --results runs/kitti --classes car,pedestrian
    """

    gt: str = ""
    """Folder of sequences with gt/gt.txt, as downloaded, or one such sequence; empty = the data of the run."""
    results: str = ""
    """Folder with a result file SEQUENCE.txt for each sequence, or a run folder; empty = the last run below runs/."""
    benchmark: Literal["auto", "MOT15", "MOT16", "MOT17", "MOT20", "DanceTrack"] = "auto"
    """Benchmark whose preprocessing rules apply; auto = the one named in the path of the ground truth, else MOT17."""
    split: Literal["auto", "all", "train", "val", "test", "train_half", "val_half"] = "auto"
    """Part of each sequence that was tracked, with frames numbered from 1; auto = as in the run, else all."""
    sequences: tuple[str, ...] = ()
    """Names of sequences or patterns (MOT17-0*-FRCNN), separated by commas; empty = those of the run, else all."""
    stride: Count = 0
    """Score every Nth frame only; 0 = those that the run looked at, or all where it filled the gaps."""
    json: str = ""
    """JSON file for all figures at full precision; empty = none; - = standard output, and nothing else there."""
    classes: tuple[str, ...] = ()
    """Names of classes to score, each by itself (car,person), with a table a class and the mean over them; empty = the
    benchmark's pedestrians. Truth: MOTChallenge's, VisDrone's and KITTI's classes, and those of a gt/labels.txt."""
    numbering: Numbering = "auto"
    """Whose numbers the classes in result files are (column 8); auto = those in RUN/labels.txt, else those of the
    truth. COCO counts 1 .. 80."""
    cross_check: bool = False
    """Compute MOTA and IDF1 with motmetrics too, and show both."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shard and (self.cross_check or self.classes):
            what = "a cross-check is" if self.cross_check else "scores of classes are"
            raise ValueError(f"shard: {what} not shared; leave one of the two out")
        if self.classes and self.cross_check:
            raise ValueError("classes and cross_check are both given; take one")


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
        asked = EvalConfig(str(truth), str(results), benchmark, split, sequences)  # type: ignore[arg-type]
        pairs: Iterator[tuple[str, Comparison]] = (
            (compared.name, compared.comparison) for compared in find_scored(asked).compared()
        )
    elif not isinstance(truth, (str, Path)) and not isinstance(results, (str, Path)):
        pairs = _compare_tables(truth, results, benchmark, num_frames)
    else:
        raise InputError("truth and results must be two folders, or tables both")
    return with_combined({name: measure(comparison, threshold) for name, comparison in pairs})


def with_combined(measures: dict[str, Measures]) -> dict[str, Measures]:
    """Return the measures with those over all sequences appended."""
    return measures | {COMBINED: combine(measures)}


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


def eval_mot(config: EvalConfig) -> dict[str, Measures]:
    """Score as configured, print the table, write the JSON files; the command behind `smiletrack eval`.

    As one shard of several it scores what the others have not; the last one prints and writes, the others return {}.
    """
    scored = find_scored(config)
    if config.classes:
        return _eval_classes(config, scored)
    shard = None if config.cross_check else this_shard(config.shard)
    checks: dict[str, CrossCheck] = {}
    found: dict[str, SequenceScores] = {}
    if shard is not None:
        found = _share(config, scored, shard)
        if not found:
            return {}
    else:
        for compared in scored.compared():
            found[compared.name] = _scores(compared)
            if config.cross_check:
                checks[compared.name] = cross_check(compared.comparison)
    _tell_dialects(found)
    measures = with_combined({name: part.measures for name, part in found.items()})
    speeds = _speeds(scored.run.timing, list(measures)) if scored.run else {}
    _print(measures, speeds, scored.title)
    say(*scored.left_out, *(f"{name}: {note}" for name, part in found.items() for note in part.notes))
    if config.cross_check:
        print_checks(measures, checks | {COMBINED: combine_checks(list(checks.values()))})
    scores = to_json(measures)
    if config.json:
        write_json(Path(config.json), scores)
    if scored.run:
        speed = {name: {"FPS": speeds[name]} if name in speeds else {} for name in scores}
        write_json(scored.run.folder / "summary.json", {name: scores[name] | speed[name] for name in scores})
    return measures


def _eval_classes(config: EvalConfig, scored: Scored) -> dict[str, Measures]:
    """Score each class by itself; return the measures of each over all sequences, and the mean over classes."""
    views = class_views(config.classes, config.numbering, scored.class_names)
    by_class: dict[str, dict[str, Measures]] = {}
    for view in views:
        found = {compared.name: _scores(compared) for compared in scored.compared(view)}
        by_class[view.name] = with_combined({name: part.measures for name, part in found.items()})
        _print(by_class[view.name], {}, f"{scored.title}, class {view.name}")
        say(*(f"{name}: {note}" for name, part in found.items() for note in part.notes))
    say(*scored.left_out)
    measures = {name: part[COMBINED] for name, part in by_class.items()}
    measures[CLASS_MEAN] = mean_over_classes(measures)
    _print(measures, {}, f"{scored.title}, over all sequences", "class")
    scores = {name: to_json(part) for name, part in by_class.items()} | to_json({CLASS_MEAN: measures[CLASS_MEAN]})
    if config.json:
        write_json(Path(config.json), scores)
    if scored.run:
        write_json(scored.run.folder / "classes.json", scores)
    return measures


def _scores(compared: Compared) -> SequenceScores:
    return SequenceScores(measure(compared.comparison), compared.dialect, compared.notes, compared.why_none)


def _share(config: EvalConfig, scored: Scored, shard: Shard) -> dict[str, SequenceScores]:
    """Score what no other process has scored or is at; return all scores if that was the last, else nothing."""
    pairs = {sequence.name: (sequence, file) for sequence, file in scored.pairs}
    files = {name: (file, Path(sequence.origin) / "gt" / "gt.txt") for name, (sequence, file) in pairs.items()}
    found = share_scores(
        scored.folder,
        config,
        shard,
        files,
        lambda name: _scores(compare_sequence(*pairs[name], scored.benchmark, stride=scored.stride)),
    )
    if len(found) < len(pairs):
        say(f"{len(found)} of {len(pairs)} sequences are scored; other processes have the rest, and the last one tells")
        return {}
    if all(part.why_none for part in found.values()):
        raise InputError(f"nothing to score: {next(iter(found.values())).why_none}")
    return found


def _tell_dialects(found: Mapping[str, SequenceScores]) -> None:
    """Say what the truth's columns were taken for, and of which sequences where they differ."""
    names: dict[str, list[str]] = {}
    for name, part in found.items():
        names.setdefault(part.dialect, []).append(name)
    for dialect, of_these in names.items():
        say(f"truth: {dialect}" + (f" ({', '.join(of_these)})" if len(names) > 1 else ""))


def find_scored(config: EvalConfig) -> Scored:
    """Find the sequences and result files that `config` asks for; InputError where nothing fits."""
    run = read_run(config.results or latest_run())
    made = run.made_crowd and not config.gt
    root = run.data_root(config.gt)
    if root is None and not made:
        tracked = run.source or (run.settings and run.settings.data)
        reason = f"; the run tracked {tracked}, where there is none" if tracked else ""
        raise InputError(f"gt: name the folder with the ground truth{reason}")
    # results are of the run's split and sequences, whatever truth they are held against
    split = run.split(config.split)
    asked = config.sequences or run.asked
    sequences = open_sequences("" if made or root is None else root, split, asked, run.seed)
    benchmark = benchmark_of(root) if config.benchmark == "auto" else config.benchmark
    stride = config.stride or run.stride
    title = f"{run.folder}: {benchmark} rules, split {resolve_split(split, root) if root else split}"
    title += f", every {stride} frames" if stride > 1 else ""
    pairs, left_out = match_results(sequences, run.results, run.folder, set(asked))
    of_a_run = run.settings is not None or bool(run.timing)
    return Scored(pairs, benchmark, title, run.folder, (*left_out, *run.damaged), run if of_a_run else None, stride)


def _speeds(timing: Mapping[str, SequenceTiming], names: list[str]) -> dict[str, float]:
    """Return frames per second of each sequence whose time is known, and over all of them."""
    known = {name: timing[name] for name in names if name in timing}
    speeds = {name: frames_per_second({name: entry}) for name, entry in known.items()}
    speeds[COMBINED] = frames_per_second(known)
    return {name: speed for name, speed in speeds.items() if speed is not None}


def _print(measures: Mapping[str, Measures], speeds: Mapping[str, float], title: str, what: str = "sequence") -> None:
    columns = [(family.strip(), name) for family, names in COLUMNS.items() for name in names]
    rows = []
    for sequence, families in measures.items():
        cells = [cell(name, families[family][name]) for family, name in columns]
        cells += [f"{speeds[sequence]:.1f}" if sequence in speeds else "-"] if speeds else []
        rows.append([sequence, *cells])
    headings = [what, *(name.removeprefix("CLR_") for _, name in columns), *(["FPS"] if speeds else [])]
    say(title)
    print_table(headings, rows, total=True)
