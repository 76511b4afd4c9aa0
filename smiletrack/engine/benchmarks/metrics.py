"""`smiletrack benchmark metrics`: HOTA + CLEAR + Identity from files, against TrackEval and motrics."""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from smiletrack.console import say
from smiletrack.data.mot import write_results
from smiletrack.data.sequences import open_sequences
from smiletrack.engine.benchmarks.timing import Timing, alternate, print_timings
from smiletrack.engine.eval_mot import evaluate
from smiletrack.errors import InputError
from smiletrack.files import atomic_write, write_json
from smiletrack.lazy import LazyModule
from smiletrack.ranges import Checked, PositiveCount
from smiletrack.types import Floats, Ints, TrackTable

motrics, trackeval = LazyModule("motrics"), LazyModule("trackeval")

Scores = dict[str, Any]
Evaluator = Callable[[Path, Path, str], Scores]


@dataclass(frozen=True)
class MetricsBenchmarkConfig(Checked):
    """Time HOTA + CLEAR + Identity from files against TrackEval and motrics: medians of alternating turns.

    Reads ground truth and results, without --gt those of two generated data sets. Prints CPU seconds and their ratio;
    --json writes the time of every turn. The peer comes with `pip install 'smiletrack[bench]'`.

      smiletrack benchmark metrics
      smiletrack benchmark metrics --rounds 3
      smiletrack benchmark metrics --gt datasets/MOT17/train --results my_results
    """

    gt: str = ""
    """Folder of sequences with ground truth; empty = two generated data sets of the size of MOT17 and MOT20."""
    results: str = ""
    """Folder of result files for `gt`."""
    benchmark: Literal["MOT15", "MOT16", "MOT17", "MOT20", "DanceTrack"] = "MOT17"
    """Benchmark whose preprocessing rules apply to `gt`."""
    against: Literal["all", "TrackEval", "motrics"] = "all"
    """Evaluator to compare with; all = those that are installed."""
    rounds: PositiveCount = 5
    """Number of turns of each contestant."""
    json: str = ""
    """JSON file for the CPU seconds of every turn; empty = none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.gt) != bool(self.results):
            raise ValueError("gt and results go together")


@dataclass(frozen=True)
class MetricsCase:
    """A crowd of the size of a training set: people that walk, and a tracker that misses, jitters and breaks."""

    benchmark: str
    sequences: int
    frames: int
    people: int

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the case as a MOTChallenge folder; return the folders of truth and results."""
        for index in range(self.sequences):
            name = f"{self.benchmark}-{index + 1:02d}"
            truth, results = _crowd(np.random.default_rng(index), self.frames, self.people)
            sequence = folder / "truth" / name
            with atomic_write(sequence / "seqinfo.ini") as stream:
                stream.write(f"[Sequence]\nname={name}\nseqLength={self.frames}\nframeRate=30\n")
            _write_truth(sequence / "gt" / "gt.txt", truth)
            write_results(folder / "results" / f"{name}.txt", results)
        return folder / "truth", folder / "results"


CASES = {
    "MOT17-sized": MetricsCase("MOT17", sequences=7, frames=750, people=26),
    "MOT20-sized": MetricsCase("MOT20", sequences=4, frames=2232, people=153),
}
"""Frames and boxes as in the two training sets: 5,316 frames with 112 thousand, 8,931 with 1.13 million."""

_MOTRICS_FIELDS = {
    "HOTA": {name: f"{name.lower()}_alphas" for name in ("HOTA", "DetA", "AssA", "LocA", "HOTA_TP", "HOTA_FP")},
    "CLEAR": {
        "MOTA": "mota", "MOTP": "motp", "CLR_TP": "num_matches", "CLR_FP": "num_false_positives",
        "CLR_FN": "num_misses", "IDSW": "num_switches", "MT": "mt", "ML": "ml", "Frag": "frag",
    },
    "Identity": {name: name.lower() for name in ("IDTP", "IDFN", "IDFP", "IDF1")},
}  # fmt: skip
"""Fields of TrackEval and what motrics calls them."""


def benchmark_metrics(config: MetricsBenchmarkConfig) -> dict[str, Timing]:
    """Time the evaluators on the same files; print timings and where figures differ; return the timings.

    Raises InputError where none of the peers is installed.
    """
    peers = _installed(config.against)
    timings, notes = {}, []
    for case, truth, results, rules in _cases(config):
        contestants: dict[str, Callable[[], Scores]] = {
            "smiletrack": partial(evaluate, truth, results, rules),
            **{name: partial(scores, truth, results, rules) for name, scores in peers.items()},
        }
        scores = {name: run() for name, run in contestants.items()}
        for name in peers:
            difference = first_difference(scores["smiletrack"], scores[name])
            notes += [f"{case}: {name} differs: {difference}"] if difference else []
        timings[case] = alternate(contestants, config.rounds, warm_up=False)
    print_timings(timings, "HOTA + CLEAR + Identity, files in, figures out")
    say("\n".join(notes) or "all figures are the same to 1e-9")
    if config.json:
        write_json(Path(config.json), {case: dict(timing.seconds) for case, timing in timings.items()})
    return timings


def _installed(against: str) -> dict[str, Evaluator]:
    """Return the evaluators that are asked for and there."""
    known: dict[str, Evaluator] = {"TrackEval": trackeval_scores, "motrics": motrics_scores}
    wanted = known if against == "all" else {against: known[against]}
    peers = {name: scores for name, scores in wanted.items() if find_spec(name.lower())}
    if not peers:
        raise InputError(f"{' or '.join(wanted)}: not installed; pip install 'smiletrack[bench]'")
    return peers


def _cases(config: MetricsBenchmarkConfig) -> Iterator[tuple[str, Path, Path, str]]:
    """Yield name, folder of truth, folder of results and benchmark of each case."""
    if config.gt:
        yield config.gt, Path(config.gt).resolve(), Path(config.results).resolve(), config.benchmark
        return
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            truth, results = case.write(Path(folder))
            yield name, truth, results, case.benchmark


def trackeval_scores(truth: Path, results: Path, benchmark: str, preprocess: bool = True) -> Scores:
    """Return TrackEval's figures for a data set as downloaded, shaped like those of `evaluate`."""
    quiet = {"PRINT_CONFIG": False}
    dataset = trackeval.datasets.MotChallenge2DBox(
        quiet
        | {
            "GT_FOLDER": str(truth),
            "TRACKERS_FOLDER": str(results.parent),
            "TRACKERS_TO_EVAL": [results.name],
            "TRACKER_SUB_FOLDER": "",
            "BENCHMARK": benchmark,
            "SEQ_INFO": {sequence.name: None for sequence in open_sequences(truth)},
            "SKIP_SPLIT_FOL": True,
            "DO_PREPROC": preprocess,
        }
    )
    metrics = [getattr(trackeval.metrics, name)(quiet) for name in ("HOTA", "CLEAR", "Identity")]
    switches = ("USE_PARALLEL", "PRINT_RESULTS", "TIME_PROGRESS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES")
    evaluator = trackeval.Evaluator(quiet | dict.fromkeys(switches, False) | {"BREAK_ON_ERROR": True})
    with contextlib.redirect_stdout(io.StringIO()):
        scores, _ = evaluator.evaluate([dataset], metrics)
    sequences = scores["MotChallenge2DBox"][results.name]
    return {name.replace("COMBINED_SEQ", "COMBINED"): value["pedestrian"] for name, value in sequences.items()}


def motrics_scores(truth: Path, results: Path, benchmark: str) -> Scores:
    """Return what motrics computes of each sequence, by the names of `evaluate`; it combines no sequences."""
    scores = {}
    for sequence in open_sequences(truth):
        gt = motrics.load_motchallenge_gt(truth / sequence.name / "gt" / "gt.txt")
        predicted = motrics.load_motchallenge(results / f"{sequence.name}.txt")
        sides = motrics.preprocess_motchallenge(gt, predicted, benchmark=benchmark)
        found = motrics.evaluate(motrics.Frames(*sides[:2]), motrics.Frames(*sides[2:]))
        scores[sequence.name] = {
            family: {name: np.asarray(getattr(getattr(found, family.lower()), field)) for name, field in fields.items()}
            for family, fields in _MOTRICS_FIELDS.items()
        }
    return scores


def first_difference(ours: Scores, theirs: Scores, tolerance: float = 1e-9) -> str | None:
    """Return the first field of theirs that ours differs in, None where none does (MOTP_sum is compared relatively)."""
    for sequence, families in theirs.items():
        for family, fields in families.items():
            for name, value in fields.items():
                size = max(1.0, abs(value)) if name == "MOTP_sum" else 1.0
                gap = np.max(np.abs(np.asarray(ours[sequence][family][name]) - np.asarray(value))) / size
                if not gap <= tolerance:
                    return f"{sequence} {family} {name}: {ours[sequence][family][name]} is not {value}"
    return None


def _crowd(rng: np.random.Generator, frames: int, people: int) -> tuple[TrackTable, TrackTable]:
    """Return truth and results: about `people` at a time, each on a lane of its own as far as the picture has room."""
    truth, results = [], []
    identity = 0
    for person in range(2 * people):
        first = int(rng.integers(-frames // 2, frames))
        span = np.arange(max(first, 1), min(first + int(rng.integers(frames // 3, frames)), frames + 1))
        if not len(span):
            continue
        boxes = _walk(rng, span, lane=person / (2 * people))
        truth.append(np.column_stack([span, np.full(len(span), person + 1), boxes]))
        breaks = np.cumsum(rng.random(len(span)) < 1 / 150)
        height = boxes[:, 3] - boxes[:, 1]
        seen = rng.random(len(span)) > 0.1
        jittered = boxes + rng.normal(0.0, 0.02, boxes.shape) * height[:, None]
        results.append(np.column_stack([span, identity + 1 + breaks, jittered])[seen])
        identity += int(breaks[-1]) + 1
    return _table(np.concatenate(truth)), _table(np.concatenate(results))


def _walk(rng: np.random.Generator, span: Ints, lane: float) -> Floats:
    """Return (len(span), 4) boxes of one person: far lanes are high in the picture, and people there small."""
    bottom = 250.0 + 800.0 * lane + np.cumsum(rng.normal(0.0, 0.3, len(span)))
    height = 0.22 * (250.0 + 800.0 * lane) + np.cumsum(rng.normal(0.0, 0.05, len(span)))
    x = (
        rng.uniform(0.0, 1920.0)
        + rng.normal(0.0, 1.5) * np.arange(len(span))
        + np.cumsum(rng.normal(0.0, 0.6, len(span)))
    )
    x = np.abs((x + 1920.0) % 3840.0 - 1920.0)  # turn round at the borders
    return np.column_stack([x, bottom - height, x + 0.4 * height, bottom])


def _table(rows: Floats) -> TrackTable:
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return TrackTable(rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), rows[:, 2:])


def _write_truth(path: Path, truth: TrackTable) -> None:
    """Write `gt.txt` of 9 columns; every tenth person is a distractor."""
    corners = np.round(truth.boxes).astype(np.int64)
    with atomic_write(path) as stream:
        for frame, identity, (x1, y1, x2, y2) in zip(truth.frames, truth.ids, corners.tolist(), strict=True):
            kind = 8 if identity % 10 == 0 else 1
            stream.write(f"{frame},{identity},{x1},{y1},{x2 - x1},{y2 - y1},{int(kind == 1)},{kind},1\n")
