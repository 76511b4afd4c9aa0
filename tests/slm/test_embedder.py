"""Frame and boxes to unit rows: odd boxes, odd frames, ONNX in place of the checkpoint."""

import dataclasses
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from smiletrack.boxes import hidden_cells
from smiletrack.engine.inputs.networks import open_embedder
from smiletrack.errors import InputError
from smiletrack.runtime_twin import RuntimeTwin
from smiletrack.slm.checkpoint import export_slm_onnx, load_slm_network, metadata
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.embedder import Embedder, load_embedder
from smiletrack.slm.network import SLM
from smiletrack.slm.preprocessing import Preprocessing
from smiletrack.weights import save_weights
from tests.network_graphs import Graph, detector_file, embedder_file

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


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = dataclasses.replace(CONFIG, mask="soft", layout="D")
    network = SLM(config)
    network.train()(torch.rand(8, 3, 224, 80))
    network.hidden.mean.uniform_()
    file = tmp_path_factory.mktemp("masked") / "model.safetensors"
    save_weights(file, network.state_dict(), metadata(config))
    return file


def test_the_boxes_of_a_frame_are_the_mask(masked: Path, frame: NDArray[np.uint8]) -> None:
    """Nobody is covered by himself or by those behind him; what a nearer one hides has little influence."""
    embedder, alone = load_embedder(masked), np.array([[10.0, 20, 90, 244]])
    both = np.array([[10.0, 20, 90, 244], [50.0, 132, 130, 290], [np.nan] * 4])
    rows, seen = embedder.embed_seen(frame, both)
    np.testing.assert_allclose(seen, [1 - hidden_cells(both[:1], both[1:2], 56, 20).mean(), 1, 0], atol=1e-6)
    np.testing.assert_array_equal(rows, embedder.embed(frame, both))
    np.testing.assert_allclose(rows[1], embedder.embed(frame, both[1:2])[0], atol=1e-6)
    assert not np.allclose(rows[0], embedder.embed(frame, alone)[0], atol=1e-3)
    painted = frame.copy()
    painted[132:244, 82:90] = 0  # the middle of the nearer box
    changes = [1 - float(embedder.embed(painted, b)[0] @ embedder.embed(frame, b)[0]) for b in (both, alone)]
    assert changes[0] < 0.3 * changes[1]


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_another_runtime_is_told_the_mask_too(masked: Path, frame: NDArray[np.uint8], runtime: str) -> None:
    pytest.importorskip(f"{runtime}runtime" if runtime == "onnx" else runtime)
    faster, plain = load_embedder(masked, runtime=runtime), load_embedder(masked)
    assert isinstance(faster._forward, RuntimeTwin) and faster.fingerprint == f"{plain.fingerprint} {runtime}"
    both = np.array([[10.0, 20, 90, 244], [50.0, 132, 130, 290]])
    np.testing.assert_allclose(faster.embed(frame, both), plain.embed(frame, both), atol=1e-4)
    assert faster._forward._twins[224, 80] is not faster._forward._network
    np.testing.assert_allclose(faster.embed(frame, both[:1]), plain.embed(frame, both[:1]), atol=1e-4)


def test_onnx_takes_the_mask_as_a_second_input_and_works_without(
    masked: Path, frame: NDArray[np.uint8], tmp_path: Path
) -> None:
    file = tmp_path / "slm.onnx"
    export_slm_onnx(*load_slm_network(masked), file)
    exported, original = load_embedder(file), load_embedder(masked)
    assert exported.mask_grid == original.mask_grid == (56, 20)
    boxes = np.array([[10.0, 20, 90, 244], [50.0, 132, 130, 290], [100.0, 60, 190, 220]])
    np.testing.assert_allclose(exported.embed(frame, boxes), original.embed(frame, boxes), atol=1e-4)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == ["objects"]
    crops = np.random.default_rng(0).integers(0, 256, (5, 224, 80, 3), dtype=np.uint8)
    objects = original.preprocessing.tensor(crops).numpy()
    (without,) = session.run(None, {"objects": objects})
    np.testing.assert_allclose(without, original.embed_crops(crops), atol=1e-4)


def test_openvino_takes_the_mask_and_what_the_onnx_file_says_of_itself(
    masked: Path, frame: NDArray[np.uint8], tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    export_slm_onnx(*load_slm_network(masked), tmp_path / "slm.onnx")
    there, here = load_embedder(f"openvino:{tmp_path / 'slm.onnx'}"), load_embedder(masked)
    boxes = np.array([[10.0, 20, 90, 244], [50.0, 132, 130, 290], [100.0, 60, 190, 220]])
    assert there.mask_grid == here.mask_grid and there.preprocessing == here.preprocessing
    np.testing.assert_allclose(there.embed(frame, boxes), here.embed(frame, boxes), atol=1e-4)
    crops, _ = here.preprocessing.cut(frame, boxes)
    np.testing.assert_allclose(there.embed_crops(crops), here.embed_crops(crops), atol=1e-4)


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


BANDS = {
    "rgb-imagenet": {"imagenet": True},
    "bgr255": {"colour": "bgr", "scale": 1.0},
    "rgb1": {},
    "bgr1-0.5,0.5,0.5/0.25,0.25,0.25": {"colour": "bgr"},
}


def mean_colours(frame: NDArray[np.uint8], box: list[int]) -> NDArray[np.float64]:
    """What `network_graphs.embedder_file` gives for a box of 16 x 32 pixels: red, green, blue of eight bands."""
    x1, y1, x2, y2 = box
    bands = frame[y1:y2, x1:x2, ::-1].reshape(8, 4, 16, 3).mean((1, 2)) / 255 - 0.5
    values = bands.T.ravel()
    return values / np.linalg.norm(values)


@pytest.mark.parametrize("said", ["rgb-imagenet", "bgr255"])
@pytest.mark.parametrize(("batch", "half"), [(1, False), ("n", False), (4, False), (1, True)])
def test_reid_networks_of_others_tell_what_they_are_fed(
    frame: NDArray[np.uint8], tmp_path: Path, said: str, batch: int | str, half: bool
) -> None:
    made = BANDS[said]
    network = load_embedder(embedder_file(tmp_path / "reid.onnx", **made, batch=batch, half=half))
    assert f"24 numbers a crop, input {said} 32 x 16, ONNX Runtime on cpu" in network.description
    boxes = [[x, x, x + 16, x + 32] for x in range(0, 150, 17)]
    expected = [mean_colours(frame, box) for box in boxes]
    np.testing.assert_allclose(network.embed(frame, np.array(boxes, float)), expected, atol=1e-2 if half else 1e-5)


def test_what_a_network_is_fed_can_be_said_behind_its_name(frame: NDArray[np.uint8], tmp_path: Path) -> None:
    path = embedder_file(tmp_path / "reid@2.onnx", colour="bgr")
    box = [[10, 20, 26, 52]]
    wrong = load_embedder(path)
    assert "input rgb-imagenet" in wrong.description
    right = load_embedder(f"{path}@bgr1")
    np.testing.assert_allclose(right.embed(frame, np.array(box, float))[0], mean_colours(frame, box[0]), atol=1e-5)
    assert wrong.fingerprint != right.fingerprint
    assert "input bgr1-0.5,0.5,0.5/1,1,1 32 x 16" in load_embedder(f"{path}@bgr1-0.5").description
    with pytest.raises(InputError, match="no such SLM file"):
        load_embedder(f"{path}@bgr7")


def answering(path: Path, *values: object) -> Path:
    """Write a network of 32 x 16 pixels that gives constants."""
    graph = Graph([], [])
    zero = graph.add("Mul", graph.add("ReduceMean", "images", keepdims=0), graph.constant(np.float32(0)))
    outputs = [graph.add("Add", graph.constant(np.asarray(value, np.float32)), zero) for value in values]
    return graph.save(path, outputs, [1, 3, 32, 16], False, {})


def test_networks_that_are_no_embedders_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.random.default_rng(0).random((1, 24))
    for values, words in [
        ([rows * np.nan], r"gives NaN; OpenVINO may run it: openvino:"),
        ([rows], "gives the same vector for every picture"),
        ([rows, rows], r"not one vector a crop \(N, D\)"),
        ([np.ones((1, 300, 6))], "a detector is given as --detector"),
        ([rows[:, :1]], "not one vector a crop"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            load_embedder(answering(tmp_path / "net.onnx", *values))
        assert "\n" not in str(caught.value)
    detector = detector_file(tmp_path / "detector.onnx", "yolov8")
    with pytest.raises(InputError, match="a detector is given as --detector"):
        open_embedder(str(detector))
    assert open_embedder(str(embedder_file(tmp_path / "reid.onnx")), "auto").dimension == 24
    assert "24 numbers a crop" in capsys.readouterr().err
    graph = Graph([], [])
    graph.save(tmp_path / "open.onnx", [graph.add("Identity", "images")], [1, 3, "h", "w"], False, {})
    with pytest.raises(InputError, match="leaves the size of crops open"):
        load_embedder(tmp_path / "open.onnx")


def test_open_model_zoos_networks(shared: Path, frame: NDArray[np.uint8]) -> None:
    weights = shared / "data" / "weights"
    with pytest.raises(InputError, match="ONNX Runtime on cpu gives NaN"):
        load_embedder(weights / "person-reidentification-retail-0267.onnx")
    pytest.importorskip("openvino")
    small = load_embedder(weights / "openvino" / "person-reidentification-retail-0288.xml")
    assert "256 numbers a crop, input bgr255 256 x 128, OpenVINO on cpu" in small.description
    boxes = np.array([[10.0, 20, 60, 130], [90, 20, 160, 200], [30, 50, 99, 222]])
    together = small.embed(frame, boxes)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(small.embed(frame, boxes[1:2])[0], together[1], atol=1e-4)
    by_openvino = load_embedder(f"openvino:{weights / 'person-reidentification-retail-0267.onnx'}")
    assert np.isfinite(by_openvino.embed(frame, boxes)).all()
