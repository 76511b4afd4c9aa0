"""A submission is packed whole or not at all, and every fault is named."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from smiletrack.engine.submit import SubmitConfig, check, expected, submit
from smiletrack.errors import InputError
from smiletrack.types import TrackTable


def write_run(folder: Path, names: list[str], text: str = "1,1,10,10,20,40,0.9,-1,-1,-1\n") -> Path:
    (folder / "tracks").mkdir(parents=True)
    for name in names:
        (folder / "tracks" / f"{name}.txt").write_text(text)
    return folder


def test_expected_names() -> None:
    names = expected("MOT17", "test")
    assert len(names) == 21 and names["MOT17-03-SDP"] == 1500
    assert len(expected("MOT17", "both")) == 42
    assert expected("MOT20", "test") == {"MOT20-04": 2080, "MOT20-06": 1008, "MOT20-07": 585, "MOT20-08": 806}


def test_one_detectors_copy_is_packed_three_times(tmp_path: Path) -> None:
    names = [name for name in expected("MOT17", "test") if name.endswith("FRCNN")]
    run = write_run(tmp_path / "mein Lauf é", names, "2,7,1,2,3,4,0.5\n1,7,0,0,3,4.126,0.25,1,1\n")
    path = submit(SubmitConfig(run=str(run)))
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == sorted(f"{name}.txt" for name in expected("MOT17", "test"))
        text = archive.read("MOT17-14-SDP.txt").decode()
    assert text == "1,7,0.00,0.00,3.00,4.13,0.2500,-1,-1,-1\n2,7,1.00,2.00,3.00,4.00,0.5000,-1,-1,-1\n"
    assert path.read_bytes() == submit(SubmitConfig(run=str(run))).read_bytes()


def test_results_in_a_sub_folder_are_found(tmp_path: Path) -> None:
    run = write_run(tmp_path / "trackers" / "Mine", list(expected("MOT20", "test")))
    (run / "tracks").rename(run / "data")
    with zipfile.ZipFile(submit(SubmitConfig(run=str(run), benchmark="MOT20"))) as archive:
        assert len(archive.namelist()) == 4


def test_what_is_missing_is_listed_and_nothing_packed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", ["MOT17-01-DPM"])
    with pytest.raises(InputError, match="18 problems"):
        submit(SubmitConfig(run=str(run)))
    assert "MOT17-03-FRCNN.txt is missing (1500 frames)" in capsys.readouterr().out
    with pytest.raises(InputError, match="20 problems"):
        submit(SubmitConfig(run=str(run), copies=False))
    assert not list(run.glob("*.zip"))


def test_a_half_split_is_no_submission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", list(expected("MOT20", "train")))
    (run / "config.yaml").write_text("split: val_half\n")
    with pytest.raises(InputError, match="1 problems"):
        submit(SubmitConfig(run=str(run), benchmark="MOT20", part="train"))
    assert "val_half" in capsys.readouterr().out


def test_faults_are_named_with_file_and_line() -> None:
    boxes = np.array([[0, 0, 5, 5], [0, 0, 5, 5], [0, 0, -5, 5], [0, 0, 5, 5.0]])
    table = TrackTable([1, 9, 2, 1], [1, 2, 0, 1], boxes)
    lines = check(table, 8, "x.txt")
    assert [line.split(": ")[0] for line in lines] == ["x.txt:2", "x.txt:3", "x.txt:4", "x.txt:3"]
    assert "outside 1 .. 8" in lines[0] and "below 1" in lines[1] and "twice" in lines[2] and "no area" in lines[3]
    assert check(TrackTable([], [], np.empty((0, 4))), 8, "x.txt") == ["x.txt: no boxes at all"]
