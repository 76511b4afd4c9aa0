"""Make a world: training, validation and scripted sequences with pictures, as MOTChallenge folders."""

import dataclasses
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le

from smiletrack.child_processes import leave_with_parent
from smiletrack.config import save_config
from smiletrack.console import progress, say
from smiletrack.data.synthetic import SITUATIONS, known_scene, random_scenes
from smiletrack.data.world.config import SceneConfig, SyntheticDetectorConfig
from smiletrack.data.world.scene import Scene
from smiletrack.data.world.writing import is_made, render_sequence
from smiletrack.engine.run_folders.shards import SharedJob
from smiletrack.errors import InputError
from smiletrack.lazy import LazyModule
from smiletrack.ranges import Checked, Seed

cv2 = LazyModule("cv2")

_VERSION = 1  # of the drawing: sequences made by another version are made again


@dataclass(frozen=True)
class MakeWorldConfig(Checked):
    """Render a synthetic street with known answers: MOTChallenge folders with images, truth, detections, camera motion.

    Writes OUTPUT/train, OUTPUT/val (other people, other streets) and OUTPUT/known (scripted situations), each <seq>/
    with seqinfo.ini, img1, gt/gt.txt, det/det.txt, gmc/gmc.txt and known.json. The same seed gives the same bytes;
    finished sequences are left alone, unfinished ones are rendered again.

      smiletrack make-world
      smiletrack make-world --config world/tiny --output datasets/tiny
      smiletrack make-world --config world/crowd --output datasets/crowd --seed 3
      smiletrack make-world --output datasets/night scene.light=0.5 scene.people=20 detector.false_alarms=2
    """

    output: str = "datasets/world"
    """Folder for the world; train/, val/ and known/ are made in it."""
    seed: Seed = 0
    """Seed of all random numbers; the same seed gives the same bytes."""
    train_sequences: Annotated[int, Ge(0), Le(10_000)] = 6
    """Number of sequences in train/."""
    val_sequences: Annotated[int, Ge(0), Le(10_000)] = 3
    """Number of sequences in val/."""
    situations: tuple[str, ...] = tuple(SITUATIONS)
    """Scripted situations in known/: swap, lookalike, absent25, absent40, figure8."""
    quality: Annotated[int, Ge(1), Le(100)] = 92
    """Quality of the JPEG files."""
    workers: Annotated[int, Ge(1), Le(1024)] = 2
    """Number of processes that draw sequences."""
    scene: SceneConfig = field(default_factory=SceneConfig)
    """The street and the people in it."""
    detector: SyntheticDetectorConfig = field(default_factory=SyntheticDetectorConfig)
    """Errors of the detections in det/det.txt. Scripted situations have perfect detections."""

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.situations if name not in SITUATIONS]
        if unknown:
            raise ValueError(f"situations: {unknown[0]!r} is not known; there are {', '.join(SITUATIONS)}")


@dataclass(frozen=True)
class _Job:
    """One sequence to draw."""

    folder: Path
    scene: Scene
    detector: SyntheticDetectorConfig
    recipe: dict[str, Any]
    quality: int

    def __call__(self) -> int:
        cv2.setNumThreads(1)
        render_sequence(self.scene, self.detector, self.folder, self.recipe, self.quality)
        return self.scene.config.length


def make_world(config: MakeWorldConfig) -> Path:
    """Make every sequence that is not there yet and return the folder; finished ones are left as they are."""
    root = Path(config.output)
    jobs = [job for job in _jobs(config) if not is_made(job.folder, job.recipe)]
    try:
        root.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        with SharedJob(root, "make-world", None).running(config, lambda: None):  # nobody else beside it
            if jobs:
                (root / "world.yaml").unlink(missing_ok=True)  # it says that all of the world is there
            frames = sum(_run(jobs, config.workers))
            save_config(config, root / "world.yaml")
    except OSError as error:
        raise InputError(f"{root}: cannot be written ({error.strerror})") from None
    spent_s = time.perf_counter() - start
    made = f"{len(jobs)} sequences, {frames} frames in {spent_s:.1f} s" if jobs else "nothing to do, all is there"
    say(f"{root}: {made}")
    return root


def _jobs(config: MakeWorldConfig) -> Iterator[_Job]:
    """Yield the sequences to make, each with the recipe by which a finished one is recognised."""
    split_scenes = {
        "train": random_scenes("TRAIN", config.scene, config.seed, config.train_sequences),
        "val": random_scenes("VAL", config.scene, config.seed, config.val_sequences),
        "known": [known_scene(name, config.seed) for name in config.situations],
    }
    for split, scenes in split_scenes.items():
        detector = SyntheticDetectorConfig.perfect() if split == "known" else config.detector
        for scene in scenes:
            recipe = {
                "version": _VERSION, "name": scene.name, "seed": config.seed, "quality": config.quality,
                "moving": bool(scene.path.std(0).max() > 0), "scene": dataclasses.asdict(scene.config),
                "detector": dataclasses.asdict(detector),
            }  # fmt: skip
            yield _Job(Path(config.output) / split / scene.name, scene, detector, recipe, config.quality)


def _run(jobs: list[_Job], workers: int) -> Iterator[int]:
    """Draw, several at a time where asked; yield the number of frames of each finished sequence."""
    if workers == 1 or len(jobs) < 2:
        yield from _shown((job() for job in jobs), len(jobs))
        return
    # spawned, not forked: the parent may have threads
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), spawning, leave_with_parent) as pool:
        yield from _shown(pool.map(_Job.__call__, jobs), len(jobs))


def _shown(finished: Iterable[int], total: int) -> Iterable[int]:
    return progress(finished, "drawing the world", total)
