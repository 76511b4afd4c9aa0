"""Train the similarity network on identity tables, MOTChallenge folders or the demo world."""

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from smiletrack.console import say
from smiletrack.data.loader_workers import leave_signals_to_main
from smiletrack.data.reid.batches import IdentityBatches, IdentityDraws
from smiletrack.data.reid.covers import table_covers
from smiletrack.data.reid.identities import IdentityTable
from smiletrack.detector.prbnet import PRBNet
from smiletrack.detector.predictor import Predictor, load_detector
from smiletrack.detector.pyramid import pyramid_channels
from smiletrack.detector.yolox import YOLOX
from smiletrack.engine.eval_slm import embed_boxes, hardest_pairs, score_by_gap
from smiletrack.engine.inputs.joint import JointNetwork, save_joint
from smiletrack.engine.inputs.person_crops import MARGIN, demo_world, read_table, training_crops
from smiletrack.engine.inputs.stored_objects import StoredBatches, StoredObjects, cached_store, store_regions
from smiletrack.engine.run_folders.folder import start_run
from smiletrack.engine.settings.train_slm import TrainSLMConfig
from smiletrack.errors import InputError
from smiletrack.network_files import is_network_file
from smiletrack.slm.checkpoint import metadata
from smiletrack.slm.embedder import Embedder, load_embedder
from smiletrack.slm.foreign import split_pixels
from smiletrack.slm.losses import SLMLoss
from smiletrack.slm.network import SLM
from smiletrack.slm.preprocessing import Preprocessing
from smiletrack.slm.public_weights import load_backbone
from smiletrack.slm.teacher import Teacher
from smiletrack.training.loop import FitResult, fit
from smiletrack.training.recipe import Evaluation, Recipe
from smiletrack.training.runtime import Runtime, start_runtime
from smiletrack.weights import load_exactly, load_weights

TEACHER_SAMPLE = 2048
"""Crops that say what a teacher's directions are worth."""
REGION_VERSIONS = 2
"""Versions of a box, cut from a detector's maps with jittered edges, where the config names no number."""


class Trainee(nn.Module):
    """The network with its loss: objects, labels, what a teacher says, what is visible -> total and parts, for DDP."""

    def __init__(self, slm: SLM, loss: SLMLoss, frozen: bool = False) -> None:
        """frozen: objects are what the backbone made of them, and it learns nothing."""
        super().__init__()
        self.slm, self.loss, self.frozen = slm, loss, frozen
        if frozen:
            slm.backbone.requires_grad_(False)

    def forward(
        self,
        objects: Tensor,
        labels: Tensor,
        T: Tensor | None,
        visibility: Tensor | None,
        trust: Tensor | None = None,
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """(B, C, H, W), (B,), (B, D), (B, *mask_grid), (B,) what T weighs -> loss (scalar), its parts by name."""
        Z = self.slm.from_features(objects, visibility) if self.frozen else self.slm(objects, visibility)
        total: tuple[Tensor, Mapping[str, Tensor]] = self.loss(Z, labels, T, trust)
        return total


def train_slm(config: TrainSLMConfig) -> FitResult:
    """Train as `config` says; the run folder holds the config, the curves and the weights."""
    with start_runtime(config.device, config.seed, config.deterministic, config.threads) as runtime:
        torch.set_flush_denormal(True)  # numbers below 1e-38 say nothing and are slow on a CPU
        predictor = load_detector(config.detector, str(runtime.device)) if config.detector else None
        config = _with_channels(config, predictor) if predictor else config
        slm, knowing = _network(config), _who_knows(config, str(runtime.device))
        joint = JointNetwork(predictor, slm, "in training") if predictor else None
        train, val = config.train, config.val
        if not train:
            train, val = runtime.peers.main_first(demo_world)
        learned = read_table(train, "train_half", config.min_visibility, config.train_step)
        judged = read_table(val, "val_half", config.min_visibility, config.val_step)
        draws = make_draws(config, learned, runtime)
        if joint:
            taught = _learn_from_regions(config, train, learned, joint, knowing, draws)
        else:
            taught = _learn_from_crops(config, train, learned, slm, knowing, draws, runtime)
        if taught.answers is not None and not config.weights:
            slm.begin_with(taught.answers)
        loss = SLMLoss(config.loss, config.network.embedding, draws.num_labels, taught.answers)

        def begin() -> None:
            start_run(config.output, config, "train_slm")
            say(*_summary("train", learned), *_summary("val", judged))

        recipe = Recipe(
            network=Trainee(slm, loss, frozen=bool(config.versions) and joint is None),
            prepare=taught.prepare,
            loss=taught.loss,
            batches=partial(epoch_loader, config, taught.batches, runtime),
            evaluate=partial(judge_slm, judged, runtime, joint),
            monitor="AUC_30",
            shipped="slm",
            metadata=metadata(config.network),
        )
        result = fit(
            recipe,
            config.fit,
            Path(config.output),
            runtime=runtime,
            resume=config.resume,
            overwrite=config.overwrite,
            begin=begin,
        )
        if joint and runtime.is_main:
            folder = Path(config.output)
            save_joint(folder / "joint.safetensors", Path(config.detector), folder / "model.safetensors")
        return result


@dataclasses.dataclass(frozen=True, eq=False)
class _Lessons:
    """Batches, what each is made into, its loss, and a sample of the teacher's answers (N, D), None without one."""

    batches: Any
    prepare: Callable[[Any], Any]
    loss: Callable[[nn.Module, Any], tuple[Tensor, Mapping[str, Tensor]]]
    answers: Tensor | None


def _learn_from_regions(
    config: TrainSLMConfig,
    sources: tuple[str, ...],
    table: IdentityTable,
    joint: JointNetwork,
    knowing: list[Embedder],
    draws: IdentityDraws,
) -> _Lessons:
    versions = config.versions or REGION_VERSIONS
    everybody = _everybody(config, sources)
    stored = store_regions(table, everybody, joint, versions, config.augment.jitter, knowing, config.seed)
    return _learn_from_stored(config, stored, draws)


def _learn_from_stored(config: TrainSLMConfig, stored: StoredObjects, draws: IdentityDraws) -> _Lessons:
    answers = stored.mapped_answers(draws.labels, config.network.embedding)
    mask = config.network.mask != "none"
    return _Lessons(
        StoredBatches(draws, stored, answers),
        lambda batch: batch,
        partial(_stored_loss, mask),
        torch.from_numpy(answers) if answers.shape[1] else None,
    )


def _learn_from_crops(
    config: TrainSLMConfig,
    sources: tuple[str, ...],
    table: IdentityTable,
    slm: SLM,
    knowing: list[Embedder],
    draws: IdentityDraws,
    runtime: Runtime,
) -> _Lessons:
    """Return the lessons of a training on crops: cut once, or embedded once where the backbone is frozen."""
    size = (config.network.width, config.network.height)
    crops = runtime.peers.main_first(lambda: training_crops(table, Path(config.cache), size))
    covers = table_covers(table, _everybody(config, sources), MARGIN) if slm.mask_grid else None
    batches = IdentityBatches(crops, draws, config.augment, size, MARGIN, covers)
    if config.versions:
        store = partial(cached_store, Path(config.cache), crops.fingerprint, batches, slm, config.versions, knowing)
        return _learn_from_stored(config, runtime.peers.main_first(store), draws)
    teacher = _teacher(config, knowing, batches, runtime) if knowing else None
    prepare = partial(_taught, teacher) if teacher else lambda batch: batch
    return _Lessons(batches, prepare, partial(_loss, slm.mask_grid), teacher.answers if teacher else None)


def make_draws(config: TrainSLMConfig, table: IdentityTable, runtime: Runtime) -> IdentityDraws:
    """Return who is in every batch of the run."""
    try:
        return IdentityDraws(
            table.identities,
            table.frames,
            table.sequences,
            num_batches=config.fit.epochs * config.batches_per_epoch * runtime.world_size,
            num_identities=config.identities_per_batch,
            crops_per_identity=config.crops_per_identity,
            groups=config.sequences_per_batch,
            seed=config.seed,
        )
    except ValueError as error:
        raise InputError(f"{error}; lower identities_per_batch or add data") from None


def epoch_loader(config: TrainSLMConfig, batches: Any, runtime: Runtime, epoch: int) -> Iterable[Any]:
    """Return this process's share of an epoch: every world_size-th batch."""
    length = config.batches_per_epoch * runtime.world_size
    numbers = range(epoch * length + runtime.rank, (epoch + 1) * length, runtime.world_size)
    return DataLoader(
        batches,
        batch_size=None,
        sampler=numbers,
        num_workers=config.workers,
        worker_init_fn=leave_signals_to_main,
        pin_memory=runtime.device.type == "cuda",
    )


def judge_slm(table: IdentityTable, runtime: Runtime, joint: JointNetwork | None, network: nn.Module) -> Evaluation:
    """Return AUC, rank-1 and mAP over the time gaps, by names like AUC_30, and a picture of the hardest pairs."""
    assert isinstance(network, SLM)
    embedder: Embedder | JointNetwork
    if joint:
        embedder = joint.with_slm(network)
    else:
        preprocessing = Preprocessing(network.config.width, network.config.height)
        embedder = Embedder(network, preprocessing, "in training", str(runtime.device), mask_grid=network.mask_grid)
    Z = embed_boxes([embedder], table.images, table.image_indices, table.boxes, quiet=True)[0][0]
    figures: dict[str, float] = {}
    for gap, scores in score_by_gap(Z, table).items():
        figures |= {f"AUC_{gap}": scores.AUC, f"rank1_{gap}": scores.rank1, f"mAP_{gap}": scores.mAP}
    return Evaluation(figures, {"hardest_pairs": hardest_pairs(table, Z)})


def _who_knows(config: TrainSLMConfig, device: str) -> list[Embedder]:
    """Return the networks that teach; none where the config names none or gives them no weight."""
    if config.teacher and config.loss.teacher:
        # where nothing is asked for, a network file's runtime may have no GPU, and takes the CPU
        auto = [config.device == "auto" and is_network_file(split_pixels(file)[0]) for file in config.teacher]
        return [load_embedder(file, "auto" if a else device) for file, a in zip(config.teacher, auto, strict=True)]
    if not config.loss.asks_for_labels:
        raise InputError("only loss.teacher is above 0, and there is no teacher: name one with --teacher FILE")
    return []


def _with_channels(config: TrainSLMConfig, predictor: Predictor) -> TrainSLMConfig:
    """Return the config with as many channels as the detector's maps have."""
    if not isinstance(predictor.network, (PRBNet, YOLOX)):
        raise InputError(f"{config.detector}: has no feature maps to see; a checkpoint of a detector here has")
    channels = (pyramid_channels(predictor.network), *config.network.channels[1:])
    return dataclasses.replace(config, network=dataclasses.replace(config.network, channels=channels))


def _network(config: TrainSLMConfig) -> SLM:
    slm = SLM(config.network)
    if config.backbone:
        load_backbone(slm.backbone, Path(config.backbone))
    if config.weights:
        load_exactly(slm, load_weights(Path(config.weights))[0], config.weights)
    return slm


def _everybody(config: TrainSLMConfig, sources: tuple[str, ...]) -> IdentityTable:
    """Return the training table with those of whom next to nothing is visible: they cover others all the same."""
    return read_table(sources, "train_half", 0.0, config.train_step)


def _teacher(config: TrainSLMConfig, knowing: list[Embedder], batches: IdentityBatches, runtime: Runtime) -> Teacher:
    """Return the teacher, the same in every process, measured by crops without occlusion and disguise."""
    calm = copy.copy(batches)
    calm.augment = dataclasses.replace(config.augment, erase=0.0, occlude=0.0, disguise=0.0)
    enough = -(-TEACHER_SAMPLE // (config.identities_per_batch * config.crops_per_identity))
    teacher = Teacher(knowing, [calm[i][:2] for i in range(min(enough, len(calm)))], config.network.embedding)
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


def _loss(
    mask_grid: tuple[int, int] | None, network: nn.Module, batch: Sequence[Tensor]
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Return the loss of (B, H, W, 3) BGR crops, (B,) labels, what is visible and, with a teacher, (B, D) answers."""
    crops, labels, visible, *taught = batch
    seen = torch.cat([crops.permute(0, 3, 1, 2).flip(1), visible[:, None]], 1).float() / 255
    T = taught[0] if taught else None
    objects = seen if T is None else _jolt(seen)
    visibility = functional.interpolate(objects[:, 3:], mask_grid, mode="area")[:, 0] if mask_grid else None
    answer: tuple[Tensor, Mapping[str, Tensor]] = network(objects[:, :3].contiguous(), labels, T, visibility)
    return answer


def _stored_loss(
    mask: bool, network: nn.Module, batch: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
) -> tuple[Tensor, Mapping[str, Tensor]]:
    objects, labels, visibility, T, trust = batch
    mirrored = torch.rand(len(objects), device=objects.device) < 0.5
    objects = torch.where(mirrored[:, None, None, None], objects.flip(3), objects).float()
    visibility = torch.where(mirrored[:, None, None], visibility.flip(2), visibility)
    answer: tuple[Tensor, Mapping[str, Tensor]] = network(
        objects, labels, T if T.shape[1] else None, visibility if mask else None, trust
    )
    return answer


def _summary(name: str, table: IdentityTable) -> list[str]:
    """Return a line that counts the crops, and what is to be told of the files they come from."""
    sequences = len(set(table.sequences.tolist()))
    line = f"{name}: {len(table)} crops of {table.num_identities} people in {sequences} sequences"
    return [line, *(f"{name}: {note}" for note in table.notes)]
