"""Make a trained network fast without changing what it says: fold, reparameterise, drop what only training needs."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from smiletrack.detector.anchor_head import AnchorHead
from smiletrack.detector.blocks import Conv, RepConv
from smiletrack.detector.necks import BiFusionNeck, ChainedNeck

NetT = TypeVar("NetT", bound=nn.Module)


@torch.no_grad()
def fuse(net: NetT) -> NetT:
    """Return a copy for inference, in eval mode, with equal outputs up to rounding.

    Batch norm goes into the convolutions, RepConv becomes one 3x3, the head's implicit vectors go into its
    convolutions, the auxiliary head and its branches are dropped. The copy has no training left in it.
    """
    fused = copy.deepcopy(net).eval()
    for parameter in fused.parameters():
        parameter.requires_grad_(False)
    for name, module in list(fused.named_modules()):
        if isinstance(module, RepConv):
            parent = fused.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], _reparameterised(module))
    for module in fused.modules():
        if isinstance(module, Conv) and isinstance(module.bn, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            setattr(module, "bn", nn.Identity())  # noqa: B010
        elif isinstance(module, AnchorHead):
            _fold_implicit(module)
            module.auxiliary = nn.ModuleList()
        elif isinstance(module, BiFusionNeck):
            module.auxiliary, module.aux = "none", nn.ModuleList()
        elif isinstance(module, ChainedNeck):
            module.aux = nn.ModuleList()
    return fused


def halved(net: NetT) -> NetT:
    """Return the network with its weights in float16; anchors stay in float32, and boxes are decoded in it.

    bfloat16 is not offered: with 8 bits a raw offset moves a box by pixels.
    """
    anchors = [(module, module.anchors) for module in net.modules() if isinstance(module, AnchorHead)]
    net.half()
    for module, exact in anchors:
        module.anchors = exact
    return net


def is_fused(net: nn.Module) -> bool:
    """Tell whether `fuse` made this network."""
    return not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())


def _reparameterised(block: RepConv) -> nn.Sequential:
    """Return the 3x3 and activation that equal all branches of the block."""
    dense = fuse_conv_bn_eval(block.dense.conv, block.dense.bn)
    pointwise = fuse_conv_bn_eval(block.pointwise.conv, block.pointwise.bn)
    assert dense.bias is not None and pointwise.bias is not None
    dense.weight += nn.functional.pad(pointwise.weight, (1, 1, 1, 1))
    dense.bias += pointwise.bias
    if block.identity is not None:
        weight, bias = _norm_as_scale(block.identity)
        channels = torch.arange(len(weight), device=weight.device)
        dense.weight[channels, channels, 1, 1] += weight
        dense.bias += bias
    return nn.Sequential(dense, block.act)


def _norm_as_scale(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return (C,) factor and (C,) offset of a batch norm in eval mode."""
    assert norm.running_mean is not None and norm.running_var is not None
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    return factor, norm.bias - norm.running_mean * factor


def _fold_implicit(head: AnchorHead) -> None:
    """Put the added and the multiplied vectors into the lead convolutions: b += W a, then W, b *= m."""
    for conv, added, multiplied in zip(head.lead, head.added, head.multiplied, strict=False):
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        factor = multiplied().flatten()
        conv.bias.copy_((conv.bias + conv.weight.flatten(1) @ added().flatten()) * factor)
        conv.weight.mul_(factor[:, None, None, None])
    head.added, head.multiplied = nn.ModuleList(), nn.ModuleList()
