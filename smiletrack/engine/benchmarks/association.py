"""`smiletrack benchmark association`: boxes in, tracks out, against the trackers of roboflow's `trackers`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from smiletrack.config import load_config, preset_file
from smiletrack.data.splits import Split
from smiletrack.engine.benchmarks.timing import Timing, alternate, print_timings
from smiletrack.engine.inputs.sequence_inputs import SequenceInputConfig, sequence_inputs
from smiletrack.files import write_json
from smiletrack.lazy import LazyModule, require_modules
from smiletrack.ranges import Checked, PositiveCount
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections

supervision, trackers = LazyModule("supervision"), LazyModule("trackers")

Sequences = list[list[Detections]]


@dataclass(frozen=True)
class AssociationBenchmarkConfig(Checked):
    """Time the association, boxes in and tracks out, against the trackers of PyPI's `trackers`: medians of alternating
    turns.

    Reads stored detections, without --data those of the generated crowd. Prints CPU seconds and their ratio; --json
    writes the time of every turn. The peer comes with `pip install 'smiletrack[bench]'`.

      smiletrack benchmark association                                   # ByteTrack, on the generated crowd
      smiletrack benchmark association --data datasets/MOT17/train --split val_half --detections yolox_x
      smiletrack benchmark association --embedding-size 128              # with appearance
    """

    data: str = ""
    """Folder of MOTChallenge sequences; empty = the generated crowd."""
    split: Split = "all"
    """Frames to track, renumbered from 1."""
    detections: str = "det"
    """Name of the stored detections, <seq>/det/NAME.txt."""
    sequences: tuple[str, ...] = ()
    """Names of the sequences; empty = all."""
    tile: Annotated[int, Ge(1), Le(1000)] = 1
    """Copies of every frame side by side, for a denser crowd from the same detections."""
    embedding_size: Annotated[int, Ge(0), Le(65536)] = 0
    """Dimension of random embeddings, with which botsort-reid is compared with the peer's BoT-SORT, which has no Re-ID
    and so does less; 0 = no embeddings, and bytetrack against the peer's ByteTrack."""
    rounds: PositiveCount = 5
    """Number of turns of each contestant."""
    json: str = ""
    """JSON file for the CPU seconds of every turn; empty = none."""


def benchmark_association(config: AssociationBenchmarkConfig) -> Timing:
    """Time the contestants, print the table, return the timings; only `update` calls are inside the clock."""
    require_modules("trackers")
    given = SequenceInputConfig(
        data=config.data, split=config.split, detections=config.detections, sequences=config.sequences
    )
    sequences = [[tiled(seen, config.tile) for seen in sequence.frames()] for sequence in sequence_inputs(given)]
    if config.embedding_size:
        sequences = with_random_embeddings(sequences, config.embedding_size)
    preset = "botsort-reid" if config.embedding_size else "bytetrack"
    ours = load_config(TrackerConfig, preset_file("tracker", preset))
    peer = partial(trackers.BoTSORTTracker, enable_cmc=False) if config.embedding_size else trackers.ByteTrackTracker
    peer_sequences = [[_supervised(seen) for seen in sequence] for sequence in sequences]
    peer_name = f"trackers' {'BoT-SORT' if config.embedding_size else 'ByteTrack'}"
    timing = alternate(
        {
            f"smiletrack {preset}": partial(_run, partial(Tracker, ours), sequences),
            peer_name: partial(_run, peer, peer_sequences),
        },
        config.rounds,
    )
    num_frames = sum(len(sequence) for sequence in sequences)
    num_boxes = sum(len(seen) for sequence in sequences for seen in sequence)
    case = f"{num_boxes / max(num_frames, 1):.0f} detections a frame"
    print_timings({case: timing}, f"Association, {num_frames} frames", {case: num_frames})
    if config.json:
        write_json(config.json, {name: list(turns) for name, turns in timing.seconds.items()})  # type: ignore[arg-type]
    return timing


def tiled(detections: Detections, copies: int) -> Detections:
    """Return the detections `copies` times, side by side without overlap between the copies."""
    if copies == 1 or not len(detections):
        return detections
    step = np.ceil(detections.boxes[:, 2].max() / 1000 + 1) * 1000
    offsets = np.repeat(np.arange(copies) * step, len(detections))[:, None] * [1, 0, 1, 0]
    return Detections(np.tile(detections.boxes, (copies, 1)) + offsets, np.tile(detections.scores, copies))


def with_random_embeddings(sequences: Sequences, size: int) -> Sequences:
    """Give every box a random unit vector of `size` numbers; the work does not depend on what they say."""
    rng = np.random.default_rng(0)
    answer = []
    for sequence in sequences:
        vectors = [rng.standard_normal((len(seen), size)) for seen in sequence]
        answer.append(
            [
                Detections(seen.boxes, seen.scores, rows / np.linalg.norm(rows, axis=1, keepdims=True))
                for seen, rows in zip(sequence, vectors, strict=True)
            ]
        )
    return answer


def _supervised(detections: Detections) -> Any:
    boxes, scores = detections.boxes.astype(np.float32), detections.scores.astype(np.float32)
    return supervision.Detections(xyxy=boxes, confidence=scores)


def _run(make: Callable[[], Any], sequences: Iterable[Iterable[Any]]) -> None:
    for sequence in sequences:
        tracker = make()
        for detections in sequence:
            tracker.update(detections)
