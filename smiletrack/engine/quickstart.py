"""The main job end to end on a world that is made here: data, detector, SLM, tracking, figures, report, video."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le

from smiletrack.config import CONFIG_ROOT, load_config, preset_file
from smiletrack.console import notify, say
from smiletrack.engine.eval_mot import EvalConfig, eval_mot
from smiletrack.engine.make_world import MakeWorldConfig, make_world
from smiletrack.engine.report import ReportConfig, report
from smiletrack.engine.run_folders.folder import run_is_whole
from smiletrack.engine.run_folders.results import result_files
from smiletrack.engine.settings.computing import DeviceConfig
from smiletrack.engine.settings.train_detector import TrainDetectorConfig
from smiletrack.engine.settings.train_slm import TrainSLMConfig
from smiletrack.engine.show_tracks import ShowConfig, show_tracks
from smiletrack.engine.track import TrackConfig, track
from smiletrack.lazy import LazyModule, require_modules
from smiletrack.ranges import PositiveCount, Seed
from smiletrack.tracking.config import TrackerConfig

detector_training = LazyModule("smiletrack.engine.train_detector")
slm_training = LazyModule("smiletrack.engine.train_slm")
launching = LazyModule("smiletrack.training.launch")

TRACKERS = {
    "bytetrack": ("bytetrack", "none"),
    "smiletrack-motion": ("smiletrack-motion", "none"),
    "smiletrack": ("smiletrack", "slm"),
    "smiletrack-joint": ("smiletrack", "joint"),
}
"""Rows of the table: preset, and what tells people apart: nothing, the SLM, or one on the detector's maps."""
THRESHOLDS = ("split.high=0.6", "life.new_score=0.7", "split.rescale=false")
"""ByteTrack's, for every row: a detector of four minutes is sure of little, and rows with other thresholds, or with
scores on another scale, would differ by how many boxes they believe rather than by how they match them."""


@dataclass(frozen=True)
class QuickstartConfig(DeviceConfig):
    """See what smiletrack does, from nothing: render a street scene, train a detector and a similarity network on it,
    track people nobody was trained on, and print what the similarity network is good for.

    It takes under ten minutes on two CPU cores; a second run only does what is missing. Writes report.html, show/*.mp4
    and one run folder a tracker into OUTPUT.

      smiletrack quickstart                                              # the same as `make demo`
      smiletrack quickstart --device cuda
      smiletrack quickstart --output runs/demo-7 --seed 7
    """

    world: str = "datasets/world"
    """Folder of the synthetic world."""
    output: str = "runs/demo"
    """Folder for the trained networks, the runs and the report."""
    detector_seconds: PositiveCount = 225
    """Training time of the detector in seconds; its learning rate is annealed over it."""
    slm_seconds: PositiveCount = 170
    """Training time of the SLM in seconds."""
    joint_seconds: PositiveCount = 120
    """Longest training time of the SLM on the detector's maps in seconds, cutting regions out excluded; it ends by
    itself after a minute of a free core."""
    processes: Annotated[int, Ge(1), Le(1024)] = 2
    """Data-parallel processes of the trainings on pixels, as many as there are free cores."""
    seed: Seed = 0
    """Seed of all trainings. The world in use stays as it is; for another one name another `world`."""


def quickstart(config: QuickstartConfig) -> Path:
    """Run what is not there yet, print the table, and return the report's path."""
    require_modules("torch", "cv2", "av")
    output, world = Path(config.output), Path(config.world)
    detector, slm = output / "detector" / "model.safetensors", output / "slm" / "model.safetensors"
    joint = output / "joint" / "joint.safetensors"
    began = time.monotonic()

    def stage(title: str, made: Path, make: Callable[[], object], whole: Callable[[], bool] = lambda: True) -> None:
        if made.exists() and whole():
            notify(f"{title}: already there ({made})")
            return
        start = time.monotonic()
        notify(f"{title} ...")
        make()
        notify(f"{title}: {time.monotonic() - start:.0f} s")

    stage("1/5 the world", world / "world.yaml", lambda: make_world(_world(config)))
    stage(
        "2/5 training the detector",
        detector,
        lambda: launching.launch(detector_training.train_detector, _detector(config, detector.parent)),
    )
    stage("3/5 training the SLM", slm, lambda: launching.launch(slm_training.train_slm, _slm(config, slm.parent)))
    stage(
        "3/5 training the SLM on the detector's maps",
        joint,
        lambda: launching.launch(slm_training.train_slm, _joint(config, joint.parent, detector)),
    )
    runs = {name: output / name for name in TRACKERS}
    networks = {"none": (detector, "none"), "slm": (detector, str(slm)), "joint": (joint, f"joint:{joint}")}
    for name, run in runs.items():
        preset, appearance = TRACKERS[name]
        settings = _track(config, preset, run, *networks[appearance])
        stage(
            f"4/5 tracking with {name}",
            run / "timing.json",
            lambda settings=settings: track(settings),  # type: ignore[misc]
            lambda run=run: run_is_whole(run),  # type: ignore[misc]
        )
    for run in runs.values():
        eval_mot(EvalConfig(results=str(run)))
    page, video = output / "report.html", output / "show"
    stage("5/5 report", page, lambda: report(ReportConfig(runs=tuple(map(str, runs.values())), output=str(page))))
    shown = runs["smiletrack"]
    stage(
        "5/5 video",
        video,
        lambda: show_tracks(ShowConfig(run=str(shown), output=str(video))),
        lambda: all((video / f"{name}.mp4").is_file() for name in result_files(shown)),
    )
    notify(f"all of it: {time.monotonic() - began:.0f} s. Look at {page} and {video}")
    say(*_next_steps(detector, slm, shown))
    return page


def _next_steps(detector: Path, slm: Path, run: Path) -> list[str]:
    """Return lines on what to do with a video of one's own; the networks made here know the drawn street only."""
    commands = {
        "smiletrack demo street.mp4 --detector FILE.onnx": "any YOLO or DETR, see docs/detectors.md",
        "smiletrack demo street.mp4 --detector FILE.onnx --slm FILE.onnx": "and any re-identification network",
        f"smiletrack track --source street.mp4 --detector {detector} --slm {slm}": "what was trained here",
        f"smiletrack convert {run} --to cvat": "tracks to correct by hand, and to train on",
    }
    lines = (line for command, about in commands.items() for line in (f"  {command}", f"      {about}"))
    return ["", "Next, with a video of your own (the networks trained here know the drawn street only):", *lines]


def _world(config: QuickstartConfig) -> MakeWorldConfig:
    return load_config(MakeWorldConfig, CONFIG_ROOT / "world" / "demo.yaml", output=config.world)


def _detector(config: QuickstartConfig, folder: Path) -> TrainDetectorConfig:
    recipe = load_config(TrainDetectorConfig, CONFIG_ROOT / "detector" / "prb-nano-demo.yaml")
    fit = replace(recipe.fit, time_limit_s=config.detector_seconds)
    return replace(recipe, **_training(config, folder), fit=fit)


def _slm(config: QuickstartConfig, folder: Path) -> TrainSLMConfig:
    recipe = load_config(TrainSLMConfig, CONFIG_ROOT / "slm" / "demo.yaml")
    fit = replace(recipe.fit, time_limit_s=config.slm_seconds)
    return replace(recipe, **_training(config, folder), cache=str(Path(config.output) / "crops"), fit=fit)


def _joint(config: QuickstartConfig, folder: Path, detector: Path) -> TrainSLMConfig:
    recipe = load_config(TrainSLMConfig, CONFIG_ROOT / "slm" / "joint-demo.yaml")
    fit = replace(recipe.fit, time_limit_s=config.joint_seconds)
    settings = _training(config, folder) | {"processes": 1}  # each process would run the detector over all images
    return replace(recipe, **settings, detector=str(detector), fit=fit)


def _training(config: QuickstartConfig, folder: Path) -> dict[str, Any]:
    """Return what all trainings have in common."""
    return {
        "train": (f"{config.world}/train@all",),
        "val": (f"{config.world}/val@all",),
        "output": str(folder),
        "resume": True,
        "device": config.device,
        "seed": config.seed,
        "processes": config.processes,
    }


def _track(config: QuickstartConfig, preset: str, run: Path, detector: Path, slm: str) -> TrackConfig:
    return TrackConfig(
        data=f"{config.world}/val",
        detector=str(detector),
        slm=slm,
        camera_motion="flow",
        cache=str(Path(config.output) / ("seen" if slm == "none" else f"seen-{Path(slm).parent.name}")),
        device=config.device,
        tracker=load_config(TrackerConfig, preset_file("tracker", preset), THRESHOLDS),
        output=str(run),
    )
