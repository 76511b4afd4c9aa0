"""Training batches: P identities x K crops spread over time, augmented as tracking will spoil them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from smiletrack.lazy import LazyModule
from smiletrack.ranges import Checked, ProperShare, Share
from smiletrack.types import Floats, Ints

cv2 = LazyModule("cv2")

Image = NDArray[np.uint8]


class CropStore(Protocol):
    """Crops by number: BGR uint8, all of one size."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Image: ...


@dataclass(frozen=True)
class AugmentConfig(Checked):
    """What happens to a training crop. All zeros leave the crop as it is."""

    flip: Share = 0.5
    """Probability of a horizontal flip."""
    jitter: ProperShare = 0.06
    """Standard deviation of each box edge as a fraction of the box's side, which imitates a detector's error."""
    colour: ProperShare = 0.1
    """Maximum relative change of brightness and contrast; the gain of each channel changes by up to half of it."""
    blur: Share = 0.1
    """Probability of a motion blur of 3 to 7 pixels in any direction."""
    shrink: Share = 0.2
    """Probability of a loss of resolution, as if the object were 1 to 4 times smaller."""
    erase: Share = 0.15
    """Probability of random erasing: a rectangle of 5 to 25 % of the crop becomes one colour."""
    occlude: Share = 0.3
    """Probability that another object of the batch covers 15 to 50 % of the crop from a side or from below."""
    disguise: Share = 0.0
    """Probability of each of three changes that turn the crop into nobody in particular: other colours, the lower half
    of another object, a blend with another object. Only for learning from a teacher alone."""


def augment(
    crop: Image,
    occluder: Image,
    config: AugmentConfig,
    rng: np.random.Generator,
    size: tuple[int, int],
    margin: float,
    cover: Image | None = None,
) -> tuple[Image, Image]:
    """Return a spoilt copy of `crop`, `size` = (width, height) pixels, and (height, width) how visible its pixels are.

    crop, occluder: (h, w, 3) uint8 that show the box and `margin` x its side on every side of it, which is what lets
    the box jitter without inventing pixels. cover: (r, c) uint8 over the same, 255 = covered by somebody nearer; None =
    nobody is. Visibility is 0 to 255; erased rectangles stay visible, for nobody tells a network of those.
    """
    edges = _jittered(config.jitter, rng, margin)
    image = _window(crop, edges, size, margin)
    visible = np.full((size[1], size[0]), 255, np.uint8) if cover is None else 255 - _window(cover, edges, size, margin)
    if rng.random() < config.flip:
        image, visible = image[:, ::-1], visible[:, ::-1]
    if rng.random() < config.shrink:
        image = _shrink(image, 1 + 3 * rng.random())
    if rng.random() < config.blur:
        image = _motion_blur(image, int(rng.integers(3, 8)), float(rng.uniform(0, np.pi)))
    image, visible = np.ascontiguousarray(image), np.ascontiguousarray(visible)
    if rng.random() < config.occlude:
        _occlude(image, visible, _window(occluder, _jittered(config.jitter, rng, margin), size, margin), rng)
    if config.disguise:
        other = _window(occluder, _jittered(config.jitter, rng, margin), size, margin)
        image = _disguise(image, other, config.disguise, rng)
    if config.colour:
        image = _recolour(image, config.colour, rng)
    if rng.random() < config.erase:
        _erase(image, rng)
    return image, visible


def hide(
    image: Image,
    visible: Image,
    occluder: Image,
    config: AugmentConfig,
    rng: np.random.Generator,
    margin: float,
) -> tuple[Image, Image]:
    """Return copies of what `augment` gave, occluded and erased by the config's chances, as `augment` itself does."""
    image, visible = image.copy(), visible.copy()
    if rng.random() < config.occlude:
        size = (image.shape[1], image.shape[0])
        _occlude(image, visible, _window(occluder, _jittered(config.jitter, rng, margin), size, margin), rng)
    if rng.random() < config.erase:
        _erase(image, rng)
    return image, visible


def _jittered(jitter: float, rng: np.random.Generator, margin: float) -> Floats:
    """Return the box's edges x1, y1, x2, y2 in a crop with a margin, in sides of the box, each moved by `jitter`."""
    return np.asarray(np.array([margin, margin, 1 + margin, 1 + margin]) + jitter * rng.standard_normal(4))


def _window(crop: Image, edges: Floats, size: tuple[int, int], margin: float) -> Image:
    """Cut the edges out of a crop with a margin and resize it."""
    height, width = crop.shape[:2]
    side = np.array([width, height] * 2) / (1 + 2 * margin)
    left, top, right, bottom = np.clip(np.rint(edges * side), 0, [width, height] * 2).astype(int)
    if right - left < 2 or bottom - top < 2:
        left, top, right, bottom = 0, 0, width, height
    return cv2.resize(crop[top:bottom, left:right], size, interpolation=cv2.INTER_LINEAR)


def _shrink(image: Image, factor: float) -> Image:
    height, width = image.shape[:2]
    small = cv2.resize(image, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _motion_blur(image: Image, length: int, angle: float) -> Image:
    kernel = np.zeros((length, length), np.float32)
    centre = (length - 1) / 2
    offset = centre * np.array([np.cos(angle), np.sin(angle)])
    start, end = np.rint(centre - offset).astype(int), np.rint(centre + offset).astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _occlude(image: Image, visible: Image, occluder: Image, rng: np.random.Generator) -> None:
    """Paste the occluder's near part over a side or the lower part of `image`, in place, and mark it in `visible`."""
    height, width = image.shape[:2]
    cover = rng.uniform(0.15, 0.5)
    if rng.random() < 0.3:
        rows = round(cover * height)
        image[height - rows :], visible[height - rows :] = occluder[:rows], 0
        return
    columns, top = round(cover * width), int(rng.integers(0, height // 3))
    if rng.random() < 0.5:
        image[top:, :columns], visible[top:, :columns] = occluder[: height - top, width - columns :], 0
    else:
        image[top:, width - columns :], visible[top:, width - columns :] = occluder[: height - top, :columns], 0


def _recolour(image: Image, strength: float, rng: np.random.Generator) -> Image:
    contrast, brightness = 1 + strength * rng.uniform(-1, 1), 255 * strength / 2 * rng.uniform(-1, 1)
    gains = contrast * (1 + strength / 2 * rng.uniform(-1, 1, 3))
    levels = np.arange(256)[:, None] * gains + brightness + 127.5 * (1 - contrast)
    table = np.clip(levels, 0, 255).astype(np.uint8)[None]
    return cv2.LUT(image, table)


def _disguise(image: Image, other: Image, probability: float, rng: np.random.Generator) -> Image:
    if rng.random() < probability:
        image = _repaint(image, rng)
    if rng.random() < probability:
        waist = int(rng.uniform(0.35, 0.65) * len(image))
        image = np.concatenate((image[:waist], other[waist:]))
    if rng.random() < probability:
        share = rng.random()
        image = cv2.addWeighted(image, share, other, 1 - share, 0)
    return image


def _repaint(image: Image, rng: np.random.Generator) -> Image:
    """Swap the channels, or turn the hue and change the saturation, or neither; then a gamma and a gain a channel."""
    way, levels = rng.random(), np.float32(image) / 255
    if way < 1 / 3:
        levels = levels[..., rng.permutation(3)]
    elif way < 2 / 3:
        hsv = cv2.cvtColor(levels, cv2.COLOR_BGR2HSV)
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(0, 360)) % 360
        hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(0.5, 2), 0, 1)
        levels = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    levels = levels ** np.exp(0.25 * rng.standard_normal(3)) * np.exp(0.15 * rng.standard_normal(3))
    return np.asarray(np.clip(255 * levels, 0, 255), np.uint8)


def _erase(image: Image, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    area, aspect = rng.uniform(0.05, 0.25) * height * width, rng.uniform(0.5, 3.0)
    rows = int(np.clip(np.sqrt(area * aspect), 1, height))
    columns = int(np.clip(np.sqrt(area / aspect), 1, width))
    top, left = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
    image[top : top + rows, left : left + columns] = rng.integers(0, 256, 3)


class IdentityDraws:
    """Batch number -> P identities x K crops of each by their numbers, a function of seed and number only.

    So a run resumed at any batch sees what it would have seen, with any number of loader processes. The P identities
    come from `groups` sequences at a time, because a tracker only ever tells apart objects of one sequence; the K crops
    of one identity are spread over its life, one from each K-th of it. `labels` (N,) are those of all crops.
    """

    def __init__(
        self,
        identities: Ints,
        frames: Ints,
        sequences: NDArray[np.generic],
        *,
        num_batches: int,
        num_identities: int,
        crops_per_identity: int,
        groups: int = 2,
        seed: int = 0,
    ) -> None:
        """identities, frames, sequences: (N,) of each crop. Labels are 0 ... (number of identities) - 1.

        Identities with a single crop have no pair and are left out. Raises ValueError where fewer identities than
        `num_identities` are left.
        """
        self.frames = frames
        known, self.labels = np.unique(identities, return_inverse=True)
        order = np.lexsort((frames, self.labels))
        rows = np.split(order, np.flatnonzero(np.diff(self.labels[order])) + 1)
        self.rows = [identity for identity in rows if len(identity) > 1]
        if len(self.rows) < num_identities:
            raise ValueError(
                f"a batch needs {num_identities} identities with two crops or more, there are {len(self.rows)}"
            )
        home = np.array([sequences[identity[0]] for identity in self.rows])
        self.by_sequence = [np.flatnonzero(home == name) for name in np.unique(home)]
        self.num_labels = len(known)
        self.num_batches, self.seed = num_batches, seed
        self.num_identities, self.crops_per_identity, self.groups = num_identities, crops_per_identity, groups

    def __len__(self) -> int:
        return self.num_batches

    def rows_of(self, number: int) -> tuple[Ints, np.random.Generator]:
        """Return the (P * K,) crops of a batch, and the generator that everything else about it is drawn from."""
        if not 0 <= number < self.num_batches:
            raise IndexError(number)
        rng = np.random.default_rng((self.seed, number))
        return np.concatenate([self._spread(self.rows[i], rng) for i in self._identities(rng)]), rng

    def _identities(self, rng: np.random.Generator) -> Ints:
        """Draw P identities, from as few sequences as hold them but at least `groups`, sequences by their size."""
        sizes = np.array([len(group) for group in self.by_sequence], float)
        order = rng.choice(len(sizes), len(sizes), replace=False, p=sizes / sizes.sum())
        enough = 1 + int(np.searchsorted(np.cumsum(sizes[order]), self.num_identities))
        chosen = order[: max(enough, self.groups) if self.groups else len(order)]
        pool = np.concatenate([self.by_sequence[i] for i in chosen])
        return rng.choice(pool, self.num_identities, replace=False)

    def _spread(self, rows: Ints, rng: np.random.Generator) -> Ints:
        """Draw K rows in time order, one from each K-th of the identity's life (again where it has fewer than K)."""
        places = (np.arange(self.crops_per_identity) + rng.random(self.crops_per_identity)) / self.crops_per_identity
        return rows[(places * len(rows)).astype(int)]


class IdentityBatches(Sequence[tuple[Image, Ints, Image]]):
    """Batch number -> (P * K crops, their identity labels, what is visible), those that `IdentityDraws` names."""

    def __init__(
        self,
        crops: CropStore,
        draws: IdentityDraws,
        augment: AugmentConfig | None = None,
        size: tuple[int, int] = (80, 224),
        margin: float = 0.0,
        covers: Image | None = None,
    ) -> None:
        """covers: (N, r, c) uint8, where people nearer to the camera cover each crop, margin included; None = nowhere.

        size: (width, height) of what comes out. margin: what the crops show around the box, as a share of its sides.
        """
        self.crops, self.draws, self.covers = crops, draws, covers
        self.augment, self.size, self.margin = augment or AugmentConfig(), size, margin

    def __len__(self) -> int:
        return len(self.draws)

    def __getitem__(self, number: int) -> tuple[Image, Ints, Image]:  # type: ignore[override]
        """Return (P * K, height, width, 3) uint8 BGR crops, (P * K,) labels and (P * K, height, width) visibility."""
        rows, rng = self.draws.rows_of(number)
        raw = [self.crops[int(row)] for row in rows]
        occluders = rng.permutation(len(raw))
        images, visible = zip(
            *(
                augment(crop, raw[other], self.augment, rng, self.size, self.margin, self.cover(row))
                for crop, other, row in zip(raw, occluders, rows, strict=True)
            ),
            strict=True,
        )
        return np.stack(images), self.draws.labels[rows].astype(np.int64), np.stack(visible)

    def cover(self, row: int) -> Image | None:
        """Return where somebody covers a crop, as `augment` takes it."""
        return None if self.covers is None else self.covers[row]
