"""`make demo`, shrunk: every stage runs, leaves its result, and is skipped the second time."""

from pathlib import Path

import pytest

from smiletrack.config import CONFIG_ROOT, load_config
from smiletrack.engine.cli import parser_for
from smiletrack.engine.make_world import MakeWorldConfig, make_world
from smiletrack.engine.quickstart import TRACKERS, QuickstartConfig, quickstart
from smiletrack.engine.verbs import VERBS


def test_every_stage_runs_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train_sequences=3", "val_sequences=1", "scene.people=14", "scene.length=24"]
    world = str(tmp_path / "world")
    make_world(load_config(MakeWorldConfig, CONFIG_ROOT / "world" / "tiny.yaml", words, output=world))
    config = QuickstartConfig(
        world=world, output=str(tmp_path / "runs"), detector_seconds=1, slm_seconds=1, processes=1
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
    assert told.count("already there") == 8 and "epoch" not in told
