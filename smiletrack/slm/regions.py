"""Objects cut from a detector's feature maps instead of from pixels: one pass serves for boxes and for Z."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from smiletrack.slm.backbone import ConvBlock


def cut_regions(maps: Sequence[Tensor], boxes: Tensor, image_height: int, size: tuple[int, int]) -> Tensor:
    """(1, C_l, H_l, W_l) maps of one image, (N, 4) xyxy boxes in its pixels -> (N, sum of C_l, rows, columns).

    Bilinear samples at the middle of each of `size` = (rows, columns) cells of a box (RoIAlign, He et al.,
    arXiv:1703.06870), every map's channels behind the last one's. image_height: pixels of the image that the maps show.
    """
    regions = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], 1)
    cut = [
        roi_align(level.float(), regions.float(), size, level.shape[2] / image_height, sampling_ratio=1, aligned=True)
        for level in maps
    ]
    return torch.cat(cut, 1)


class RegionAdapter(nn.Sequential):
    """Regions (N, channels[0], rows, columns) -> (N, channels[-1], rows, columns).

    Every channel is normalised, for maps of different depths differ in scale; then a stage has a 1x1 convolution and
    `depths` 3x3 convolutions.
    """

    def __init__(self, channels: Sequence[int], depths: Sequence[int]) -> None:
        layers: list[nn.Module] = [nn.BatchNorm2d(channels[0])]
        for inputs, outputs, depth in zip(channels[:-1], channels[1:], depths, strict=True):
            layers.append(ConvBlock(inputs, outputs))
            layers += [ConvBlock(outputs, outputs, 3) for _ in range(depth)]
        super().__init__(*layers)
