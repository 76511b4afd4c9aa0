"""Commands with processes and loaders, killed at random times: none stays, and the same command ends as if none died.

Slow: `SMILETRACK_FULL=1`, which is what `make faults` sets; `KILLS` says how often each.
"""

import dataclasses
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.slm_street import NETWORK, make_street
from tests.faults.commands import files_of
from tests.faults.sessions import run_command

pytestmark = pytest.mark.skipif(not os.environ.get("SMILETRACK_FULL"), reason="minutes; SMILETRACK_FULL=1")

KILLS = int(os.environ.get("KILLS") or 2)
FIT = {"epochs": 2, "learning_rate": 0.01, "checkpoint_s": 0.001, "ema_decay": 0.9}
SETTINGS: dict[str, dict[str, Any]] = {
    "train-slm": {
        "train": ["street/A"], "val": ["street/A@all"], "network": dataclasses.asdict(NETWORK), "val_step": 2,
        "identities_per_batch": 4, "batches_per_epoch": 6, "workers": 1, "processes": 2, "device": "cpu", "fit": FIT,
    },
    "train-detector": {
        "train": ["street@all"], "val": ["street@all"], "network": {"height": 64, "width": 96}, "batch_size": 3,
        "workers": 1, "processes": 2, "device": "cpu", "train_step": 4, "val_step": 8, "fit": FIT,
    },
    "tune": {
        "sources": [{"split": "train_half", "sequences": ["CROWD-01"]}], "trials": 30,
        "space": {"first.max_cost": {"low": 0.01, "high": 0.95}},
    },
    "make-world": {
        "train_sequences": 3, "val_sequences": 1, "situations": [], "workers": 2,
        "scene": {"width": 160, "height": 96, "length": 12, "people": 4},
    },
}  # fmt: skip
WORDS = {
    "train-slm": "train-slm --config train-slm.yaml --resume --output out --cache crops",
    "train-detector": "train-detector --config train-detector.yaml --resume --output out --cache crops",
    "make-world": "make-world --config make-world.yaml --output out",
    "tune": "tune --config tune.yaml --processes 1 --output out",
    "tune-2": "tune --config tune.yaml --processes 2 --output out",
}
VARIES = {"tune": {"study.journal"}, "tune-2": {"study.journal", "best.yaml"}}
"""Files that hold times of day, or what came first."""


def _place(folder: Path) -> Path:
    """Make a folder with the data and settings of all these commands."""
    make_street(folder / "street" / "A")
    for name, settings in SETTINGS.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(_plain(settings)))
    return folder


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _made(place: Path, name: str) -> dict[str, bytes]:
    varies = VARIES.get(name, set())
    return {file: b"" if file in varies else content for file, content in files_of(place / "out").items()}


@pytest.mark.parametrize("name", WORDS)
def test_killed_processes_leave_nobody_and_the_command_goes_on(name: str, tmp_path: Path) -> None:
    words = WORDS[name].split()
    whole = run_command(words, _place(tmp_path / "whole"))
    assert whole.status == 0 and not whole.behind, whole.told
    expected = _made(tmp_path / "whole", name)
    rng = random.Random(os.environ.get("SEED", "0") + name)
    usual_s = whole.seconds
    for kill in range(KILLS):
        place = _place(tmp_path / f"kill-{kill}")
        number = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[kill % 3]
        after_s = rng.uniform(0.3, 0.95) * usual_s
        ended = run_command(words, place, after_s, number)
        print(f"{name}: {number.name} after {after_s:.1f} of {usual_s:.1f} s: {ended.status}")
        usual_s = min(usual_s, ended.seconds) if ended.status == 0 else usual_s  # the first one compiled
        assert not ended.behind and "Traceback" not in ended.told, (number, ended)
        assert ended.status in (0, -number, 130), (number, ended)
        for file, content in _made(place, name).items():
            assert file in expected, file
            assert content in (b"", expected[file]) or file.endswith(".safetensors"), file
        again = run_command(words, place)
        assert again.status == 0 and not again.behind, again.told
        assert _made(place, name) == expected, (number, after_s)
        if name.startswith("tune"):
            assert "30 trials" in again.told and (place / "out/best.yaml").read_text().startswith("# Best of 30 trials")
