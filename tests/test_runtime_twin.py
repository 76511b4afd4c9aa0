"""A checkpoint run by ONNX Runtime: the same answers, one export a size, and PyTorch where they differ."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from smiletrack import runtime_twin
from smiletrack.detector.build import build_detector
from smiletrack.detector.checkpoint import save_detector
from smiletrack.detector.predictor import load_detector
from smiletrack.detector.settings import DetectorConfig, NMSConfig, PredictConfig
from smiletrack.runtime_twin import RuntimeTwin
from smiletrack.slm.checkpoint import metadata
from smiletrack.slm.embedder import _same_directions, load_embedder
from smiletrack.slm.network import SLM
from smiletrack.weights import save_weights
from tests.test_fake_cuda import FRAMES, TINY


def test_detections_and_embeddings_are_pytorchs(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = DetectorConfig("yolox-nano", height=64, width=96)
    save_detector(tmp_path / "net.safetensors", build_detector(config), config)
    exact, fast = (
        load_detector(tmp_path / "net.safetensors", "cpu", PredictConfig(runtime=runtime, nms=NMSConfig(1e-6)), 1)  # type: ignore[arg-type]
        for runtime in ("torch", "onnx")
    )
    for ours, theirs in zip(fast.detect_batch(list(FRAMES)), exact.detect_batch(list(FRAMES)), strict=True):
        assert len(ours) == len(theirs) > 5
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=0.05)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)
    assert exact.fingerprint != fast.fingerprint
    save_weights(tmp_path / "slm.safetensors", SLM(TINY).state_dict(), metadata(TINY))
    boxes = np.array([[5, 5, 40, 80.0], [50, 2, 90, 88]])
    slow, quick = (load_embedder(tmp_path / "slm.safetensors", runtime=r, threads=1) for r in ("torch", "onnx"))
    assert (slow.embed(FRAMES[0], boxes) * quick.embed(FRAMES[0], boxes)).sum(1).min() > 0.9999
    assert slow.fingerprint != quick.fingerprint


def test_a_black_crop_of_which_nothing_is_said_is_no_difference() -> None:
    rows = torch.tensor([[0.0, 0], [3, 4], [1, -1]])
    assert _same_directions(rows, 2 * rows)
    assert not _same_directions(rows, rows + torch.tensor([0.1, 0]))


@pytest.mark.parametrize("agree", [True, False])
def test_one_export_a_size_and_pytorch_where_they_differ(agree: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    exported: list[tuple[int, int]] = []

    def network(images: Tensor) -> Tensor:
        return images.sum(1)

    class File:
        def __call__(self, images: np.ndarray) -> object:
            return [(len(images), [images.sum(1) + 1])]

    monkeypatch.setattr(runtime_twin, "open_network", lambda *_: File())
    twin = RuntimeTwin(network, lambda path, size: exported.append(size), lambda a, b: agree, "onnx")
    for side in (4, 8, 4, 12, 16, 20, 8):
        images = torch.ones(2, 3, side, 4)
        faster = agree and side < 20  # the fifth size is PyTorch's
        assert torch.equal(twin(images), network(images) + faster)
    assert exported == [(4, 4), (8, 4), (12, 4), (16, 4)]
