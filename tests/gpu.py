"""All figures that only a GPU gives, in one call: `python -m tests.gpu [DEVICE=cuda] [MINUTES=5] [OUTPUT=runs/gpu]`.

A street of 40 people at 1080p is drawn and written as a video, and PRB 2PY at 768 x 1280 and an SLM are trained on it
for so many minutes each. Told are: whether a GPU's answers are those of the CPU, how much of a training step is inside
of kernels and how often it waits, and the table of `smiletrack benchmark pipeline`. DEVICE=cpu goes the same way with
networks and pictures of a CPU's size.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

from smiletrack.console import say
from smiletrack.data.sources import open_source
from smiletrack.data.video import VideoWriter
from smiletrack.data.world.config import SceneConfig
from smiletrack.detector.build import build_detector, build_loss
from smiletrack.detector.settings import DetectorConfig, PredictConfig
from smiletrack.engine.benchmarks.pipeline import PipelineBenchmarkConfig, benchmark_pipeline
from smiletrack.engine.inputs.detection_cache import with_embeddings
from smiletrack.engine.inputs.networks import load_networks
from smiletrack.engine.make_world import MakeWorldConfig, make_world
from smiletrack.engine.settings.train_detector import TrainDetectorConfig
from smiletrack.engine.settings.train_slm import TrainSLMConfig
from smiletrack.engine.train_detector import train_detector
from smiletrack.engine.train_slm import train_slm
from smiletrack.training.config import FitConfig
from smiletrack.training.recipe import Recipe
from smiletrack.training.runtime import Runtime
from smiletrack.training.state import TrainingState
from smiletrack.training.step import StepFigures, take_step
from smiletrack.types import Detections

LARGE = DetectorConfig("prb-fpn6-2py", height=768, width=1280)
SMALL = DetectorConfig("prb-nano", height=96, width=160)


def main(device: str, minutes: float, output: Path) -> None:
    """Make everything in `output`, tell the figures, and leave them in pipeline.json."""
    network, scene = LARGE, SceneConfig(width=1920, height=1080, length=150, people=40)
    if device == "cpu":
        network, scene = SMALL, SceneConfig(length=40)
    world = make_world(
        MakeWorldConfig(str(output / "world"), train_sequences=2, val_sequences=1, situations=(), scene=scene)
    )
    train, val = (f"{world / 'train'}@all",), (f"{world / 'val'}@all",)
    video = write_video(
        next(path for path in sorted((world / "val").iterdir()) if path.is_dir()), output / "street.mp4"
    )
    fit = FitConfig(epochs=10_000, time_limit_s=60 * minutes, evaluate_every=10_000)
    place, where = {"device": device, "overwrite": True}, output
    train_detector(
        TrainDetectorConfig(
            train, val, str(where / "detector"), network=network, batch_size=2, norm_momentum=0.05, fit=fit, **place
        )
    )
    train_slm(TrainSLMConfig(train, val, str(where / "slm"), cache=str(where / "crops"), fit=fit, **place))
    detector, slm = (str(where / name / "model.safetensors") for name in ("detector", "slm"))
    compare(detector, slm, video, device)
    training_step(network, device)
    benchmark_pipeline(
        PipelineBenchmarkConfig(
            source=str(video), detector=detector, slm=slm, device=device, json=str(where / "pipeline.json")
        )
    )


def write_video(sequence: Path, file: Path) -> Path:
    """Write a sequence as the video that is timed."""
    source = open_source(str(sequence))
    with VideoWriter(file, source.frame_rate) as writer:
        for frame in source:
            writer.write(frame)
    return file


def compare(detector: str, slm: str, video: Path, device: str) -> None:
    """Tell how far the device's detections and embeddings are from those of a CPU in full precision."""
    for half in (False, True):
        exact = load_networks(detector, slm, "cpu", PredictConfig(runtime="torch"))
        found = load_networks(detector, slm, device, PredictConfig(runtime="torch", half=half))
        apart, cosines, missing, number = [0.0], [1.0], 0, 0
        for _, frame in open_source(str(video)).pick(range(1, 40, 8)):
            theirs, ours = (with_embeddings(seeing.detect(frame), looking, frame) for seeing, looking in (exact, found))
            for row in range(len(theirs)):
                nearest = nearest_box(theirs.boxes[row], ours)
                missing, number = missing + (nearest < 0), number + 1
                if nearest >= 0:
                    apart.append(float(np.abs(ours.boxes[nearest] - theirs.boxes[row]).max()))
                    cosines.append(float(ours.embeddings[nearest] @ theirs.embeddings[row]))
        say(
            f"{device}, {'half' if half else 'full'} precision, against the CPU: {missing} of {number} boxes missing, "
            f"the others at most {max(apart):.2f} px apart, cosine of embeddings {min(cosines):.4f} and more"
        )


def nearest_box(box: np.ndarray, among: Detections) -> int:
    """Return the row with all edges within eight pixels and the nearest, -1 for none."""
    apart = np.abs(among.boxes - box).max(1) if len(among) else np.zeros(0)
    return int(apart.argmin()) if len(apart) and apart.min() < 8 else -1


def training_step(network: DetectorConfig, device: str, steps: int = 20) -> None:
    """Tell the time of a step of the detector's training, and on a GPU the share of it that is inside of kernels."""
    net = build_detector(network).train()
    criterion = build_loss(net).to(device)
    state = TrainingState(net, FitConfig(channels_last=True), Runtime(torch.device(device)))

    def loss(net: torch.nn.Module, batch: list[torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        terms = criterion(net(batch[0]), batch[1])
        return terms.total, {"box": terms.box}

    recipe, figures = Recipe(net, loss, lambda _: []), StepFigures()
    places = torch.rand(80, 2) * torch.tensor([network.width, network.height])
    targets = torch.cat([torch.arange(80)[:, None] % 2, torch.zeros(80, 1), places, torch.full((80, 2), 60.0)], 1)
    batch = [torch.rand(2, 3, *network.size), targets]

    def step(number: int) -> None:
        values = take_step(recipe, state, net, [batch], 10.0)
        figures.take()
        figures.put(number, 2, values)

    for number in range(5):
        step(number)
    on_gpu = torch.device(device).type == "cuda"
    torch.cuda.synchronize() if on_gpu else None
    with torch.profiler.profile() as profile:
        start = time.perf_counter()
        for number in range(steps):
            step(number)
        torch.cuda.synchronize() if on_gpu else None
        spent = time.perf_counter() - start
    line = f"a training step of {network.architecture}, batch 2: {1000 * spent / steps:.1f} ms"
    if on_gpu:
        events = profile.key_averages()
        inside = sum(event.self_device_time_total for event in events) / 1e6
        waits = sum(event.count for event in events if "Synchronize" in event.key) / steps
        line += f", {100 * inside / spent:.0f} % of it inside of kernels, {waits:.1f} waits"
    say(line)


if __name__ == "__main__":
    words = dict(word.split("=", 1) for word in sys.argv[1:] if word.partition("=")[2])
    main(words.get("DEVICE", "cuda"), float(words.get("MINUTES", "5")), Path(words.get("OUTPUT", "runs/gpu")))
