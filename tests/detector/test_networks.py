"""Networks against recorded outputs of the originals under equal weights, and against their published sizes."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from smiletrack.detector.build import ARCHITECTURES, build_detector, gflops, num_parameters
from smiletrack.detector.checkpoint import to_public
from smiletrack.detector.deploy import fuse, is_fused
from smiletrack.detector.settings import LARGEST_STRIDES, DetectorConfig
from tests.detector.recorded import NETWORKS, Record, projection, rows

Oracle = Callable[[str], Path]

QUICK = ["yolox_nano_nc80", "yolov7_tiny_nc80"]
SLOW = ["prb_2py_e6e_auxpy1_nc1"]
"""These cover most blocks; the other large ones cost minutes and run where SMILETRACK_ALL_RECORDS is set."""
ALL = pytest.mark.skipif("SMILETRACK_ALL_RECORDS" not in os.environ, reason="SMILETRACK_ALL_RECORDS is not set")


@pytest.mark.parametrize("name", NETWORKS)
def test_names_and_shapes_of_the_public_checkpoint(oracle: Oracle, name: str) -> None:
    record = Record(oracle("networks"), name)
    with torch.device("meta"):
        net = ARCHITECTURES[NETWORKS[name]](record.meta["nc"])
    own = {key: tuple(tensor.shape) for key, tensor in to_public(net).items()}
    assert own == {key: tuple(shape) for key, shape in record.meta["state_dict"]}
    assert num_parameters(net) == record.meta["params"]


@pytest.mark.parametrize(
    "name",
    [
        *QUICK,
        *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW),
        *(pytest.param(name, marks=ALL) for name in NETWORKS if name not in QUICK + SLOW),
    ],
)
def test_outputs_equal_the_originals(oracle: Oracle, name: str) -> None:
    check_record(Record(oracle("networks"), name))


@torch.no_grad()
def check_record(record: Record) -> None:
    """Compare raw, auxiliary and decoded outputs and those of the folded network, within the records' tolerances."""
    net = record.network()
    fused = fuse(net)
    for tag, case in record.meta["cases"].items():
        images = record.images(tag)
        levels = net.raw(images) if net.rule == "yolox" else net.raw(images, auxiliary=True)
        lead, auxiliary = levels[: len(net.strides)], levels[len(net.strides) :]
        chosen = torch.from_numpy(record.arrays[f"{tag}_rows"].astype(np.int64))
        kinds = [("raw", lead)] + ([("aux", auxiliary)] if auxiliary else [])
        assert bool(auxiliary) == (f"{tag}_aux" in record.arrays)
        for kind, found in kinds:
            expected = torch.from_numpy(record.arrays[f"{tag}_{kind}"])
            torch.testing.assert_close(rows(found)[:, chosen], expected, rtol=0, atol=5e-4)
            for level, stored in zip(found, case[kind], strict=True):
                assert projection(level) == pytest.approx(stored["proj"], abs=2e-2)
        decoded = net.decode(lead)
        expected = torch.from_numpy(record.arrays[f"{tag}_pred"])
        torch.testing.assert_close(decoded[:, chosen, :4], expected[..., :4], rtol=0, atol=0.05)
        torch.testing.assert_close(decoded[:, chosen, 4:], expected[..., 4:], rtol=0, atol=1e-4)
        torch.testing.assert_close(net(images), decoded, rtol=0, atol=1e-3)
        kept = torch.from_numpy(record.arrays[f"{tag}_fused_rows"].astype(np.int64))
        expected = torch.from_numpy(record.arrays[f"{tag}_fused_raw"])
        torch.testing.assert_close(rows(fused.raw(images))[:, kept], expected, rtol=0, atol=5e-4)
    assert is_fused(fused)
    assert not is_fused(net)


@pytest.mark.parametrize(
    ("name", "millions", "billions"),
    [
        ("prb-fpn6-2py", 137.6, 0),
        ("prb-fpn6-3py", 184.6, 938 / 4),
        ("prb-fpn6-msp", 227.8, 1746 / 4),
        ("yolox-m", 25.3, 73.8),
        ("yolox-l", 54.2, 0),
        ("yolox-x", 99.1, 0),
    ],
)
def test_published_sizes(name: str, millions: float, billions: float) -> None:
    with torch.device("meta"):
        net = ARCHITECTURES[name](80)
    assert num_parameters(net) / 1e6 == pytest.approx(millions, abs=0.06)
    # counting takes seconds, so it is done for the two networks without records; with the auxiliary head, as published
    assert not billions or gflops(net.train(), 640, 640) == pytest.approx(billions, rel=0.01)


@pytest.mark.parametrize(("name", "limit"), [("prb-nano", 3.0), ("prb-tiny", 8.0)])
def test_small_networks_stay_below_their_budget(name: str, limit: float) -> None:
    assert gflops(ARCHITECTURES[name](1), 640, 640) < limit


@pytest.mark.parametrize("name", ["prb-nano", "yolox-nano"])
def test_channels_last_and_batches_change_nothing(name: str) -> None:
    torch.manual_seed(0)
    net = build_detector(DetectorConfig(name, height=64, width=96)).eval()
    images = torch.rand(3, 3, 64, 96)
    with torch.no_grad():
        whole = net(images)
        torch.testing.assert_close(
            net(images.contiguous(memory_format=torch.channels_last)), whole, rtol=1e-4, atol=1e-3
        )
        single = torch.cat([net(image[None]) for image in images])
    torch.testing.assert_close(single, whole, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "yolo-s"}, "architecture 'yolo-s' is not known (did you mean 'yolox-s'?)"),
        ({"class_names": ()}, "class_names must have 1 or more entries"),
        ({"height": 16}, "height must be at least 32, a multiple of 32, not 16"),
        ({"height": 100}, "height must be at least 32, a multiple of 32, not 100"),
        ({"architecture": "prb-fpn6-2py", "height": 96}, "multiples of 64 for prb-fpn6-2py, not 96 x 640"),
        ({"anchors": (1.0, 2.0)}, "anchors must hold 18 numbers"),
        ({"anchors": (1.0,), "architecture": "yolox-nano"}, "anchors: yolox-nano has none"),
    ],
)
def test_configurations_that_cannot_be(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace("?)", r"\?\)")):
        build_detector(DetectorConfig(**changes))  # type: ignore[arg-type]


def test_anchors_of_the_configuration() -> None:
    anchors = tuple(float(i) for i in range(1, 19))
    net = build_detector(DetectorConfig("prb-nano", anchors=anchors))
    assert tuple(net.head.anchors.flatten().tolist()) == anchors  # type: ignore[union-attr]


def test_the_configuration_knows_every_network_and_its_stride() -> None:
    with torch.device("meta"):
        strides = {name: max(build(1).strides) for name, build in ARCHITECTURES.items()}
    assert strides == LARGEST_STRIDES
