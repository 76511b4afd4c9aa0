"""The pipeline's benchmark tells every stage of every runtime, in figures that belong together."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from smiletrack.detector.settings import PredictConfig
from smiletrack.engine.benchmarks import pipeline as module
from smiletrack.engine.benchmarks.pipeline import PipelineBenchmarkConfig, benchmark_pipeline
from smiletrack.errors import InputError
from tests.engine.test_demo import PlaceEmbedder, RedDetector, walk

__all__ = ["walk"]


@pytest.mark.parametrize("embedder", [PlaceEmbedder(), None])
def test_every_stage_of_every_runtime(
    walk: Path,
    tmp_path: Path,
    embedder: PlaceEmbedder | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[str] = []

    def load_networks(detector: str, slm: str, device: str, predict: PredictConfig) -> tuple[object, object]:
        asked.append(predict.runtime)
        return RedDetector(), embedder

    fake = SimpleNamespace(load_networks=load_networks, choose_device=lambda _: torch.device("cpu"))
    monkeypatch.setattr(module, "networks", fake)
    file = tmp_path / "speed.json"
    config = PipelineBenchmarkConfig(source=str(walk), detector="x", frames=6, rounds=2, json=str(file))
    speeds = benchmark_pipeline(config)
    assert asked == list(speeds) and {"onnx", "torch"} <= speeds.keys()
    stages = ["detect", "embed", "association"] if embedder else ["detect", "association"]
    for speed in speeds.values():
        assert list(speed.stages) == stages and all(0 < a <= b for a, b in speed.stages.values())
        slowest = sum(last for _, last in speed.stages.values())
        assert speed.in_turn > 900 / slowest and speed.ahead > 0
    told = capsys.readouterr().out
    assert "6 frames of 240 x 160" in told and "decode" in told and "frames/s ahead" in told
    assert json.loads(file.read_text())["torch"]["stages"].keys() == set(stages)
    one = PipelineBenchmarkConfig(
        source=str(walk), detector="x", frames=2, rounds=1, predict=PredictConfig(runtime="torch")
    )
    assert list(benchmark_pipeline(one)) == ["torch"]


def test_what_is_to_be_timed_is_asked_for() -> None:
    with pytest.raises(InputError, match="source, detector: name"):
        benchmark_pipeline(PipelineBenchmarkConfig())
