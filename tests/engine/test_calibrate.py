"""smiletrack calibrate and what track does with its map: a detector of low scores, files in and files out."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from smiletrack.config import load_config
from smiletrack.data.mot import read_results
from smiletrack.engine.calibrate import CalibrateConfig, calibrate_scores
from smiletrack.engine.track import TrackConfig, track
from smiletrack.errors import InputError
from tests.data.mot_folders import write_sequence

Tool = Callable[..., "CompletedProcess[str]"]
FRAMES = range(1, 21)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set of one sequence: two people who score .4, and clutter at .15 that jumps about."""
    rng = np.random.default_rng(0)
    truth = [f"{f},{i},{100 * i + 2 * f},100,40,100,1,1,1" for f in FRAMES for i in (1, 2)]
    found = [f"{f},-1,{100 * i + 2 * f},100,40,100,{0.38 + 0.02 * i}" for f in FRAMES for i in (1, 2)]
    found += [f"{f},-1,{left:.0f},300,40,100,0.15" for f in FRAMES for left in rng.uniform(0, 600, 3)]
    write_sequence(tmp_path / "train" / "A", "\n".join(truth), "\n".join(found), len(FRAMES))
    return tmp_path / "train"


def boxes_of(data: Path, run: Path, **settings: object) -> int:
    folder = track(load_config(TrackConfig, data=str(data), output=str(run), **settings))
    return len(read_results(folder / "tracks" / "A.txt"))


def test_the_map_beside_the_detections_is_found(data: Path, run_tool: Tool, tmp_path: Path) -> None:
    run, file = tmp_path / "run", data / "det.scores.json"
    assert boxes_of(data, run, tracker="bytetrack") == 0
    done = run_tool("calibrate", "--data", data)
    assert done.returncode == 0, done.stderr
    assert f"logistic map of 100 boxes, 40 of them people -> {file}" in " ".join(done.stdout.split())
    assert json.loads(file.read_text())["people"] == 40
    assert boxes_of(data, run, tracker="bytetrack") == 0, "an original's preset stays as it is"
    assert boxes_of(data, run, tracker="bytetrack", score_map=str(file)) > 30
    with_map = boxes_of(data, run)
    assert with_map > 30
    done = run_tool("track", "--data", data, "--output", run, "--tracker", "bytetrack")
    assert "0% of the boxes that the frames around them confirm score above tracker.split.high" in done.stdout
    file.write_text('{"scores": [0.1, 0.2], "chances": [0.5, 0.1]}')
    with pytest.raises(InputError, match=r"det.scores.json: chances must not descend"):
        boxes_of(data, run)
    assert (run / "tracks" / "A.txt").is_file(), "nothing was touched"
    assert boxes_of(data, run, score_map="none") > 30  # rescaled


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"scores": "x", "chances": 1}'])
def test_a_file_that_is_no_map_is_told(data: Path, text: str, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(InputError, match=r"map.json"):
        boxes_of(data, tmp_path / "run", score_map=str(tmp_path / "map.json"))
    with pytest.raises(InputError, match=r"none.json"):
        boxes_of(data, tmp_path / "run", score_map=str(tmp_path / "none.json"))


def test_what_cannot_be_learned_from_is_told(data: Path) -> None:
    with pytest.raises(InputError, match="output: name a JSON file"):
        calibrate_scores(CalibrateConfig())
    truth = data / "A" / "gt" / "gt.txt"
    truth.write_text("".join(f"{f},1,900,900,40,100,1,1,1\n" for f in FRAMES))
    with pytest.raises(InputError, match="0 of them people: both kinds are needed"):
        calibrate_scores(CalibrateConfig(data=str(data)))
    truth.unlink()
    with pytest.raises(InputError, match="A: no ground truth"):
        calibrate_scores(CalibrateConfig(data=str(data)))
    assert not list(data.glob("*.json"))


@pytest.mark.parametrize("method", ["logistic", "isotonic"])
def test_a_real_detector_of_low_scores(real_data: Path, method: str, tmp_path: Path) -> None:
    """Learned on TUD-Stadtmitte, ByteTrack finds more than twice as many boxes of PETS09-S2L2's first half."""
    config = CalibrateConfig(
        data=str(real_data / "MOT15" / "train"), detections="pd0203", sequences=("TUD-*",), method=method,
        output=str(tmp_path / "map.json"),
    )  # fmt: skip
    file = calibrate_scores(config)
    found = []
    for score_map in ("auto", str(file)):
        settings = {"data": str(real_data / "extra" / "train"), "detections": "pd0203", "split": "train_half"}
        settings |= {"sequences": ["PETS09-S2L2"], "tracker": "bytetrack", "output": str(tmp_path / "run")}
        run = track(load_config(TrackConfig, **settings, score_map=score_map))
        found.append(len(read_results(run / "tracks" / "PETS09-S2L2.txt")))
    assert found[1] > 2 * found[0] > 0
