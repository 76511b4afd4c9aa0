"""Every writer on a full disk: an OSError that names the file, the old file as it was, nothing left beside it."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from smiletrack.config import save_config
from smiletrack.data.image_files import write_image
from smiletrack.data.importers.annotations import AnnotatedImage
from smiletrack.data.importers.outputs import identity_table, write_coco
from smiletrack.data.mot import DetectionTable, write_results
from smiletrack.data.reid.identities import write_identities
from smiletrack.data.video import VideoWriter
from smiletrack.engine.inputs.detection_cache import CachedDetections, write_cached_detections
from smiletrack.engine.studies.search_space import RangeConfig
from smiletrack.engine.studies.stored_study import StoredStudy
from smiletrack.files import atomic_path, write_json
from smiletrack.slm.checkpoint import export_slm_onnx
from smiletrack.slm.preprocessing import Preprocessing
from smiletrack.tracking.config import TrackerConfig
from smiletrack.training.log import TrainingLog
from smiletrack.training.state import save_state
from smiletrack.types import TrackTable
from smiletrack.weights import save_weights
from tests.faults.commands import make_data, run_track
from tests.faults.full_disk import full_disk

PICTURE = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
ROWS = np.arange(50)
BOXES = np.tile([1.0, 2, 30, 40], (50, 1))
IMAGES = [
    AnnotatedImage(
        Path(f"{row}.jpg"), BOXES[:1], ROWS[row : row + 1], np.ones(1), np.zeros(1, np.bool_), "s", Path("gt.txt")
    )
    for row in ROWS.tolist()
]


def write_video(path: Path, frames: int) -> None:
    with VideoWriter(path, 25) as writer:
        for _ in range(frames):
            writer.write(PICTURE)


def write_zip(path: Path) -> None:
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr("a", bytes(1000))


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.json": lambda path: write_json(path, list(range(1000))),
    "a.yaml": lambda path: save_config(TrackerConfig(), path),
    "a.txt": lambda path: write_results(path, TrackTable(ROWS, ROWS, BOXES)),
    "a.csv": lambda path: write_identities(path, identity_table(IMAGES)),
    "coco.json": lambda path: write_coco(path, IMAGES),
    "a.npz": lambda path: write_cached_detections(
        path, CachedDetections(DetectionTable(ROWS, BOXES, ROWS / 50, ROWS), np.zeros((50, 4), np.float32), 50), {}
    ),
    "a.png": lambda path: write_image(path, PICTURE),
    "a.jpg": lambda path: write_image(path, PICTURE),
    "few.mp4": lambda path: write_video(path, 3),  # all of it is written when the file is closed
    "many.mp4": lambda path: write_video(path, 120),
    "a.pt": lambda path: save_state(path, {"network": {"a": torch.zeros(1000)}}),
    "a.safetensors": lambda path: save_weights(path, {"a": torch.zeros(1000)}, {}),
    "a.onnx": lambda path: export_slm_onnx(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), Preprocessing(8, 8), path),
    "a.zip": write_zip,
}


@pytest.mark.parametrize("room", [0, 300])
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_keeps_what_was_there(tmp_path: Path, name: str, room: int) -> None:
    path = tmp_path / name
    path.write_text("old")
    with full_disk(room), pytest.raises(OSError, match=name):
        WRITERS[name](path)
    assert path.read_text() == "old" and [file.name for file in tmp_path.iterdir()] == [name]
    WRITERS[name](path)
    assert path.stat().st_size > 300


@pytest.mark.parametrize("room", [0, 1000])
def test_a_full_disk_keeps_the_run_that_was_there(tmp_path: Path, room: int) -> None:
    """Whatever of the new one fits: the marks of the job, its configuration, or nothing."""
    data = make_data(tmp_path)
    run = run_track(data, tmp_path / "run", "bytetrack")
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and ".shards" not in file.parts}
    with full_disk(room), pytest.raises(OSError):
        run_track(data, run)
    after = {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and ".shards" not in file.parts}
    assert after == before and not (run / ".before").exists()


@pytest.mark.parametrize("room", [0, 300])
@pytest.mark.filterwarnings("error")
def test_curves_on_a_full_disk_are_one_error(tmp_path: Path, room: int) -> None:
    """TensorBoard's thread, which meets it, says nothing."""
    with full_disk(room), pytest.raises(OSError, match="tensorboard"), TrainingLog(tmp_path, 0, 10, True) as log:
        for step in range(50):
            log.step(step + 1, "1/1", 1, {"loss": 1.0}, record=True)
        log.epoch(50, "1/1", 1.0, {"loss": 1.0})


def test_a_search_on_a_full_disk_names_its_file(tmp_path: Path) -> None:
    study = StoredStudy(str(tmp_path / "study.journal"), {})
    with full_disk(0), pytest.raises(OSError, match=r"study\.journal"):
        study.draw({"a": RangeConfig(0, 1)})
