"""Is one run better than another? Differences with intervals, sequence by sequence and over all."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from smiletrack.console import print_table, say
from smiletrack.data.sequence_folders import select_names
from smiletrack.engine.eval_mot import EvalConfig, find_scored
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.metrics.bootstrap import METRICS, Difference, paired_bootstrap
from smiletrack.ranges import Checked, PositiveCount, Seed

Answer = dict[str, dict[str, Difference]]


@dataclass(frozen=True)
class CompareConfig(Checked):
    """Compare two runs: does the second track better than the first, or is it chance?

    Reads the two runs and the ground truth of the sequences that both have. Prints the differences with intervals of a
    paired bootstrap, which draws sequences and blocks of frames within each; a star marks an interval without zero.

      smiletrack compare runs/a runs/b
      smiletrack compare results/a results/b --gt datasets/MOT17/train --split val_half
      smiletrack compare runs/a runs/b --resamples 10000 --confidence 0.99 --json differences.json
    """

    runs: tuple[str, ...] = ()
    """Two run folders, or folders of result files: the baseline, and the run that may be better."""
    gt: str = ""
    """Folder of the sequences with ground truth; empty = the data of the runs."""
    benchmark: Literal["auto", "MOT15", "MOT16", "MOT17", "MOT20", "DanceTrack"] = "auto"
    """Benchmark whose preprocessing rules apply; auto = the one named in the path of the ground truth, else MOT17."""
    split: Literal["auto", "all", "train", "val", "test", "train_half", "val_half"] = "auto"
    """Part of each sequence that was tracked; auto = as in the runs."""
    sequences: tuple[str, ...] = ()
    """Names of sequences or patterns (MOT17-0*), separated by commas; empty = all that both runs have."""
    block: PositiveCount = 50
    """Number of consecutive frames that the bootstrap draws together."""
    resamples: Annotated[int, Ge(10)] = 1000
    """Number of bootstrap resamples."""
    confidence: Annotated[float, Gt(0), Lt(1)] = 0.95
    """Confidence level of the intervals."""
    seed: Seed = 0
    """Seed of the bootstrap."""
    json: str = ""
    """JSON file for all figures at full precision; empty = none; - = standard output, and nothing else there."""


def compare_runs(config: CompareConfig) -> Answer:
    """Print the paired comparison of two runs and return it, fractions by sequence and metric.

    Raises InputError where the runs are not two, or share no sequence.
    """
    if len(config.runs) != 2:
        raise InputError(f"runs: two run folders are compared, not {len(config.runs)}: smiletrack compare RUN_A RUN_B")
    scored = [find_scored(EvalConfig(config.gt, run, config.benchmark, config.split)) for run in config.runs]
    names = [{sequence.name for sequence, _ in one.pairs} for one in scored]
    shared = select_names(sorted(names[0] & names[1]), config.sequences, f"both {config.runs[0]} and {config.runs[1]}")
    if not shared:
        raise InputError(f"runs: {config.runs[0]} and {config.runs[1]} have no sequence in common")
    first, second = ({c.name: c.comparison for c in one.only(shared).compared()} for one in scored)
    for name in shared:
        lengths = first[name].num_frames, second[name].num_frames
        if lengths[0] != lengths[1]:
            raise InputError(
                f"runs: {name} has {lengths[0]} frames in one and {lengths[1]} in the other; --split says which"
            )
    lonely = [f"only in one of the runs, left out: {', '.join(sorted(names[0] ^ names[1]))}"] * (names[0] != names[1])
    left_out = dict.fromkeys([*lonely, *(line for one in scored for line in one.left_out)])
    pairs = {name: (first[name], second[name]) for name in shared}
    answer = paired_bootstrap(pairs, config.block, config.resamples, config.confidence, config.seed)
    _print(answer, config, list(left_out))
    if config.json:
        write_json(Path(config.json), {n: {m: asdict(d) for m, d in row.items()} for n, row in answer.items()})
    return answer


def _print(answer: Answer, config: CompareConfig, left_out: list[str]) -> None:
    rows = []
    for name, row in answer.items():
        for metric, d in row.items():
            bounds = f"{100 * d.low:+.2f} .. {100 * d.high:+.2f} {'*' if d.sure else ' '}"
            values = (f"{100 * d.first:.2f}", f"{100 * d.second:.2f}", f"{100 * d.difference:+.2f}", bounds)
            rows.append([name if metric == METRICS[0] else "", metric, *values])
    say(f"A = {config.runs[0]}", f"B = {config.runs[1]}")
    print_table(("sequence", "metric", "A", "B", "B - A", f"{config.confidence:.0%} interval"), rows, names=2)
    say(f"* the interval leaves out zero ({config.resamples} draws of sequences and blocks of {config.block} frames)")
    say(*left_out)
