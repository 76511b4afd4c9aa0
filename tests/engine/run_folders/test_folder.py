"""Run folders."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from smiletrack.config import load_config
from smiletrack.engine.run_folders.folder import latest_run, start_run
from smiletrack.errors import InputError
from smiletrack.files import read_json


@dataclass(frozen=True)
class Config:
    seed: int = 3
    """Seed."""


def test_a_run_records_its_configuration_and_environment(tmp_path: Path) -> None:
    run = start_run(tmp_path / "a", Config(5), "track")
    assert load_config(Config, run / "config.yaml") == Config(5)
    record = read_json(run / "environment.json")
    assert record["seed"] == 5 and record["command"] == "track" and record["packages"]["numpy"] == np.__version__


def test_the_latest_run_is_the_one_started_last(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run"):
        latest_run(tmp_path)
    for age, name in enumerate(("new", "old", "without")):
        run = start_run(tmp_path / name, Config(), "track")
        os.utime(run / "config.yaml", (1e9 - age, 1e9 - age))
        if name != "without":
            (run / "tracks").mkdir()
    os.utime(tmp_path / "without" / "config.yaml", (2e9, 2e9))
    assert latest_run(tmp_path).name == "new"


def test_a_file_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        start_run(tmp_path / "file", Config(), "track")
