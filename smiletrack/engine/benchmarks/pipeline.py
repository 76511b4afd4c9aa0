"""`smiletrack benchmark pipeline`: a video through detector, SLM and tracker, stage by stage and all at once."""

import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from smiletrack.console import print_table, say
from smiletrack.data.sources import open_source
from smiletrack.detector.settings import PredictConfig
from smiletrack.engine.demo import Pipeline
from smiletrack.engine.inputs.detection_cache import with_embeddings
from smiletrack.engine.settings.computing import DeviceConfig
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.images import Frame
from smiletrack.input_paths import InputPath
from smiletrack.lazy import LazyModule
from smiletrack.ranges import PositiveCount
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker, default_config

networks, torch = LazyModule("smiletrack.engine.inputs.networks"), LazyModule("torch")

Runtime = Literal["torch", "onnx", "openvino"]


@dataclass(frozen=True)
class PipelineBenchmarkConfig(DeviceConfig):
    """Time a video's way through detector, similarity network and tracker, stage by stage and with all stages at once.

    Reads a video. Prints for each runtime the median and the 99th percentile of every stage, the frames a second one
    after another and with the networks ahead of the tracker, CPU time, memory, and the device's name; --json writes the
    same. Decoding is told apart. The paper has 5.6 frames a second with Re-ID and 37.5 without, on an RTX 3080 Ti.

      smiletrack benchmark pipeline --source street.mp4 --detector yolox_nano.onnx --slm runs/slm/model.safetensors
      smiletrack benchmark pipeline --source street.mp4 --detector runs/detector/best.safetensors --device cuda
      smiletrack benchmark pipeline --source frames --detector yolox_nano.onnx --frames 200 --json timing.json
    """

    source: str = ""
    """Video file, folder of images or MOT sequence."""
    detector: InputPath = ""
    """Detector: a checkpoint or a network file."""
    slm: InputPath = "none"
    """Similarity network: a checkpoint, a network file, or none."""
    tracker: TrackerConfig = field(default_factory=default_config)
    """Tracker: a preset of configs/tracker, a YAML file, or keys tracker.*=..."""
    predict: PredictConfig = field(default_factory=PredictConfig)
    """Classes, input size and thresholds of the detector; its `runtime` is the one that is timed, auto = all."""
    frames: PositiveCount = 100
    """Number of frames, from the first."""
    rounds: PositiveCount = 3
    """Number of turns of each runtime; they alternate."""
    json: str = ""
    """JSON file for the figures; empty = none."""


@dataclass(frozen=True)
class PipelineSpeed:
    """How fast one runtime was. stages: name -> median and 99th percentile in milliseconds a frame.

    in_turn, ahead: frames a second, one stage after another and all at once, medians over the rounds. cpu_ms: CPU time
    a frame of the latter.
    """

    stages: dict[str, tuple[float, float]]
    in_turn: float
    ahead: float
    cpu_ms: float


def benchmark_pipeline(config: PipelineBenchmarkConfig) -> dict[str, PipelineSpeed]:
    """Time the runtimes in alternating rounds, print the tables, return the speed of each."""
    if not config.source or not config.detector:
        raise InputError("source, detector: name a video and a detector to time")
    source = open_source(config.source)
    decode, frames = _decoded(islice(source, config.frames))
    if not frames:
        raise InputError(f"{config.source}: no frames to time")
    contestants = {runtime: _pipeline(config, runtime, source.frame_rate) for runtime in _runtimes(config)}
    for make in contestants.values():
        list(make().track(frames[:5], {}))  # exports, tunes and compiles what the first frames do
    turns: dict[str, list[PipelineSpeed]] = {runtime: [] for runtime in contestants}
    for _ in range(config.rounds):
        for runtime, make in contestants.items():
            turns[runtime].append(_turn(make, frames))
    speeds = {runtime: _median(of) for runtime, of in turns.items()}
    _tell(speeds, decode, frames, config.device)
    if config.json:
        about = {"device": _device_name(config.device), "memory_mb": _memory_mb(), "decode": decode}
        write_json(Path(config.json), about | {name: asdict(speed) for name, speed in speeds.items()})
    return speeds


def _runtimes(config: PipelineBenchmarkConfig) -> list[Runtime]:
    if config.predict.runtime != "auto":
        return [config.predict.runtime]
    if str(networks.choose_device(config.device)) != "cpu":
        return ["torch"]
    return ["onnx", "torch", *(("openvino",) if find_spec("openvino") else ())]


def _pipeline(config: PipelineBenchmarkConfig, runtime: Runtime, frame_rate: float) -> Callable[[], Pipeline]:
    """Return what makes a pipeline with a new tracker; the networks are loaded once."""
    settings = replace(config.predict, runtime=runtime)
    detector, embedder = networks.load_networks(config.detector, config.slm, config.device, settings)
    assert detector is not None, "the command asks for one"
    return lambda: Pipeline(detector, embedder, None, Tracker(config.tracker, frame_rate))


def _decoded(frames: Iterator[Frame]) -> tuple[tuple[float, float], list[Frame]]:
    """Return median and 99th percentile of decoding, milliseconds, and the frames."""
    spent, kept = [], []
    start = time.perf_counter()
    for frame in frames:
        spent.append(time.perf_counter() - start)
        kept.append(frame)
        start = time.perf_counter()
    return _percentiles(spent), kept


def _turn(make: Callable[[], Pipeline], frames: Sequence[Frame]) -> PipelineSpeed:
    """Time the frames one stage after another, then with all stages at once."""
    pipeline, spent = make(), {"detect": [], "embed": [], "association": []}  # type: ignore[var-annotated]
    for frame in frames:
        marks = [time.perf_counter()]
        found = pipeline.detector.detect(frame)
        marks.append(time.perf_counter())
        found = with_embeddings(found, pipeline.embedder, frame) if pipeline.embedder else found
        marks.append(time.perf_counter())
        pipeline.tracker.update(found)
        marks.append(time.perf_counter())
        for stage, seconds in zip(spent, np.diff(marks), strict=True):
            spent[stage].append(seconds)
    in_turn = len(frames) / sum(map(sum, spent.values()))
    if pipeline.embedder is None:
        del spent["embed"]
    start, cpu = time.perf_counter(), time.process_time()
    for _ in make().track(frames, {}):
        pass
    ahead, cpu_s = len(frames) / (time.perf_counter() - start), time.process_time() - cpu
    return PipelineSpeed(
        {name: _percentiles(of) for name, of in spent.items()}, in_turn, ahead, 1000 * cpu_s / len(frames)
    )


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    median, last = np.percentile(seconds, [50, 99]) * 1000 if len(seconds) else (0.0, 0.0)
    return float(median), float(last)


def _median(turns: Sequence[PipelineSpeed]) -> PipelineSpeed:
    """Return the medians over rounds, figure by figure."""
    stages = {
        name: (
            float(np.median([turn.stages[name][0] for turn in turns])),
            float(np.median([turn.stages[name][1] for turn in turns])),
        )
        for name in turns[0].stages
    }
    in_turn, ahead, cpu = (
        float(np.median([getattr(turn, name) for turn in turns])) for name in ("in_turn", "ahead", "cpu_ms")
    )
    return PipelineSpeed(stages, in_turn, ahead, cpu)


def _tell(speeds: dict[str, PipelineSpeed], decode: tuple[float, float], frames: Sequence[Frame], device: str) -> None:
    height, width = frames[0].shape[:2]
    say(f"{len(frames)} frames of {width} x {height}, {_device_name(device)}, {_memory_mb():.0f} MB")
    rows = [["-", "decode", f"{decode[0]:.2f}", f"{decode[1]:.2f}"]]
    for runtime, speed in speeds.items():
        rows += [[runtime, stage, f"{median:.2f}", f"{last:.2f}"] for stage, (median, last) in speed.stages.items()]
    print_table(("runtime", "stage", "median ms", "99 % ms"), rows, names=2)
    totals = [[name, f"{s.in_turn:.1f}", f"{s.ahead:.1f}", f"{s.cpu_ms:.1f}"] for name, s in speeds.items()]
    print_table(("runtime", "frames/s in turn", "frames/s ahead", "CPU ms a frame"), totals)


def _device_name(device: str) -> str:
    chosen = networks.choose_device(device)
    if chosen.type == "cuda":
        return str(torch.cuda.get_device_name(chosen))
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def _memory_mb() -> float:
    """Return the most memory that this process has had, and the GPU's where it is used."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return used + (torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0)
