"""Train a detector of `smiletrack.detector` on COCO files, MOTChallenge folders, mixes or the demo world."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from smiletrack.boxes import area
from smiletrack.console import say
from smiletrack.data.class_names import find_class
from smiletrack.data.detection.dataset import DetectionDataset, ScaledImages, detection_loader
from smiletrack.data.detection.labels import LabelledImages, read_labelled
from smiletrack.detector.build import Detector, build_detector, build_loss
from smiletrack.detector.checkpoint import KEY, load_detector_network, stored_config, transfer
from smiletrack.detector.letterbox import ImageFormat
from smiletrack.detector.norm_recovery import folded_norms, recover_norms
from smiletrack.detector.settings import DetectorConfig
from smiletrack.engine.eval_detector import detect_images, in_training, prediction_pictures, score_detections
from smiletrack.engine.inputs.person_crops import demo_world
from smiletrack.engine.run_folders.folder import start_run
from smiletrack.engine.settings.train_detector import TrainDetectorConfig
from smiletrack.errors import InputError
from smiletrack.image_tensors import to_input
from smiletrack.training.loop import FitResult, fit
from smiletrack.training.recipe import Evaluation, Recipe
from smiletrack.training.runtime import Runtime, start_runtime
from smiletrack.weights import load_weights

_RECOVERY_IMAGES = 64
"""Images from which the statistics of folded batch norm are taken."""


def train_detector(config: TrainDetectorConfig) -> FitResult:
    """Train as `config` says; the run folder holds the config, the curves and the weights."""
    folder = Path(config.output)
    with start_runtime(config.device, config.seed, config.deterministic, config.threads) as runtime:
        train, val = (config.train, config.val) if config.train else runtime.peers.main_first(demo_world)
        labels = read_labelled(train, config.min_visibility, config.train_step, config.image_root)
        judged = read_labelled(val, config.min_visibility, config.val_step, config.image_root)
        if judged.class_names != labels.class_names:
            raise InputError(f"val: has the classes {judged.class_names}, train has {labels.class_names}")
        network = _network_config(config, labels.class_names)
        net = build_detector(network)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = config.norm_momentum
        notes = [*_summary(labels, "train"), *_summary(judged, "val")]
        if config.weights and not config.resume:
            notes.append(_take_weights(net, config.weights, network.class_names))

        def begin() -> None:
            start_run(folder, config, "train_detector")
            say(*notes)

        training = _Training(config, network, net, labels, judged, runtime)
        if not config.resume and (number := training.recover_norms()):
            notes.append(
                f"{config.weights}: batch norm was folded away; {number} layers have statistics of images again"
            )
        recipe = Recipe(
            network=net,
            loss=training.loss,
            batches=training.batches,
            evaluate=training.evaluate,
            monitor="AP",
            metadata={KEY: json.dumps(dataclasses.asdict(network))},
        )
        return fit(
            recipe,
            config.fit,
            folder,
            runtime=runtime,
            resume=config.resume,
            overwrite=config.overwrite,
            begin=begin,
        )


def _network_config(config: TrainDetectorConfig, class_names: tuple[str, ...]) -> DetectorConfig:
    """Return the network's configuration, with the classes of the data."""
    network = dataclasses.replace(config.network, class_names=class_names)
    if config.weights and network.input == ImageFormat():
        # colours and normalisation are the weights', unless the configuration says otherwise
        network = dataclasses.replace(network, input=load_detector_network(Path(config.weights))[1].input)
    return network


class _Training:
    """Batches, loss and judgement of a run."""

    def __init__(
        self,
        config: TrainDetectorConfig,
        network: DetectorConfig,
        net: Detector,
        labels: LabelledImages,
        judged: LabelledImages,
        runtime: Runtime,
    ) -> None:
        self.config, self.network, self.runtime = config, network, runtime
        self.net, self.labels, self.judged = net, labels, judged
        self.images = ScaledImages(labels.paths, network.size, config.cache)
        self.stride = max(net.strides)
        self.criterion = build_loss(net, config.loss).to(runtime.device)

    def recover_norms(self) -> int:
        """Find the statistics of batch norm that weights come without; return the number of such layers."""
        if not folded_norms(self.net):
            return 0
        device = self.runtime.device
        batches = islice(self.batches(0), max(1, -(-_RECOVERY_IMAGES // self.config.batch_size)))
        images = (to_input(frames.to(device), self.network.input) for frames, _ in batches)
        return recover_norms(self.net.to(device), images)

    def batches(self, epoch: int) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return the batches of an epoch; the last epochs are plain."""
        config = self.config
        closing = epoch >= config.fit.epochs - config.closing_epochs
        if hasattr(self.criterion, "use_l1"):
            self.criterion.use_l1 = closing and config.closing_epochs > 0
        augment = dataclasses.replace(config.augment, mosaic=0.0) if closing else config.augment
        dataset = DetectionDataset(self.labels, self.images, augment, config.seed, epoch)
        return detection_loader(
            dataset,
            config.batch_size,
            config.epoch_length,
            config.workers,
            self.runtime.rank,
            self.runtime.world_size,
        )

    def loss(self, net: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss of a batch of (B, H, W, 3) uint8 frames and targets in pixels, with its parts."""
        frames, targets = batch
        images = to_input(frames, self.network.input)
        if self.config.multi_scale:
            images, targets = self._rescaled(images, targets)
        terms = self.criterion(net(images), targets)
        return terms.total, {"box": terms.box, "objectness": terms.objectness, "classes": terms.classes}

    def evaluate(self, net: nn.Module) -> Evaluation:
        """Return the figures on the validation images, and some of them with what the network finds there."""
        found, _ = detect_images(in_training(cast(Detector, net), self.network), self.judged, batch_size=8)
        figures = score_detections(self.judged, found, self.config.operating_score)
        return Evaluation(figures, prediction_pictures(self.judged, found))

    def _rescaled(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch at a random size, both sides multiples of the stride; drawn from torch's generator."""
        factor = 1 + self.config.multi_scale * (2 * torch.rand(()).item() - 1)
        height, width = (max(round(side * factor / self.stride), 1) * self.stride for side in self.network.size)
        scale_x, scale_y = width / images.shape[3], height / images.shape[2]
        images = functional.interpolate(images, (height, width), mode="bilinear", align_corners=False)
        targets = targets.clone()
        targets[:, 2::2] *= scale_x
        targets[:, 3::2] *= scale_y
        return images, targets


def _take_weights(net: Detector, file: str, names: Sequence[str]) -> str:
    """Copy what fits out of a weight file; return what was taken and what not. InputError where most does not fit.

    names: the network's classes; those that the file's network knows begin as they are there.
    """
    state, metadata = load_weights(Path(file))
    known = stored_config(metadata, Path(file)).class_names if KEY in metadata else ()
    classes = [find_class(name, known) for name in names]
    taken = transfer(net, state, classes, len(known))
    number = len(net.state_dict())
    if len(taken.loaded) < number / 2:
        raise InputError(
            f"weights: only {len(taken.loaded)} of {number} weights fit {file}, which is of another architecture; "
            "set network.architecture to its own or name other weights"
        )
    begun = [f"{name} begins as {known[c]}" for name, c in zip(names, classes, strict=True) if c is not None]
    return "; ".join([f"{file}: {taken}", *(begun if tuple(known) != tuple(names) else [])])


def _summary(labels: LabelledImages, name: str) -> list[str]:
    """Return a line that counts images and boxes, and says what is left out, and what is to be told of the files."""
    without = int((area(labels.boxes) <= 0).sum())
    ignored = int(labels.ignored.sum()) - without
    empty = len(labels) - len(np.unique(labels.image_indices))
    targets = len(labels.boxes) - ignored - without
    line = f"{name}: {len(labels)} images, {targets} boxes of {', '.join(labels.class_names)}"
    notes = ((empty, "images without boxes"), (ignored, "boxes ignored"), (without, "boxes without area left out"))
    line = "; ".join([line, *(f"{count} {what}" for count, what in notes if count)])
    return [line, *(f"{name}: {note}" for note in labels.notes)]
