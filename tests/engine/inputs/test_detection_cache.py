"""Perception: the networks' view of a sequence, cached with a fingerprint."""

from pathlib import Path

import numpy as np
import pytest

from smiletrack.data.mot import DetectionTable
from smiletrack.engine.inputs.detection_cache import detect_sequence, load_or_detect, read_cached_detections
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
    with pytest.raises(InputError, match="made with detector d, not other"):
        load_or_detect(file, {"detector": "other"}, make)
    file.write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match="not a detection cache"):
        read_cached_detections(file)


def test_a_pickled_object_in_a_cache_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", frames=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="not a detection cache"):
        read_cached_detections(tmp_path / "evil.npz")
