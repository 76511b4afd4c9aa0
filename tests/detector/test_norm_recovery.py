"""A network whose batch norm was folded away says the same after its statistics are found again, also in training."""

import math

import torch
from torch import nn

from smiletrack.detector.build import build_detector
from smiletrack.detector.norm_recovery import folded_norms, recover_norms
from smiletrack.detector.settings import DetectorConfig


def folded() -> nn.Module:
    """A trained network as an exporter and `import_onnx` leave it."""
    torch.manual_seed(0)
    net = build_detector(DetectorConfig("yolox-nano", height=64, width=96))
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(math.sqrt(1 + module.eps))
                module.bias.normal_(0.1, 0.3)
    return net.eval()


def test_the_network_stays_what_it_was_and_can_be_trained() -> None:
    net, images = folded(), torch.rand(4, 3, 64, 96)
    number = sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    with torch.no_grad():
        before = net(images)
        apart = [(a - b).abs().max() for a, b in zip(net.train()(images), net.eval().raw(images), strict=True)]  # type: ignore[operator]
    net = folded()
    assert len(folded_norms(net)) == number == recover_norms(net, images.split(2))
    assert not folded_norms(net) and not net.training and recover_norms(net, images.split(2)) == 0
    with torch.no_grad():
        torch.testing.assert_close(net(images), before, rtol=1e-3, atol=1e-3)
        # in training the batch's own statistics are those that were found
        close = [(a - b).abs().max() for a, b in zip(net.train()(images), net.eval().raw(images), strict=True)]  # type: ignore[operator]
    assert max(close) < 0.02 < max(apart)
