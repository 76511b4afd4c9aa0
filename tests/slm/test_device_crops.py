"""Objects cut and embedded on the device, here on the CPU: the same embeddings as from OpenCV's crops, no waiting."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from smiletrack.data.sources import open_source
from smiletrack.images import pixel_corners
from smiletrack.slm.checkpoint import RELEASED_PREPROCESSING
from smiletrack.slm.device_crops import BUCKETS, bucket_sizes, cut_on_device, embed_in_buckets
from smiletrack.slm.embedder import load_embedder
from smiletrack.slm.preprocessing import Preprocessing
from tests.detector.test_device_stages import NoWaiting

SMALL = Preprocessing(20, 40, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def smooth(height: int = 240, width: int = 320) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / a + y / b) for a, b in ((9, 31), (23, 11), (15, 17))]
    return (127.5 + 120 * np.stack(waves, -1)).astype(np.uint8)


def some_boxes() -> NDArray[np.float64]:
    generator = np.random.default_rng(0)
    corners = generator.uniform(-20, 300, (60, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(4, 120, (60, 2))], 1)
    return np.concatenate([boxes, [[5.4, 5.4, 5.6, 5.7], [9, 9, 9, 20], [np.nan, 0, 9, 9], [-9, 0, -1, 9]]])


@pytest.mark.parametrize("config", [SMALL, RELEASED_PREPROCESSING])
def test_crops_are_those_of_opencv_within_the_box(config: Preprocessing) -> None:
    frame, boxes = smooth(), some_boxes()
    crops, rows = config.cut(frame, boxes)
    expected = config.tensor(crops)
    with NoWaiting():
        objects, visible = cut_on_device(torch.from_numpy(frame), torch.from_numpy(boxes), config)
    assert objects.shape == (len(boxes), 3, config.height, config.width)
    np.testing.assert_array_equal(visible.numpy().nonzero()[0], rows)
    level = config.scale / min(config.std)
    sides = pixel_corners(boxes, 320, 240)[1]
    for crop, wanted, (x1, y1, x2, y2) in zip(objects[visible], expected, sides, strict=True):
        # half a pixel of the frame at each side of the crop is another's
        dx, dy = int(np.ceil(config.width / (x2 - x1) / 2)), int(np.ceil(config.height / (y2 - y1) / 2))
        inner = (slice(None), slice(dy, config.height - dy), slice(dx, config.width - dx))
        if crop[inner].numel():
            assert (crop[inner] - wanted[inner]).abs().max() <= 1.01 * level


def test_embeddings_of_real_people_are_the_same(shared: Path) -> None:
    """OSNet on people of a real frame: from RoIAlign's crops and from OpenCV's."""
    embedder = load_embedder(shared / "data" / "weights" / "osnet_x0_25_msmt17.onnx")
    _, frame = next(open_source(shared / "data" / "video" / "TUD-Stadtmitte.mp4").pick([30]))
    boxes = np.array([[60.3, 120, 130, 330.7], [200, 100.2, 290, 340], [330, 110, 420.6, 350], [500, 130, 560, 300.0]])
    objects, visible = cut_on_device(torch.from_numpy(frame), torch.from_numpy(boxes), embedder.preprocessing)
    Z = embed_in_buckets(embedder._forward, objects, visible)
    cosines = (Z.numpy() * embedder.embed(frame, boxes)).sum(1)
    assert cosines.min() >= 0.999


def test_buckets_are_few_and_small() -> None:
    assert [bucket_sizes(n) for n in (0, 1, 8, 9, 33, 64, 65, 200)] == [
        [], [8], [8], [16], [48], [64], [64, 8], [64, 64, 64, 8]
    ]  # fmt: skip


@pytest.mark.parametrize("number", [0, 1, 8, 13, 64, 131])
def test_padding_to_buckets_changes_no_row(number: int) -> None:
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=(3 * 40 * 20, 7))).float()
    sizes: list[int] = []

    def forward(objects: Tensor) -> Tensor:
        sizes.append(len(objects))
        return objects.flatten(1) @ weights

    objects = torch.from_numpy(np.random.default_rng(1).random((number, 3, 40, 20), np.float32))
    visible = torch.arange(number) % 5 != 3
    with NoWaiting():
        Z = embed_in_buckets(forward, objects, visible)
    assert set(sizes) <= set(BUCKETS) and Z.shape == (number, 7)
    expected = torch.nn.functional.normalize(objects.flatten(1) @ weights, dim=1)
    torch.testing.assert_close(Z[visible], expected[visible], rtol=1e-4, atol=1e-5)
    assert not Z[~visible].any()
