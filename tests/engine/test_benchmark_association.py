"""The association's benchmark: every contestant is given the same frames and told apart by name."""

import json
from pathlib import Path

import numpy as np
import pytest

from smiletrack.engine.benchmarks import association as module
from smiletrack.engine.benchmarks.association import AssociationBenchmarkConfig, benchmark_association, tiled
from smiletrack.errors import InputError
from smiletrack.types import Detections


def frames(embedding_size: int = 0) -> list[Detections]:
    boxes = np.array([[10.0, 20, 50, 140], [200, 30, 250, 160]])
    looks = np.eye(2, embedding_size) if embedding_size else np.zeros((2, 0))
    return [Detections(boxes + 2.0 * number, np.array([0.9, 0.8]), looks) for number in range(4)]


def test_every_contestant_sees_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sequence = type("Sequence", (), {"frames": staticmethod(frames)})
    seen: list[int] = []
    monkeypatch.setattr(module, "sequence_inputs", lambda _: [sequence, sequence])
    monkeypatch.setattr(module, "find_spec", lambda name: name if name == "trackers" else None)
    monkeypatch.setitem(module._BYTETRACKS, "trackers", lambda: lambda given: seen.append(len(given)))
    monkeypatch.setitem(
        module._BOTSORTS, "trackers", lambda: lambda given: seen.append(given.embeddings.shape[1] * len(given))
    )
    file = tmp_path / "times.json"
    timing = benchmark_association(AssociationBenchmarkConfig(against="all", rounds=2, tile=3, json=str(file)))
    ours = [f"smiletrack {preset}, {way}" for preset in ("bytetrack", "smiletrack") for way in ("update", "run")]
    assert list(timing.seconds) == [*ours, "trackers' ByteTrack"] == list(json.loads(file.read_text()))
    assert seen == [6] * 8 * 3  # once to warm up, then two rounds
    told = capsys.readouterr()
    assert "6 detections a frame" in told.out and "not installed, so not compared with: pyxtrackers" in told.out
    seen.clear()
    timing = benchmark_association(AssociationBenchmarkConfig(rounds=1, embedding_size=5))
    assert "smiletrack botsort-reid, run" in timing.seconds and "trackers' BoT-SORT" in timing.seconds
    assert seen == [10] * 8 * 2
    with pytest.raises(InputError, match="with embeddings only trackers and trackforge"):
        benchmark_association(AssociationBenchmarkConfig(against="pyxtrackers", embedding_size=5))
    with pytest.raises(InputError, match="bench"):
        benchmark_association(AssociationBenchmarkConfig(against="visiontrack-cpp"))


def test_copies_lie_side_by_side_without_touching() -> None:
    given = frames()[0]
    three = tiled(given, 3)
    assert len(three) == 6 and three.scores.tolist() == [0.9, 0.8] * 3
    lefts, rights = three.boxes[:, 0].reshape(3, 2), three.boxes[:, 2].reshape(3, 2)
    assert (lefts[1:].min(1) > rights[:-1].max(1)).all()
    np.testing.assert_array_equal(three.boxes[2:4, 1::2], given.boxes[:, 1::2])
