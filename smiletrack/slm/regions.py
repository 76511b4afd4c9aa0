"""Objects cut from a detector's feature maps instead of from pixels: one pass serves for boxes and for Z."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from smiletrack.slm.backbone import ConvBlock


def cut_regions(maps: Sequence[Tensor], boxes: Tensor, image_height: int, size: tuple[int, int]) -> Tensor:
    """(1, C_l, H_l, W_l) maps of one image, (N, 4) xyxy boxes in its pixels -> (N, sum of C_l, rows, columns).

    The mean of four bilinear samples in each of `size` = (rows, columns) cells of a box (RoIAlign, He et al.,
    arXiv:1703.06870), every map's channels behind the last one's; beyond its border a map goes on as it ends.
    image_height: pixels of the image that the maps show.
    """
    rows, columns = size
    x, y = _between(boxes[:, 0], boxes[:, 2], columns), _between(boxes[:, 1], boxes[:, 3], rows)
    image_width = image_height * maps[0].shape[3] / maps[0].shape[2]
    across = (2 * x / image_width - 1)[:, None].expand(-1, 2 * rows, -1)
    down = (2 * y / image_height - 1)[..., None].expand(-1, -1, 2 * columns)
    places = torch.stack([across, down], 3).float().reshape(1, -1, 2 * columns, 2)
    # not roi_align, which first copies maps of the channels-last format, and for few boxes that is most of its time
    sampled = (functional.grid_sample(m.float(), places, padding_mode="border", align_corners=False) for m in maps)
    cells = torch.cat([functional.avg_pool2d(samples, 2) for samples in sampled], 1)[0]
    return cells.view(len(cells), -1, rows, columns).transpose(0, 1).contiguous()


def _between(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """(N,), (N,) ends of intervals -> (N, 2 * cells), two samples in each of `cells` equal parts."""
    shares = (torch.arange(2 * cells, device=low.device) + 0.5) / (2 * cells)
    return low[:, None] + (high - low)[:, None] * shares


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
