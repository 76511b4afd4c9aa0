"""The stages that run on the device, here on the CPU: the same pictures, boxes and detections, and no waiting."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from smiletrack.detector.build import build_detector
from smiletrack.detector.deploy import fuse, halved
from smiletrack.detector.device_letterbox import letterbox_on_device, to_frame_on_device
from smiletrack.detector.fixed_postprocess import postprocess_fixed
from smiletrack.detector.letterbox import BYTETRACK_INPUT, YOLOX_INPUT, ImageFormat, letterbox, place, to_frame
from smiletrack.detector.overlaps import to_corners
from smiletrack.detector.postprocess import NMSConfig, postprocess
from smiletrack.detector.settings import DetectorConfig
from smiletrack.image_tensors import to_input
from tests.detector.recorded import random_predictions

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "nms", "unique", "index.Tensor_bool")


class NoWaiting(TorchDispatchMode):
    """Raises where an operation would make the host wait for the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        selects = name in ("index", "index_put", "index_put_") and any(
            isinstance(index, Tensor) and index.dtype == torch.bool for index in args[1]
        )
        assert name not in WAITING and not selects, f"{name} waits for the device"
        return func(*args, **(kwargs or {}))


def test_the_harness_notices_what_waits() -> None:
    values = torch.rand(4)
    for waiting in (lambda: values[values > 0.5], lambda: values.sum().item(), lambda: bool(values[0] > 2)):
        with pytest.raises(AssertionError, match="waits for the device"), NoWaiting():
            waiting()


@pytest.mark.parametrize("config", [ImageFormat(), BYTETRACK_INPUT, YOLOX_INPUT, ImageFormat(stretched=True)])
@pytest.mark.parametrize("shape", [(270, 480), (93, 160), (64, 96), (500, 120)])
def test_letterbox_on_the_device_is_the_same_to_a_grey_level(config: ImageFormat, shape: tuple[int, int]) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (shape[0] // 4 + 1, shape[1] // 4 + 1, 3), dtype=np.uint8)
    frame: NDArray[np.uint8] = coarse.repeat(4, 0).repeat(4, 1)[: shape[0], : shape[1]]
    at = place(*shape, (192, 320), config, 32)
    expected = to_input(torch.from_numpy(letterbox(frame, at, config))[None], config)
    with NoWaiting():
        found = letterbox_on_device(torch.from_numpy(frame), at, config)
    level = config.scale / min(config.std)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1.01 * level
    assert ((found - expected).abs() > 0.01 * level).float().mean() < 0.1
    boxes = np.random.default_rng(1).uniform(0, 300, (20, 4))
    with NoWaiting():
        moved = to_frame_on_device(torch.from_numpy(boxes), at)
    np.testing.assert_allclose(moved, to_frame(boxes, at, *shape, clip=False))


@pytest.mark.parametrize("rule", ["prb", "yolox"])
@pytest.mark.parametrize("classes", [1, 5])
@pytest.mark.parametrize(
    "config",
    [
        NMSConfig(),
        NMSConfig(0.3, 0.45, max_detections=20),
        NMSConfig(0.2, 0.5, agnostic=True, max_detections=0),
        NMSConfig(0.05, 0.6, classes=(0, 3)),
    ],
)
def test_fixed_suppression_is_the_usual_one(rule: Any, classes: int, config: NMSConfig) -> None:
    predictions = random_predictions(3, 900, classes)
    with NoWaiting():
        found = postprocess_fixed(predictions, config, rule)
    assert found.exact.all()
    for rows, kept, expected in zip(found.rows, found.kept, postprocess(predictions, config, rule), strict=True):
        assert kept.sum() == len(expected) > 3 and kept[: len(expected)].all()
        torch.testing.assert_close(rows[kept], expected, rtol=1e-5, atol=1e-4)


def test_what_does_not_fit_the_fixed_shapes_is_told() -> None:
    predictions = random_predictions(2, 900, 1)
    predictions[1, :, 4] *= 0.1
    few = postprocess_fixed(predictions, NMSConfig(0.1), "yolox", candidates=64)
    assert few.exact.tolist() == [False, True]
    # a chain: each box overlaps the next only, so every second one stays; 40 links are more than the rounds
    x = torch.arange(40.0) * 2
    chain = torch.stack([x, x * 0, x * 0 + 10, x * 0 + 10, 0.9 - x / 1000, x * 0 + 1], -1)[None]
    found = postprocess_fixed(chain, NMSConfig(0.1, 0.6), "yolox")
    assert not found.exact.any()
    assert postprocess_fixed(chain[:, :15], NMSConfig(0.1, 0.6), "yolox").kept.sum() == 8
    empty = postprocess_fixed(predictions * 0, NMSConfig(0.1), "yolox")
    assert empty.exact.all() and not empty.kept.any()
    with pytest.raises(ValueError, match="multi_label"):
        postprocess_fixed(predictions, NMSConfig(multi_label=True), "yolox")


@pytest.mark.parametrize("architecture", ["prb-nano", "yolox-nano"])
def test_half_precision_decodes_boxes_in_float32(architecture: str) -> None:
    """On a wide input, where half precision counts in whole pixels."""
    torch.manual_seed(0)
    net = build_detector(DetectorConfig(architecture, height=64, width=1280))
    with torch.no_grad():
        net.train()(torch.rand(2, 3, 128, 128))
    net = fuse(net)
    images = torch.rand(1, 3, 64, 1280)
    with torch.inference_mode():
        exact = net(images)
        rough = halved(net)(images.half())
    assert rough.dtype == torch.float32
    a, b = (to_corners(rows[0, :, :4]).double() for rows in (exact, rough))
    inside = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(0).prod(1)
    iou = inside / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inside)
    assert iou.min() > 0.998 and iou.median() > 0.9994
    torch.testing.assert_close(rough[..., 4:], exact[..., 4:], rtol=0, atol=2e-3)
