"""Several SLMs behind one frozen backbone: crops go through it once, whatever is judged behind it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.slm.network import SLM


class SideBySide(nn.Module):
    """Objects (B, 3, H, W) and visibility, as `SLM` takes them -> (B, N * D), the unit rows of N networks side by side.

    The networks have one input size, one mask grid, one D and one backbone, all weights of it, and patches of features.
    """

    def __init__(self, networks: Sequence[SLM]) -> None:
        """Raise ValueError where the networks do not have all that in common."""
        super().__init__()
        first = networks[0]
        state = first.backbone.state_dict()
        for network in networks:
            own = network.backbone.state_dict()
            shape = (network.config.width, network.config.height, network.mask_grid, network.config.embedding)
            if (
                network.config.patches_of != "features"
                or shape != (first.config.width, first.config.height, first.mask_grid, first.config.embedding)
                or own.keys() != state.keys()
                or not all(torch.equal(own[key], state[key]) for key in state)
            ):
                raise ValueError("the networks do not share one backbone behind which they differ")
        self.heads, self.mask_grid = nn.ModuleList(networks), first.mask_grid

    def forward(self, objects: Tensor, visibility: Tensor | None = None) -> Tensor:
        first, *_ = networks = [head for head in self.heads if isinstance(head, SLM)]
        maps = first.backbone(objects)
        return torch.cat([functional.normalize(head.from_features(maps, visibility), dim=1) for head in networks], 1)
