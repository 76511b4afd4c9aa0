"""Detections in, result files in MOTChallenge format out: one tracker a sequence, timed."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from rich.console import Console
from rich.progress import track as progress

from smiletrack.config import altered, nearest
from smiletrack.data.mot import (
    DetectionTable,
    list_sequences,
    read_detections,
    read_sequence_info,
    read_warps,
    write_results,
)
from smiletrack.data.splits import Split, cut, resolve_split, split_range
from smiletrack.data.synthetic import crowd_sequences
from smiletrack.engine.runs import start_run
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.tracking.association import solve
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.interpolation import InterpolationConfig, interpolate
from smiletrack.tracking.tracker import Skipped, Tracker, default_config
from smiletrack.types import Detections, Floats, Tracks, TrackTable


@dataclass(frozen=True)
class TrackConfig:
    """The command `tools/track.py`."""

    data: str = ""
    """Folder of MOTChallenge sequences, or one sequence; empty = the generated crowd."""

    split: Split = "all"
    """Frames to track, renumbered from 1; `val` is val_half where there is no validation folder."""

    sequences: tuple[str, ...] = ()
    """Names of sequences, separated by commas; empty = all."""

    detections: str = "det"
    """Which detections: <seq>/det/NAME.txt."""

    embeddings: str = ""
    """Folder with one <seq>.npz each, array `embeddings` (rows in the order of the detection file); empty = none."""

    camera_motion: Literal["none", "file"] = "none"
    """Where the camera's motion comes from; file: <seq>/gmc/gmc.txt."""

    tracker: TrackerConfig = field(default_factory=default_config)
    """Preset (configs/tracker), a YAML file, or keys tracker.*=... over the preset smiletrack."""

    sequence_tracker: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Changes of `tracker` for single sequences, by name, e.g. {MOT17-05-FRCNN: {life: {max_lost: 14}}}, as the
    original scripts of ByteTrack and BoT-SORT have them."""

    interpolation: InterpolationConfig = field(default_factory=InterpolationConfig)
    """Offline post-processing of finished tracks."""

    seed: int = 0
    """Seed of the generated crowd."""

    output: str = "runs/track"
    """Run folder: tracks/<seq>.txt, timing.json, config.yaml, environment.json."""


@dataclass(frozen=True, eq=False)
class SequenceInput:
    """What a tracker needs of one sequence. detections: numbered 1 .. num_frames. embeddings: (N, D) rows beside it,
    D = 0 for none. warps: (num_frames, 2, 3), from the frame before; None = the camera stands."""

    name: str
    frame_rate: float
    num_frames: int
    detections: DetectionTable
    embeddings: Floats
    warps: Floats | None = None

    def frames(self) -> Iterator[Detections]:
        """Yield the detections frame by frame."""
        table = self.detections
        for number in range(1, self.num_frames + 1):
            rows = table.frame(number)
            yield Detections(table.boxes[rows], table.scores[rows], self.embeddings[rows], table.classes[rows])


@dataclass(frozen=True, eq=False)
class SequenceTracks:
    """What tracking one sequence gave. seconds: wall time by stage."""

    table: TrackTable
    num_frames: int
    seconds: dict[str, float]
    skipped: Skipped


def track(config: TrackConfig) -> Path:
    """Track every sequence asked for; return the run folder. Each result file is written as soon as it is ready."""
    inputs = list(sequence_inputs(config))
    known = [sequence.name for sequence in inputs]
    for name in config.sequence_tracker:
        if name not in known:
            raise InputError(f"sequence_tracker.{name}: no such sequence{nearest(name, known)}")
    run = start_run(config.output, config, "track")
    for old in (run / "tracks").glob("*.txt"):
        old.unlink()  # of an earlier run into the same folder: its configuration is gone
    console = Console()
    solve(np.zeros((1, 1)))  # loads the solver before any clock runs
    timing: dict[str, Any] = {}
    for sequence in inputs:
        tracker = Tracker(altered(config.tracker, config.sequence_tracker.get(sequence.name, {})), sequence.frame_rate)
        frames = progress(
            sequence.frames(), sequence.name, total=sequence.num_frames, disable=not console.is_terminal, transient=True
        )
        result = track_sequence(tracker, frames, sequence.warps)
        write_results(run / "tracks" / f"{sequence.name}.txt", interpolate(result.table, config.interpolation))
        timing[sequence.name] = {"frames": result.num_frames, "seconds": result.seconds}
        write_json(run / "timing.json", timing)
        console.print(_line(sequence.name, result), highlight=False, soft_wrap=True)
    frames_total = sum(entry["frames"] for entry in timing.values())
    seconds_total = sum(entry["seconds"]["association"] for entry in timing.values())
    rate = f"{frames_total / seconds_total:.0f} frames/s of association" if seconds_total else "no frames"
    console.print(f"{len(inputs)} sequences, {frames_total} frames, {rate} -> {run}", highlight=False, soft_wrap=True)
    return run


def track_sequence(tracker: Tracker, frames: Iterable[Detections], warps: Floats | None = None) -> SequenceTracks:
    """Run `tracker` over the detections of one frame after another; only the tracker's own time is counted."""
    tracks: list[Tracks] = []
    seconds = 0.0
    for index, detections in enumerate(frames):
        start = time.perf_counter()
        tracks.append(tracker.update(detections, None if warps is None else warps[index]))
        seconds += time.perf_counter() - start
    return SequenceTracks(join_tracks(tracks), len(tracks), {"association": seconds}, tracker.skipped)


def join_tracks(tracks: list[Tracks]) -> TrackTable:
    """Return the tracks of frames 1, 2, ... as one table."""
    frames = np.repeat(np.arange(1, len(tracks) + 1), [len(t) for t in tracks])
    if not len(frames):
        return TrackTable(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))
    columns = {
        name: np.concatenate([getattr(t, name) for t in tracks]) for name in ("ids", "boxes", "scores", "classes")
    }
    return TrackTable(frames=frames, **columns)


def sequence_inputs(config: TrackConfig) -> Iterator[SequenceInput]:
    """Yield the sequences that `config` asks for; raise InputError for what is missing or does not fit."""
    if not config.data:
        yield from _generated(config)
        return
    folders = {folder.name: folder for folder in list_sequences(config.data)}
    for name in config.sequences or folders:
        if name not in folders:
            raise InputError(f"sequences: no {name!r} in {config.data}{nearest(name, list(folders))}")
        yield _read_sequence(folders[name], config)


def _generated(config: TrackConfig) -> Iterator[SequenceInput]:
    worlds = {world.name: world for world in crowd_sequences(seed=config.seed)}
    for name in config.sequences or worlds:
        if name not in worlds:
            raise InputError(f"sequences: no {name!r} in the generated crowd{nearest(name, list(worlds))}")
        world = worlds[name]
        first, last = split_range(world.info.length, config.split)
        yield SequenceInput(
            name,
            world.info.frame_rate,
            last - first + 1,
            cut(world.detections, first, last),
            _rows_between(world.detections, world.embeddings, first, last),
            _cut_warps(world.warps, first, last) if config.camera_motion == "file" else None,
        )


def _read_sequence(folder: Path, config: TrackConfig) -> SequenceInput:
    info = read_sequence_info(folder)
    first, last = split_range(info.length, resolve_split(config.split, config.data))
    file = folder / "det" / f"{config.detections}.txt"
    if not file.is_file():
        there = sorted(path.stem for path in (folder / "det").glob("*.txt"))
        raise InputError(f"detections: no file {file}{nearest(config.detections, there)}; there are {', '.join(there)}")
    table = read_detections(file)
    embeddings = np.zeros((len(table), 0))
    if config.embeddings:
        embeddings = read_embeddings(Path(config.embeddings) / f"{folder.name}.npz", len(table))
    warps = None
    if config.camera_motion == "file":
        warps = read_warps(folder / "gmc" / "gmc.txt")
        if len(warps) < last:
            raise InputError(f"{folder / 'gmc' / 'gmc.txt'}: {len(warps)} warps for {info.length} frames")
        warps = _cut_warps(warps, first, last)
    return SequenceInput(
        folder.name,
        info.frame_rate,
        last - first + 1,
        cut(table, first, last),
        _rows_between(table, embeddings, first, last),
        warps,
    )


def read_embeddings(file: Path, num_detections: int) -> Floats:
    """Return the (N, D) array `embeddings` of an `.npz`; InputError where it is not one row a detection."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            embeddings = np.asarray(stored["embeddings"], np.float64)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file (embeddings of this sequence)") from None
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{file}: no readable array 'embeddings' ({error})") from None
    if embeddings.ndim != 2 or len(embeddings) != num_detections:
        raise InputError(
            f"{file}: embeddings have shape {embeddings.shape}, the detection file has {num_detections} rows; one a row"
        )
    return embeddings


def _rows_between(table: DetectionTable, embeddings: Floats, first: int, last: int) -> Floats:
    return embeddings[(table.frames >= first) & (table.frames <= last)]


def _cut_warps(warps: Floats, first: int, last: int) -> Floats:
    """Return the warps of the frames; the first frame of a clip has none before it."""
    part: Floats = warps[first - 1 : last].copy()
    part[:1] = np.eye(2, 3)
    return part


def _line(name: str, result: SequenceTracks) -> str:
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
