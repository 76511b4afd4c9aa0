"""Readers of tracks in the formats of others, and of what trackers leave, by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from smiletrack import Detections, load_tracker
from smiletrack.data.formats.coco_video import read_coco_video, write_coco_video
from smiletrack.data.formats.cvat import read_cvat, write_cvat
from smiletrack.data.formats.kitti import read_kitti, write_kitti
from smiletrack.data.formats.mot_folders import write_mot_folders
from smiletrack.data.formats.row_tables import read_row_table, write_row_table
from smiletrack.data.formats.sequence_tracks import SequenceTracks
from smiletrack.data.formats.visdrone import read_visdrone
from smiletrack.data.importers.track_files import read_coco_set
from smiletrack.data.importers.yolo import read_yolo
from smiletrack.engine.inputs.score_maps import read_score_map, write_score_map
from smiletrack.tracking.score_map import fit_isotonic
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import TrackTable
from tests.data.mot_folders import walkers, write_images

FRAMES = range(1, 7)


def _tracks() -> SequenceTracks:
    frames = np.repeat(np.arange(1, 7), 2)
    corners = np.column_stack([10.0 + 2 * frames, np.full(12, 8.0)])
    table = TrackTable(frames, np.tile([1, 2], 6), np.concatenate([corners, corners + np.array([12, 32])], 1))
    return SequenceTracks("A", table, ("pedestrian",), True, 6, 96, 64)


def _convert(read: Callable[[Path], SequenceTracks | list[SequenceTracks]], folder: Path) -> None:
    """Read, and write what came of it: no file may be made elsewhere."""
    before = sorted(folder.iterdir())
    found = read(folder)
    sequences = found if isinstance(found, list) else [found]
    if all(sequence.length < 1000 for sequence in sequences):
        write_mot_folders(folder / "out", sequences, "none")
        write_row_table(folder / "out/a.csv", sequences)
        for sequence in sequences:
            write_cvat(folder / f"out/{sequence.name}.xml", sequence)
        assert sorted(folder.iterdir()) in (before, sorted([*before, folder / "out"])), "a file was made elsewhere"


def _cvat(folder: Path) -> None:
    write_cvat(folder / "a.xml", _tracks())


def _kitti(folder: Path) -> None:
    write_kitti(folder / "label_02", [_tracks()])


def _visdrone(folder: Path) -> None:
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations/A.txt").write_text(walkers(FRAMES, "1,4,0,1"))
    write_images(folder / "sequences/A", [f"{frame:07d}.png" for frame in FRAMES])


def _yolo(folder: Path) -> None:
    write_images(folder / "images/train", ["a.png"])
    (folder / "labels/train").mkdir(parents=True)
    (folder / "labels/train/a.txt").write_text("0 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.2 0.1 0.2 0.3 0.1 0.3\n")
    (folder / "data.yaml").write_text("path: .\ntrain: images/train\nnames: {0: person, 1: car}\n")


def _coco_set(folder: Path) -> None:
    write_coco_video(folder / "train.json", [_tracks()])


def _score_map(folder: Path) -> None:
    scores = np.linspace(0, 1, 40)
    write_score_map(folder / "a.json", fit_isotonic(scores, scores > 0.6, np.ones(40)))


def _tracker_state(folder: Path) -> None:
    tracker = load_tracker("smiletrack")
    boxes = np.array([[1.0, 2, 30, 40], [50, 2, 80, 40]])
    for step in range(3):
        tracker.update(Detections(boxes + step, np.full(2, 0.9), np.eye(2, 4)))
    tracker.save(folder / "a.npz")


def _go_on(folder: Path) -> None:
    tracker = Tracker.load(folder / "a.npz")
    size = 4 if len(tracker._memory.vectors) else 0
    for step in range(3):
        tracker.update(Detections(np.array([[5.0 + step, 2, 34, 40]]), np.ones(1), np.ones((1, size))))


FORMATS: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], object]]] = {
    "cvat": (
        "a.xml",
        lambda f: write_cvat(f / "a.xml", _tracks()),
        partial(_convert, lambda f: read_cvat(f / "a.xml")),
    ),
    "kitti": ("label_02/A.txt", _kitti, partial(_convert, read_kitti)),
    "visdrone": ("annotations/A.txt", _visdrone, partial(_convert, read_visdrone)),
    "coco-video": ("train.json", _coco_set, partial(_convert, lambda f: read_coco_video(f / "train.json"))),
    "coco-set": ("train.json", _coco_set, lambda f: read_coco_set(f, "train", ("person", "pedestrian"), ("car",))),
    "row-table": (
        "a.csv",
        lambda f: write_row_table(f / "a.csv", [_tracks()]),
        partial(_convert, lambda f: read_row_table(f / "a.csv")),
    ),
    "row-table-parquet": (
        "a.parquet",
        lambda f: write_row_table(f / "a.parquet", [_tracks()]),
        partial(_convert, lambda f: read_row_table(f / "a.parquet")),
    ),
    "yolo-labels": ("labels/train/a.txt", _yolo, lambda f: read_yolo(f, "train", ("person",), ())),
    "yolo-names": ("data.yaml", _yolo, lambda f: read_yolo(f, "train", ("person",), ())),
    "score-map": ("a.json", _score_map, lambda f: read_score_map(f / "a.json")),
    "tracker-state": ("a.npz", _tracker_state, _go_on),
}
"""Name -> the file that is broken, what writes whole ones into a folder, what reads them."""
