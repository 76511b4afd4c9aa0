"""The torch side of detector training data: images scaled to fit, examples by index, and the batches of an epoch."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from smiletrack.data.detection.augment import DetectionAugmentConfig, Example, Image, augmented
from smiletrack.data.detection.labels import LabelledImages
from smiletrack.data.image_files import read_image
from smiletrack.data.loader_workers import leave_signals_to_main
from smiletrack.lazy import LazyModule

cv2 = LazyModule("cv2")

Batch = tuple[Tensor, Tensor]
"""images (B, H, W, 3) uint8 BGR, targets (M, 6): image in the batch, class, centre x, centre y, width, height in px."""


class ScaledImages:
    """Images by number, scaled (bilinear) so that they just fit `size` (height, width), with the factor applied.

    With `keep` all are decoded at once, in threads, and stay in memory; without, each is read when asked for.
    InputError names a file that cannot be read.
    """

    def __init__(self, paths: Sequence[Path], size: tuple[int, int], keep: bool = False) -> None:
        self.paths = paths
        self.size = size
        self._kept: list[tuple[Image, float]] = []
        if keep:
            with ThreadPoolExecutor() as pool:
                self._kept = list(pool.map(self._read, range(len(paths))))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Image, float]:
        return self._kept[index] if self._kept else self._read(index)

    def _read(self, index: int) -> tuple[Image, float]:
        image = read_image(self.paths[index])
        height, width = image.shape[:2]
        factor = min(self.size[0] / height, self.size[1] / width)
        if factor != 1:
            target = (max(int(width * factor), 1), max(int(height * factor), 1))
            image = cv2.resize(image, target, interpolation=cv2.INTER_LINEAR)
        return image, factor


@dataclass(frozen=True, eq=False)
class DetectionDataset(Dataset[tuple[Tensor, Tensor]]):
    """Augmented training examples, each a function of (seed, epoch, index) alone: whoever makes it makes the same."""

    labels: LabelledImages
    """What to learn from; ignored boxes are no targets."""
    images: ScaledImages
    """Their pictures, in the same order."""
    augment: DetectionAugmentConfig = field(default_factory=DetectionAugmentConfig)
    """What happens to them."""
    seed: int = 0
    """The run's seed."""
    epoch: int = 0
    """Every epoch draws anew."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return a (H, W, 3) uint8 BGR image and targets (K, 5): class, centre x, centre y, width, height in px.

        `index` may go beyond the number of images: n + i is another example around image i.
        """
        rng = np.random.default_rng([self.seed, self.epoch, index])
        number = len(self.labels)
        example = augmented(self.load, index % number, number, self.images.size, self.augment, rng)
        sides = example.boxes[:, 2:] - example.boxes[:, :2]
        targets = np.column_stack([example.classes, example.boxes[:, :2] + sides / 2, sides])
        return torch.from_numpy(example.image), torch.from_numpy(targets.astype(np.float32))

    def load(self, index: int) -> Example:
        """Return image `index` scaled to fit, with the boxes that are targets."""
        image, factor = self.images[index]
        rows = self.labels.rows(index)
        keep = ~self.labels.ignored[rows]
        return Example(image, self.labels.boxes[rows][keep] * factor, self.labels.classes[rows][keep])


def collate(examples: Sequence[tuple[Tensor, Tensor]]) -> Batch:
    """Stack examples; column 0 of the targets says which image of the batch each belongs to."""
    targets = [
        torch.cat([torch.full((len(rows), 1), float(number)), rows], 1) for number, (_, rows) in enumerate(examples)
    ]
    return torch.stack([image for image, _ in examples]), torch.cat(targets)


def epoch_order(number: int, length: int, seed: int, epoch: int) -> list[int]:
    """Return `length` indices for an epoch: random permutations of range(number) one after the other.

    The k-th permutation is written as k * number + index, so that a repeated image is augmented anew.
    """
    rng = np.random.default_rng([seed, epoch])
    rounds = -(-length // number)
    order = np.concatenate([turn * number + rng.permutation(number) for turn in range(rounds)])
    return [int(index) for index in order[:length]]


def detection_loader(
    dataset: DetectionDataset,
    batch_size: int,
    epoch_length: int = 0,
    workers: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Return the batches of the dataset's epoch: `batch_size` examples each for process `rank` of `world_size`.

    `epoch_length` examples in all processes together, as many as there are images where it is 0, rounded up to whole
    batches.
    """
    together = batch_size * world_size
    length = -(-(epoch_length or len(dataset)) // together) * together
    mine = epoch_order(len(dataset), length, dataset.seed, dataset.epoch)[rank::world_size]
    return DataLoader(
        dataset,
        batch_size,
        sampler=mine,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=leave_signals_to_main,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=4 if workers else None,
    )
