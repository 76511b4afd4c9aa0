"""What runs tell of themselves: read back as it was written, one line for everything else."""

import json
from pathlib import Path

import numpy as np
import pytest

from smiletrack import TrackTable, evaluate
from smiletrack.engine.run_folders.folder import start_run
from smiletrack.engine.run_folders.records import (
    frames_per_second,
    read_environment,
    read_sequence_times,
    read_settings,
    read_summary,
)
from smiletrack.engine.run_folders.results import read_run
from smiletrack.engine.run_folders.shared_scores import to_json
from smiletrack.engine.track import TrackConfig
from smiletrack.errors import InputError
from smiletrack.files import write_json

READERS = {"timing": read_sequence_times, "summary": read_summary, "environment": read_environment}
FIELD = {"frames": 3, "seconds": {"association": 0.5}}


def test_what_commands_write_is_read(tmp_path: Path) -> None:
    start_run(tmp_path, TrackConfig(data="d", split="val_half", sequences=("a", "b")), "track")
    write_json(tmp_path / "timing.json", {"a": FIELD, "b": {**FIELD, "frames": 7, "apart": {"decode": 9.0}}})
    box = TrackTable(np.array([1]), np.array([1]), np.array([[0.0, 0, 9, 9]]))
    scores = to_json(evaluate(box, box))
    write_json(tmp_path / "summary.json", {name: {**families, "FPS": 12.5} for name, families in scores.items()})

    settings, timing = read_settings(tmp_path), read_sequence_times(tmp_path)
    assert settings is not None
    assert (settings.data, settings.split, settings.sequences, settings.source) == ("d", "val_half", ("a", "b"), "")
    assert timing["b"].apart == {"decode": 9.0} and frames_per_second(timing) == 10 / 1.0
    assert read_summary(tmp_path) == {name: {**families, "FPS": 12.5} for name, families in scores.items()}
    assert read_environment(tmp_path).time == json.loads((tmp_path / "environment.json").read_text())["time"]


def test_nothing_is_known_of_an_empty_folder(tmp_path: Path) -> None:
    assert read_settings(tmp_path) is None and read_sequence_times(tmp_path) == {} == read_summary(tmp_path)
    assert read_environment(tmp_path).commit is None and frames_per_second({}) is None


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"1" * 5000,
        b"\xff\xfe",
        b"NaN",
        b"[]",
        b'"x"',
        b'{"a": 1e999}',
        b'{"a": {"b": {"c": [1]}}}',
    ],
)
def test_other_structures_are_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    if name == "environment" and content.startswith(b'{"a"'):
        pytest.skip("a key that nobody asks for")
    (tmp_path / f"{name}.json").write_bytes(content)
    with pytest.raises(InputError, match=f"{name}.json: [^\n]*$"):
        READERS[name](tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"frames": "1"}, {"frames": True}, {"frames": -1}, {"frames": 2**60}, {"seconds": {"x": [1.0]}}, {"seconds": []}]
    + [{"seconds": {"x": value}} for value in (-1, float("nan"), float("inf"), None, "1")],
)
def test_impossible_times_name_their_key(change: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "timing.json").write_text(json.dumps({"S": {**FIELD, **change}}))
    with pytest.raises(InputError, match=rf"timing\.json: S\.{next(iter(change))}"):
        read_sequence_times(tmp_path)


@pytest.mark.parametrize("line", ["data: [a]", "split: 5", "sequences: 5", "seed: x", "seed: -1", "source: {a: b}"])
def test_settings_of_another_kind_name_their_key(line: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(line + "\n")
    with pytest.raises(InputError, match=rf"config\.yaml: {line.split(':')[0]}"):
        read_settings(tmp_path)


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "timing.json").mkdir()
    with pytest.raises(InputError, match="directory"):
        read_sequence_times(tmp_path)


def test_leftovers_of_a_killed_writer_are_no_results(tmp_path: Path) -> None:
    for name in ("A.txt", ".A.x1y2.txt", ".B.x1y2.txt"):
        (tmp_path / name).write_text("1,1,0,0,9,9,1\n")
    assert list(read_run(tmp_path).results) == ["A"]
