"""`smiletrack benchmark association`: boxes in, tracks out, against the trackers of other packages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le

from smiletrack.config import load_config, preset_file
from smiletrack.console import say
from smiletrack.data.splits import Split
from smiletrack.engine.benchmarks.timing import Timing, alternate, print_timings
from smiletrack.engine.inputs.sequence_inputs import sequence_inputs
from smiletrack.engine.settings.sequence_input import SequenceInputConfig
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.lazy import LazyModule
from smiletrack.ranges import Checked, PositiveCount
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker
from smiletrack.types import Detections

supervision, trackers = LazyModule("supervision"), LazyModule("trackers")
pyxtrackers, trackforge, visiontrack = (
    LazyModule("pyxtrackers"),
    LazyModule("trackforge"),
    LazyModule("visiontrack_cpp"),
)

Sequences = list[list[Detections]]


@dataclass(frozen=True)
class AssociationBenchmarkConfig(Checked):
    """Time the association, boxes in and tracks out, against the trackers of other packages: medians of alternating
    turns.

    Reads stored detections, without --data those of the generated crowd. Prints CPU seconds and their ratio; --json
    writes the time of every turn. Both ways into a tracker are timed, frame by frame (update) and a sequence at once
    (run), and every contestant is given arrays of boxes and scores. The peers come with `pip install
    'smiletrack[bench]'`.

      smiletrack benchmark association                                   # ByteTrack, on the generated crowd
      smiletrack benchmark association --against all --data datasets/MOT17/train --split val_half --detections yolox_x
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
    against: Literal["trackers", "pyxtrackers", "trackforge", "visiontrack-cpp", "all"] = "trackers"
    """Package to compare with; all = those that are installed. With embeddings only `trackers` and `trackforge`."""
    tile: Annotated[int, Ge(1), Le(1000)] = 1
    """Copies of every frame side by side, for a denser crowd from the same detections."""
    embedding_size: Annotated[int, Ge(0), Le(65536)] = 0
    """Dimension of random embeddings, with which botsort-reid is compared with the peers' BoT-SORT, of which that of
    `trackers` has no Re-ID and so does less; 0 = no embeddings, and bytetrack against the peers' ByteTrack."""
    rounds: PositiveCount = 5
    """Number of turns of each contestant."""
    json: str = ""
    """JSON file for the CPU seconds of every turn; empty = none."""


def benchmark_association(config: AssociationBenchmarkConfig) -> Timing:
    """Time the contestants, print the table, return the timings."""
    peers = _peers(config)
    given = SequenceInputConfig(
        data=config.data, split=config.split, detections=config.detections, sequences=config.sequences
    )
    sequences = [[tiled(seen, config.tile) for seen in sequence.frames()] for sequence in sequence_inputs(given)]
    if config.embedding_size:
        sequences = with_random_embeddings(sequences, config.embedding_size)
    contestants: dict[str, Callable[[], object]] = {}
    for preset in ("botsort-reid" if config.embedding_size else "bytetrack", "smiletrack"):
        ours = load_config(TrackerConfig, preset_file("tracker", preset))
        contestants[f"smiletrack {preset}, update"] = partial(_update, ours, sequences)
        contestants[f"smiletrack {preset}, run"] = partial(_run, ours, sequences)
    for name, peer in peers.items():
        contestants[name] = partial(_track_all, peer, sequences)
    timing = alternate(contestants, config.rounds)
    num_frames = sum(len(sequence) for sequence in sequences)
    num_boxes = sum(len(seen) for sequence in sequences for seen in sequence)
    case = f"{num_boxes / max(num_frames, 1):.0f} detections a frame"
    print_timings({case: timing}, f"Association, {num_frames} frames", {case: num_frames})
    if config.json:
        write_json(config.json, {name: list(turns) for name, turns in timing.seconds.items()})  # type: ignore[arg-type]
    return timing


def _update(config: TrackerConfig, sequences: Sequences) -> None:
    for sequence in sequences:
        tracker = Tracker(config)
        for seen in sequence:
            tracker.update(Detections(seen.boxes, seen.scores, seen.embeddings))


def _run(config: TrackerConfig, sequences: Sequences) -> None:
    for sequence in sequences:
        columns = (np.concatenate([getattr(seen, name) for seen in sequence]) for name in _COLUMNS)
        frames = np.repeat(np.arange(1, len(sequence) + 1), [len(seen) for seen in sequence])
        Tracker(config).run(Detections(*columns), frames, len(sequence))


_COLUMNS = ("boxes", "scores", "embeddings")

Update = Callable[[Detections], object]
"""A peer's tracker of one sequence, told by what it does with a frame."""


def _track_all(make: Callable[[], Update], sequences: Iterable[Iterable[Detections]]) -> None:
    for sequence in sequences:
        update = make()
        for seen in sequence:
            update(seen)


def _of_trackers(name: str, **settings: Any) -> Update:
    tracker = getattr(trackers, name)(**settings)
    return lambda seen: tracker.update(
        supervision.Detections(xyxy=seen.boxes.astype(np.float32), confidence=seen.scores.astype(np.float32))
    )


def _of_pyxtrackers() -> Update:
    tracker = pyxtrackers.BYTETracker(track_thresh=0.6, match_thresh=0.9, track_buffer=30)
    return lambda seen: tracker.update(np.column_stack((seen.boxes, seen.scores)))


def _of_trackforge(name: str, **settings: Any) -> Update:
    """Return the ByteTrack or, where detections have embeddings, a tracker that takes them."""
    tracker = getattr(trackforge, name)(**settings)

    def update(seen: Detections) -> object:
        boxes_xywh = np.column_stack((seen.boxes[:, :2], seen.boxes[:, 2:] - seen.boxes[:, :2])).tolist()
        looks = (seen.embeddings.tolist(),) if seen.embeddings.shape[1] else ()
        return tracker.update(
            [(box, score, 0) for box, score in zip(boxes_xywh, seen.scores.tolist(), strict=True)], *looks
        )

    return update


def _of_visiontrack() -> Update:
    tracker = visiontrack.ByteTracker(visiontrack.TrackerConfig())
    return lambda seen: tracker.update(seen.boxes, seen.scores)


_BYTETRACKS: dict[str, Callable[[], Update]] = {
    "trackers": partial(_of_trackers, "ByteTrackTracker"),
    "pyxtrackers": _of_pyxtrackers,
    "trackforge": partial(_of_trackforge, "BYTETRACK", track_thresh=0.6, match_thresh=0.9, det_thresh=0.7),
    "visiontrack-cpp": _of_visiontrack,
}
_BOTSORTS: dict[str, Callable[[], Update]] = {
    "trackers": partial(_of_trackers, "BoTSORTTracker", enable_cmc=False),
    "trackforge": partial(_of_trackforge, "BOTSORT"),
}
"""That of `trackers` has no Re-ID and so does less."""


def _peers(config: AssociationBenchmarkConfig) -> dict[str, Callable[[], Update]]:
    """Return the trackers to compare with; those that are not installed are named."""
    known = _BOTSORTS if config.embedding_size else _BYTETRACKS
    wanted = tuple(known) if config.against == "all" else (config.against,)
    if not set(wanted) <= set(known):
        raise InputError(f"against: with embeddings only {' and '.join(known)} are compared with")
    absent = [name for name in wanted if find_spec(name.replace("-", "_")) is None]
    if len(absent) == len(wanted):
        raise InputError("the peer is not installed: pip install 'smiletrack[bench]'")
    if absent:
        say(f"not installed, so not compared with: {', '.join(absent)}")
    kind = "BoT-SORT" if config.embedding_size else "ByteTrack"
    return {f"{name}' {kind}": known[name] for name in wanted if name not in absent}


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
