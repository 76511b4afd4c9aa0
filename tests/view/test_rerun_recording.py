"""What a recording for the Rerun viewer holds, read back with the package itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smiletrack.errors import InputError
from smiletrack.view.colors import identity_color
from smiletrack.view.rerun_recording import RerunRecording


def columns(file: Path, entity: str) -> dict[str, list[Any]]:
    """Return what a recording holds of an entity, a row a frame."""
    chunk = pytest.importorskip("rerun.chunk", reason="needs rerun-sdk: pip install 'smiletrack[rerun]'")
    found: dict[str, list[Any]] = {}
    for part in chunk.RrdReader(file).stream():
        if part.entity_path == entity:
            batch = part.to_record_batch()
            for name in batch.schema.names:
                if name == "frame" or name[0].isupper():
                    found.setdefault(name, []).extend(batch.column(name).to_pylist())
    return found


def test_frames_boxes_and_trails_are_on_the_timeline(tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="needs rerun-sdk: pip install 'smiletrack[rerun]'")
    file = tmp_path / "a.rrd"
    with RerunRecording(file, "street", 25.0) as recording:
        for number in range(1, 4):
            ids, boxes = np.array([4, 7]), np.array([[1.0, 2, 30, 40], [50, 10 + number, 80, 60]])
            recording.log(number, np.full((64, 96, 3), 40, np.uint8), ids, boxes, ["person", "car"])
        recording.log(4, np.full((64, 96, 3), 40, np.uint8), ids[:0], boxes[:0])
    assert [path.name for path in tmp_path.iterdir()] == ["a.rrd"]
    tracks = columns(file, "/frame/tracks")
    assert tracks["frame"] == [1, 2, 3, 4] == columns(file, "/frame")["frame"]
    assert tracks["Boxes2D:labels"] == [*[["person 4", "car 7"]] * 3, []]
    np.testing.assert_allclose(tracks["Boxes2D:half_sizes"][1], [[14.5, 19], [15, 24]])
    blue, green, red = identity_color(4)
    assert tracks["Boxes2D:colors"][0][0] == red << 24 | green << 16 | blue << 8 | 255
    trails = columns(file, "/frame/trails")["LineStrips2D:strips"]
    assert [len(strip) for strip in trails[2]] == [3, 3] and trails[3] == []


def test_without_the_package_one_line_tells_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("smiletrack.lazy.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"rerun is not installed; pip install 'smiletrack\[rerun\]'"):
        RerunRecording(tmp_path / "a.rrd", "a", 25)
    assert not list(tmp_path.iterdir())
