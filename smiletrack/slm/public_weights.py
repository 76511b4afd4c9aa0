"""Public weights in a backbone of the kind that they are for."""

from pathlib import Path

from torch import nn

from smiletrack.slm.imagenet import ImageNetBackbone, load_imagenet
from smiletrack.slm.osnet import OSNetBackbone
from smiletrack.slm.osnet_weights import load_osnet


def load_backbone(backbone: nn.Module, path: Path) -> None:
    """Fill OSNet's, ResNet's or EfficientNet's convolutions; InputError where the file is not of that network."""
    if isinstance(backbone, OSNetBackbone):
        load_osnet(backbone, path)
    elif isinstance(backbone, ImageNetBackbone):
        load_imagenet(backbone, path)
