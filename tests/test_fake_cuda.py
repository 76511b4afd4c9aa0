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
from torch.utils._python_dispatch import TorchDispatchMode

from smiletrack.detector.build import build_detector, build_loss
from smiletrack.detector.checkpoint import save_detector
from smiletrack.detector.predictor import load_detector
from smiletrack.detector.settings import DetectorConfig, NMSConfig, PredictConfig
from smiletrack.engine.train_slm import Trainee, _loss, _taught
from smiletrack.slm.checkpoint import metadata
from smiletrack.slm.config import LossConfig, SLMConfig
from smiletrack.slm.embedder import fuse_norms, halve_weights, load_embedder
from smiletrack.slm.losses import SLMLoss
from smiletrack.slm.network import SLM
from smiletrack.slm.teacher import Teacher
from smiletrack.training.config import FitConfig
from smiletrack.training.recipe import Recipe
from smiletrack.training.runtime import Runtime, autocast_type, start_runtime
from smiletrack.training.state import TrainingState, load_state
from smiletrack.training.step import StepFigures, take_step
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
        waits.clear()
        host, done = torch.zeros(3).pin_memory(), torch.cuda.Event()
        host.copy_(there[:, 0], non_blocking=True)
        done.record()
        with pytest.raises(RuntimeError, match="on its way"):
            host.numpy()
        done.synchronize()
        assert host.tolist() == there[:, 0].tolist() and host.to("cuda:0", non_blocking=True).device == CUDA
        with pytest.raises(RuntimeError, match="on its way"):
            host.numpy()
        layer = nn.Linear(4, 2).to("cuda:0")
        layer(there).sum().backward()
        assert layer.weight.grad is not None and layer.weight.grad.device == CUDA
    with fake_cuda(current=1), pytest.raises(RuntimeError, match="an event on cuda:1"):
        torch.cuda.Event().record()


@pytest.mark.parametrize("architecture", ["prb-nano", "yolox-nano"])
def test_detectors_see_the_same_on_a_gpu(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = DetectorConfig(architecture, ("person", "car"), height=96, width=128)
    net = build_detector(config)
    with torch.no_grad():
        net.train()(torch.rand(4, 3, 96, 128))
    save_detector(tmp_path / "net.safetensors", net, config)
    settings = PredictConfig(nms=NMSConfig(1e-6, max_detections=40))
    exact = load_detector(tmp_path / "net.safetensors", "cpu", settings)
    expected = exact.detect_batch(list(FRAMES))
    with torch.autocast("cpu", torch.bfloat16):  # as in a training; it is too coarse for boxes
        np.testing.assert_array_equal(exact.detect(FRAMES[0]).boxes, expected[0].boxes)
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


def test_weights_are_cast_to_half_precision_once() -> None:
    """And embeddings are to the last bit those of weights that autocast casts at every call."""
    torch.manual_seed(0)
    network, objects = SLM(TINY).eval(), torch.rand(3, 3, 32, 16)
    fuse_norms(network)

    def passed() -> tuple[Tensor, int]:
        weights, casts = {value.data_ptr() for value in network.parameters()}, 0

        class Casts(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                nonlocal casts
                casts += func.overloadpacket.__name__ == "_to_copy" and args[0].data_ptr() in weights
                return func(*args, **(kwargs or {}))

        with torch.no_grad(), torch.autocast("cpu", torch.float16), Casts():
            return network(objects).float(), casts

    expected, before = passed()
    halve_weights(network)
    found, after = passed()
    assert before > 5 and after == 0 and torch.equal(found, expected)


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


class Operations(TorchDispatchMode):
    """Counts them."""

    number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.number += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("architecture", "waits_known"), [("prb-nano", 4), ("yolox-nano", 4)])
def test_a_loss_treats_all_images_of_a_batch_at_once(architecture: str, waits_known: int) -> None:
    """What it costs in waits and in operations does not grow with their number."""
    costs: list[tuple[int, int]] = []
    for batch in (2, 6):
        criterion = build_loss(build_detector(DetectorConfig(architecture, height=64, width=96)).train())
        columns = (3, 6) if "prb" in architecture else (6,)
        generator = torch.Generator().manual_seed(0)
        pair = [torch.randn(2, *columns, 64 // s, 96 // s, generator=generator) for s in (8, 16, 32)]
        outputs = [level.movedim(2, -1) if "prb" in architecture else level for level in pair]
        outputs = [level.repeat(batch // 2, *[1] * (level.dim() - 1)) for level in outputs]
        image = torch.arange(batch).repeat_interleave(5)[:, None]
        places = torch.tensor(
            [[0, 30.0, 30, 20, 40], [0, 60, 40, 20, 50], [0, 64, 30, 22, 44], [0, 9, 9, 30, 30], [0, 80, 50, 16, 40]]
        )
        targets = torch.cat([image, places.repeat(batch, 1)], 1)
        with Operations() as operations:
            expected = criterion(outputs, targets).total
        with fake_cuda() as waits:
            there = [level.to("cuda:0") for level in outputs]
            criterion.to("cuda:0")
            targets_there = targets.to("cuda:0")
            criterion(there, targets_there)  # makes constants
            waits.clear()
            found = criterion(there, targets_there).total
            costs.append((operations.number, len(waits)))
        assert found.cpu().item() == pytest.approx(expected.item(), rel=1e-5)
    assert costs[0] == costs[1] and costs[0][1] <= waits_known, costs


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
        told = StepFigures()
        told.put(1, 8, figures)
        assert not waits
        result = told.take()
        assert result is not None and told.take() is None
        return result.figures

    expected = step("cpu", [])
    with fake_cuda() as waits:
        assert step("cuda:0", waits) == pytest.approx(expected, rel=2e-3)


def test_what_is_to_be_float32_is_not_tf32() -> None:
    """Losses are computed outside of autocast for the sake of the third digit of a cosine, which TF32 has not."""
    with fake_cuda(current=0), start_runtime("cuda") as runtime:
        assert runtime.device.type == "cuda" and torch.get_float32_matmul_precision() == "highest"


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
