"""Train the similarity network on identity tables, MOTChallenge folders or the demo world."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from smiletrack.console import say
from smiletrack.data.loader_workers import leave_signals_to_main
from smiletrack.data.reid.batches import IdentityBatches
from smiletrack.data.reid.covers import table_covers
from smiletrack.data.reid.crop_cache import Crops
from smiletrack.data.reid.identities import IdentityTable
from smiletrack.engine.eval_slm import embed_boxes, hardest_pairs, score_by_gap
from smiletrack.engine.inputs.person_crops import MARGIN, demo_world, read_table, training_crops
from smiletrack.engine.run_folders.folder import start_run
from smiletrack.engine.settings.train_slm import TrainSLMConfig
from smiletrack.errors import InputError
from smiletrack.network_files import is_network_file
from smiletrack.slm.checkpoint import metadata
from smiletrack.slm.embedder import Embedder, load_embedder
from smiletrack.slm.foreign import split_pixels
from smiletrack.slm.losses import SLMLoss
from smiletrack.slm.network import SLM
from smiletrack.slm.osnet import OSNetBackbone
from smiletrack.slm.osnet_weights import load_osnet
from smiletrack.slm.preprocessing import Preprocessing
from smiletrack.slm.teacher import Teacher
from smiletrack.training.loop import FitResult, fit
from smiletrack.training.recipe import Evaluation, Recipe
from smiletrack.training.runtime import Runtime, start_runtime
from smiletrack.weights import load_exactly, load_weights

TEACHER_SAMPLE = 2048
"""Crops that say what a teacher's directions are worth."""


class Trainee(nn.Module):
    """The network with its loss: crops, labels, what a teacher says, what is visible -> total and parts, for DDP."""

    def __init__(self, slm: SLM, loss: SLMLoss) -> None:
        super().__init__()
        self.slm, self.loss = slm, loss

    def forward(
        self, objects: Tensor, labels: Tensor, T: Tensor | None, visible: Tensor
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """(B, 3, H, W), (B,), (B, D), (B, 1, H, W) in [0, 1] -> loss (scalar), its parts by name."""
        grid = self.slm.mask_grid
        visibility = functional.interpolate(visible, grid, mode="area")[:, 0] if grid else None
        total: tuple[Tensor, Mapping[str, Tensor]] = self.loss(self.slm(objects, visibility), labels, T)
        return total


def train_slm(config: TrainSLMConfig) -> FitResult:
    """Train as `config` says; the run folder holds the config, the curves and the weights."""
    with start_runtime(config.device, config.seed, config.deterministic, config.threads) as runtime:
        torch.set_flush_denormal(True)  # numbers below 1e-38 say nothing and are slow on a CPU
        slm, knowing = _network(config), _who_knows(config, str(runtime.device))
        train, val = config.train, config.val
        if not train:
            train, val = runtime.peers.main_first(demo_world)
        learned = read_table(train, "train_half", config.min_visibility, config.train_step)
        judged = read_table(val, "val_half", config.min_visibility, config.val_step)
        size = (config.network.width, config.network.height)
        crops = runtime.peers.main_first(lambda: training_crops(learned, Path(config.cache), size))
        covers = _covers(config, train, learned) if slm.mask_grid else None
        batches = make_batches(config, learned, crops, runtime, covers)
        teacher = _teacher(config, knowing, learned, crops, runtime) if knowing else None
        if teacher and not config.weights:
            slm.begin_with(teacher.answers)
        answers = teacher.answers if teacher else None
        trainee = Trainee(slm, SLMLoss(config.loss, config.network.embedding, batches.num_labels, answers))

        def begin() -> None:
            start_run(config.output, config, "train_slm")
            say(*_summary("train", learned), *_summary("val", judged))

        recipe = Recipe(
            network=trainee,
            prepare=partial(_taught, teacher) if teacher else lambda batch: batch,
            loss=_loss,
            batches=partial(epoch_loader, config, batches, runtime),
            evaluate=partial(judge_slm, judged, runtime),
            monitor="AUC_30",
            shipped="slm",
            metadata=metadata(config.network),
        )
        return fit(
            recipe,
            config.fit,
            Path(config.output),
            runtime=runtime,
            resume=config.resume,
            overwrite=config.overwrite,
            begin=begin,
        )


def make_batches(
    config: TrainSLMConfig,
    table: IdentityTable,
    crops: Crops,
    runtime: Runtime,
    covers: NDArray[np.uint8] | None = None,
) -> IdentityBatches:
    """Return every batch of the run; covers: where somebody nearer covers each crop, None = nowhere."""
    try:
        return IdentityBatches(
            crops,
            table.identities,
            table.frames,
            table.sequences,
            num_batches=config.fit.epochs * config.batches_per_epoch * runtime.world_size,
            num_identities=config.identities_per_batch,
            crops_per_identity=config.crops_per_identity,
            groups=config.sequences_per_batch,
            augment=config.augment,
            size=(config.network.width, config.network.height),
            margin=MARGIN,
            seed=config.seed,
            covers=covers,
        )
    except ValueError as error:
        raise InputError(f"{error}; lower identities_per_batch or add data") from None


def epoch_loader(
    config: TrainSLMConfig, batches: IdentityBatches, runtime: Runtime, epoch: int
) -> Iterable[tuple[Tensor, Tensor, Tensor]]:
    """Return this process's share of an epoch: every world_size-th batch."""
    length = config.batches_per_epoch * runtime.world_size
    numbers = range(epoch * length + runtime.rank, (epoch + 1) * length, runtime.world_size)
    return DataLoader(
        batches,  # type: ignore[arg-type]
        batch_size=None,
        sampler=numbers,
        num_workers=config.workers,
        worker_init_fn=leave_signals_to_main,
        pin_memory=runtime.device.type == "cuda",
    )


def judge_slm(table: IdentityTable, runtime: Runtime, network: nn.Module) -> Evaluation:
    """Return AUC, rank-1 and mAP over the time gaps, by names like AUC_30, and a picture of the hardest pairs."""
    assert isinstance(network, SLM)
    preprocessing = Preprocessing(network.config.width, network.config.height)
    embedder = Embedder(network, preprocessing, "in training", str(runtime.device), mask_grid=network.mask_grid)
    Z = embed_boxes([embedder], table.images, table.image_indices, table.boxes, quiet=True)[0][0]
    figures: dict[str, float] = {}
    for gap, scores in score_by_gap(Z, table).items():
        figures |= {f"AUC_{gap}": scores.AUC, f"rank1_{gap}": scores.rank1, f"mAP_{gap}": scores.mAP}
    return Evaluation(figures, {"hardest_pairs": hardest_pairs(table, Z)})


def _who_knows(config: TrainSLMConfig, device: str) -> Embedder | None:
    """Return the network that teaches; None where the config names none or gives it no weight."""
    if config.teacher and config.loss.teacher:
        # where nothing is asked for, a network file's runtime may have no GPU, and takes the CPU
        found = config.device == "auto" and is_network_file(split_pixels(config.teacher)[0])
        return load_embedder(config.teacher, "auto" if found else device)
    if not config.loss.asks_for_labels:
        raise InputError("only loss.teacher is above 0, and there is no teacher: name one with --teacher FILE")
    return None


def _network(config: TrainSLMConfig) -> SLM:
    slm = SLM(config.network)
    if isinstance(slm.backbone, OSNetBackbone) and config.backbone:
        load_osnet(slm.backbone, Path(config.backbone))
    if config.weights:
        load_exactly(slm, load_weights(Path(config.weights))[0], config.weights)
    return slm


def _covers(config: TrainSLMConfig, sources: tuple[str, ...], table: IdentityTable) -> NDArray[np.uint8]:
    return table_covers(table, read_table(sources, "train_half", 0.0, config.train_step), MARGIN)


def _teacher(
    config: TrainSLMConfig, knowing: Embedder, table: IdentityTable, crops: Crops, runtime: Runtime
) -> Teacher:
    """Return the teacher, the same in every process, measured by crops without occlusion and disguise."""
    calm = dataclasses.replace(config.augment, erase=0.0, occlude=0.0, disguise=0.0)
    batches = make_batches(dataclasses.replace(config, augment=calm), table, crops, runtime)
    enough = -(-TEACHER_SAMPLE // (config.identities_per_batch * config.crops_per_identity))
    teacher = Teacher(knowing, [batches[i][:2] for i in range(min(enough, len(batches)))], config.network.embedding)
    if runtime.world_size > 1:
        # the map is unique up to signs, which another machine's arithmetic may choose otherwise
        for tensor in (teacher.map, teacher.answers):
            there = tensor.to(runtime.device)
            distributed.broadcast(there, 0)
            tensor.copy_(there)
    return teacher


def _jolt(objects: Tensor) -> Tensor:
    """(B, C, H, W) -> the same, moved by up to a few pixels, and half of them mirrored.

    Only the pupil sees them so, and so it learns the mean of the teacher's answers over such changes.
    """
    height, width = objects.shape[2:]
    down, right = height // 32, width // 24
    y, x = (int(torch.randint(2 * most + 1, ())) for most in (down, right))
    moved = functional.pad(objects, (right, right, down, down), mode="replicate")[:, :, y : y + height, x : x + width]
    mirrored = torch.rand(len(objects), 1, 1, 1, device=objects.device) < 0.5
    return torch.where(mirrored, moved.flip(3), moved)


def _taught(teacher: Teacher, batch: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Return the batch with what the teacher says of its crops."""
    return *batch, teacher(batch[0])


def _loss(network: nn.Module, batch: Sequence[Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Return the loss of (B, H, W, 3) BGR crops, (B,) labels, what is visible and, with a teacher, (B, D) answers."""
    crops, labels, visible, *taught = batch
    seen = torch.cat([crops.permute(0, 3, 1, 2).flip(1), visible[:, None]], 1).float() / 255
    T = taught[0] if taught else None
    objects = seen if T is None else _jolt(seen)
    answer: tuple[Tensor, Mapping[str, Tensor]] = network(objects[:, :3].contiguous(), labels, T, objects[:, 3:])
    return answer


def _summary(name: str, table: IdentityTable) -> list[str]:
    """Return a line that counts the crops, and what is to be told of the files they come from."""
    sequences = len(set(table.sequences.tolist()))
    line = f"{name}: {len(table)} crops of {table.num_identities} people in {sequences} sequences"
    return [line, *(f"{name}: {note}" for note in table.notes)]
