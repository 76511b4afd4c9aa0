"""The pipeline's benchmark tells every stage of every runtime, in figures that belong together."""

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import torch

from smiletrack.detector.settings import NMSConfig, PredictConfig
from smiletrack.engine.benchmarks import pipeline as module
from smiletrack.engine.benchmarks import stage_clock
from smiletrack.engine.benchmarks.pipeline import PipelineBenchmarkConfig, benchmark_pipeline
from smiletrack.engine.benchmarks.stage_clock import StageClock
from smiletrack.engine.inputs import detection_cache, device_networks, frame_pipeline
from smiletrack.errors import InputError
from tests.engine.inputs.test_device_networks import tiny_networks
from tests.engine.test_demo import PlaceEmbedder, RedDetector, walk
from tests.fake_cuda import fake_cuda

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
        if slm != "none" or embedder is None:
            asked.append(predict.runtime)
        return RedDetector(), embedder if slm != "none" else None

    fake = SimpleNamespace(load_networks=load_networks, choose_device=lambda _: torch.device("cpu"))
    monkeypatch.setattr(module, "networks", fake)
    file, slm = tmp_path / "speed.json", "y" if embedder else "none"
    config = PipelineBenchmarkConfig(source=str(walk), detector="x", slm=slm, frames=6, rounds=2, json=str(file))
    speeds = benchmark_pipeline(config)
    assert asked == list(speeds) and {"onnx", "torch"} <= speeds.keys()
    stages = ["detect", "embed", "tracker"] if embedder else ["detect", "tracker"]
    for speed in speeds.values():
        assert list(speed.stages) == stages and all(0 < a <= b for a, b in speed.stages.values())
        slowest = sum(last for _, last in speed.stages.values())
        assert speed.in_turn > 900 / slowest and speed.ahead > 0 and (speed.without > 0) == (embedder is not None)
    told = capsys.readouterr().out
    assert "6 frames of 240 x 160" in told and "decode" in told and "the paper" in told and "37.5" in told
    assert json.loads(file.read_text())["torch"]["stages"].keys() == set(stages)
    one = PipelineBenchmarkConfig(
        source=str(walk), detector="x", frames=2, rounds=1, predict=PredictConfig(runtime="torch")
    )
    assert list(benchmark_pipeline(one)) == ["torch"]


def networks(folder: Path) -> tuple[str, str]:
    detector, slm = tiny_networks(folder)
    return str(detector), str(slm)


SEEN = PredictConfig(runtime="torch", nms=NMSConfig(1e-6, max_detections=20))


def test_the_stages_of_networks_on_a_cpu(walk: Path, tmp_path: Path) -> None:
    detector, slm = networks(tmp_path)
    config = PipelineBenchmarkConfig(source=str(walk), detector=detector, slm=slm, predict=SEEN, frames=3, rounds=1)
    with mock.patch.object(detection_cache, "EMBEDDED_ABOVE", 0.0):
        speeds = benchmark_pipeline(config)
    assert list(speeds["torch"].stages) == ["letterbox", "detector", "suppression", "crops", "SLM", "tracker"]
    assert all(median > 0 for median, _ in speeds["torch"].stages.values()) and speeds["torch"].without > 0


class AtOnce(ThreadPoolExecutor):
    """Works in the thread that asks: others know nothing of the GPU that is none."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result(work(*given, **named))
        return done


def test_the_stages_of_networks_on_a_gpu(walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector, slm = networks(tmp_path)
    monkeypatch.setattr(frame_pipeline, "ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr(device_networks, "EMBEDDED_ABOVE", 0.0)
    config = PipelineBenchmarkConfig(
        source=str(walk), detector=detector, slm=slm, predict=SEEN, frames=2, rounds=1, device="cuda"
    )
    with fake_cuda():
        speeds = benchmark_pipeline(config)
        all_of_them = module._settings(replace(config, predict=PredictConfig()))
    stages = ["upload", "letterbox", "detector", "suppression", "crops", "SLM", "copy back", "the rest", "tracker"]
    assert list(speeds["torch"].stages) == stages
    assert all(median > 0 for median, _ in speeds["torch"].stages.values()) and speeds["torch"].without > 0
    assert [(name, of.graphs, of.half) for name, of in all_of_them.items()] == [
        ("graphs, half precision", True, True),
        ("graphs, full precision", True, False),
        ("kernels, half precision", False, True),
        ("kernels, full precision", False, False),
    ]


def test_time_inside_of_a_stage_is_not_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def work(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(stage_clock.time, "perf_counter", lambda: now)
    clock = StageClock(wait=lambda: work(0.5))
    inner = clock.timed("inner", lambda: work(2))
    outer = clock.timed("outer", lambda: (work(1), inner(), work(3), inner()))
    for _ in range(2):
        clock.next_frame()
        outer()
    clock.next_frame()
    inner()
    assert clock.seconds == {"inner": [5, 5, 2.5], "outer": [4.5, 4.5, 0]}


def test_what_is_to_be_timed_is_asked_for() -> None:
    with pytest.raises(InputError, match="source, detector: name"):
        benchmark_pipeline(PipelineBenchmarkConfig())
