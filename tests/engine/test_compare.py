"""tools/compare.py as a user runs it."""

import json
from pathlib import Path

import numpy as np

from smiletrack.data.mot import write_results
from smiletrack.files import read_json
from smiletrack.types import TrackTable


def write_world(root: Path) -> None:
    """One sequence of 60 frames with two people, a good run and one that swaps identities half way."""
    frames = np.repeat(np.arange(1, 61), 2)
    people = np.tile([1, 2], 60)
    boxes = np.stack((people * 100.0, frames * 2.0, people * 100.0 + 30, frames * 2.0 + 60), axis=1)
    sequence = root / "gt" / "A"
    (sequence / "gt").mkdir(parents=True)
    (sequence / "seqinfo.ini").write_text(
        "[Sequence]\nname=A\nimDir=img1\nframeRate=30\nseqLength=60\nimWidth=640\nimHeight=480\nimExt=.jpg\n"
    )
    rows = [f"{f},{p},{x1:g},{y1:g},30,60,1,1,1\n" for f, p, (x1, y1, _, _) in zip(frames, people, boxes, strict=True)]
    (sequence / "gt" / "gt.txt").write_text("".join(rows))
    write_results(root / "good" / "A.txt", TrackTable(frames, people, boxes))
    write_results(root / "bad" / "A.txt", TrackTable(frames, np.where(frames > 30, 3 - people, people), boxes))


def test_the_difference_is_told_and_marked(tmp_path: Path, run_tool) -> None:
    write_world(tmp_path)
    done = run_tool(
        "compare",
        tmp_path / "bad",
        tmp_path / "good",
        f"--gt={tmp_path / 'gt'}",
        "--block=10",
        f"--json={tmp_path / 'd.json'}",
    )
    assert done.returncode == 0, done.stderr
    assert "COMBINED" in done.stdout
    stored = read_json(tmp_path / "d.json")["COMBINED"]
    assert stored["IDF1"]["first"] == 0.5 and stored["IDF1"]["second"] == 1.0 and stored["DetA"]["second"] == 1.0
    assert stored["MOTA"]["first"] == 1 - 2 / 120


def test_mistakes_are_one_line(tmp_path: Path, run_tool) -> None:
    write_world(tmp_path)
    (tmp_path / "empty").mkdir()
    for words, message in (
        ([tmp_path / "good"], "two run folders are compared, not 1"),
        ([tmp_path / "good", tmp_path / "none"], "no such folder of result files"),
        ([tmp_path / "good", tmp_path / "empty"], "empty: no result files"),
        ([tmp_path / "good", tmp_path / "bad", "block=0"], "block must be at least 1"),
        ([tmp_path / "good", tmp_path / "bad", "blok=3"], "unknown key 'blok' (did you mean 'block'?)"),
    ):
        done = run_tool("compare", *words, f"--gt={tmp_path / 'gt'}")
        assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_what_fits_is_compared_and_the_rest_is_named(tmp_path: Path, run_tool) -> None:
    write_world(tmp_path)
    text = (tmp_path / "good" / "A.txt").read_text()
    for run, name in (("good", "Extra"), ("bad", "Extra"), ("good", "Lonely")):
        (tmp_path / run / f"{name}.txt").write_text(text)
    (tmp_path / "good" / ".A.x3.txt").write_text("the leftover of a killed writer")
    (tmp_path / "gt" / "Lonely").mkdir()
    for part in ("seqinfo.ini", "gt/gt.txt"):
        target = tmp_path / "gt" / "Lonely" / part
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((tmp_path / "gt" / "A" / part).read_bytes())
    words = (tmp_path / "bad", tmp_path / "good", f"--gt={tmp_path / 'gt'}", "--block=10", "--resamples=10", "--json=-")
    done = run_tool("compare", *words)
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)) == ["A", "COMBINED"], "standard output is JSON and nothing else"
    assert "only in one of the runs, left out: Lonely" in done.stderr
    assert "left out, no such sequence: Extra.txt" in done.stderr and "COMBINED" in done.stderr
    assert list(json.loads(run_tool("compare", *words, "--sequences", "A*").stdout)) == ["A", "COMBINED"]
    done = run_tool("compare", *words, "--sequences", "B*")
    assert done.returncode == 2 and not done.stdout and "no 'B*' in both" in done.stderr
