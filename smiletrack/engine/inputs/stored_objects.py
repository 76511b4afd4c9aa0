"""What a frozen network makes of training crops, computed once: only what learns behind it runs in every step."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from smiletrack.array_files import read_arrays
from smiletrack.boxes import hidden_cells
from smiletrack.console import progress
from smiletrack.data.image_files import read_image
from smiletrack.data.reid.batches import IdentityBatches, IdentityDraws, augment, hide
from smiletrack.data.reid.identities import IdentityTable
from smiletrack.engine.inputs.joint import JointNetwork
from smiletrack.files import atomic_write
from smiletrack.slm.embedder import Embedder
from smiletrack.slm.network import SLM
from smiletrack.slm.preprocessing import Preprocessing
from smiletrack.slm.teacher import ask, within_class_map
from smiletrack.types import Floats, Ints

Batch = tuple[NDArray[np.float16], Ints, Floats, NDArray[np.float32], Floats]

_TOGETHER = 64
"""Crops that go through the networks together."""


@dataclass(frozen=True, eq=False)
class StoredObjects:
    """V versions of N training rows: version v of row r is at v * N + r.

    objects: (V * N, C, h, w), what the network learns from. visibility: (V * N, R, C) in [0, 1]. answers: (V * N, T)
    the teachers' unit rows, T = 0 without one. trust: (V * N,) what an answer is worth: the share of the person that
    the teachers saw.
    """

    objects: NDArray[np.float16]
    visibility: NDArray[np.float32]
    answers: NDArray[np.float32]
    trust: NDArray[np.float32]

    def mapped_answers(self, labels: Ints, width: int) -> NDArray[np.float32]:
        """Return (V * N, width) unit rows, the answers through `within_class_map`; as they are where T = 0."""
        if not self.answers.shape[1]:
            return self.answers
        every = np.tile(labels, len(self.answers) // len(labels))
        mapped = self.answers @ within_class_map(self.answers, every, width).astype(np.float32)
        return np.asarray(mapped / np.maximum(np.linalg.norm(mapped, axis=1, keepdims=True), 1e-12))


class StoredBatches(Sequence[Batch]):
    """Batches of stored objects, each row in a version drawn by chance."""

    def __init__(self, draws: IdentityDraws, stored: StoredObjects, answers: NDArray[np.float32]) -> None:
        """answers: (V * N, D) what Z shall be, D = 0 without a teacher."""
        self.draws, self.stored, self.answers = draws, stored, answers

    def __len__(self) -> int:
        return len(self.draws)

    def __getitem__(self, number: int) -> Batch:  # type: ignore[override]
        """Return objects (B, C, h, w), labels (B,), visibility (B, R, C), answers (B, D) and their trust (B,)."""
        rows, rng = self.draws.rows_of(number)
        labels, stored, N = self.draws.labels[rows].astype(np.int64), self.stored, len(self.draws.labels)
        at = rows + N * rng.integers(len(stored.objects) // N, size=len(rows))
        return stored.objects[at], labels, stored.visibility[at], self.answers[at], stored.trust[at]


def store_regions(
    table: IdentityTable,
    everybody: IdentityTable,
    joint: JointNetwork,
    versions: int,
    jitter: float,
    teachers: Sequence[Embedder],
    seed: int,
) -> StoredObjects:
    """Cut the table's boxes out of the detector's maps, `versions` times with jittered edges; teachers see the pixels.

    jitter: deviation of each edge as a share of the box's side; the first version has none. Every image is read once
    and goes through the detector once. everybody: whose boxes may cover one of the table's.
    """
    rng, N = np.random.default_rng(seed), len(table)
    parts: list[tuple[Ints, NDArray[np.float16], Floats, NDArray[np.float32], Floats]] = []
    place = {image: index for index, image in enumerate(everybody.images)}
    for index, path in enumerate(progress(table.images, "the detector's maps")):
        here = np.flatnonzero(table.image_indices == index)
        own = table.boxes[here]
        others = everybody.boxes[everybody.image_indices == place[path]] if path in place else own
        frame = read_image(path)
        answers = [teacher.embed(frame, own) for teacher in teachers]
        asked = np.concatenate([np.zeros((len(own), 0), np.float32), *answers], 1)
        trust = 1 - hidden_cells(own, others, *joint.mask_grid).mean((1, 2))
        for version in range(versions):
            moves = rng.standard_normal(own.shape) * (jitter if version else 0)
            boxes = own + moves * np.tile(own[:, 2:] - own[:, :2], 2)
            cut = joint.regions(frame, boxes).cpu().numpy().astype(np.float16)
            parts.append((version * N + here, cut, 1 - hidden_cells(boxes, others, *joint.mask_grid), asked, trust))
    return _in_order(parts)


def cached_store(
    folder: Path, made_from: str, batches: IdentityBatches, slm: SLM, versions: int, teachers: Sequence[Embedder]
) -> StoredObjects:
    """Return what `store_crops` does, from a file below `folder` where one was made from the same.

    made_from: names the crops. So trainings that differ in seed, losses or all behind the backbone share one file.
    """
    about = (made_from, batches.augment, batches.size, versions, slm.mask_grid, [t.fingerprint for t in teachers])
    digest = hashlib.sha256(repr(about).encode() + (b"" if batches.covers is None else batches.covers.tobytes()))
    for tensor in slm.backbone.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    path = folder / f"behind-{digest.hexdigest()[:12]}.npz"
    if path.is_file():
        return StoredObjects(**read_arrays(path, *(field.name for field in dataclasses.fields(StoredObjects))))
    stored = store_crops(batches, slm, versions, teachers)
    with atomic_write(path, "wb") as stream:
        np.savez(stream, **vars(stored))
    return stored


def store_crops(batches: IdentityBatches, slm: SLM, versions: int, teachers: Sequence[Embedder]) -> StoredObjects:
    """Put every crop through the frozen backbone, `versions` times as `batches` augments it.

    The teachers see the crop before anybody is pasted over it or a part is erased: the network is to say of what is
    left what they say of the whole.
    """
    calm = dataclasses.replace(batches.augment, occlude=0.0, erase=0.0)
    slm.eval()
    N, parts = len(batches.crops), []
    starts = [(version, first) for version in range(versions) for first in range(0, N, _TOGETHER)]
    for version, first in progress(starts, "the backbone's maps"):
        rows = list(range(first, min(first + _TOGETHER, N)))
        rng = np.random.default_rng((version, first))
        raw = [batches.crops[row] for row in rows]
        clean, hidden = [], []
        for row, crop, other in zip(rows, raw, rng.permutation(len(rows)), strict=True):
            occluder = raw[other]
            clean.append(augment(crop, occluder, calm, rng, batches.size, batches.margin, batches.cover(row)))
            hidden.append(hide(*clean[-1], occluder, batches.augment, rng, batches.margin))
        asked = ask(teachers, np.stack([image for image, _ in clean])).cpu().numpy()
        trust = np.array([visible.mean() / 255 for _, visible in clean])
        images, visible = (np.stack(pictures) for pictures in zip(*hidden, strict=True))
        parts.append((version * N + np.array(rows), *_behind_backbone(slm, images, visible), asked, trust))
    return _in_order(parts)


@torch.inference_mode()
def _behind_backbone(
    slm: SLM, crops: NDArray[np.uint8], visible: NDArray[np.uint8]
) -> tuple[NDArray[np.float16], Floats]:
    """Return the maps (B, C, h, w) of BGR crops, and visibility on the network's grid (1 x 1 without a mask)."""
    maps = slm.backbone(Preprocessing(slm.config.width, slm.config.height).tensor(crops))
    pixels = torch.from_numpy(visible)[:, None].double() / 255
    cells = functional.interpolate(pixels, slm.mask_grid or (1, 1), mode="area")[:, 0]
    return maps.numpy().astype(np.float16), cells.numpy()


def _in_order(
    parts: Sequence[tuple[Ints, NDArray[np.float16], Floats, NDArray[np.float32], Floats]],
) -> StoredObjects:
    """Stack parts by the places that each says its rows have."""
    places, *columns = zip(*parts, strict=True)
    order = np.argsort(np.concatenate(places))
    objects, visibility, answers, trust = (np.concatenate(column)[order] for column in columns)
    return StoredObjects(objects, visibility.astype(np.float32), answers, trust.astype(np.float32))
