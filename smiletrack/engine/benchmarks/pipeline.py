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
from smiletrack.engine.benchmarks.stage_clock import StageClock
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
network_stages = LazyModule("smiletrack.engine.benchmarks.network_stages")

Runtime = Literal["torch", "onnx", "openvino"]

_WARM_UP = 5
"""Frames before the first round."""


@dataclass(frozen=True)
class PipelineBenchmarkConfig(DeviceConfig):
    """Time a video's way through detector, similarity network and tracker, stage by stage and with all stages at once.

    Reads a video. Prints for each variant the median and the 99th percentile of every stage: decoding, letterbox,
    detector (boxes decoded), suppression, crops, SLM, tracker, and on a GPU upload and copy back; and the frames a
    second one stage after another, and from the file with the networks ahead of the tracker, with the SLM and without,
    beside the paper's; CPU time, memory and the device's name. --json writes the same. Variants are on a CPU the
    runtimes, on a GPU single kernels and CUDA graphs, each in full and in half precision.

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
    """Classes, input size and thresholds of the detector; with a `runtime` other than auto only what all of this says
    is timed, no variants."""
    frames: PositiveCount = 100
    """Number of frames, from the first."""
    rounds: PositiveCount = 3
    """Number of turns of each variant; they alternate."""
    json: str = ""
    """JSON file for the figures; empty = none."""


PAPER = {"with": 5.6, "without": 37.5}
"""Frames a second of SMILEtrack on one RTX 3080 Ti, with Re-ID and without (its Tables 1 and 3)."""


@dataclass(frozen=True)
class PipelineSpeed:
    """How fast one variant was. stages: name -> median and 99th percentile in milliseconds a frame.

    in_turn: frames a second, one stage after another, decoding apart. ahead: from the file, all stages at once.
    without: the same without the SLM, 0 where there is none anyway. cpu_ms: CPU time a frame of `ahead`.
    """

    stages: dict[str, tuple[float, float]]
    in_turn: float
    ahead: float
    without: float
    cpu_ms: float


@dataclass(frozen=True, eq=False)
class _Variant:
    """Makers of pipelines with new trackers: with the SLM and without; and the networks with a clock in each stage."""

    ahead: Callable[[], Pipeline]
    without: Callable[[], Pipeline] | None
    apart: Callable[[], Pipeline]
    clock: StageClock


def benchmark_pipeline(config: PipelineBenchmarkConfig) -> dict[str, PipelineSpeed]:
    """Time the variants in alternating rounds, print the tables, return the speed of each."""
    if not config.source or not config.detector:
        raise InputError("source, detector: name a video and a detector to time")
    source = open_source(config.source)
    decode, frames = _decoded(islice(source, config.frames))
    if not frames:
        raise InputError(f"{config.source}: no frames to time")
    variants = {name: _variant(config, predict, source.frame_rate) for name, predict in _settings(config).items()}
    turns: dict[str, list[PipelineSpeed]] = {name: [] for name in variants}
    for variant in variants.values():
        _turn(variant, frames[:_WARM_UP], config)  # exports, records and compiles what the first frames do
    for _ in range(config.rounds):
        for name, variant in variants.items():
            turns[name].append(_turn(variant, frames, config))
    speeds = {name: _median(of) for name, of in turns.items()}
    _tell(speeds, decode, frames, config)
    if config.json:
        about = {"device": _device_name(config.device), "memory_mb": _memory_mb(), "gpu_memory_mb": _gpu_memory_mb()}
        about |= {"decode": decode, "paper": PAPER}
        write_json(Path(config.json), about | {name: asdict(speed) for name, speed in speeds.items()})
    return speeds


def _settings(config: PipelineBenchmarkConfig) -> dict[str, PredictConfig]:
    """Return what is to be timed, by name."""
    predict = config.predict
    if predict.runtime != "auto":
        return {predict.runtime: predict}
    if str(networks.choose_device(config.device)) == "cpu":
        runtimes: tuple[Runtime, ...] = ("onnx", "torch", *(("openvino",) if find_spec("openvino") else ()))
        return {runtime: replace(predict, runtime=runtime) for runtime in runtimes}
    return {
        f"{way}, {precision} precision": replace(
            predict, runtime="torch", graphs=way == "graphs", half=precision == "half"
        )
        for way in ("graphs", "kernels")
        for precision in ("half", "full")
    }


def _variant(config: PipelineBenchmarkConfig, predict: PredictConfig, frame_rate: float) -> _Variant:
    """Return a variant; its networks are loaded once."""
    detector, embedder = networks.load_networks(config.detector, config.slm, config.device, predict)
    assert detector is not None, "the command asks for one"
    alone = networks.load_networks(config.detector, "none", config.device, predict)[0] if embedder else None
    clock = StageClock(torch.cuda.synchronize if networks.choose_device(config.device).type == "cuda" else lambda: None)
    seeing, looking = network_stages.in_stages(detector, embedder, clock)

    def apart() -> Pipeline:
        return Pipeline(seeing, looking, None, clock.watch(Tracker(config.tracker, frame_rate), {"update": "tracker"}))

    return _Variant(
        lambda: Pipeline(detector, embedder, None, Tracker(config.tracker, frame_rate)),
        (lambda: Pipeline(alone, None, None, Tracker(config.tracker, frame_rate))) if alone else None,
        apart,
        clock,
    )


def _decoded(frames: Iterator[Frame]) -> tuple[tuple[float, float], list[Frame]]:
    """Return median and 99th percentile of decoding, milliseconds, and the frames."""
    spent, kept = [], []
    start = time.perf_counter()
    for frame in frames:
        spent.append(time.perf_counter() - start)
        kept.append(frame)
        start = time.perf_counter()
    return _percentiles(spent), kept


def _turn(variant: _Variant, frames: Sequence[Frame], config: PipelineBenchmarkConfig) -> PipelineSpeed:
    """Time the frames one stage after another, then from the file with all stages at once, with the SLM and without."""
    pipeline = variant.apart()
    variant.clock.start()
    for frame in frames:
        variant.clock.next_frame()
        found = pipeline.detector.detect(frame)
        found = with_embeddings(found, pipeline.embedder, frame) if pipeline.embedder else found
        pipeline.tracker.update(found)
    spent = variant.clock.seconds
    ahead, cpu_s = _ahead(variant.ahead(), len(frames), config)
    return PipelineSpeed(
        {name: _percentiles(of) for name, of in spent.items()},
        len(frames) / sum(map(sum, spent.values())),
        ahead,
        _ahead(variant.without(), len(frames), config)[0] if variant.without else 0.0,
        1000 * cpu_s / len(frames),
    )


def _ahead(pipeline: Pipeline, number: int, config: PipelineBenchmarkConfig) -> tuple[float, float]:
    """Return frames a second from the file to tracks, and the CPU seconds of all."""
    start, cpu = time.perf_counter(), time.process_time()
    for _ in pipeline.track(islice(open_source(config.source), number), {}):
        pass
    return number / (time.perf_counter() - start), time.process_time() - cpu


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
    names = ("in_turn", "ahead", "without", "cpu_ms")
    return PipelineSpeed(stages, *(float(np.median([getattr(turn, name) for turn in turns])) for name in names))


def _tell(
    speeds: dict[str, PipelineSpeed],
    decode: tuple[float, float],
    frames: Sequence[Frame],
    config: PipelineBenchmarkConfig,
) -> None:
    height, width = frames[0].shape[:2]
    memory = f"{_memory_mb():.0f} MB" + (f", {_gpu_memory_mb():.0f} MB of the GPU" if _gpu_memory_mb() else "")
    say(f"{len(frames)} frames of {width} x {height}, {_device_name(config.device)}, {memory}")
    rows = [["-", "decode", f"{decode[0]:.2f}", f"{decode[1]:.2f}"]]
    for name, speed in speeds.items():
        rows += [[name, stage, f"{median:.2f}", f"{last:.2f}"] for stage, (median, last) in speed.stages.items()]
    print_table(("variant", "stage", "median ms", "99 % ms"), rows, names=2)
    columns = ("variant", "in turn", "ahead, with SLM", "ahead, without", "CPU ms a frame")
    totals = [["the paper, RTX 3080 Ti", "", f"{PAPER['with']}", f"{PAPER['without']}", ""]]
    for name, s in speeds.items():
        both = (s.ahead, s.without) if config.slm not in ("", "none") else (0.0, s.ahead)
        told = [f"{rate:.1f}" if rate else "" for rate in both]
        totals.append([name, f"{s.in_turn:.1f}", *told, f"{s.cpu_ms:.1f}"])
    say("frames/s")
    print_table(columns, totals)


def _device_name(device: str) -> str:
    chosen = networks.choose_device(device)
    if chosen.type == "cuda":
        return str(torch.cuda.get_device_name(chosen))
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def _memory_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _gpu_memory_mb() -> float:
    """Return the most memory that PyTorch has had of a GPU, 0 where there is none."""
    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
