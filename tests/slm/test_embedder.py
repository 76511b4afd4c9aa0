"""Frame and boxes to unit rows: odd boxes, odd frames, ONNX in place of the checkpoint."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from smiletrack.errors import InputError
from smiletrack.slm.checkpoint import export_slm_onnx, load_slm_network, metadata
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.embedder import Embedder, load_embedder
from smiletrack.slm.network import SLM
from smiletrack.slm.preprocessing import Preprocessing
from smiletrack.weights import save_weights

CONFIG = SLMConfig(channels=(4, 8, 8), depths=(1, 0), d_k=4, d_v=4, embedding=6, attention="softmax")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("slm") / "model.safetensors"
    network = SLM(CONFIG)
    network.train()(torch.rand(8, 3, 224, 80))  # gives the norms statistics
    save_weights(file, network.state_dict(), metadata(CONFIG))
    return file


@pytest.fixture(scope="module")
def embedder(checkpoint: Path) -> Embedder:
    return load_embedder(checkpoint)


@pytest.fixture(scope="module")
def frame() -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)


def test_rows_are_the_networks_on_rgb_in_0_1(checkpoint: Path, embedder: Embedder, frame) -> None:  # type: ignore[no-untyped-def]
    rows = embedder.embed(frame, np.array([[10.0, 20.0, 90.0, 244.0]]))
    network, _ = load_slm_network(checkpoint)
    crop = frame[20:244, 10:90, ::-1].astype(np.float32) / 255
    with torch.no_grad():
        Z = network(torch.from_numpy(crop).permute(2, 0, 1)[None])[0].numpy()
    np.testing.assert_allclose(rows[0], Z / np.linalg.norm(Z), atol=1e-5)
    assert rows.dtype == np.float32 and rows.shape == (1, 6)


def test_boxes_without_area_in_the_frame_get_zeros_and_the_rest_unit_rows(embedder: Embedder, frame) -> None:  # type: ignore[no-untyped-def]
    nan = float("nan")
    boxes = np.array(
        [
            [10, 10, 60, 120],
            [10, 10, 10, 120],  # no width
            [60, 10, 10, 120],  # turned
            [-50, -50, -1, -1],  # outside
            [200, 0, 260, 90],  # touches the border from outside
            [nan, 0, 10, 10],
            [-20, -30, 30, 50],  # partly outside
            [5, 5, 6, 6],  # one pixel
            [5.4, 5.4, 5.6, 5.7],  # less than one pixel
            [199.7, 299.8, 205, 310],  # a corner
        ],
        float,
    )
    rows = embedder.embed(frame, boxes)
    norms = np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(norms, [1, 0, 0, 0, 0, 0, 1, 1, 1, 1], atol=1e-5)
    np.testing.assert_allclose(rows[6], embedder.embed(frame, np.array([[0.0, 0.0, 30.0, 50.0]]))[0], atol=1e-5)


def test_no_boxes_and_many_boxes(embedder: Embedder, frame) -> None:  # type: ignore[no-untyped-def]
    assert embedder.embed(frame, np.zeros((0, 4))).shape == (0, 6)
    boxes = np.tile([[10.0, 20.0, 60.0, 130.0]], (70, 1))
    boxes[:, 2] += np.arange(70)
    rows = embedder.embed(frame, boxes)  # more than one batch
    np.testing.assert_allclose(rows[69], embedder.embed(frame, boxes[69:])[0], atol=1e-5)


def test_grey_alpha_and_16_bit_frames_are_converted(embedder: Embedder, frame) -> None:  # type: ignore[no-untyped-def]
    box = np.array([[10.0, 20.0, 60.0, 130.0]])
    grey = frame[:, :, 0]
    expected = embedder.embed(np.repeat(grey[:, :, None], 3, 2), box)
    for picture in (grey, grey[:, :, None], grey.astype(np.uint16) * 257):
        np.testing.assert_allclose(embedder.embed(picture, box), expected, atol=1e-6)
    alpha = np.concatenate([frame, frame[:, :, :1]], 2)
    np.testing.assert_allclose(embedder.embed(alpha, box), embedder.embed(frame, box), atol=1e-6)
    for wrong in (frame.astype(np.float32), np.zeros((2, 3, 4, 5), np.uint8)):
        with pytest.raises(ValueError, match="frame must"):
            embedder.embed(wrong, box)


def test_onnx_agrees_for_any_batch_size(checkpoint: Path, embedder: Embedder, frame, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "slm.onnx"
    export_slm_onnx(*load_slm_network(checkpoint), file)
    exported = load_embedder(file)
    assert exported.preprocessing == embedder.preprocessing
    for number in (1, 3, 65):
        boxes = np.tile([[10.0, 20.0, 60.0, 130.0]], (number, 1)) + np.arange(number)[:, None]
        np.testing.assert_allclose(exported.embed(frame, boxes), embedder.embed(frame, boxes), atol=1e-4)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (rows,) = session.run(None, {"objects": np.random.default_rng(0).random((5, 3, 224, 80), np.float32)})
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_foreign_reid_network_of_fixed_batch_runs(shared: Path, frame) -> None:  # type: ignore[no-untyped-def]
    osnet = load_embedder(shared / "data" / "weights" / "osnet_x0_25_msmt17.onnx")
    assert (osnet.preprocessing.width, osnet.preprocessing.height, osnet.dimension) == (128, 256, 512)
    rows = osnet.embed(frame, np.array([[10.0, 20.0, 60.0, 130.0], [0, 0, 0, 0], [90.0, 20.0, 160.0, 200.0]]))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 0, 1], atol=1e-5)


def test_foreign_preprocessing_is_applied() -> None:
    preprocessing = Preprocessing(2, 1, mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0))
    crops = np.array([[[[0, 51, 255], [255, 102, 0]]]], np.uint8)  # BGR
    expected = [[[(1 - 0.5) / 0.5, -1.0]], [[0.2 - 0.25, 0.4 - 0.25]], [[0.0, 0.5]]]
    np.testing.assert_allclose(preprocessing.tensor(crops)[0], expected, atol=1e-6)
    assert Preprocessing.from_json(preprocessing.to_json()) == preprocessing


def test_weights_of_another_kind_and_of_another_shape_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    network, _ = load_slm_network(checkpoint)
    state = network.state_dict()
    save_weights(tmp_path / "other.safetensors", state, {"detector": "{}"})
    with pytest.raises(InputError, match="not those of an SLM"):
        load_embedder(tmp_path / "other.safetensors")
    del state["psa.W_Q.weight"]
    save_weights(tmp_path / "partly.safetensors", state, metadata(CONFIG))
    with pytest.raises(InputError, match=r"1 missing: psa\.W_Q\.weight"):
        load_embedder(tmp_path / "partly.safetensors")


def test_the_fingerprint_follows_the_weights(checkpoint: Path, embedder: Embedder, tmp_path: Path) -> None:
    network, _ = load_slm_network(checkpoint)
    state = network.state_dict()
    state["psa.scale"] += 1
    save_weights(tmp_path / "model.safetensors", state, metadata(CONFIG))
    assert load_embedder(tmp_path / "model.safetensors").fingerprint != embedder.fingerprint
    assert load_embedder(checkpoint).fingerprint == embedder.fingerprint
