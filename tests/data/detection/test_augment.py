"""Boxes move with their pixels, examples follow from (seed, epoch, index), processes share an epoch exactly."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smiletrack.data.detection.augment import (
    DetectionAugmentConfig,
    Example,
    affine_matrix,
    augmented,
    blend,
    flip,
    mosaic,
    shift_colour,
    warp_image,
)
from smiletrack.data.detection.dataset import DetectionDataset, ScaledImages, detection_loader, epoch_order
from smiletrack.data.detection.labels import LabelledImages
from smiletrack.errors import InputError
from smiletrack.types import Floats

OFF = DetectionAugmentConfig(mosaic=0, mosaic9=0, mixup=0, translate=0, scale=0, flip=0, hue=0, saturation=0, value=0)
SIZE = (96, 128)


def picture(box: tuple[int, int, int, int], height: int = 90, width: int = 120) -> Example:
    """A black image with one white rectangle, which is its box."""
    image = np.zeros((height, width, 3), np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255
    return Example(image, np.array([box], np.float64), np.array([0]))


def white(image: np.ndarray) -> Floats:
    """The bounds of what is white (above half grey 114), xyxy."""
    rows, columns = np.nonzero(image[..., 0] > 185)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)


def test_boxes_follow_their_pixels() -> None:
    """Whatever is drawn of mosaics, scale, shift and flips: the one white rectangle is where its box says."""
    config = DetectionAugmentConfig(
        mosaic=0.7, mosaic9=0.5, mixup=0, translate=0.2, scale=0.4, flip=0.5, flip_vertical=0.5,
        hue=0, saturation=0, value=0, min_visible=1.0,
    )  # fmt: skip
    empty = Example(np.zeros((90, 120, 3), np.uint8), np.zeros((0, 4)), np.zeros(0, np.int64))
    placed = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        result = augmented(lambda i: empty if i else picture((30, 20, 70, 60)), 0, 10**6, SIZE, config, rng)
        assert result.image.shape == (*SIZE, 3) and result.image.dtype == np.uint8
        if len(result.boxes):  # with min_visible = 1 only what is wholly inside is kept
            np.testing.assert_allclose(white(result.image), result.boxes[0], atol=1.1)
            placed.append(result.boxes[0])
    sides = np.array(placed)[:, 2:] - np.array(placed)[:, :2]
    assert len(placed) > 60 and sides.min() < 30 and sides.max() > 50


def test_rotation_and_shear_keep_the_corners_inside_of_the_box() -> None:
    config = DetectionAugmentConfig(degrees=20, shear=10, translate=0, scale=0.2)
    for seed in range(20):
        source = picture((40, 30, 80, 60))
        matrix = affine_matrix(source.image.shape, SIZE, config, np.random.default_rng(seed))
        result = warp_image(source, matrix, SIZE, config)
        np.testing.assert_allclose(white(result.image), result.boxes[0], atol=1.6)


def test_mosaic_lays_tiles_around_the_seam() -> None:
    tiles = [
        Example(np.full((96, 128, 3), value, np.uint8), np.array([[10.0, 10, 20, 30]]), np.array([value]))
        for value in (1, 2, 3, 4)
    ]
    result = mosaic(tiles, 2, SIZE, np.array([0.5, 1.25]), OFF)
    assert result.image.shape == (192, 256, 3)
    seam_y, seam_x = 48, 160
    corners = [result.image[y, x, 0] for y in (seam_y - 1, seam_y) for x in (seam_x - 1, seam_x)]
    assert corners == [1, 2, 3, 4]
    expected = [[42, -38, 52, -18], [170, -38, 180, -18], [42, 58, 52, 78], [170, 58, 180, 78]]
    assert result.boxes.tolist() == expected and result.classes.tolist() == [1, 2, 3, 4]
    assert result.image[150, 0, 0] == 114  # below the tiles of the lower row


def test_what_is_cut_away_is_no_target() -> None:
    example = Example(
        np.zeros((96, 128, 3), np.uint8), np.array([[-9.0, 0, 1, 10], [-4, 0, 6, 10], [50, 50, 51, 80]]), np.arange(3)
    )
    result = warp_image(example, np.eye(2, 3), SIZE, OFF)
    assert result.classes.tolist() == [1]  # the first has its centre outside, the third is one pixel wide
    assert result.boxes.tolist() == [[-4, 0, 6, 10]]


def test_colour_changes_only_what_is_asked() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert shift_colour(image, np.zeros(3)) is image
    darker = cv2.cvtColor(shift_colour(image, np.array([0, 0, -0.5])), cv2.COLOR_BGR2HSV)
    before = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    assert np.abs(darker[..., 2].astype(int) - before[..., 2] // 2).max() <= 1


def test_blend_and_flip() -> None:
    a, b = picture((0, 0, 10, 20)), picture((100, 70, 120, 90))
    both = blend(a, b, 0.25)
    assert both.image[0, 0, 0] == 64 and both.image[80, 110, 0] == 191 and len(both.boxes) == 2
    assert flip(a, True, False).boxes.tolist() == [[110, 0, 120, 20]] and flip(a, True, False).image[0, 119, 0] == 255
    assert flip(a, False, True).boxes.tolist() == [[0, 70, 10, 90]] and flip(a, False, True).image[89, 0, 0] == 255


@pytest.fixture
def labels(tmp_path: Path) -> LabelledImages:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(5):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), rng.integers(0, 256, (90, 120, 3), dtype=np.uint8))
    boxes = np.array([[10, 10, 30, 50], [20, 20, 60, 60], [0, 0, 0, 0], [5, 5, 50, 50]], np.float64)
    indices = np.array([0, 0, 2, 4])
    return LabelledImages(
        tuple(paths), indices, boxes, np.zeros(4, np.int64), np.array([0, 0, 1, 0], bool), ("person",)
    )


def test_examples_are_functions_of_seed_epoch_and_index(labels: LabelledImages) -> None:
    images = ScaledImages(labels.paths, SIZE)
    first = DetectionDataset(labels, images, seed=1, epoch=2)
    again = DetectionDataset(labels, ScaledImages(labels.paths, SIZE, keep=True), seed=1, epoch=2)
    later = DetectionDataset(labels, images, seed=1, epoch=3)
    assert all(torch.equal(a, b) for a, b in zip(first[4], again[4], strict=True))
    assert not torch.equal(first[4][0], later[4][0]) and not torch.equal(first[4][0], first[9][0])


def test_plain_example_is_scaled_and_centred(labels: LabelledImages) -> None:
    image, targets = DetectionDataset(labels, ScaledImages(labels.paths, (180, 300)), OFF)[0]
    assert image.shape == (180, 300, 3)
    # 90x120 -> 180x240, 30 px of grey on both sides; class, centre x, centre y, width, height
    assert targets.tolist() == [[0, 70, 60, 40, 80], [0, 110, 80, 80, 80]]
    assert (image[:, :29] == 114).all()
    empty = DetectionDataset(labels, ScaledImages(labels.paths, SIZE), OFF)
    assert empty[1][1].shape == (0, 5) and empty[2][1].shape == (0, 5)  # no boxes; one without area


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_number_their_images(labels: LabelledImages, workers: int) -> None:
    dataset = DetectionDataset(labels, ScaledImages(labels.paths, SIZE), OFF)
    batches = list(detection_loader(dataset, 2, epoch_length=6, workers=workers))
    assert len(batches) == 3 and all(images.shape == (2, *SIZE, 3) for images, _ in batches)
    order = epoch_order(5, 6, 0, 0)
    for (_, targets), chosen in zip(batches, (order[:2], order[2:4], order[4:]), strict=True):
        expected = [len(dataset[index][1]) for index in chosen]
        assert [int((targets[:, 0] == number).sum()) for number in (0, 1)] == expected


def test_processes_share_an_epoch(labels: LabelledImages) -> None:
    dataset = DetectionDataset(labels, ScaledImages(labels.paths, SIZE), OFF)
    orders = [list(detection_loader(dataset, 2, rank=rank, world_size=2).sampler) for rank in (0, 1)]
    assert len(orders[0]) == len(orders[1]) == 4  # 5 images, rounded up to whole batches of both
    both = sorted(orders[0] + orders[1])
    assert sorted(i % 5 for i in both[:5]) == [0, 1, 2, 3, 4] and len(set(both)) == 8


def test_unreadable_image_is_one_line(labels: LabelledImages) -> None:
    labels.paths[3].write_bytes(b"no image")
    dataset = DetectionDataset(labels, ScaledImages(labels.paths, SIZE), OFF)
    with pytest.raises(InputError, match=r"3\.png: the image is corrupt"):
        dataset[3]
    with pytest.raises(InputError, match=r"3\.png"):
        ScaledImages(labels.paths, SIZE, keep=True)
