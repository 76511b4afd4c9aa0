"""The feature maps of a detector's pass, for whoever wants to see what it saw."""

from typing import Any

import torch
from torch import Tensor, nn

from smiletrack.detector.build import Detector


class PyramidRecorder:
    """Keeps the maps (B, C, h, w) of a detector's last pass, those with the finest cells first.

    They are the backbone's with cells at most as large as the neck's finest (4 and 8 pixels), which know colours
    best, and then all of the neck's. `maps` is empty before a pass.
    """

    def __init__(self, net: Detector) -> None:
        self.maps: list[Tensor] = []
        neck: nn.Module = net.neck
        neck.register_forward_hook(self._keep)

    def _keep(self, neck: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        late: list[Tensor] = list(output[0] if isinstance(output, tuple) else output)
        finest = late[0].shape[2]
        early = {id(level): level for level in inputs[0] if finest <= level.shape[2] <= 2 * finest}
        self.maps = [*early.values(), *late]


@torch.no_grad()
def pyramid_channels(net: Detector) -> int:
    """Return how many channels all of its maps have together."""
    recorder = PyramidRecorder(net)
    training = net.training
    net.eval()(torch.zeros(1, 3, 128, 128, device=next(net.parameters()).device))
    net.train(training)
    return sum(level.shape[1] for level in recorder.maps)
