"""Every reader of files from outside, by name: small whole files for it, and how it reads them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.io import savemat

from smiletrack.config import load_config
from smiletrack.data.coco import doubts_of_coco, read_coco_file
from smiletrack.data.detection.labels import read_labelled
from smiletrack.data.image_files import image_size, read_image
from smiletrack.data.importers.caltech import read_caltech
from smiletrack.data.importers.crowdhuman import read_crowdhuman
from smiletrack.data.importers.cuhk_sysu import read_cuhk_sysu
from smiletrack.data.importers.labels_with_ids import read_labels_with_ids
from smiletrack.data.importers.motchallenge import read_motchallenge
from smiletrack.data.importers.outputs import identity_table, merge_coco, read_coco_images, write_coco
from smiletrack.data.importers.probe import probe, probe_images
from smiletrack.data.importers.prw import read_prw
from smiletrack.data.mot import DetectionTable, read_detections, read_results, read_truth, read_warps
from smiletrack.data.reid.crop_cache import cached_crops
from smiletrack.data.reid.identities import read_identities, write_identities
from smiletrack.data.sequences import open_folder
from smiletrack.data.sources import open_source
from smiletrack.data.truth import read_annotations
from smiletrack.data.video import VideoWriter
from smiletrack.data.world.writing import is_made
from smiletrack.detector.build import build_detector
from smiletrack.detector.checkpoint import import_public, load_detector_network, save_detector
from smiletrack.detector.pickles import read_checkpoint
from smiletrack.detector.predictor import load_detector
from smiletrack.detector.settings import DetectorConfig
from smiletrack.engine.compare import CompareConfig
from smiletrack.engine.inputs.camera_motion import estimate_camera_motion
from smiletrack.engine.inputs.detection_cache import CachedDetections, load_or_detect, write_cached_detections
from smiletrack.engine.inputs.score_maps import read_score_map, write_score_map
from smiletrack.engine.prepare_data import PrepareDataConfig
from smiletrack.engine.run_folders.records import read_environment
from smiletrack.engine.run_folders.results import read_run, read_sequence_run
from smiletrack.engine.settings.train_slm import TrainSLMConfig
from smiletrack.engine.track import TrackConfig
from smiletrack.engine.tune import TuneConfig
from smiletrack.files import write_json
from smiletrack.slm.checkpoint import load_slm_network, metadata
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.embedder import load_embedder
from smiletrack.slm.network import SLM
from smiletrack.slm.open_model_zoo import open_model_zoo_slm
from smiletrack.slm.openvino_constants import read_constants
from smiletrack.slm.osnet import OSNetBackbone
from smiletrack.tracking.score_map import ScoreMap
from smiletrack.training.state import load_state, save_state
from smiletrack.weights import load_tensors, load_weights, save_weights
from tests.data.mot_folders import walkers, write_images, write_sequence
from tests.data.test_importers import cells, crowdhuman, cuhk_sysu, image, labels_with_ids, vbb
from tests.fuzz.format_readers import FORMATS
from tests.network_graphs import detector_file, embedder_file
from tests.openvino_files import written

FRAMES = range(1, 7)
IMAGES = [f"{frame:06d}.png" for frame in FRAMES]
TINY_SLM = SLMConfig(
    32, 32, patch_width=8, patch_height=16, channels=(2, 2), depths=(1,), d_k=2, d_v=2, embedding=4
)  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """A kind of file. make: writes whole files into a folder. file: which of them is broken. read: reads them."""

    file: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]


def _sequence(folder: Path) -> None:
    write_sequence(folder / "A", walkers(FRAMES), walkers(FRAMES, "0.9", identified=False), 6, IMAGES, "imExt=.png")
    (folder / "A/gmc").mkdir()
    (folder / "A/gmc/gmc.txt").write_text("".join(f"{i}\t1\t0\t0.5\t0\t1\t0\n" for i in range(6)))
    np.savez_compressed(folder / "A.npz", embeddings=np.eye(12, 4))


def _training(folder: Path) -> None:
    _sequence(folder / "train")


def _all_of_a_sequence(folder: Path) -> None:
    sequence = open_folder(folder / "train/A", "all")
    sequence.image_files()
    sequence.detections("det", str(folder / "train"))
    sequence.truth()
    sequence.warps()
    read_motchallenge(folder, "train")


def _coco(folder: Path) -> None:
    _sequence(folder / "train")
    write_coco(folder / "annotations/a.json", read_motchallenge(folder, "train"))
    for entry in (content := json.loads((folder / "annotations/a.json").read_text()))["images"]:
        entry.update(width=96, height=64)
    write_json(folder / "annotations/a.json", content)


def _read_coco(folder: Path) -> None:
    file = folder / "annotations/a.json"
    doubts_of_coco(read_coco_file(file))
    read_labelled((str(file),))
    read_coco_images(file)
    merge_coco([file, file], folder / "merged.json")


def _prw(folder: Path) -> None:
    (folder / "annotations").mkdir(parents=True)
    savemat(folder / "frame_train.mat", {"img_index_train": cells("c1s1_000151").T})
    savemat(folder / "annotations/c1s1_000151.jpg.mat", {"box_new": [[479, 10, 20, 30, 40], [-2, 50, 20, 30, 40.5]]})


def _caltech(folder: Path) -> None:
    vbb(folder / "set00/V000.vbb")
    for frame in range(3):
        image(folder / f"set00/V000/I{frame:05d}.jpg")


def _people(folder: Path) -> None:
    _sequence(folder / "train")
    write_identities(folder / "people.csv", identity_table(read_motchallenge(folder, "train")))


def _crops(folder: Path) -> None:
    _people(folder)
    _cut(folder)


def _cut(folder: Path) -> None:
    crops = cached_crops(read_identities(folder / "people.csv"), folder / "crops", (8, 16))
    for row in range(len(crops)):
        crops[row]


def _table() -> DetectionTable:
    return DetectionTable(np.array([1, 1, 2]), np.array([[0.0, 0, 9, 9]] * 3), np.full(3, 0.9), np.ones(3, np.int64))


def _seen() -> CachedDetections:
    return CachedDetections(_table(), np.eye(3, 4, dtype=np.float32), 3, {"decode": 1.0, "detect": 2.0}, ("odd",))


def _motion(folder: Path) -> None:
    estimate_camera_motion(open_folder(folder / "A").images(), "A", None, _table(), folder / "cache")


def _run(folder: Path) -> None:
    _sequence(folder / "data")
    (folder / "run/tracks").mkdir(parents=True)
    (folder / "run/tracks/A.txt").write_text(walkers(FRAMES, "1,-1,-1,-1"))
    (folder / "run/config.yaml").write_text(f"data: {folder / 'data'}\nsplit: all\nsequences: [A]\nseed: 0\n")
    write_json(folder / "run/timing.json", {"A": {"frames": 6, "seconds": {"association": 0.5}, "apart": {}}})
    write_json(folder / "run/environment.json", {"time": "2026", "commit": None, "system": "x", "packages": {}})
    write_json(folder / "run/summary.json", {"A": {"CLEAR": {"MOTA": 0.5}, "HOTA": {"HOTA": [0.5] * 19}, "FPS": 12.0}})


def _read_run(folder: Path) -> None:
    run = read_run(folder / "run")
    read_environment(folder / "run")
    for name in run.results:
        read_sequence_run(run, name)


def _config(schema: type, text: str) -> Reader:
    return Reader("a.yaml", lambda f: (f / "a.yaml").write_text(text), lambda f: load_config(schema, f / "a.yaml"))


def _words(folder: Path) -> None:
    words = (folder / "a.words").read_text("utf-8", "replace").split("\n")
    load_config(TrackConfig, None, [word for word in words if "=" in word])


def _safetensors_detector(folder: Path) -> None:
    save_detector(folder / "a.safetensors", build_detector(config := DetectorConfig(height=64, width=64)), config)


def _slm(folder: Path) -> None:
    save_weights(folder / "a.safetensors", SLM(TINY_SLM).state_dict(), metadata(TINY_SLM))


def _checkpoint(folder: Path) -> None:
    tensors = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.int64)}
    torch.save({"model": tensors, "epoch": 3, "names": ["person"], "ema": None, "best": (1.5, {2})}, folder / "a.pt")


def _state(folder: Path) -> None:
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    save_state(folder / "a.pt", {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "config": {}})


def _video(folder: Path) -> None:
    with VideoWriter(folder / "a.mp4", 25) as writer:
        for grey in range(6):
            writer.write(np.full((48, 64, 3), 40 * grey, np.uint8))


def _gif(folder: Path) -> None:
    write_images(folder, ["a.gif"])


def _openvino_slm(folder: Path) -> None:
    torch.manual_seed(0)
    kinds = ("GroupConvolution", "Add", "MatMul", "Add", "Multiply", "Add", "PReLU")
    shapes = ((16, 1, 1, 16, 8), (1, 16, 1, 1), (3, 16), (1, 3), (1, 3, 1), (1, 3, 1), (1, 1))
    net = OSNetBackbone((2, 8, 12, 16), (2, 2, 2), linear_context=True)
    written(net, folder / "a.xml", [(kind, torch.ones(shape)) for kind, shape in zip(kinds, shapes, strict=True)])


def _openvino(folder: Path) -> None:
    (folder / "a.bin").write_bytes(np.arange(6, dtype=np.float32).tobytes())
    (folder / "a.xml").write_text(
        '<net><layers>\n<layer id="0" type="Const">\n<data element_type="f32" offset="0" shape="2,3" size="24"/>\n'
        '</layer>\n<layer id="1" type="Convolution"/>\n</layers>\n<edges>\n<edge from-layer="0" to-layer="1"/>\n'
        "</edges></net>"
    )


def _read_image(name: str, folder: Path) -> None:
    probe(folder / name)
    image_size(folder / name)
    read_image(folder / name)


def _picture(name: str) -> Reader:
    return Reader(name, lambda folder: write_images(folder, [name]), partial(_read_image, name))


def _text_reader(text: str, read: Callable[[Path], Any]) -> Reader:
    return Reader("a.txt", lambda folder: (folder / "a.txt").write_text(text), lambda folder: read(folder / "a.txt"))


def _made(folder: Path) -> None:
    write_json(folder / "known.json", {"situations": [], "people": [], "recipe": {"version": 1}})


READERS: dict[str, Reader] = {
    "mot-truth": _text_reader(walkers(FRAMES), read_truth),
    "mot-results": _text_reader(walkers(FRAMES, "1,-1,-1,-1"), read_results),
    "mot-detections": _text_reader(walkers(FRAMES, "0.9"), read_detections),
    "mot-warps": _text_reader("".join(f"{i}\t1\t0\t0.5\t0\t1\t0\n" for i in range(6)), read_warps),
    "truth-mot16": _text_reader(walkers(FRAMES), read_annotations),
    "truth-mot15": _text_reader(walkers(FRAMES, "1,10.5,-3.2,0"), read_annotations),
    "truth-visdrone": _text_reader(walkers(FRAMES, "1,4,0,1"), read_annotations),
    "seqinfo": Reader("train/A/seqinfo.ini", _training, _all_of_a_sequence),
    "sequence-truth": Reader("train/A/gt/gt.txt", _training, _all_of_a_sequence),
    "sequence-detections": Reader("train/A/det/det.txt", _training, _all_of_a_sequence),
    "sequence-warps": Reader("train/A/gmc/gmc.txt", _training, _all_of_a_sequence),
    "embeddings": Reader("train/A.npz", _training, _all_of_a_sequence),
    "coco": Reader("annotations/a.json", _coco, _read_coco),
    "crowdhuman": Reader("annotation_train.odgt", crowdhuman, lambda f: read_crowdhuman(f, "train")),
    "labels-with-ids": Reader(
        "PRW/labels_with_ids/c1s1_000151.txt", labels_with_ids, lambda f: read_labels_with_ids(f / "PRW", videos=True)
    ),
    "labels-with-ids-list": Reader(
        "prw.train", labels_with_ids, lambda f: read_labels_with_ids(f / "PRW", "prw.train", videos=True)
    ),
    "caltech": Reader("set00/V000.vbb", _caltech, lambda f: read_caltech(f, "train")),
    "cuhk-images": Reader("annotation/Images.mat", cuhk_sysu, lambda f: read_cuhk_sysu(f, "train")),
    "cuhk-people": Reader("annotation/test/train_test/Train.mat", cuhk_sysu, lambda f: read_cuhk_sysu(f, "train")),
    "cuhk-test": Reader("annotation/test/train_test/TestG50.mat", cuhk_sysu, lambda f: read_cuhk_sysu(f, "test")),
    "prw": Reader("annotations/c1s1_000151.jpg.mat", _prw, lambda f: read_prw(f, "train")),
    "prw-list": Reader("frame_train.mat", _prw, lambda f: read_prw(f, "train")),
    "probe-memory": Reader(
        "seen.tsv",
        lambda f: probe_images([image(f / "a.jpg")], f / "seen.tsv"),
        lambda f: probe_images([f / "a.jpg"], f / "seen.tsv"),
    ),
    "identities": Reader("people.csv", _people, lambda f: read_identities(f / "people.csv")),
    "crops-index": Reader("crops/index.npz", _crops, _cut),
    "crops-about": Reader("crops/made_from.json", _crops, _cut),
    "detection-cache": Reader(
        "a.npz",
        lambda f: write_cached_detections(f / "a.npz", _seen(), {"source": "a"}),
        lambda f: load_or_detect(f / "a.npz", {"source": "a"}, _seen, overwrite=True),
    ),
    "motion-cache": Reader("cache/A.flow.npz", lambda f: (_sequence(f), _motion(f)), _motion),
    "score-map": Reader(
        "a.json",
        lambda f: write_score_map(f / "a.json", ScoreMap((0.1, 0.4, 0.9), (0.0, 0.5, 1.0), "isotonic", 9, 4)),
        lambda f: read_score_map(f / "a.json"),
    ),
    "run-config": Reader("run/config.yaml", _run, _read_run),
    "run-timing": Reader("run/timing.json", _run, _read_run),
    "run-summary": Reader("run/summary.json", _run, _read_run),
    "run-environment": Reader("run/environment.json", _run, _read_run),
    "run-tracks": Reader("run/tracks/A.txt", _run, _read_run),
    "world-known": Reader("known.json", _made, lambda f: is_made(f, {"version": 1})),
    "config-track": _config(
        TrackConfig,
        "data: x\nsplit: val\nsequences: [a, b]\ntracker:\n  first: {max_cost: 0.8}\n  split: {high: 0.6}\n"
        "sequence_tracker: {a: {life: {max_lost: 14}}}\npredict: {classes: [person]}\n",
    ),
    "config-tune": _config(
        TuneConfig,
        "base: []\ntrials: 3\nsources:\n- {data: x, split: val}\nheld_out: [a]\nspace:\n"
        "  first.max_cost: {low: 0.1, high: 0.9}\n  motion.kind: {choices: [a, b]}\n",
    ),
    "config-slm": _config(
        TrainSLMConfig, "train: [a@val]\nval: b\nnetwork: {channels: [4, 8], depths: [1]}\nseed: 3\n"
    ),
    "config-import": _config(
        PrepareDataConfig, "data:\n  format: caltech\n  published: {train: {boxes: 3}}\nsource: x\n"
    ),
    "config-compare": _config(CompareConfig, "runs: [a, b]\nseed: 0\n"),
    "overrides": Reader(
        "a.words",
        lambda f: (f / "a.words").write_text("tracker.first.max_cost=0.8\nsequences=[a, b]\npredict.classes=a,b\n"),
        _words,
    ),
    "weights-detector": Reader(
        "a.safetensors", _safetensors_detector, lambda f: load_detector_network(f / "a.safetensors")
    ),
    "weights-slm": Reader("a.safetensors", _slm, lambda f: load_slm_network(f / "a.safetensors")),
    "weights": Reader("a.safetensors", _slm, lambda f: load_weights(f / "a.safetensors")),
    "checkpoint": Reader("a.pt", _checkpoint, lambda f: load_tensors(f / "a.pt")),
    "checkpoint-public": Reader("a.pt", _checkpoint, lambda f: read_checkpoint(f / "a.pt")),
    "checkpoint-yolox": Reader("a.pt", _checkpoint, lambda f: import_public(f / "a.pt", "yolox-nano")),
    "checkpoint-slm": Reader("a.pt", _checkpoint, lambda f: load_slm_network(f / "a.pt")),
    "training-state": Reader("a.pt", _state, lambda f: load_state(f / "a.pt")),
    "onnx-detector": Reader(
        "a.onnx", lambda f: detector_file(f / "a.onnx", "yolov8"), lambda f: load_detector(str(f / "a.onnx"))
    ),
    "onnx-embedder": Reader("a.onnx", lambda f: embedder_file(f / "a.onnx"), lambda f: load_embedder(f / "a.onnx")),
    "openvino-slm": Reader("a.xml", _openvino_slm, lambda f: open_model_zoo_slm(f / "a.xml")),
    "openvino-constants": Reader("a.xml", _openvino, lambda f: read_constants(f / "a.xml")),
    **{f"image-{kind}": _picture(f"a.{kind}") for kind in ("jpg", "png", "bmp", "tif", "webp", "ppm", "gif", "jp2")},
    "video": Reader("a.mp4", _video, lambda f: list(open_source(f / "a.mp4"))),
    "animation": Reader("a.gif", _gif, lambda f: list(open_source(f / "a.gif"))),
    **{name: Reader(*parts) for name, parts in FORMATS.items()},
}
