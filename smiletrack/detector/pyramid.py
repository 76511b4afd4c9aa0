"""The finest feature maps of a detector's pass, for whoever wants to see what it saw."""

from typing import Any

import torch
from torch import Tensor, nn

from smiletrack.detector.build import Detector


class PyramidRecorder:
    """Keeps the finest maps (B, C, h, w) of a detector's last pass: its backbone's of 2 and 4 pixels a cell.

    They know colours and cuts of clothes. Deeper ones know what is a person, and no longer which one: docs/slm.md has
    what each level says of identity. `maps` is empty before a pass.
    """

    def __init__(self, net: Detector) -> None:
        self.maps: list[Tensor] = []
        stage = net.backbone.stages[0]
        assert isinstance(stage, nn.Module)
        stage.register_forward_hook(self._keep)

    def _keep(self, stage: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        self.maps = [inputs[0], output]


@torch.no_grad()
def pyramid_channels(net: Detector) -> int:
    """Return how many channels all of its maps have together."""
    recorder = PyramidRecorder(net)
    training = net.training
    net.eval()(next(net.parameters()).new_zeros(1, 3, 128, 128))
    net.train(training)
    return sum(level.shape[1] for level in recorder.maps)
