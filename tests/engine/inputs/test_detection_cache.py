"""Perception: the networks' view of a sequence, cached with a fingerprint."""

import io
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack import array_files
from smiletrack.array_files import read_arrays
from smiletrack.data.mot import DetectionTable
from smiletrack.engine.inputs import sequence_inputs as sequence_inputs_module
from smiletrack.engine.inputs.detection_cache import detect_sequence, load_or_detect
from smiletrack.engine.inputs.sequence_inputs import SequenceInput
from smiletrack.engine.settings.sequence_input import SequenceInputConfig
from smiletrack.errors import InputError
from smiletrack.types import Detections

FRAMES = [np.full((8, 8, 3), value, np.uint8) for value in (10, 20, 30)]


class Detector:
    """Sees as many boxes as the frame's number says, none in frame 2."""

    fingerprint = "d"

    def detect(self, frame: np.ndarray) -> Detections:
        count = {10: 2, 20: 0, 30: 1}[int(frame[0, 0, 0])]
        return Detections(np.tile([1.0, 2, 3, 4], (count, 1)), np.linspace(0.05, 0.9, count))


class Embedder:
    """Embeds a box as (brightness of the frame, number of boxes in the call)."""

    fingerprint = "e"

    def embed(self, frame: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        return np.tile(np.array([frame[0, 0, 0], len(boxes)], np.float32), (len(boxes), 1))


def test_networks_are_asked_once_a_frame_and_noise_gets_no_embedding() -> None:
    seen = detect_sequence(FRAMES, Detector(), Embedder(), "s", quiet=True)
    assert seen.table.frames.tolist() == [1, 1, 3] and seen.num_frames == 3
    assert seen.embeddings.tolist() == [[0, 0], [10, 1], [0, 0]]  # scores .05, .9 and .05
    assert set(seen.seconds) == {"decode", "detect", "embed"}


def test_ready_detections_keep_their_rows() -> None:
    table = DetectionTable(
        np.array([3, 1, 1]), np.arange(12.0).reshape(3, 4), np.array([0.3, 0.2, 0.9]), np.ones(3, int)
    )
    seen = detect_sequence(FRAMES, table, Embedder(), "s", expected=2, quiet=True)
    np.testing.assert_array_equal(seen.table.boxes, table.boxes[[1, 2, 0]])
    assert seen.embeddings.tolist() == [[10, 2], [10, 2], [30, 1]]
    assert detect_sequence(FRAMES[:1], table, None, "s", expected=5, quiet=True).embeddings.shape == (2, 0)


def test_a_cache_is_read_back_and_refused_when_made_otherwise(tmp_path: Path) -> None:
    file, calls = tmp_path / "detections" / "s.npz", []

    def make():
        calls.append(1)
        return detect_sequence(FRAMES, Detector(), Embedder(), "s", quiet=True)

    first = load_or_detect(file, {"detector": "d"}, make)
    again = load_or_detect(file, {"detector": "d"}, make)
    assert len(calls) == 1 and again.num_frames == 3
    np.testing.assert_array_equal(again.table.boxes, first.table.boxes)
    np.testing.assert_allclose(again.embeddings, first.embeddings, atol=1e-2)
    with pytest.raises(InputError, match="made with detector d, not other; --overwrite makes it again"):
        load_or_detect(file, {"detector": "other"}, make)
    assert load_or_detect(file, {"detector": "other"}, make, overwrite=True).num_frames == 3 and len(calls) == 2
    load_or_detect(file, {"detector": "other"}, make)
    assert len(calls) == 2


def test_only_the_settings_that_differ_are_told(tmp_path: Path) -> None:
    made = detect_sequence(FRAMES, Detector(), None, "s", quiet=True)
    first = {"source": "a", "predict.nms.score_threshold": "0.1", "predict.half": "False", "detector": "1"}
    load_or_detect(tmp_path / "s.npz", first, lambda: made)
    second = first | {"predict.nms.score_threshold": "0.2", "detector": "2"}
    with pytest.raises(InputError, match=r"made with predict\.nms\.score_threshold 0\.1, not 0\.2; --overwrite"):
        load_or_detect(tmp_path / "s.npz", second, lambda: made)
    older = {key: value for key, value in first.items() if key != "source"}
    load_or_detect(tmp_path / "old.npz", older, lambda: made)
    with pytest.raises(InputError, match="made with source None, not a"):
        load_or_detect(tmp_path / "old.npz", first, lambda: made)


def damaged(file: Path) -> list[Path]:
    """Write damaged copies of a cache: wrong arrays and headers, bytes lost and changed."""
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files}
    about = json.loads(str(arrays["about"]))
    folder = file.parent / "damaged"
    folder.mkdir()
    for i, change in enumerate(
        [
            {"frames": arrays["frames"][:1]},
            {"frames": arrays["frames"] + 5},
            {"frames": arrays["frames"][::-1]},
            {"frames": arrays["frames"].astype(float)},
            {"boxes": arrays["boxes"][:, :3]},
            {"boxes": arrays["boxes"].astype("U3")},
            {"scores": np.array("x")},
            {"classes": arrays["classes"][:, None]},
            {"embeddings": arrays["embeddings"][0]},
            {"embeddings": arrays["embeddings"] * np.nan},
            {"embeddings": np.array([{}], dtype=object)},
            *({"about": np.array(text)} for text in ("", "[]", "[" * 100_000, "1" * 5000, json.dumps({}))),
            *({"about": np.array(json.dumps(about | {key: value}))} for key in about for value in (None, "a", [1], -1)),
        ]
    ):
        np.savez(folder / f"{i}.npz", **(arrays | change), allow_pickle=True)
    whole = file.read_bytes()
    generator = np.random.default_rng(0)
    for i in range(100):
        content = bytearray(whole)
        for place in generator.integers(len(content), size=3):
            content[place] = generator.integers(256)
        (folder / f"m{i}.npz").write_bytes(content if i % 2 else content[: generator.integers(len(content))])
    return sorted(folder.iterdir())


def test_a_damaged_cache_is_made_again_with_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = detect_sequence(FRAMES, Detector(), Embedder(), "s", quiet=True)
    load_or_detect(tmp_path / "s.npz", {"detector": "d"}, lambda: made)
    told = 0
    for file in damaged(tmp_path / "s.npz"):
        try:
            found = load_or_detect(file, {"detector": "d"}, lambda: made)
        except InputError as error:  # a fingerprint that was hit
            assert "made with detector" in str(error)
            continue
        assert found.num_frames >= 3 and len(found.embeddings) == len(found.table)
        lines = capsys.readouterr().err.splitlines()
        told += len(lines)
        assert all(str(file) in line and "it is made again" in line for line in lines) and len(lines) <= 1
        if lines:
            assert load_or_detect(file, {"detector": "d"}, lambda: made).num_frames == 3
            assert not capsys.readouterr().err
    assert told > 60


def test_caches_that_broke_before(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [*(shared / "cases" / "broken-files").glob("*perception*.npz")]
    assert len(files) > 8
    made = detect_sequence(FRAMES, Detector(), None, "s", quiet=True)
    for file in files:
        copy = tmp_path / "s.npz"
        copy.write_bytes(file.read_bytes())
        try:
            load_or_detect(copy, {"detector": "d"}, lambda: made)
        except InputError as error:
            assert "made with detector" in str(error)
    assert "it is made again" in capsys.readouterr().err


def test_an_archive_that_unpacks_to_more_than_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", a=np.zeros(10_000_000))
    assert read_arrays(tmp_path / "zeros.npz", "a")["a"].shape == (10_000_000,)
    monkeypatch.setattr(array_files, "LARGEST_ARCHIVE", 2**20)
    with pytest.raises(InputError, match="bytes unpacked; at most 1048576 are"):
        read_arrays(tmp_path / "zeros.npz", "a")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with zipfile.ZipFile(tmp_path / "claims.npz", "w") as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(80))
    with pytest.raises(InputError, match="is more than its"):
        read_arrays(tmp_path / "claims.npz", "a")
    with pytest.raises(InputError, match="no such file"):
        read_arrays(tmp_path / "absent.npz", "a")
    monkeypatch.undo()
    with pytest.raises(InputError, match="There is no item named"):
        read_arrays(tmp_path / "zeros.npz", "b")


def test_new_content_is_noticed(tmp_path: Path) -> None:
    """Frames of a folder, and a video, that are replaced under the same names and sizes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / f"{i + 1}.bmp"), FRAMES[i])
    config = SequenceInputConfig(source=str(folder), detector="own", cache=str(tmp_path / "cache"))
    first = read_inputs(config)
    assert first.num_frames == 3
    assert read_inputs(config).num_frames == 3
    time = (folder / "2.bmp").stat().st_mtime_ns
    cv2.imwrite(str(folder / "2.bmp"), FRAMES[0])
    os.utime(folder / "2.bmp", ns=(time + 1_000_000, time + 1_000_000))
    with pytest.raises(InputError, match=r"made with other frames .*; --overwrite makes it again"):
        read_inputs(config)
    assert len(read_inputs(replace(config, overwrite=True)).detections) == 5
    (folder / "3.bmp").rename(folder / "4.bmp")
    with pytest.raises(InputError, match="made with other frames"):
        read_inputs(config)


def test_a_cache_knows_which_frames_were_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(1, 8):
        cv2.imwrite(str(folder / f"{number}.bmp"), FRAMES[0])
    config = SequenceInputConfig(source=str(folder), cache=str(tmp_path / "cache"), stride=3)
    seen = read_inputs(config)
    assert sorted(set(seen.detections.frames.tolist())) == [1, 4, 7] and (seen.num_frames, seen.num_looks) == (7, 3)
    assert read_inputs(config).detections.frames.tolist() == seen.detections.frames.tolist()
    for stride in (1, 2):
        with pytest.raises(InputError, match=r"made with source .*pictures, every 3 frames, not .*; --overwrite"):
            read_inputs(replace(config, stride=stride))


def read_inputs(config: SequenceInputConfig) -> SequenceInput:
    """Return the only sequence of a configuration, seen by the detector of this file."""
    networks = sequence_inputs_module._Networks(Detector(), None, Path(config.cache), config.overwrite)
    return sequence_inputs_module._read_frames(config, networks)
