"""Every command that writes, small: `(data, output)` -> files below `output`, the same each time."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from smiletrack import Detections
from smiletrack.config import load_config, preset_file
from smiletrack.data.world.config import SceneConfig
from smiletrack.detector.build import build_detector
from smiletrack.detector.checkpoint import to_public
from smiletrack.detector.settings import DetectorConfig
from smiletrack.engine.ablate import AblateConfig, ablate
from smiletrack.engine.calibrate import CalibrateConfig, calibrate_scores
from smiletrack.engine.compare import CompareConfig, compare_runs
from smiletrack.engine.convert import ConvertConfig, convert
from smiletrack.engine.demo import DemoConfig, demo
from smiletrack.engine.eval_mot import EvalConfig, eval_mot
from smiletrack.engine.eval_slm import eval_slm
from smiletrack.engine.export import export
from smiletrack.engine.import_weights import import_weights
from smiletrack.engine.make_world import MakeWorldConfig, make_world
from smiletrack.engine.prepare_data import PrepareDataConfig, prepare_data
from smiletrack.engine.report import ReportConfig, report
from smiletrack.engine.settings.eval_slm import EvalSLMConfig
from smiletrack.engine.settings.export import ExportConfig
from smiletrack.engine.settings.import_weights import ImportConfig
from smiletrack.engine.show_data import ShowDataConfig, show_data
from smiletrack.engine.show_tracks import ShowConfig, show_tracks
from smiletrack.engine.studies.robustness import RobustnessConfig
from smiletrack.engine.studies.scored_sequences import ScoredDataConfig
from smiletrack.engine.studies.search_space import RangeConfig
from smiletrack.engine.submit import SubmitConfig, expected, submit
from smiletrack.engine.track import TrackConfig, track
from smiletrack.engine.tune import TuneConfig, tune
from smiletrack.slm.checkpoint import metadata
from smiletrack.slm.network import SLM
from smiletrack.tracking.config import TrackerConfig
from smiletrack.training.loop import FitConfig, fit
from smiletrack.training.recipe import Evaluation
from smiletrack.weights import save_weights
from tests.data.mot_folders import walkers, write_sequence
from tests.engine.slm_street import NETWORK
from tests.training.product_task import network, recipe

Command = Callable[[Path, Path], object]

FULL = bool(os.environ.get("SMILETRACK_FULL"))
FRAMES = range(1, 7)
VARIES = {
    "timing.json", "environment.json", "looked_at.tsv", "report.html", "summary.json", "history.json", "last.pt",
    "study.journal",
}  # fmt: skip
"""Files that hold times of day, or speeds."""
VARYING_KINDS = {".npz", ".mp4"}
"""Caches that hold the time they took, and videos in which a speed is written."""


class Seer:
    """Sees the same person in every frame."""

    fingerprint = "the same"

    def detect(self, frame: np.ndarray) -> Detections:
        return Detections(np.array([[10.0, 8, 22, 40]]), np.array([0.9]))


def make_data(folder: Path) -> Path:
    """Write what the commands below read; return the folder of the sequences."""
    images = [f"{frame:06d}.png" for frame in FRAMES]
    found = walkers(FRAMES, "0.9", identified=False)
    for name in ("A", "B"):
        sequence = write_sequence(folder / "train" / name, walkers(FRAMES), found, 6, images, "imExt=.png")
        (sequence / "det" / "doubted.txt").write_text(found + "1,-1,40,5,9,9,0.2\n3,-1,50,5,9,9,0.3\n")
    results = folder / "results"
    results.mkdir()
    for name in expected("MOT20", "test"):
        (results / f"{name}.txt").write_text("1,1,5,5,20,40,1,-1,-1,-1\n")
    if FULL:
        _make_networks(folder)
    return folder / "train"


def _make_networks(folder: Path) -> None:
    torch.manual_seed(0)
    save_weights(folder / "slm.safetensors", SLM(NETWORK).state_dict(), metadata(NETWORK))
    config = DetectorConfig("yolox-nano", height=64, width=96)
    torch.save({"model": to_public(build_detector(config))}, folder / "nano.pth")


def run_track(data: Path, output: Path, preset: str = "sort") -> Path:
    return track(load_config(TrackConfig, data=str(data), output=str(output), tracker=preset))


def _track_seen(data: Path, output: Path) -> Path:
    given = {"detector": "tests.faults.commands:Seer", "camera_motion": "flow", "tracker": "botsort"}
    return track(load_config(TrackConfig, data=str(data), output=str(output), all_detections=True, **given))


def _prepare(data: Path, output: Path) -> object:
    overrides = ["data.format=motchallenge", "data.splits=train"]
    return prepare_data(load_config(PrepareDataConfig, None, overrides, source=str(data.parent), output=str(output)))


def run_world(_: Path, output: Path) -> object:
    scene = SceneConfig(width=96, height=64, length=2, people=2)
    sizes = {"train_sequences": 2, "val_sequences": 0, "situations": (), "workers": 1}
    return make_world(MakeWorldConfig(output=str(output), scene=scene, **sizes))  # type: ignore[arg-type]


def _train(_: Path, output: Path) -> object:
    """Train, or go on, with dropout, shuffling and averaging."""
    network_of_run = network(dropout=0.3)
    task = recipe(network=network_of_run, evaluate=lambda net: Evaluation({"score": 1.0}), monitor="score")
    return fit(task, FitConfig(epochs=2, learning_rate=0.05, checkpoint_s=1e-9), output, resume=True)


def _tune(_: Path, output: Path) -> object:
    crowd = ScoredDataConfig(split="train_half", sequences=("CROWD-01",))
    start = load_config(TrackerConfig, preset_file("tracker", "bytetrack"))
    space = {"first.max_cost": RangeConfig(0.01, 0.95)}
    return tune(TuneConfig((crowd,), space=space, tracker=start, trials=3, processes=1, output=str(output)))


def _calibrate(data: Path, output: Path) -> object:
    return calibrate_scores(
        CalibrateConfig(data=str(data), detections="doubted", output=str(output / "found.scores.json"))
    )


def _compare(data: Path, output: Path) -> object:
    runs = [str(run_track(data, output / preset, preset)) for preset in ("sort", "bytetrack")]
    return compare_runs(CompareConfig(tuple(runs), resamples=10, json=str(output / "difference.json")))


def _ablate(data: Path, output: Path) -> object:
    figures = RobustnessConfig(qualities=(1.0,), trackers=("sort",), plot=str(output / "curve.png"))
    seen = ScoredDataConfig(data=str(data))
    return ablate(AblateConfig(table="robustness", on=seen, robustness=figures, json=str(output / "figures.json")))


def _demo(data: Path, output: Path) -> object:
    seer = "tests.faults.commands:Seer"
    return demo(DemoConfig(source=str(data / "A/img1"), detector=seer, save=str(output / "a.mp4"), device="cpu"))


def _eval_slm(data: Path, output: Path) -> object:
    return eval_slm(
        EvalSLMConfig(
            checkpoint=str(data.parent / "slm.safetensors"),
            data=(f"{data}@all",),
            gaps=(1,),
            step=1,
            output=str(output),
            resamples=2,
            device="cpu",
        )
    )


def _export(data: Path, output: Path) -> object:
    return export(ExportConfig("slm", checkpoint=str(data.parent / "slm.safetensors"), output=str(output / "a.onnx")))


def _import(data: Path, output: Path) -> object:
    checkpoint, written = data.parent / "nano.pth", output / "a.safetensors"
    return import_weights(ImportConfig(str(checkpoint), "yolox-nano", str(written), height=64, width=96))


def _submit(data: Path, output: Path) -> object:
    return submit(SubmitConfig(str(data.parent / "results"), "MOT20", output=str(output / "a.zip")))


def after_track(command: Callable[[Path], object]) -> Command:
    """Return a command that works on a run, which is made where it is not there."""

    def run(data: Path, output: Path) -> object:
        if not (output / "tracks/B.txt").exists():
            run_track(data, output)
        return command(output)

    return run


def _convert(kind: str, file: str = "", images: str = "link") -> Command:
    return after_track(
        lambda run: convert(ConvertConfig(str(run), kind, str(run / "export" / file), images=images))  # type: ignore[arg-type]
    )


COMMANDS: dict[str, Command] = {
    "track": run_track,
    "prepare-data": _prepare,
    "make-world": run_world,
    "eval": after_track(lambda run: eval_mot(EvalConfig(results=str(run)))),
    "report": after_track(lambda run: report(ReportConfig((str(run),), resamples=0))),
    "show-tracks": after_track(lambda run: show_tracks(ShowConfig(str(run), format="images"))),
    "convert": _convert("mot-folders"),
    "convert-copy": _convert("mot-folders", images="copy"),
    "train": _train,
    "show-data": lambda data, output: show_data(ShowDataConfig(str(data), output=str(output), frames=2)),
}
"""In every run of the test suite."""

if FULL:
    COMMANDS |= {
        "track-seen": _track_seen,
        "classes": after_track(lambda run: eval_mot(EvalConfig(results=str(run), classes=("pedestrian",)))),
        "show-video": after_track(lambda run: show_tracks(ShowConfig(str(run)))),
        "cvat": _convert("cvat"),
        "kitti": _convert("kitti"),
        "coco": _convert("coco", "tracks.json"),
        "csv": _convert("csv", "tracks.csv"),
        "mot": _convert("mot"),
        "tune": _tune,
        "calibrate": _calibrate,
        "compare": _compare,
        "ablate": _ablate,
        "demo": _demo,
        "eval-slm": _eval_slm,
        "export-slm": _export,
        "import-weights": _import,
        "submit": _submit,
    }

END_EARLY = {"demo"}
"""Commands that a signal ends with what is done: their text files are then the beginning of the whole ones."""


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what a user sees: files that are not hidden, with their content where that is the same each time."""
    seen = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    seen = [path for path in seen if not any(part[0] == "." or part == "tensorboard" for part in path.parts)]
    varies = [path for path in seen if path.name in VARIES or path.suffix in VARYING_KINDS]
    return {str(path): b"" if path in varies else _content(folder / path) for path in seen}


def _content(file: Path) -> bytes:
    """Return what is in a file; of weights the numbers, for safetensors writes its metadata in any order."""
    content = file.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little") if file.suffix == ".safetensors" else 0
    return content[header:]
