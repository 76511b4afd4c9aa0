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
from smiletrack.engine.run_folders.results import benchmark_of
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.metrics.preprocess import compare
from smiletrack.metrics.table import measure
from smiletrack.types import TrackTable
from tests.data.mot_folders import write_sequence

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


@pytest.mark.parametrize("place", ["tracks", "data", "pedestrian", "."])
def test_results_may_lie_in_a_sub_folder(data: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "mine" / place).mkdir(parents=True, exist_ok=True)
    for name in ("CROWD-01", "CROWD-02"):
        text = (data / "results" / f"{name}.txt").read_text()
        (tmp_path / "mine" / place / f"{name}.txt").write_text(text)
    scores = evaluate(data / "MOT17/train", tmp_path / "mine")
    assert scores["COMBINED"]["CLEAR"] == evaluate(data / "MOT17/train", data / "results")["COMBINED"]["CLEAR"]


def test_half_results_scored_as_whole_are_told(data: Path, run_tool: Tool) -> None:
    done = run_tool("eval_mot", "--gt", data / "MOT17/train", "--results", data / "half")
    assert done.returncode == 0 and "CROWD-01: the results end at frame 149 of 300" in done.stdout
    assert "--split val_half or train_half" in done.stdout
    done = run_tool("eval_mot", "--gt", data / "MOT17/train", "--results", data / "half", "--split", "val_half")
    assert done.returncode == 0 and "end at frame" not in done.stdout


def test_json_alone_on_standard_output(data: Path, run_tool: Tool) -> None:
    done = run_tool("eval_mot", "--gt", data / "MOT17/train", "--results", data / "results", "--json", "-")
    assert list(json.loads(done.stdout)) == ["CROWD-01", "CROWD-02", "COMBINED"] and "COMBINED" in done.stderr


def people(folder: Path, end: str, rows: int = 10) -> Path:
    """A sequence of one person, `end` behind his boxes, and a perfect result beside it."""
    write_sequence(folder / "S", "".join(f"{f},1,{10 + f},8,12,32,{end}\n" for f in range(1, rows + 1)), length=rows)
    (folder / "results").mkdir()
    perfect = "".join(f"{f},7,{10 + f},8,12,32,0.9,-1,-1,-1\n" for f in range(1, rows + 1))
    (folder / "results" / "S.txt").write_text(perfect)
    return folder


def test_a_truth_without_pedestrians_is_no_score_of_zero(tmp_path: Path, run_tool: Tool) -> None:
    """A person in class 2, as CVAT numbers them, is a distractor to MOTChallenge; labels.txt says what he is."""
    folder = people(tmp_path, "1,2,1.0")
    words = ("eval_mot", "--gt", folder / "S", "--results", folder / "results")
    done = run_tool(*words)
    assert done.returncode == 2 and not done.stdout
    assert "nothing to score" in done.stderr and "0 of 10 rows count: 10 of class 2, person on vehicle" in done.stderr
    (folder / "S" / "gt" / "labels.txt").write_text("car\nperson\n")
    done = run_tool(*words)
    assert done.returncode == 0, done.stderr
    assert "truth: classes of labels.txt: person counts, not car, visibility" in done.stdout.splitlines()[0]
    assert evaluate(folder / "S", folder / "results")["S"]["CLEAR"]["MOTA"] == 1


@pytest.mark.parametrize("end", ["1,1,0,0", "1,4.4,5.5,0", "-1,-1,-1,-1", "1", "1,1,1", "1,0,1"])
def test_truth_of_any_dialect_is_scored(tmp_path: Path, end: str) -> None:
    folder = people(tmp_path, end)
    assert evaluate(folder / "S", folder / "results")["S"]["CLEAR"]["MOTA"] == 1


def test_what_is_wrong_in_results_is_told(tmp_path: Path, run_tool: Tool) -> None:
    folder = people(tmp_path, "1,1,1")
    words = ("eval_mot", "--gt", folder / "S", "--results", folder / "results")
    file = folder / "results" / "S.txt"
    perfect = file.read_text()
    file.write_text(perfect.replace("\n1,7,", "\n1,-1,").replace("1,7,", "1,-1,", 1))
    assert "1 rows have an id below 0" in run_tool(*words).stdout
    for row, message in (
        ("0,1,5,5,5,5,1", "S.txt:11: frame 0 is outside the sequence, 1 .. 10"),
        ("11,1,5,5,5,5,1", "S.txt:11: frame 11 is outside"),
        ("2,1.5,5,5,5,5,1", "S.txt:11: the id is not a whole number"),
        ("2,9007199254740993,5,5,5,5,1", "S.txt:11: the id is 2^53 or more"),
        ("2,9,5,5,inf,5,1", "S.txt:11: a box of frame 2 is not finite"),
    ):
        file.write_text(f"{perfect}{row},-1,-1,-1\n")
        done = run_tool(*words)
        assert done.returncode == 2 and message in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("path", "benchmark"),
    [
        ("data/MOT20/train", "MOT20"),
        ("mot15fps/shop", "MOT17"),
        ("MOT15/old/MOT17/train", "MOT17"),
        ("MOT17/converted/mot15", "MOT15"),
        ("2DMOT2015/train", "MOT15"),
        ("dancetrack/val", "DanceTrack"),
        ("MOT17-04-FRCNN", "MOT17"),
        ("DanceTrack2/x", "MOT17"),
    ],
)
def test_rules_are_those_of_the_nearest_folder_called_after_a_benchmark(
    tmp_path: Path, path: str, benchmark: str
) -> None:
    assert benchmark_of(tmp_path / path) == benchmark
    assert benchmark_of(None) == "MOT17"


def test_a_run_on_frames_needs_a_truth_unless_they_have_one(data: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Such a run is not scored against the generated crowd."""
    run = tmp_path / "run"
    write_results(run / "tracks" / "CROWD-02.txt", noisy(crowd_sequences(number=2)[1].truth))
    (run / "config.yaml").write_text("data: ''\nsource: street.mp4\nsplit: all\n")
    with pytest.raises(InputError, match=r"gt: name the folder .*; the run tracked street\.mp4"):
        eval_mot(EvalConfig(results=str(run)))
    expected = evaluate(data / "MOT17/train", data / "results", sequences=("CROWD-02",))["COMBINED"]["CLEAR"]
    assert eval_mot(EvalConfig(results=str(run), gt=str(data / "MOT17/train")))["COMBINED"]["CLEAR"] == expected
    (run / "config.yaml").write_text(f"data: ''\nsource: {data / 'MOT17/train/CROWD-02'}\nsplit: all\n")
    assert eval_mot(EvalConfig(results=str(run)))["COMBINED"]["CLEAR"] == expected


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
