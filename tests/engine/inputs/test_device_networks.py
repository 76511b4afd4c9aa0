"""Both networks on the device: the answers of the two by themselves, here on the CPU and on a GPU that is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from smiletrack.data.sources import open_source
from smiletrack.detector.build import build_detector
from smiletrack.detector.checkpoint import save_detector
from smiletrack.detector.onnx_model import import_onnx
from smiletrack.detector.predictor import Predictor, load_detector
from smiletrack.detector.settings import DetectorConfig, NMSConfig, PredictConfig
from smiletrack.device_graphs import Recorded
from smiletrack.engine.inputs import device_networks, device_stages
from smiletrack.engine.inputs.detection_cache import detect_sequence, with_embeddings
from smiletrack.engine.inputs.device_networks import DeviceNetworks
from smiletrack.engine.inputs.networks import load_networks
from smiletrack.images import Frame
from smiletrack.slm.checkpoint import metadata
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.embedder import Embedder, load_embedder
from smiletrack.slm.network import SLM
from smiletrack.tracking.tracker import load_tracker
from smiletrack.types import Detections
from smiletrack.weights import save_weights
from tests.fake_cuda import CUDA, FakeCuda, fake_cuda

TINY = SLMConfig(16, 32, channels=(4, 8), depths=(1,), d_k=4, d_v=4, embedding=8, patch_width=8, patch_height=16)


@pytest.fixture(scope="module")
def pair(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Embedder]:
    """A public detector of people, and a public network that tells them apart."""
    weights, file = shared / "data" / "weights", tmp_path_factory.mktemp("device") / "nano.safetensors"
    save_detector(file, *import_onnx(weights / "yolox_nano_416x416.onnx", "yolox-nano"))
    return load_detector(file, "cpu", PredictConfig(nms=NMSConfig(0.5))), load_embedder(
        weights / "osnet_x0_25_msmt17.onnx"
    )


@pytest.fixture(scope="module")
def frames(shared: Path) -> list[Frame]:
    return [frame for _, frame in open_source(shared / "data" / "video" / "TUD-Stadtmitte.mp4").pick([30, 31, 90])]


def same_as_by_themselves(both: DeviceNetworks, pair: tuple[Predictor, Embedder], frame: Frame) -> int:
    """Compare a frame's answers; return the number of detections."""
    found, expected = (with_embeddings(one.detect(frame), two, frame) for one, two in ((both, both), pair))
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.5)
    np.testing.assert_allclose(found.scores, expected.scores, atol=5e-3)
    np.testing.assert_array_equal(found.classes, expected.classes)
    cosines = (found.embeddings * expected.embeddings).sum(1)
    assert cosines.min() >= 0.98  # boxes differ by fractions of a pixel, crops by whole ones
    return len(found)


def test_a_frame_has_the_same_people_with_the_same_looks(pair: tuple[Predictor, Embedder], frames: list[Frame]) -> None:
    both = DeviceNetworks(*pair)
    with mock.patch.object(pair[1], "embed", wraps=pair[1].embed) as asked:
        assert same_as_by_themselves(both, pair, frames[0]) > 4  # nobody was expected: all in the second turn
        assert same_as_by_themselves(both, pair, frames[2]) > 4
        assert asked.call_count == 2  # for the comparison only
        other = np.array([[100.0, 100, 150, 250]])
        np.testing.assert_array_equal(both.embed(frames[0], other), pair[1].embed(frames[0], other))


def test_a_detector_alone_has_the_same_people(pair: tuple[Predictor, Embedder], frames: list[Frame]) -> None:
    found, expected = DeviceNetworks(pair[0], None).detect(frames[0]), pair[0].detect(frames[0])
    assert len(found) == len(expected) > 4
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.5)


def test_what_has_no_room_in_fixed_shapes_goes_to_the_networks_by_themselves(
    pair: tuple[Predictor, Embedder], frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = device_stages.postprocess_fixed
    monkeypatch.setattr(device_stages, "postprocess_fixed", lambda *given: exact(*given, candidates=3))
    found, expected = DeviceNetworks(*pair).detect(frames[0]), pair[0].detect(frames[0])
    np.testing.assert_array_equal(found.boxes, expected.boxes)


def test_a_sequence_one_frame_behind_has_the_tracks_of_frame_by_frame(
    pair: tuple[Predictor, Embedder], frames: list[Frame]
) -> None:
    moving = [frames[0], frames[1], frames[0], frames[1]]
    in_turn, ahead = load_tracker("smiletrack"), load_tracker("smiletrack")
    both = DeviceNetworks(*pair)
    expected = [in_turn.update(with_embeddings(both.detect(frame), both, frame)) for frame in moving]
    again = DeviceNetworks(*pair)
    seen = detect_sequence(moving, again, again, "street", quiet=True)
    for number, tracks in enumerate(expected, 1):
        rows = seen.table.frame(number)
        found = ahead.update(
            Detections(seen.table.boxes[rows], seen.table.scores[rows], seen.embeddings[rows], seen.table.classes[rows])
        )
        assert found.ids.tolist() == tracks.ids.tolist() and len(found.ids) > 3
        np.testing.assert_allclose(found.boxes, tracks.boxes, atol=1e-5)


def tiny_networks(folder: Path) -> tuple[Path, Path]:
    torch.manual_seed(0)
    config = DetectorConfig("yolox-nano", height=64, width=96)
    net = build_detector(config)
    with torch.no_grad():
        net.train()(torch.rand(4, 3, 64, 96))
    save_detector(folder / "net.safetensors", net, config)
    save_weights(folder / "slm.safetensors", SLM(TINY).state_dict(), metadata(TINY))
    return folder / "net.safetensors", folder / "slm.safetensors"


@pytest.mark.parametrize("half", [False, True])
def test_on_a_gpu_a_frame_is_two_graphs_and_nothing_waits(half: bool, tmp_path: Path) -> None:
    detector, slm = tiny_networks(tmp_path)
    settings = PredictConfig(half=half, nms=NMSConfig(1e-6, max_detections=20))
    pictures = np.random.default_rng(0).integers(0, 256, (4, 60, 90, 3), dtype=np.uint8)
    alone = DeviceNetworks(load_detector(detector, "cpu", replace(settings, half=False)), load_embedder(slm))
    with mock.patch.object(device_networks, "EMBEDDED_ABOVE", 0.0):
        expected = [(found := alone.detect(picture), alone.embed(picture, found.boxes)) for picture in pictures]
        with fake_cuda(current=1) as waits:  # as it is in a thread of a process that another GPU is given to
            both, looks = load_networks(str(detector), str(slm), "cuda", settings)
            assert both is looks and isinstance(both, DeviceNetworks)
            for number, (picture, (wanted, Z)) in enumerate(zip(pictures, expected, strict=True)):
                found = both.detect(picture)
                if not half:
                    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-2)
                    assert (both.embed(picture, found.boxes) * Z).sum(1).min() > 0.99
                assert len(found) > 3 and (number == 0 or not waits)
                waits.clear()  # the first frame makes constants and chooses kernels
            graphs = [r.graph for part in (both._see, both._look) for r in part._recordings.values()]  # type: ignore[attr-defined]
            assert len(graphs) >= 2 and graphs[0].replays == len(pictures)


def test_what_cannot_be_recorded_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    def asks(values: Any) -> Any:
        return values * 2 if values.sum().item() > 0 else values

    with fake_cuda():
        there = torch.ones(3).to("cuda:0")
        assert isinstance(there, FakeCuda)
        function, stream = Recorded(asks, CUDA), torch.cuda.current_stream()
        assert function(there).cpu().tolist() == function(there).cpu().tolist() == [2, 2, 2]
        assert torch.cuda.current_stream() is stream
    assert capsys.readouterr().err.count("no CUDA graph") == 1
