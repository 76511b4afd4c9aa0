"""Detections in, result files in MOTChallenge format out: one tracker a sequence, timed."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Lt

from smiletrack.config import altered, nearest
from smiletrack.console import say
from smiletrack.data.mot import write_results
from smiletrack.data.strides import frames_of, looks_of
from smiletrack.data.truth import write_class_names
from smiletrack.engine.inputs.score_maps import read_score_map, score_map_file
from smiletrack.engine.inputs.sequence_inputs import SequenceInput, sequence_inputs, sequence_names
from smiletrack.engine.run_folders.folder import set_aside, start_run, until_whole
from smiletrack.engine.run_folders.shards import ShardConfig, SharedJob, this_shard
from smiletrack.engine.settings.sequence_input import SequenceInputConfig
from smiletrack.engine.warm_up import warm_up
from smiletrack.errors import InputError
from smiletrack.files import read_json, write_json
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.interpolation import InterpolationConfig, interpolate
from smiletrack.tracking.linking import LinkingConfig, link_tracks
from smiletrack.tracking.score_map import ScoreMap
from smiletrack.tracking.threshold_fit import threshold_doubt
from smiletrack.tracking.tracker import Skipped, Tracker, default_config
from smiletrack.types import Ints, Tracks, TrackTable

_PARTS = (
    "tracks",
    "identified",
    "timing.json",
    "labels.txt",
    "config.yaml",
    "environment.json",
    "summary.json",
    "classes.json",
)
"""What a run is, in its folder, with the figures that `smiletrack eval` found; caches and pages beside it are not."""


@dataclass(frozen=True)
class TrackConfig(SequenceInputConfig, ShardConfig):
    """Track the objects of sequences, videos or a camera.

    Reads MOTChallenge sequences (ROOT/<seq>/ with seqinfo.ini, det/NAME.txt, gmc/gmc.txt), or frames for which a
    detector and a similarity network are named. Writes OUTPUT/tracks/<seq>.txt in MOTChallenge format, and beside it
    the whole configuration, the environment and the time it took. Without --data or --source it tracks a generated
    crowd.

      smiletrack track
      smiletrack track --data datasets/MOT17/train --split val_half --detections yolox_x --tracker bytetrack
      smiletrack track --source street.mp4 --detector yolox_nano.onnx --slm runs/slm/model.safetensors
      smiletrack track --data datasets/MOT17/train --split val --detections yolox_x --tracker botsort \\
          --camera-motion file --output runs/botsort tracker.first.max_cost=0.7 interpolation.method=linear
      smiletrack track --data datasets/MOT17/train --split val --detections yolox_x --slm slm.safetensors --link \\
          interpolation.method=linear
      torchrun --nproc-per-node 8 -m smiletrack track --data datasets/MOT20/train --detector yolox-x.safetensors

    Presets: bytetrack, botsort, botsort-reid, ocsort, sort, deepsort, strongsort, boosttrack, tracktrack, hybridsort,
    deepocsort, fasttracker, smiletrack, smiletrack-motion, smiletrack-paper, smiletrack-released.
    """

    tracker: TrackerConfig = field(default_factory=default_config)
    """Tracker: a preset of configs/tracker, a YAML file, or keys tracker.*=... on top of the preset smiletrack."""

    sequence_tracker: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Changes of `tracker` for single sequences by name, such as {MOT17-05-FRCNN: {life: {max_lost: 14}}} in the
    original scripts of ByteTrack and BoT-SORT."""

    score_map: str = "auto"
    """Map of the detector's scores to those that thresholds are made for (`smiletrack calibrate`). auto: the one beside
    the detections or the detector, if there is one and tracker.split.rescale is on. none. Or a file, for any
    tracker."""

    link: bool = False
    """Offline: split and link finished tracks by their appearance, before interpolation; needs embeddings."""

    linking: LinkingConfig = field(default_factory=LinkingConfig)
    """How `link` does it."""

    interpolation: InterpolationConfig = field(default_factory=InterpolationConfig)
    """Offline post-processing of finished tracks."""

    all_detections: bool = False
    """Write OUTPUT/identified/<seq>.txt too: every detection in the order of its file, with the identity that it got in
    column 2, -1 for none."""

    first_identity: Annotated[int, Ge(0), Lt(2**53)] = 1
    """Number of the first identity in each sequence; runs on several cameras may begin at 1, 100001 ..."""

    output: str = "runs/track"
    """Run folder for tracks/<seq>.txt, labels.txt (names of the detector's classes), timing.json, config.yaml and
    environment.json."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shard and self.source:
            raise ValueError("shard: one source of frames is not shared; it is for the sequences of `data`")


@dataclass(frozen=True, eq=False)
class TrackedSequence:
    """What tracking one sequence gave. num_frames: that were looked at. seconds: wall time by stage.

    identities: (N,) of all detections, frame after frame in the order they were given; -1 for none.
    """

    table: TrackTable
    num_frames: int
    seconds: dict[str, float]
    skipped: Skipped
    identities: Ints


def track(config: TrackConfig) -> Path:
    """Track every sequence asked for; return the run folder. Each result file is written as soon as it is ready.

    As one shard of several, it tracks what the others have not and are not at.
    """
    names = sequence_names(config)
    for name in config.sequence_tracker:
        if name not in names:
            raise InputError(f"sequence_tracker.{name}: no such sequence{nearest(name, names)}")
    _score_map(config, config.tracker)  # one that cannot be read is told before anything is written
    run = Path(config.output)
    shard = None if config.source else this_shard(config.shard)
    job = SharedJob(run, "track", shard)

    def done(name: str) -> bool:
        return _result_file(run, name).exists()

    inputs: Iterable[SequenceInput] = sequence_inputs(config, run / "detections", lambda all: job.claimed(all, done))
    if shard is None and not config.needs_frames:
        inputs = list(inputs)  # stored files are all read, and found good, before anything is written
    timing: dict[str, Any] = {}
    with job.running(config, lambda: _begin(run, config)):
        warm_up()
        with until_whole(run, _PARTS, lambda: all(map(done, names)), alone=shard is None):
            for sequence in inputs:
                timing[sequence.name] = _track_into(run, sequence, config, job)
    _summary(timing, run)
    if shard is not None:
        left = [name for name in names if not done(name)]
        say(f"{len(names) - len(left)} of {len(names)} sequences are done; other processes have {len(left)}")
    return run


def _begin(run: Path, config: TrackConfig) -> None:
    """Make the run folder this configuration's: what is in it of an earlier run is set aside."""
    set_aside(run, _PARTS)
    with until_whole(run, _PARTS, lambda: False):  # a full disk gives the earlier run back
        start_run(run, replace(config, shard=""), "track")


def _result_file(run: Path, name: str) -> Path:
    return run / "tracks" / f"{name}.txt"


def _track_into(run: Path, sequence: SequenceInput, config: TrackConfig, job: SharedJob) -> dict[str, Any]:
    """Track one sequence, write the time it took and then its result file, and return the former."""
    say(*sequence.notes)
    if config.link and not sequence.embeddings.any():
        say(f"{sequence.name}: no embeddings, so no tracks are linked")
    settings = altered(config.tracker, config.sequence_tracker.get(sequence.name, {}))
    score_map = _score_map(config, settings)
    if score_map:
        settings = altered(settings, {"split": {"rescale": False}})
    else:
        seen, frames = sequence.all_frames()
        doubt = threshold_doubt(settings, looks_of(frames, sequence.stride), seen.boxes, seen.scores)
        say(*([f"{sequence.name}: {doubt}"] if doubt else []))
    tracker = Tracker(settings, sequence.frame_rate)
    linking = config.linking if config.link else None
    result = track_sequence(tracker, sequence, config.first_identity, linking, score_map)
    file = _result_file(run, sequence.name)
    seconds = sequence.seconds | result.seconds
    entry = {"frames": result.num_frames, "seconds": seconds, "apart": sequence.apart}
    with job.lock("timing"):
        times = run / "timing.json"
        write_json(times, (read_json(times) if times.exists() else {}) | {sequence.name: entry})
    write_class_names(run / "labels.txt", sequence.class_names)
    if config.all_detections:
        _write_identified(run / "identified" / f"{sequence.name}.txt", sequence, result.identities)
    write_results(file, interpolate(result.table, config.interpolation))
    say(_line(sequence.name, result), *(f"  {problem}" for problem in sequence.problems))
    return entry


def _score_map(config: TrackConfig, tracker: TrackerConfig) -> ScoreMap | None:
    """Return the map that a tracker's scores go through; see `TrackConfig.score_map`."""
    if config.score_map != "auto":
        return read_score_map(Path(config.score_map)) if config.score_map != "none" else None
    file = score_map_file(config) if tracker.split.rescale else None
    return read_score_map(file) if file and file.is_file() else None


def _write_identified(file: Path, sequence: SequenceInput, identities: Ints) -> None:
    """Write all detections of a sequence in the order of their file, with their identities."""
    table = sequence.detections
    ids = np.full(len(table), -1)
    ids[np.argsort(table.frames, kind="stable")] = identities  # which are in the order of frames
    write_results(file, TrackTable(table.frames, ids, table.boxes, table.scores, table.classes), decimals=4)


def track_sequence(
    tracker: Tracker,
    sequence: SequenceInput,
    first_identity: int = 1,
    linking: LinkingConfig | None = None,
    score_map: ScoreMap | None = None,
) -> TrackedSequence:
    """Run `tracker` over a whole sequence, and link its tracks where `linking` says how; only their time is counted.

    score_map: the detector's scores go through it first; tracks have the scores that come out.
    """
    seen, frames = sequence.all_frames()
    start = time.perf_counter()
    stride, looks = sequence.stride, looks_of(frames, sequence.stride)
    weighed = replace(seen, scores=score_map.common(seen.scores)) if score_map else seen
    table, rows = tracker.run_with_rows(weighed, looks, sequence.num_looks, sequence.warps, stride)
    seconds = {"association": time.perf_counter() - start}
    if linking:
        start = time.perf_counter()
        table = link_tracks(table, seen.embeddings[rows], sequence.frame_rate / stride, sequence.warps, linking)
        seconds["linking"] = time.perf_counter() - start
    table = replace(table, frames=frames_of(table.frames, stride), ids=table.ids + (first_identity - 1))
    identities = np.full(len(seen), -1)
    identities[rows] = table.ids
    return TrackedSequence(table, sequence.num_looks, seconds, tracker.skipped, identities)


def join_tracks(tracks: list[Tracks]) -> TrackTable:
    """Return the tracks of frames 1, 2, ... as one table."""
    frames = np.repeat(np.arange(1, len(tracks) + 1), [len(t) for t in tracks])
    if not len(frames):
        return TrackTable(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))
    columns = {
        name: np.concatenate([getattr(t, name) for t in tracks]) for name in ("ids", "boxes", "scores", "classes")
    }
    return TrackTable(frames=frames, **columns)


def _line(name: str, result: TrackedSequence) -> str:
    """One line about a sequence: how much, how fast, what was left out."""
    seconds, skipped = result.seconds["association"], result.skipped
    line = f"{name}: {result.num_frames} frames, {len(np.unique(result.table.ids))} tracks, {len(result.table)} boxes"
    if seconds:
        line += f", {result.num_frames / seconds:.0f} frames/s"
    notes = (
        (skipped.detections, "detections without area skipped"),
        (skipped.embeddings, "unusable embeddings ignored"),
        (skipped.warps, "unusable camera warps ignored"),
    )
    return line + "".join(f"; {count} {note}" for count, note in notes if count)


def _summary(timing: dict[str, Any], run: Path) -> None:
    """Print the speed of all stages together, as the paper counts it, and stage by stage."""
    frames = sum(entry["frames"] for entry in timing.values())
    stages: dict[str, float] = {}
    for entry in timing.values():
        for stage, seconds in (entry["seconds"] | entry["apart"]).items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    counted = sum(seconds for entry in timing.values() for seconds in entry["seconds"].values())
    rates = {stage: frames / seconds for stage, seconds in stages.items() if seconds > 0}
    rate = f"{frames / counted:.0f} frames/s of {' + '.join(next(iter(timing.values()))['seconds'])}" if counted else ""
    say(f"{len(timing)} sequences, {frames} frames, {rate or 'no frames'} -> {run}")
    if len(rates) > 1:
        say("by stage, frames/s: " + ", ".join(f"{stage} {value:.0f}" for stage, value in rates.items()))
