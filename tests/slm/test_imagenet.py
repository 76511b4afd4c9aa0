"""Backbones with ImageNet weights: equal to torchvision's network, and filled whatever the names in a file are."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from smiletrack.errors import InputError
from smiletrack.images import IMAGENET_MEAN, IMAGENET_STD
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.imagenet import efficientnet_lite, load_imagenet, resnet
from smiletrack.slm.network import SLM
from smiletrack.slm.public_weights import load_backbone

RESNET18 = (64, 64, 128, 256), (2, 2, 2)


def test_torchvisions_resnet_gives_its_own_maps(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18().train()
    theirs(torch.rand(2, 3, 32, 32))  # gives the norms statistics
    torch.save({"state_dict": theirs.eval().state_dict()}, tmp_path / "resnet18.pth")
    ours = resnet(*RESNET18).eval()
    load_backbone(ours, tmp_path / "resnet18.pth")
    x = torch.rand(1, 3, 64, 32)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    layers = [theirs.conv1, theirs.bn1, theirs.relu, theirs.maxpool, theirs.layer1, theirs.layer2, theirs.layer3]
    with torch.no_grad():
        expected = nn.Sequential(*layers)((x - mean) / std)
        torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=1e-5)
    assert expected.shape == (1, 256, 4, 2)


def lite_names(naming: str) -> list[str]:
    """The convolutions and norms of lite0's first stages as EfficientNet-PyTorch and timm name them, as they run."""
    if naming == "timm":
        names = ["conv_stem", "bn1", *(f"blocks.0.0.{part}" for part in ("conv_dw", "bn1", "conv_pw", "bn2"))]
        parts = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
        places = [(s, b) for s, depth in enumerate((2, 2, 3, 3), 1) for b in range(depth)]
        return [*names, *(f"blocks.{s}.{b}.{part}" for s, b in places for part in parts)]
    names = ["_conv_stem", "_bn0", *(f"_blocks.0.{p}" for p in ("_depthwise_conv", "_bn1", "_project_conv", "_bn2"))]
    parts = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
    return [*names, *(f"_blocks.{b}.{part}" for b in range(1, 11) for part in parts)]


def lite_state(naming: str) -> dict[str, Tensor]:
    """A state of random numbers in the shapes of EfficientNet-lite0 (32 ... 112 channels), as such files have it."""
    generator = torch.Generator().manual_seed(0)
    blocks = [(32, 16, 3, 1), (16, 24, 3, 6), (24, 24, 3, 6), (24, 40, 5, 6), (40, 40, 5, 6)]
    blocks += [(40, 80, 3, 6), (80, 80, 3, 6), (80, 80, 3, 6), (80, 112, 5, 6), (112, 112, 5, 6), (112, 112, 5, 6)]
    shapes: list[tuple[int, ...]] = [(32, 3, 3, 3)]
    for inputs, outputs, kernel, growth in blocks:
        wide = inputs * growth
        shapes += [(wide, inputs, 1, 1)] * (growth > 1) + [(wide, 1, kernel, kernel), (outputs, wide, 1, 1)]
    names, state = iter(lite_names(naming)), {}
    for shape in shapes:
        state[f"{next(names)}.weight"] = torch.rand(shape, generator=generator)
        norm = next(names)
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{part}"] = torch.rand(shape[0], generator=generator)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(7)
    assert next(names, None) is None
    return state | {"classifier.weight": torch.rand(10, 1280, generator=generator)}


@pytest.mark.parametrize("naming", ["timm", "efficientnet-pytorch"])
def test_lite0_is_filled_by_either_packages_names(tmp_path: Path, naming: str) -> None:
    state = lite_state(naming)
    torch.save(state, tmp_path / "lite0.pth")
    ours = efficientnet_lite((32, 24, 40, 112), (2, 2, 3)).eval()
    load_imagenet(ours, tmp_path / "lite0.pth")
    kept = [value for name, value in ours.state_dict().items() if "tracked" not in name]
    given = [value for name, value in state.items() if "tracked" not in name and "classifier" not in name]
    assert len(kept) == len(given) and all(torch.equal(a, b) for a, b in zip(kept, given, strict=True))
    assert ours(torch.rand(1, 3, 48, 32)).shape == (1, 112, 3, 2)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    torch.save(lite_state("timm"), tmp_path / "lite0.pth")
    with pytest.raises(InputError, match=r"lite0.pth: not this backbone: tensor 1 is conv_stem.weight \(32, 3, 3, 3\)"):
        load_imagenet(resnet(*RESNET18), tmp_path / "lite0.pth")
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "short.pth")
    with pytest.raises(InputError, match="tensor 2 is the end of the file"):
        load_imagenet(resnet(*RESNET18), tmp_path / "short.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match="no weights of a network"):
        load_imagenet(resnet(*RESNET18), tmp_path / "list.pth")
    with pytest.raises(ValueError, match="efficientnet-lite are three stages"):
        SLMConfig(backbone="efficientnet-lite", channels=(32, 24, 40), depths=(2, 2))


@pytest.mark.parametrize(
    ("backbone", "channels", "depths"),
    [("resnet", (8, 8, 16), (1, 1)), ("efficientnet-lite", (8, 8, 8, 14), (1, 1, 1))],
)
def test_an_slm_stands_on_it(backbone: str, channels: tuple[int, ...], depths: tuple[int, ...]) -> None:
    config = SLMConfig(
        width=32, height=64, patch_width=16, patch_height=32, patches_of="features", backbone=backbone,  # type: ignore[arg-type]
        channels=channels, depths=depths, d_k=4, d_v=4, embedding=6, mask="soft",
    )  # fmt: skip
    slm = SLM(config).eval()
    assert slm.mask_grid is not None
    assert slm(torch.rand(2, 3, 64, 32), torch.ones(2, *slm.mask_grid)).shape == (2, 6)
