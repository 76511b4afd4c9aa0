"""Batch norm of networks whose exporter folded it away: statistics found again, so that they can be trained on.

A folded norm is the identity: mean 0, variance 1, while what it is given has other ones. In training it would divide by
the batch's own statistics and the network would forget all it knew at the first step. Here it gets the statistics of
what it is given, and a scale and a shift that undo them: the same network, which training may go on with.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def folded_norms(net: nn.Module) -> list[nn.BatchNorm2d]:
    """Return the batch norms that are the identity but for a shift, with running mean 0 and variance 1."""
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d) and _is_folded(module)]


def _is_folded(norm: nn.BatchNorm2d) -> bool:
    assert norm.running_mean is not None and norm.running_var is not None
    kept = torch.equal(norm.weight, torch.full_like(norm.weight, (1 + norm.eps) ** 0.5))
    return kept and not norm.running_mean.any() and bool((norm.running_var == 1).all())


@torch.no_grad()
def recover_norms(net: nn.Module, batches: Iterable[Tensor]) -> int:
    """Give the folded norms of a network the statistics of `batches`, (B, 3, H, W) inputs; return how many they are.

    What the network says in eval mode stays the same but for rounding; its mode is left as it was.
    """
    norms = folded_norms(net)
    sums: dict[nn.Module, Tensor] = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def count(norm: nn.Module, given: tuple[Tensor]) -> None:
        values = given[0].transpose(0, 1).flatten(1).double()
        found = torch.stack([torch.full_like(values[:, 0], values.shape[1]), values.sum(1), values.square().sum(1)])
        sums[norm].add_(found.cpu())

    handles = [norm.register_forward_pre_hook(count) for norm in norms]
    training = net.training
    net.eval()
    for images in batches if norms else ():
        net(images)
    net.train(training)
    for handle in handles:
        handle.remove()
    for norm in norms:
        number, total, squares = sums[norm]
        mean = total / number
        variance = (squares / number - mean.square()).clamp(min=0)
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean.to(norm.bias))
    return len(norms)
