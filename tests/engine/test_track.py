"""tools/track.py as a user meets it: files in, files out, one line for every mistake."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import yaml

from smiletrack.config import load_config
from smiletrack.data.mot import read_results
from smiletrack.engine.inputs.sequence_inputs import sequence_inputs
from smiletrack.engine.track import TrackConfig, track
from smiletrack.errors import InputError

Tool = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set `train` with two sequences of 9 frames; one person walks right, one box has no area."""
    for name in ("SEQ-01", "SEQ-02"):
        folder = tmp_path / "train" / name
        (folder / "det").mkdir(parents=True)
        (folder / "gmc").mkdir()
        (folder / "seqinfo.ini").write_text(
            f"[Sequence]\nname={name}\nimDir=img1\nframeRate=30\nseqLength=9\nimWidth=640\nimHeight=480\nimExt=.jpg\n"
        )
        rows = [f"{f},-1,{100 + 5 * f},100,40,100,0.9" for f in range(1, 10)] + ["9,-1,300,300,0,50,0.9"]
        (folder / "det" / "det.txt").write_text("\n".join(rows) + "\n")
        (folder / "gmc" / "gmc.txt").write_text("".join(f"{i} 1 0 {i} 0 1 0\n" for i in range(9)))
    return tmp_path / "train"


def test_a_run_folder_holds_tracks_time_config_and_environment(data: Path, run_tool: Tool, tmp_path: Path) -> None:
    done = run_tool("track", "--data", data, "--output", tmp_path / "run", "--tracker", "bytetrack", "life.max_lost=3")
    assert done.returncode == 2 and "unknown key 'life'" in done.stderr
    done = run_tool(
        "track", "--data", data, "--output", tmp_path / "run", "--tracker", "bytetrack", "tracker.life.max_lost=3"
    )
    assert done.returncode == 0, done.stderr
    assert "1 detections without area skipped" in done.stdout and "frames/s" in done.stdout
    table = read_results(tmp_path / "run" / "tracks" / "SEQ-01.txt")
    assert table.frames.tolist() == list(range(1, 10)) and set(table.ids) == {1}
    timing = json.loads((tmp_path / "run" / "timing.json").read_text())
    assert timing["SEQ-02"]["frames"] == 9 and timing["SEQ-02"]["seconds"]["association"] > 0
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["tracker"]["life"]["max_lost"] == 3 and config["tracker"]["motion"]["state"] == "xyah"
    assert (tmp_path / "run" / "environment.json").is_file()


def test_a_network_that_is_not_there_costs_no_earlier_result(data: Path, tmp_path: Path) -> None:
    config = load_config(TrackConfig, data=str(data), output=str(tmp_path / "run"))
    run = track(config)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    with pytest.raises(InputError, match="no such SLM file"):
        track(load_config(TrackConfig, data=str(data), output=str(run), slm="none.pt"))
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before and len(before) > 3


@pytest.mark.parametrize(("split", "count", "left"), [("val", 4, 130), ("train_half", 5, 105), ("all", 9, 105)])
def test_halves_are_renumbered_from_one(data: Path, split: str, count: int, left: float, tmp_path: Path) -> None:
    config = load_config(TrackConfig, data=str(data), split=split, output=str(tmp_path / "run"), sequences=["SEQ-02"])
    run = track(config)
    assert [path.name for path in (run / "tracks").iterdir()] == ["SEQ-02.txt"]
    table = read_results(run / "tracks" / "SEQ-02.txt")
    assert table.frames.tolist() == list(range(1, count + 1))
    assert table.boxes[0, 0] == pytest.approx(left, abs=1)


def test_the_first_warp_of_a_clip_is_the_identity(data: Path) -> None:
    config = TrackConfig(data=str(data), split="val_half", camera_motion="file")
    warps = next(sequence_inputs(config)).warps
    assert warps is not None
    np.testing.assert_array_equal(warps[0], np.eye(2, 3))
    assert warps[:, 0, 2].tolist() == [0, 6, 7, 8]


def test_embeddings_follow_their_detections_through_a_split(data: Path, tmp_path: Path) -> None:
    for name in ("SEQ-01", "SEQ-02"):
        np.savez(tmp_path / f"{name}.npz", embeddings=np.arange(10.0)[:, None] + 1)
    config = TrackConfig(data=str(data), split="val_half", embeddings=str(tmp_path))
    frames = list(next(sequence_inputs(config)).frames())
    assert [seen.embeddings[:, 0].tolist() for seen in frames] == [[6], [7], [8], [9, 10]]


def test_single_sequences_may_differ(data: Path, tmp_path: Path) -> None:
    changes = {"SEQ-02": {"life": {"new_score": 0.95}}}
    run = track(TrackConfig(data=str(data), output=str(tmp_path / "run"), sequence_tracker=changes))
    assert [len(read_results(run / "tracks" / f"SEQ-0{i}.txt")) for i in (1, 2)] == [9, 0]


def test_tracks_of_an_earlier_run_do_not_stay(data: Path, tmp_path: Path) -> None:
    track(TrackConfig(data=str(data), output=str(tmp_path / "run")))
    run = track(TrackConfig(data=str(data), output=str(tmp_path / "run"), sequences=("SEQ-01",)))
    assert [path.name for path in (run / "tracks").iterdir()] == ["SEQ-01.txt"]


def test_an_assumed_frame_rate_is_told(data: Path, tmp_path: Path, run_tool: Tool) -> None:
    ini = data / "SEQ-01" / "seqinfo.ini"
    ini.write_text(ini.read_text().replace("frameRate=30\n", ""))
    words = ("track", "--data", data, "--sequences", "SEQ-0*", "--output", tmp_path / "run")
    done = run_tool(*words)
    assert "SEQ-01: nothing tells the frame rate; 30 a second" in done.stdout and done.stdout.count("frame rate") == 1
    done = run_tool(*words, "--frame-rate", "12")
    assert done.returncode == 0 and "frame rate" not in done.stdout
    assert {sequence.frame_rate for sequence in sequence_inputs(TrackConfig(data=str(data), frame_rate=12))} == {12}


def test_doubtful_scores_are_told_and_wrong_rows_cost_no_earlier_result(
    data: Path, tmp_path: Path, run_tool: Tool
) -> None:
    words = ("track", "--data", data, "--sequences", "SEQ-01", "--output", tmp_path / "run")
    file = data / "SEQ-01" / "det" / "det.txt"
    file.write_text(file.read_text().replace(",0.9", ",90"))
    done = run_tool(*words)
    assert done.returncode == 0 and "look like percent" in done.stdout.splitlines()[0]
    before = (tmp_path / "run" / "tracks" / "SEQ-01.txt").read_bytes()
    file.write_text("".join(f"{frame},-1,100,100,40,100,0.9\n" for frame in range(9)))
    done = run_tool(*words)
    assert done.returncode == 2 and "det.txt:1: frame 0 is outside" in done.stderr and "add 1" in done.stderr
    assert (tmp_path / "run" / "tracks" / "SEQ-01.txt").read_bytes() == before


def test_without_data_it_tracks_the_generated_crowd(tmp_path: Path) -> None:
    run = track(TrackConfig(output=str(tmp_path / "run"), split="val_half", sequences=("CROWD-01",)))
    assert read_results(run / "tracks" / "CROWD-01.txt").frames.max() <= 149


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sequences": ("SEQ-1",)}, "did you mean 'SEQ-01'"),
        ({"detections": "dets"}, "did you mean 'det'"),
        ({"data": "/nowhere"}, "/nowhere"),
        ({"embeddings": "."}, "SEQ-01.npz: no such file"),
        ({"sequence_tracker": {"SEQ-3": {}}}, "sequence_tracker.SEQ-3: no such sequence"),
        ({"sequence_tracker": {"SEQ-01": {"live": {}}}}, "did you mean 'life'"),
    ],
)
def test_mistakes_are_one_line(data: Path, change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        track(TrackConfig(**{"data": str(data), "output": str(tmp_path / "run"), **change}))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_embeddings_that_do_not_fit_are_refused(data: Path, tmp_path: Path) -> None:
    for array, message in ((np.zeros((9, 4)), "10 rows"), (np.zeros(10), "10 rows"), (np.array(["x"]), "not|could")):
        np.savez(tmp_path / "SEQ-01.npz", embeddings=array)
        with pytest.raises(InputError, match=message):
            list(sequence_inputs(TrackConfig(data=str(data), embeddings=str(tmp_path))))
    (tmp_path / "SEQ-01.npz").write_text("no archive")
    with pytest.raises(InputError, match="not a whole archive of arrays"):
        list(sequence_inputs(TrackConfig(data=str(data), embeddings=str(tmp_path))))


def test_too_few_warps_are_refused(data: Path) -> None:
    (data / "SEQ-01" / "gmc" / "gmc.txt").write_text("0 1 0 0 0 1 0\n")
    with pytest.raises(InputError, match="1 warps for 9 frames"):
        list(sequence_inputs(TrackConfig(data=str(data), camera_motion="file")))


def test_every_row_of_the_detections_comes_back_with_its_identity(data: Path, tmp_path: Path) -> None:
    """In the order of the file, which need not be that of frames; what is in no track has -1."""
    file = data / "SEQ-01" / "det" / "det.txt"
    rows = [*file.read_text().splitlines(), "4,-1,500,20,30,60,0.2"]
    file.write_text("\n".join(reversed(rows)) + "\n")
    config = load_config(
        TrackConfig, data=str(data), output=str(tmp_path / "run"), all_detections=True, first_identity=1001
    )
    run = track(config)
    found = np.loadtxt(run / "identified" / "SEQ-01.txt", delimiter=",")
    given = np.array([row.split(",") for row in reversed(rows)], float)
    np.testing.assert_array_equal(found[:, [0, 2, 3, 4, 5, 6]], given[:, [0, 2, 3, 4, 5, 6]])
    assert found[:, 1].tolist() == [-1, -1, *[1001] * 9]  # a low score, a box without area, the walker
    assert set(read_results(run / "tracks" / "SEQ-02.txt").ids) == {1001}
    track(load_config(TrackConfig, data=str(data), output=str(run)))
    assert not list((run / "identified").glob("*")), "an earlier run's"


def test_linked_tracks_have_one_identity_in_both_files(tmp_path: Path) -> None:
    """SORT loses people soon; in the generated crowd, which has looks, some of them are the same again."""
    tables, given = {}, {"tracker": "sort", "sequences": ["CROWD-01"], "all_detections": True}
    for link in (False, True):
        run = track(load_config(TrackConfig, **given, link=link, output=str(tmp_path / str(link))))
        tables[link] = read_results(run / "tracks" / "CROWD-01.txt")
    assert len(set(tables[True].ids)) < len(set(tables[False].ids)) and len(tables[True]) == len(tables[False])
    identified = np.loadtxt(run / "identified" / "CROWD-01.txt", delimiter=",")[:, 1]
    assert set(identified) - {-1} == set(tables[True].ids)


def test_without_embeddings_linking_says_that_it_does_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    track(load_config(TrackConfig, data=str(data), output=str(tmp_path / "run"), link=True))
    assert "SEQ-01: no embeddings, so no tracks are linked" in capsys.readouterr().out
