"""Detectors, similarity networks and their training on a GPU that is none: the CPU's answers, no mixture of devices,
and the waits that are known."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smiletrack.detector.build import build_detector, build_loss
from smiletrack.detector.checkpoint import save_detector
from smiletrack.detector.predictor import load_detector
from smiletrack.detector.settings import DetectorConfig, NMSConfig, PredictConfig
from smiletrack.engine.train_slm import Trainee, _loss, _taught
from smiletrack.slm.checkpoint import metadata
from smiletrack.slm.config import LossConfig, SLMConfig
from smiletrack.slm.embedder import load_embedder
from smiletrack.slm.losses import SLMLoss
from smiletrack.slm.network import SLM
from smiletrack.slm.teacher import Teacher
from smiletrack.training.config import FitConfig
from smiletrack.training.recipe import Recipe
from smiletrack.training.runtime import Runtime, autocast_type
from smiletrack.training.state import TrainingState, load_state
from smiletrack.training.step import take_step
from smiletrack.weights import save_weights
from tests.fake_cuda import CUDA, FakeCuda, fake_cuda

TINY = SLMConfig(16, 32, channels=(4, 8), depths=(1,), d_k=4, d_v=4, embedding=8, patch_width=8, patch_height=16)
FRAMES = np.random.default_rng(0).integers(0, 256, (2, 90, 120, 3), dtype=np.uint8)


def test_the_harness_notices_mixtures_and_waits() -> None:
    with fake_cuda() as waits:
        there = torch.rand(3, 4).pin_memory().to("cuda:0", non_blocking=True)
        assert isinstance(there, FakeCuda) and (there * 2).sum().device == CUDA and not waits
        for mixed in (
            lambda: there + torch.rand(4),
            lambda: nn.Linear(4, 2)(there),
            lambda: torch.cat([torch.rand(1, 4), there]),
        ):
            with pytest.raises(RuntimeError, match="on cuda:0 and on the CPU"):
                mixed()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        assert not waits
        for waiting in (
            lambda: there.sum().item(),
            lambda: bool(there[0, 0] > 2),
            lambda: there[there > 0.5],
            there.nonzero,
            there.cpu,
            lambda: torch.rand(4).to("cuda"),
            lambda: torch.tensor([1.0], device="cuda:0"),
        ):
            waits.clear()
            waiting()
            assert len(waits) == 1
        layer = nn.Linear(4, 2).to("cuda:0")
        layer(there).sum().backward()
        assert layer.weight.grad is not None and layer.weight.grad.device == CUDA


@pytest.mark.parametrize("architecture", ["prb-nano", "yolox-nano"])
def test_detectors_see_the_same_on_a_gpu(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = DetectorConfig(architecture, ("person", "car"), height=96, width=128)
    net = build_detector(config)
    with torch.no_grad():
        net.train()(torch.rand(4, 3, 96, 128))
    save_detector(tmp_path / "net.safetensors", net, config)
    settings = PredictConfig(nms=NMSConfig(1e-6, max_detections=40))
    expected = load_detector(tmp_path / "net.safetensors", "cpu", settings).detect_batch(list(FRAMES))
    with fake_cuda():
        found = load_detector(tmp_path / "net.safetensors", "cuda", settings).detect_batch(list(FRAMES))
        half = load_detector(tmp_path / "net.safetensors", "cuda", dataclasses.replace(settings, half=True))
        assert half.half and abs(len(half.detect(FRAMES[0])) - len(expected[0])) < 5
    for ours, theirs in zip(found, expected, strict=True):
        assert len(ours) > 5
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-3)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)


def tiny_slm(folder: Path) -> Path:
    torch.manual_seed(0)
    save_weights(folder / "slm.safetensors", SLM(TINY).state_dict(), metadata(TINY))
    return folder / "slm.safetensors"


def test_embeddings_are_the_same_on_a_gpu(tmp_path: Path) -> None:
    file, boxes = tiny_slm(tmp_path), np.array([[5, 5, 40, 80.0], [50, 2, 90, 88], [0, 0, 0, 0]])
    expected = load_embedder(file).embed(FRAMES[0], boxes)
    with fake_cuda() as waits:
        embedder = load_embedder(file, "cuda")
        waits.clear()
        found = embedder.embed(FRAMES[0], boxes)
        assert waits == ["download (2, 8)"]
    assert (found[:2] * expected[:2]).sum(1).min() > 0.999 and not found[2].any()


def one_step(network: nn.Module, recipe_parts: dict[str, Any], batch: Any, device: str, amp: Any) -> dict[str, float]:
    """Return the figures of a step."""
    state = TrainingState(network, FitConfig(amp=amp, ema_decay=0.9), Runtime(torch.device(device)))
    recipe = Recipe(network=network, batches=lambda _: [batch], **recipe_parts)
    figures = take_step(recipe, state, network, [batch], 10.0)
    assert all(value.device == torch.device(device) for value in figures.values())
    return {name: float(value) for name, value in figures.items()}


@pytest.mark.parametrize("architecture", ["prb-nano", "yolox-nano"])
def test_a_detector_takes_the_same_step_on_a_gpu(architecture: str) -> None:
    targets = torch.tensor([[0, 0, 30.0, 30, 20, 40], [1, 0, 60, 40, 20, 50], [1, 0, 64, 30, 22, 44]])
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))

    def step(device: str, amp: str = "off") -> dict[str, float]:
        torch.manual_seed(1)
        net = build_detector(DetectorConfig(architecture, height=64, width=96)).train()
        criterion = build_loss(net)

        def loss(net: nn.Module, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
            criterion.to(device)
            terms = criterion(net(batch[0]), batch[1])
            return terms.total, {"box": terms.box}

        return one_step(net, {"loss": loss}, [images, targets], device, amp)

    expected = step("cpu")
    with fake_cuda():
        assert step("cuda:0") == pytest.approx(expected, rel=1e-4)
        assert step("cuda:0", "bfloat16")["loss"] == pytest.approx(expected["loss"], rel=0.1)


def test_a_taught_slm_takes_the_same_step_on_a_gpu_and_nothing_waits(tmp_path: Path) -> None:
    file, rng = tiny_slm(tmp_path), np.random.default_rng(1)
    crops, labels = torch.from_numpy(rng.integers(0, 256, (8, 32, 16, 3), dtype=np.uint8)), torch.arange(8) // 2

    def step(device: str, waits: list[str]) -> dict[str, float]:
        teacher = Teacher([load_embedder(file, device)], [(crops.numpy(), labels.numpy())], 8)
        torch.manual_seed(2)
        trainee = Trainee(SLM(TINY), SLMLoss(LossConfig(teacher=1.0), 8, 4, teacher.answers))
        state = TrainingState(trainee, FitConfig(amp="off"), Runtime(torch.device(device)))
        recipe = Recipe(trainee, partial(_loss, None), lambda _: [], prepare=lambda batch: _taught(teacher, batch))
        waits.clear()
        figures = take_step(
            recipe, state, trainee, [(crops, labels, torch.full((8, 32, 16), 255, dtype=torch.uint8))], 0.0
        )
        assert not waits
        return {name: float(value) for name, value in figures.items()}

    expected = step("cpu", [])
    with fake_cuda() as waits:
        assert step("cuda:0", waits) == pytest.approx(expected, rel=2e-3)


def test_a_run_of_a_cpu_goes_on_in_float16_on_an_old_gpu(tmp_path: Path) -> None:
    """It has left no scale of the gradients; and such a GPU only imitates bfloat16."""

    def state(device: str) -> TrainingState:
        return TrainingState(nn.Linear(2, 1), FitConfig(), Runtime(torch.device(device)))

    before = state("cpu")
    before.write(tmp_path / "last.pt", {})
    with fake_cuda():
        assert autocast_type("auto", CUDA) is torch.bfloat16
        with mock.patch.object(torch.cuda, "get_device_capability", lambda *_: (7, 5)):
            assert autocast_type("auto", CUDA) is torch.float16
            after = state("cuda:0")
        after.restore(load_state(tmp_path / "last.pt"), tmp_path / "last.pt", {})
        assert after.scaler.is_enabled()
        assert torch.equal(next(after.network.parameters()).cpu(), next(before.network.parameters()))
