"""`make demo`, shrunk: every stage runs, leaves its result, and is skipped the second time."""

from pathlib import Path

import numpy as np
import pytest

from smiletrack.config import CONFIG_ROOT, load_config, preset_file
from smiletrack.data.synthetic import SyntheticDetectorConfig, crowd_sequences
from smiletrack.engine.cli import parser_for
from smiletrack.engine.make_world import MakeWorldConfig, make_world
from smiletrack.engine.quickstart import THRESHOLDS, TRACKERS, QuickstartConfig, quickstart
from smiletrack.engine.verbs import VERBS
from smiletrack.metrics.preprocess import compare
from smiletrack.metrics.table import combine, measure
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections


def test_every_stage_runs_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train_sequences=3", "val_sequences=1", "scene.people=14", "scene.length=24"]
    world = str(tmp_path / "world")
    make_world(load_config(MakeWorldConfig, CONFIG_ROOT / "world" / "tiny.yaml", words, output=world))
    config = QuickstartConfig(
        world=world, output=str(tmp_path / "runs"), detector_seconds=1, slm_seconds=1, joint_seconds=1, processes=1
    )
    page = quickstart(config)
    assert "<html" in page.read_text(encoding="utf-8")
    assert list((tmp_path / "runs" / "show").glob("*.mp4"))
    assert all((tmp_path / "runs" / name / "summary.json").is_file() for name in TRACKERS)
    _, told, ends = capsys.readouterr().out.partition("Next, with a video of your own")
    commands = [line.split()[1:] for line in ends.splitlines() if line.startswith("  smiletrack ")]
    assert told and len(commands) == 4
    for verb, *words in commands:
        flags = {flag for action in parser_for(VERBS[verb], verb)._actions for flag in action.option_strings}
        assert {word for word in words if word.startswith("--")} <= flags
    quickstart(config)
    told = capsys.readouterr().err
    assert told.count("already there") == 10 and "epoch" not in told
    (tmp_path / "runs" / "bytetrack" / ".before").mkdir()  # as if tracking had been killed
    next((tmp_path / "runs" / "show").glob("*.mp4")).unlink()
    quickstart(config)
    told = capsys.readouterr().err
    assert told.count("already there") == 8 and list((tmp_path / "runs" / "show").glob("*.mp4"))


@pytest.mark.parametrize("seed", [0, 1])
def test_looks_prevent_switches_in_the_demos_world(seed: int) -> None:
    """Its people and thresholds, a detector that is sure of two people in three, embeddings of an AUC of .98: what four
    and three minutes of training give, without the training."""
    scene = load_config(MakeWorldConfig, CONFIG_ROOT / "world" / "demo.yaml").scene
    seen = SyntheticDetectorConfig(0.93, 0.5, 40, 0.12, 0.05, false_alarms=0.6, embedding_noise=1.65)
    worlds = crowd_sequences(scene, 1000 + seed, seen, number=3)
    switches = {}
    for name in ("bytetrack", "smiletrack-motion", "smiletrack"):
        preset, appearance = TRACKERS[name]
        config = load_config(TrackerConfig, preset_file("tracker", preset), THRESHOLDS)
        measures = {}
        for world in worlds:
            table = world.detections
            looks = world.embeddings if appearance == "slm" else np.zeros((len(table), 0))
            given = Detections(table.boxes, table.scores, looks, table.classes)
            found = Tracker(config).run(given, table.frames, scene.length, world.warps)
            measures[world.name] = measure(compare(world.truth, found, scene.length, "MOT17"))
        switches[name] = combine(measures)["CLEAR"]["IDSW"]
    assert switches["smiletrack"] < min(switches["bytetrack"], switches["smiletrack-motion"])
