"""An SLM on a detector's maps, and heads on a frozen backbone: trained on the street, used in one pass."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torchvision.ops import roi_align

from smiletrack.boxes import clip_boxes, hidden_cells
from smiletrack.data.image_files import read_image
from smiletrack.data.reid.batches import AugmentConfig, IdentityDraws
from smiletrack.detector.build import build_detector
from smiletrack.detector.checkpoint import save_detector
from smiletrack.detector.letterbox import letterbox, place, to_frame
from smiletrack.detector.predictor import load_detector
from smiletrack.detector.pyramid import PyramidRecorder, pyramid_channels
from smiletrack.detector.settings import DetectorConfig, NMSConfig, PredictConfig
from smiletrack.engine.eval_slm import eval_slm
from smiletrack.engine.inputs.joint import JointNetwork, load_joint, save_joint
from smiletrack.engine.inputs.networks import load_networks
from smiletrack.engine.inputs.person_crops import read_table
from smiletrack.engine.inputs.stored_objects import StoredBatches, StoredObjects, store_regions
from smiletrack.engine.joint_onnx import export_joint, visible_cells
from smiletrack.engine.settings.eval_slm import EvalSLMConfig
from smiletrack.engine.train_slm import train_slm
from smiletrack.errors import InputError
from smiletrack.image_tensors import to_input
from smiletrack.slm.checkpoint import metadata
from smiletrack.slm.config import LossConfig, SLMConfig
from smiletrack.slm.embedder import load_embedder
from smiletrack.slm.network import SLM
from smiletrack.slm.regions import cut_regions
from smiletrack.training.config import FitConfig
from smiletrack.weights import load_weights, save_weights
from tests.engine.slm_street import make_street, settings
from tests.fake_cuda import fake_cuda

REGIONS = SLMConfig(
    backbone="detector",
    patches_of="features",
    width=4,
    height=8,
    patch_width=2,
    patch_height=4,
    channels=(4, 16, 16),
    depths=(0, 1),
    d_k=4,
    d_v=4,
    embedding=8,
    mask="soft",
)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_street(tmp_path_factory.mktemp("street") / "TINY-01")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = DetectorConfig("prb-nano", height=96, width=224)
    file = tmp_path_factory.mktemp("detector") / "detector.safetensors"
    save_detector(file, build_detector(config), config)
    return file


@pytest.fixture(scope="module")
def joint_file(street: Path, detector: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = settings(street, tmp_path_factory.mktemp("joint"), network=REGIONS, detector=str(detector))
    short = FitConfig(epochs=2, learning_rate=1e-2, evaluate_every=2)
    train_slm(dataclasses.replace(config, augment=AugmentConfig(jitter=0.03), fit=short, train_step=2, val_step=6))
    return Path(config.output) / "joint.safetensors"


@pytest.mark.parametrize("half", [False, True])
def test_a_gpu_shows_the_regions_of_a_cpu(joint_file: Path, street: Path, half: bool) -> None:
    table = read_table((f"{street}@all",), "val_half", 0.0, 12)
    frame = read_image(table.images[0])
    expected = load_joint(joint_file).embed(frame, table.boxes)
    shown = store_regions(table, table, load_joint(joint_file), 1, 0.0, [], 0)
    with fake_cuda():
        joint = load_joint(joint_file, "cuda", PredictConfig(half=half))
        found, stored = joint.embed(frame, table.boxes), store_regions(table, table, joint, 1, 0.0, [], 0)
    assert (found * expected).sum(1).min() > 0.999
    np.testing.assert_allclose(stored.objects, shown.objects, atol=0.02 if half else 1e-3)


def test_regions_are_the_maps_under_the_boxes() -> None:
    """A map of the columns' numbers: the samples' mean is that of the cells, half a pixel being a cell's middle."""
    ramp = torch.arange(20.0).expand(1, 1, 10, 20)
    cut = cut_regions([ramp, 2 * ramp], torch.tensor([[16.0, 8.0, 80.0, 72.0]]), 80, (2, 4))
    expected = torch.tensor([1.5, 2 + 1.5, 4 + 1.5, 6 + 1.5]) + 1  # cells of 2 map cells from map column 2 on
    assert cut.shape == (1, 2, 2, 4)
    torch.testing.assert_close(cut[0, 0], expected.expand(2, 4))
    torch.testing.assert_close(cut[0, 1], 2 * cut[0, 0])


def test_regions_are_those_of_torchvisions_roi_align() -> None:
    torch.manual_seed(0)
    maps, boxes = [torch.randn(1, 3, 24, 40), torch.randn(1, 2, 12, 20)], torch.rand(7, 4) * 40
    boxes[:, 2:] = boxes[:, :2] + 1 + boxes[:, 2:] * 0.19
    rois = torch.cat([torch.zeros(7, 1), boxes], 1)
    expected = [roi_align(level, rois, (6, 3), level.shape[2] / 48, sampling_ratio=2, aligned=True) for level in maps]
    torch.testing.assert_close(cut_regions(maps, boxes, 48, (6, 3)), torch.cat(expected, 1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["prb-nano", "yolox-nano"])
def test_the_maps_are_the_finest_of_the_backbone(architecture: str) -> None:
    """Two and four pixels a cell; the second is made of the first."""
    net = build_detector(DetectorConfig(architecture)).eval()
    recorder = PyramidRecorder(net)
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 96))
        fine, coarse = recorder.maps
        assert fine.shape[2:] == (32, 48) and coarse.shape[2:] == (16, 24)
        torch.testing.assert_close(net.backbone.stages[0](fine), coarse)
    assert pyramid_channels(net) == fine.shape[1] + coarse.shape[1]


def test_people_are_told_apart_by_what_the_detector_saw(joint_file: Path) -> None:
    history = json.loads((joint_file.parent / "history.json").read_text())
    assert history[-1]["AUC_5"] > 0.95 and history[-1]["loss"] < history[0]["loss"]


def test_one_file_is_detector_and_slm_in_one_pass(joint_file: Path, detector: Path, street: Path) -> None:
    frame = read_image(street / "img1" / "000001.png")
    settings_ = PredictConfig(nms=NMSConfig(score_threshold=0.001, max_detections=5))
    both, same = load_networks(str(joint_file), f"joint:{joint_file}", "cpu", settings_)
    assert isinstance(both, JointNetwork) and both is same
    passes: list[object] = []
    both._predictor.network.register_forward_pre_hook(lambda *_: passes.append(1))  # type: ignore[attr-defined]
    found, alone = both.detect(frame), load_detector(detector, "cpu", settings_).detect(frame)
    np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-3)
    np.testing.assert_allclose(load_detector(joint_file, "cpu", settings_).detect(frame).boxes, alone.boxes, atol=1e-3)
    boxes = np.array([[2.0, 10, 26, 58], [45, 12, 66, 60], [90, 0, 90, 9], [np.nan] * 4])
    rows = both.embed(frame, boxes)
    assert len(passes) == 1
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(load_joint(joint_file).embed(frame.copy(), boxes), rows, atol=1e-5)
    assert both.embed(frame, boxes[:0]).shape == (0, 8)
    with pytest.raises(InputError, match="sees what its own detector sees: --detector"):
        load_networks(str(detector), f"joint:{joint_file}", "cpu")
    with pytest.raises(InputError, match="no joint file"):
        load_joint(detector)
    with pytest.raises(InputError, match="sees a detector's maps"):
        load_embedder(joint_file.parent / "model.safetensors")


def test_a_file_made_for_other_maps_is_refused(detector: Path, tmp_path: Path) -> None:
    slm, joint = tmp_path / "slm.safetensors", tmp_path / "joint.safetensors"
    save_weights(slm, SLM(REGIONS).state_dict(), metadata(REGIONS))
    save_joint(joint, detector, slm)
    with pytest.raises(InputError, match="wants 4 channels of the detector's maps, this version shows"):
        load_joint(joint)


def test_one_onnx_file_gives_boxes_and_embeddings(joint_file: Path, street: Path, tmp_path: Path) -> None:
    """The exported pass gives what the two parts give one after the other."""
    state, about = load_weights(joint_file)
    generator = torch.Generator().manual_seed(3)
    for name in state:  # a detector that never learned gives all places one score
        if name.startswith("head.lead"):
            state[name] = state[name] + 0.3 * torch.randn(state[name].shape, generator=generator)
        if name.endswith(".bn.weight") and not name.startswith("slm"):
            state[name] = 2.8 * state[name]
    file, nms = tmp_path / "joint.safetensors", NMSConfig(score_threshold=0.06, iou_threshold=0.5, max_detections=12)
    save_weights(file, state, about)
    exported = export_joint(file, tmp_path / "joint.onnx", nms)
    frame, both = read_image(street / "img1" / "000003.png"), load_joint(file, predict=PredictConfig(nms=nms))
    found, pixels = both.detect(frame), both._predictor.config.input
    where = place(frame.shape[0], frame.shape[1], (96, 224), pixels, 32)
    image = to_input(torch.from_numpy(letterbox(frame, where, pixels)[None]), pixels).numpy()
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    boxes, scores, classes, embeddings = session.run(None, {"images": image})
    number = len(found)
    assert number >= 2 and image.shape[2:] == where.size == (96, 224) and len(np.unique(found.scores)) == number
    assert (classes[:number] == 1).all() and not scores[number:].any() and not embeddings[number:].any()
    np.testing.assert_allclose(scores[:number], found.scores, atol=1e-5)
    boxes = boxes[:number]
    np.testing.assert_allclose(to_frame(boxes, where, 80, 200, clip=False), found.boxes, atol=0.05)
    inside = clip_boxes(boxes, 224, 96)
    cells = 1 - hidden_cells(inside, inside, 16, 8)
    np.testing.assert_allclose(visible_cells(torch.from_numpy(inside).float(), 16, 8), cells, atol=1e-4)
    with torch.no_grad():
        Z = both.slm(both.regions(frame, to_frame(inside, where, 80, 200, clip=False)), torch.from_numpy(cells).float())
    np.testing.assert_allclose(embeddings[:number], torch.nn.functional.normalize(Z, dim=1), atol=1e-3)


def test_eval_scores_a_joint_file(joint_file: Path, street: Path, tmp_path: Path) -> None:
    config = EvalSLMConfig(
        checkpoint=f"joint:{joint_file}", data=(f"{street}@all",), gaps=(5,), output=str(tmp_path), resamples=2
    )
    assert eval_slm(config)["networks"][0]["gaps"]["5"]["AUC"] > 0.95


def test_stored_regions_are_cut_once_an_image_with_masks_of_everybody(
    detector: Path, joint_file: Path, street: Path
) -> None:
    joint, table = load_joint(joint_file), read_table((str(street),), "all", step=12)
    stored = store_regions(table, table, joint, 3, 0.1, (), 0)
    N = len(table)
    assert stored.objects.shape == (3 * N, pyramid_channels(joint._predictor.network), 8, 4)  # type: ignore[arg-type]
    for row in (0, N - 1):
        frame = read_image(table.images[table.image_indices[row]])
        expected = joint.regions(frame, table.boxes[row : row + 1])[0].numpy()
        np.testing.assert_allclose(stored.objects[row], expected, rtol=0.01, atol=1e-4)
        assert not np.allclose(stored.objects[N + row], expected, rtol=0.01, atol=1e-4)  # jittered
    np.testing.assert_allclose(stored.trust, np.tile(stored.visibility[:N].mean((1, 2)), 3), atol=1e-6)
    assert stored.answers.shape == (3 * N, 0) and stored.mapped_answers(table.identities, 8).shape == (3 * N, 0)


def test_a_batch_has_its_rows_in_versions_drawn_by_chance() -> None:
    draws = IdentityDraws(
        np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4), np.zeros(12), num_batches=30, num_identities=3,
        crops_per_identity=2,
    )  # fmt: skip
    at = np.arange(24, dtype=np.float16)  # 12 rows in two versions
    stored = StoredObjects(at[:, None, None, None], at[:, None, None], at[:, None], at.astype(np.float32))
    versions = []
    for objects, labels, visibility, answers, trust in StoredBatches(draws, stored, at[:, None].astype(np.float32)):
        rows = objects.ravel()
        for column in (visibility, answers, trust):
            np.testing.assert_array_equal(column.ravel(), rows)
        np.testing.assert_array_equal(rows.astype(int) % 12 // 3, labels)
        versions += (rows >= 12).tolist()
    assert 0.3 < np.mean(versions) < 0.7


FROZEN = SLMConfig(
    backbone="osnet", patches_of="features", width=16, height=32, channels=(4, 8, 8, 8), depths=(1, 1, 1), d_k=4, d_v=4,
    embedding=8, mask="hard",
)  # fmt: skip


def test_a_frozen_backbone_stays_and_its_head_learns_from_a_teacher(street: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = SLM(FROZEN).backbone
    torch.save(source.state_dict(), tmp_path / "osnet.pth")
    torch.manual_seed(5)
    teacher = SLM(dataclasses.replace(FROZEN, mask="none"))
    config = settings(
        street, tmp_path, network=FROZEN, backbone=str(tmp_path / "osnet.pth"), versions=2, batches_per_epoch=30,
        loss=LossConfig(identity=0, contrastive=0.1, teacher=4), fit=FitConfig(epochs=2, learning_rate=1e-2),
        teacher=(_saved(teacher, tmp_path), _saved(teacher, tmp_path / "again")),
    )  # fmt: skip
    trained = train_slm(config).network
    for name, weight in source.state_dict().items():
        assert torch.equal(trained.get_parameter(f"backbone.{name}"), weight), name
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert history[-1]["teacher"] < 0.8 * history[0]["teacher"]
    with pytest.raises(ValueError, match="versions freezes the backbone"):
        dataclasses.replace(config, network=dataclasses.replace(FROZEN, patches_of="pixels"))
    with pytest.raises(ValueError, match="wants patches_of=features"):
        dataclasses.replace(REGIONS, patch_width=40)
    with pytest.raises(ValueError, match="detector and network"):
        dataclasses.replace(config, detector="detector.safetensors")


def _saved(network: SLM, folder: Path) -> str:
    file = folder / "teacher.safetensors"
    folder.mkdir(exist_ok=True)
    save_weights(file, network.state_dict(), metadata(network.config))
    return str(file)
