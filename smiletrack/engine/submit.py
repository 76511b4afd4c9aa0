"""Check result files against what a MOTChallenge server accepts, and pack them."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from smiletrack.console import say
from smiletrack.data.mot import read_results, write_results
from smiletrack.data.sequence_folders import DETECTORS
from smiletrack.engine.run_folders.folder import latest_run
from smiletrack.engine.run_folders.results import by_frame, read_run
from smiletrack.errors import InputError
from smiletrack.files import atomic_path
from smiletrack.ranges import Checked
from smiletrack.types import TrackTable

_MOT17 = {
    "train": {"02": 600, "04": 1050, "05": 837, "09": 525, "10": 654, "11": 900, "13": 750},
    "test": {"01": 450, "03": 1500, "06": 1194, "07": 500, "08": 625, "12": 900, "14": 750},
}
_MOT20 = {
    "train": {"01": 429, "02": 2782, "03": 2405, "05": 3315},
    "test": {"04": 2080, "06": 1008, "07": 585, "08": 806},
}
LENGTHS = {"MOT16": _MOT17, "MOT17": _MOT17, "MOT20": _MOT20}
"""Benchmark -> part -> sequence number -> frames. MOT16 has the sequences of MOT17."""


@dataclass(frozen=True)
class SubmitConfig(Checked):
    """Check a run and pack it as a MOTChallenge submission: names, detector copies, frames, identities, columns.

    Reads a run folder or result files. Writes the zip file to upload at https://motchallenge.net, or says what is
    missing; nothing is packed as long as a fault is left. MOT17 has each sequence once per public detector: a tracker
    with its own detector submits the same result three times, which is what --copies does.

      smiletrack submit runs/test --benchmark MOT17                      # RUN/MOT17-test.zip
      smiletrack submit runs/test --benchmark MOT20
      smiletrack submit runs/public --no-copies                          # MOT17 with the three public detectors
    """

    run: str = ""
    """Run folder, or a folder of result files; empty = the last run below runs/."""

    benchmark: Literal["MOT16", "MOT17", "MOT20"] = "MOT17"
    """Benchmark whose server gets the file."""

    part: Literal["test", "train", "both"] = "test"
    """Sequences that must be there."""

    copies: bool = True
    """MOT17: where the results of a sequence for other public detectors are missing, use the one that is there. Right
    for trackers with their own detector, wrong for trackers on the public detections."""

    output: str = ""
    """Zip file to write; empty = RUN/<benchmark>-<part>.zip."""


def submit(config: SubmitConfig) -> Path:
    """Check every file and write the zip; raises InputError after listing all that is wrong or missing."""
    run = read_run(config.run or latest_run())
    lengths = expected(config.benchmark, config.part)
    sources, copied = _sources(set(run.results), list(lengths), config.copies and config.benchmark == "MOT17")
    problems = [f"{name}.txt is missing ({lengths[name]} frames)" for name in lengths if name not in sources]
    split = run.split()
    if split.endswith("_half"):
        problems.append(f"the run tracked the split {split}; a submission needs whole sequences")
    tables = {}
    for name in sorted(set(sources.values())):
        try:
            tables[name] = read_results(run.results[name])
        except InputError as error:
            problems.append(str(error))
            continue
        problems += check(tables[name], lengths[name], str(run.results[name]))
    if problems:
        say(*problems)
        raise InputError(f"{run.folder}: {len(problems)} problems, listed above; nothing was packed")
    path = Path(config.output) if config.output else run.folder / f"{config.benchmark}-{config.part}.zip"
    _pack(path, {name: tables[source] for name, source in sources.items()})
    say(*(f"{name}: copied from {source}" for name, source in copied.items()))
    unused = sorted(set(run.results) - set(lengths))
    note = f"; left out, not of {config.benchmark} {config.part}: {', '.join(unused)}" if unused else ""
    say(f"{path}: {len(lengths)} files{note}")
    return path


def expected(benchmark: str, part: str) -> dict[str, int]:
    """Return the sequence names that a submission needs, and their lengths in frames."""
    numbers: dict[str, int] = {}
    for half in ("train", "test") if part == "both" else (part,):
        numbers |= LENGTHS[benchmark][half]
    suffixes = [f"-{detector}" for detector in DETECTORS] if benchmark == "MOT17" else [""]
    return {f"{benchmark}-{n}{suffix}": numbers[n] for n in sorted(numbers) for suffix in suffixes}


def check(table: TrackTable, length: int, file: str) -> list[str]:
    """Return one line a kind of fault: frames outside 1 .. length, identities below 1 or twice, impossible boxes."""
    sides = table.boxes[:, 2:] - table.boxes[:, :2]
    keys = np.column_stack((table.frames, table.ids))
    _, first = np.unique(keys, axis=0, return_index=True)
    repeated = np.ones(len(table), np.bool_)
    repeated[first] = False
    faults = (
        ((table.frames < 1) | (table.frames > length), f"a frame outside 1 .. {length}"),
        (table.ids < 1, "an identity below 1"),
        (repeated, "an identity twice in one frame"),
        (~np.isfinite(table.boxes).all(1) | ~(sides > 0).all(1), "a box that is not finite or has no area"),
        (~np.isfinite(table.scores), "a score that is not a number"),
    )
    empty = [f"{file}: no boxes at all"] if not len(table) else []
    return empty + [
        f"{file}:{int(wrong.argmax()) + 1}: {what} ({int(wrong.sum())} rows)" for wrong, what in faults if wrong.any()
    ]


def _sources(there: set[str], names: list[str], copies: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Return name -> result to use, for every name that can be had, and those of them that are copies."""
    sources = {name: name for name in names if name in there}
    copied = {}
    for name in names if copies else []:
        stem = name.rsplit("-", 1)[0]
        twins = [f"{stem}-{detector}" for detector in DETECTORS if f"{stem}-{detector}" in there]
        if name not in sources and twins:
            copied[name] = twins[0]
    return sources | copied, copied


def _pack(path: Path, tables: dict[str, TrackTable]) -> None:
    """Write each table with ten columns, sorted by frame; the same tables give the same bytes."""
    with (
        TemporaryDirectory() as folder,
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, table in sorted(tables.items()):
            file = Path(folder) / f"{name}.txt"
            write_results(file, by_frame(table))
            archive.writestr(zipfile.ZipInfo(f"{name}.txt"), file.read_bytes(), zipfile.ZIP_DEFLATED)
