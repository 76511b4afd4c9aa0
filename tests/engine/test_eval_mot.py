"""tools/eval_mot.py as a user meets it, and the benchmark's clockwork."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from smiletrack.data.mot import write_results
from smiletrack.data.splits import cut_frames
from smiletrack.data.synthetic import crowd_sequences
from smiletrack.engine.benchmarks.timing import alternate
from smiletrack.engine.eval_mot import EvalConfig, eval_mot, evaluate
from smiletrack.engine.run_folders.cross_check import cross_check
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.metrics.preprocess import compare
from smiletrack.metrics.table import measure
from smiletrack.types import TrackTable

Tool = Callable[..., "CompletedProcess[str]"]


def noisy(truth: TrackTable, seed: int = 0) -> TrackTable:
    """A tracker that misses, jitters, and renames everybody halfway."""
    rng = np.random.default_rng(seed)
    part = truth[rng.random(len(truth)) < 0.8]
    ids = part.ids + 1000 * (part.frames > part.frames.max() // 2)
    return TrackTable(part.frames, ids, np.round(part.boxes + rng.normal(0, 4, part.boxes.shape), 2))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two sequences as downloaded, and results for it."""
    root = tmp_path_factory.mktemp("data")
    for world in crowd_sequences(number=2):
        folder = root / "MOT17" / "train" / world.name
        (folder / "gt").mkdir(parents=True)
        (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={world.name}\nseqLength={world.info.length}\n")
        truth = world.truth
        sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
        rows = np.column_stack(
            [truth.frames, truth.ids, truth.boxes[:, :2], sides, truth.scores, truth.classes, truth.visibility]
        )
        np.savetxt(folder / "gt" / "gt.txt", rows, fmt="%d,%d,%.17g,%.17g,%.17g,%.17g,%d,%d,%g")
        write_results(root / "results" / f"{world.name}.txt", noisy(truth))
        first = world.info.length // 2 + 2
        half = cut_frames(noisy(truth), first, world.info.length)
        write_results(root / "half" / f"{world.name}.txt", half)
    return root


def test_table_json_and_cross_check(data: Path, tmp_path: Path, run_tool: Tool) -> None:
    words = [
        "--gt",
        data / "MOT17/train",
        "--results",
        data / "results",
        "--json",
        tmp_path / "out.json",
        "--cross-check",
    ]
    done = run_tool("eval_mot", *words)
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "out.json").read_text())
    assert list(table) == ["CROWD-01", "CROWD-02", "COMBINED"]
    assert len(table["COMBINED"]["HOTA"]["HOTA"]) == 19
    combined = evaluate(data / "MOT17/train", data / "results")["COMBINED"]
    assert table["COMBINED"]["CLEAR"]["MOTA"] == combined["CLEAR"]["MOTA"]
    assert "MOT17 rules, split all" in done.stdout and "motmetrics" in done.stdout
    assert f"{100 * combined['Identity']['IDF1']:1.5g}" in done.stdout


def test_half_splits_are_cut_in_memory(data: Path) -> None:
    """Results of val_half, numbered from 1, score what the cut tables score."""
    got = evaluate(data / "MOT17/train", data / "half", split="val")["CROWD-02"]
    world = crowd_sequences(number=2)[1]
    first, last = world.info.length // 2 + 2, world.info.length
    truth = cut_frames(world.truth, first, last)
    expected = evaluate(truth, cut_frames(noisy(world.truth), first, last), num_frames=last - first + 1)["sequence"]
    assert got["CLEAR"]["IDSW"] == expected["CLEAR"]["IDSW"]
    assert got["CLEAR"]["CLR_TP"] == expected["CLEAR"]["CLR_TP"]
    with pytest.raises(InputError, match=r"CROWD-01.txt:\d+: frame \d+ is outside the sequence"):
        evaluate(data / "MOT17/train", data / "results", split="val_half")


def test_the_last_run_is_scored(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no arguments: its data, split and sequences; speed from timing.json; the figures stay in the run."""
    run = tmp_path / "runs" / "mine"
    write_results(run / "tracks" / "CROWD-02.txt", noisy(crowd_sequences(number=2)[1].truth))
    (run / "config.yaml").write_text(f"data: {data / 'MOT17/train'}\nsplit: all\nsequences: [CROWD-02]\n")
    write_json(run / "timing.json", {"CROWD-02": {"frames": 300, "seconds": {"association": 1.5, "detection": 0.5}}})
    monkeypatch.chdir(tmp_path)
    assert list(eval_mot(EvalConfig())) == ["CROWD-02", "COMBINED"]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["CROWD-02"]["FPS"] == summary["COMBINED"]["FPS"] == 150.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gt", "{data}/MOT17/train", "--results", "{data}/nowhere"], "nowhere: no such folder of result files"),
        (["--gt", "{data}/nowhere", "--results", "{data}/results"], "nowhere: no such folder"),
        (["--results", "{data}/results"], "gt: name the folder"),
        (["--gt", "{data}/MOT17/train", "--results", "{data}/results", "--sequences", "CROWD-03"], "did you mean"),
        (["--gt", "{data}/MOT17/train", "--results", "{data}/results", "--benchmark", "MOT18"], "MOT18"),
        (["--gt", "{data}/MOT17/train", "--results", "{data}/results", "--split", "half"], "split"),
        (["--gt", "{data}/MOT17/train", "--results", "{data}/MOT17"], "no result files (SEQUENCE.txt"),
    ],
)
def test_mistakes_are_one_line(data: Path, run_tool: Tool, words: list[str], message: str) -> None:
    done = run_tool("eval_mot", *(word.format(data=data) for word in words))
    assert done.returncode == 2 and not done.stdout
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_what_fits_is_scored_and_the_rest_is_named(data: Path, tmp_path: Path, run_tool: Tool) -> None:
    """Results of other sequences and sequences without results are told; what was asked for by name must be there."""
    (tmp_path / "CROWD-02.txt").write_text((data / "results" / "CROWD-02.txt").read_text())
    (tmp_path / "CROWD-07.txt").write_text("1,1,0,0,5,5,1\n")
    (tmp_path / ".CROWD-01.x7.txt").write_text("the leftover of a killed writer")
    words = ("--gt", data / "MOT17/train", "--results", tmp_path)
    done = run_tool("eval_mot", *words)
    assert done.returncode == 0, done.stderr
    assert "left out, no result file: CROWD-01" in done.stdout
    assert "left out, no such sequence: CROWD-07.txt" in done.stdout and ".x7" not in done.stdout
    alone = evaluate(data / "MOT17/train", data / "results", sequences=("CROWD-02",))
    assert list(evaluate(data / "MOT17/train", tmp_path)) == list(alone) == ["CROWD-02", "COMBINED"]
    assert list(evaluate(data / "MOT17/train", data / "results", sequences=("CROWD-*2",))) == list(alone)
    done = run_tool("eval_mot", *words, "--sequences", "CROWD-01")
    assert done.returncode == 2 and "CROWD-01.txt: no such file" in done.stderr


def test_motmetrics_agrees() -> None:
    world = crowd_sequences(number=1)[0]
    comparison = compare(world.truth, noisy(world.truth), world.info.length)
    ours, theirs = measure(comparison), cross_check(comparison)
    assert theirs.idf1 == pytest.approx(ours["Identity"]["IDF1"], abs=1e-12)
    assert theirs.mota == pytest.approx(ours["CLEAR"]["MOTA"], abs=0.005)
    assert theirs.objects == len(comparison.truth_ids)


def test_contestants_take_turns() -> None:
    turns: list[str] = []
    timing = alternate({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, rounds=3)
    assert turns == list("ab" * 4)
    assert [len(seconds) for seconds in timing.seconds.values()] == [3, 3]
    assert timing.ratios["a"] == 1.0
