"""Worlds with a known answer: boxes and detections in an instant, pictures where they are wanted.

    for sequence in crowd_sequences(seed=0):            # truth, detections and appearance vectors, no pictures
        sequence.truth, sequence.detections, sequence.embeddings
    sequence = known_sequence("swap")                   # a scripted situation; sequence.answers tells what is right

The scene decides everything (`world.scene`): who walks where, what they wear, how the camera moves. Pictures are an
optional layer over it (`world.renderer`); without them only the visible shares are estimated instead of counted.
"""

from dataclasses import replace

from smiletrack.data.world.camera import Ground, camera_path
from smiletrack.data.world.config import SceneConfig, SyntheticDetectorConfig
from smiletrack.data.world.layout import Layout
from smiletrack.data.world.people import draw_looks
from smiletrack.data.world.scene import Scene, generator, random_scene
from smiletrack.data.world.sequence import WorldSequence, observe
from smiletrack.data.world.situations import HIDDEN_FRAMES, SITUATIONS, Stage
from smiletrack.errors import InputError

CROWD = SceneConfig(width=1280, height=720, length=300, people=16, lookalikes=0.25, swaps=2)
"""The crowd that the commands work on when no data is given."""


def crowd_sequences(
    config: SceneConfig = CROWD, seed: int = 0, detector: SyntheticDetectorConfig | None = None, number: int = 3
) -> list[WorldSequence]:
    """Return `number` sequences CROWD-01, CROWD-02 ... without pictures; the same for the same arguments."""
    scenes = random_scenes("CROWD", config, seed, number)
    return [observe(scene, detector or SyntheticDetectorConfig()) for scene in scenes]


def random_scenes(prefix: str, config: SceneConfig, seed: int, number: int) -> list[Scene]:
    """Return scenes PREFIX-01, PREFIX-02 ...; the last `moving_cameras` share of them is filmed by a moving camera."""
    standing = number - round(config.moving_cameras * number)
    return [
        random_scene(f"{prefix}-{index + 1:02d}", config, seed, moving=index >= standing) for index in range(number)
    ]


def known_scene(situation: str, seed: int = 0, config: SceneConfig | None = None) -> Scene:
    """Return the scene of one scripted situation (a key of `SITUATIONS`): nobody else, a camera that stands still."""
    if situation not in SITUATIONS:
        raise InputError(f"situation: {situation!r} is not known; there are {', '.join(SITUATIONS)}")
    config = config or replace(SceneConfig(), length=120, people=0, distractors=False, occluders=False)
    rng = generator(seed, situation)
    ground = Ground.of(config)
    z = float(rng.uniform(1.3, 1.6) * ground.nearest)
    stage = Stage(float(rng.uniform(-0.5, 0.5)), z, config.length // 2, config.length, config.frame_rate)
    actors, answer = SITUATIONS[situation](stage, iter(draw_looks(20, 0.0, rng)))
    wall = stage.wall(HIDDEN_FRAMES[situation])
    depth = config.depth_m
    layout = Layout(ground.nearest, ground.nearest + 0.42 * (depth - ground.nearest),
                    ground.nearest + 0.7 * (depth - ground.nearest), depth, (-8.0, -4.5), (wall,))  # fmt: skip
    path = camera_path(config, False, rng)
    return Scene(f"KNOWN-{situation}", seed, config, ground, layout, path, actors, {situation: [answer]})


def known_sequence(situation: str, seed: int = 0, detector: SyntheticDetectorConfig | None = None) -> WorldSequence:
    """Return a scripted situation as seen by a detector without errors (or the given one).

    situation: swap, lookalike, absent25, absent40 or figure8; `world.situations` says what happens in each. People who
    are gone have no truth rows in those frames, so every truth row of a person is detected.
    """
    return observe(known_scene(situation, seed), detector or SyntheticDetectorConfig.perfect())


__all__ = [
    "CROWD",
    "SITUATIONS",
    "SceneConfig",
    "SyntheticDetectorConfig",
    "WorldSequence",
    "crowd_sequences",
    "known_scene",
    "known_sequence",
    "random_scenes",
]  # fmt: skip
