"""A street of people in plain colours, and a training of an SLM on it that takes a second."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np

from smiletrack.data.reid.batches import AugmentConfig
from smiletrack.engine.settings.train_slm import TrainSLMConfig
from smiletrack.slm.config import SLMConfig
from smiletrack.training.config import FitConfig

NETWORK = SLMConfig(
    width=16, height=32, patch_width=8, patch_height=16, channels=(4, 8, 8), depths=(0, 0), d_k=4, d_v=4, embedding=8
)
NUM_PEOPLE, NUM_FRAMES, SIZE = 5, 24, (24, 48)


def make_street(folder: Path) -> Path:
    """Write a MOTChallenge sequence of people as rectangles, each with trousers and jacket of a colour of their own."""
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (NUM_PEOPLE, 2, 3))
    rows = []
    width, height = 40 * NUM_PEOPLE, 80
    for frame in range(1, NUM_FRAMES + 1):
        image = rng.integers(90, 150, (height, width, 3), dtype=np.uint8)
        for person in range(NUM_PEOPLE):
            x, y = 40 * person + int(rng.integers(0, 12)), int(rng.integers(5, 25))
            image[y : y + 24, x : x + 24], image[y + 24 : y + 48, x : x + 24] = colours[person]
            rows.append(f"{frame},{person + 1},{x + 1},{y + 1},24,48,1,1,1.0")
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), image)
    (folder / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname=TINY-01\nimDir=img1\nframeRate=10\nseqLength={NUM_FRAMES}\n"
        f"imWidth={width}\nimHeight={height}\nimExt=.png\n"
    )
    return folder


def settings(street: Path, folder: Path, **changes: object) -> TrainSLMConfig:
    config = TrainSLMConfig(
        train=(str(street),),
        val=(f"{street}@all",),
        output=str(folder / "run"),
        cache=str(folder / "crops"),
        network=NETWORK,
        augment=AugmentConfig(erase=0, occlude=0, colour=0),
        identities_per_batch=4,
        batches_per_epoch=20,
        val_step=2,
        workers=0,
        fit=FitConfig(epochs=2, learning_rate=1e-2),
        device="cpu",
        seed=1,
    )
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]
