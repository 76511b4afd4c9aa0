"""What a tracker needs of a sequence - detections, embeddings, camera motion - from files, frames or the crowd."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np

from smiletrack.config import nearest
from smiletrack.data.mot import (
    DetectionTable,
    SequenceInfo,
    list_sequences,
    read_detections,
    read_sequence_info,
    read_warps,
)
from smiletrack.data.splits import Split, cut_frames, resolve_split, split_range
from smiletrack.data.synthetic import WorldSequence, crowd_sequences
from smiletrack.data.video import Frame, FrameSource, open_source
from smiletrack.detector.settings import PredictConfig
from smiletrack.engine.inputs.camera_motion import digest, estimate_camera_motion
from smiletrack.engine.inputs.detection_cache import (
    CachedDetections,
    DetectorLike,
    EmbedderLike,
    detect_sequence,
    load_or_detect,
)
from smiletrack.errors import InputError
from smiletrack.lazy import LazyModule
from smiletrack.motion.camera_motion import CameraMotionConfig
from smiletrack.types import Detections, Floats

network_loading = LazyModule("smiletrack.engine.inputs.networks")
"""Needs PyTorch; commands that read stored detections and embeddings start without it."""

CameraSource = Literal["none", "file", "flow", "ecc", "orb"]


@dataclass(frozen=True)
class SequenceInputConfig:
    """Which sequences, and what is known of them."""

    data: str = ""
    """Folder of MOTChallenge sequences, or one sequence; empty = the generated crowd."""

    split: Split = "all"
    """Frames to track, renumbered from 1; `val` is val_half where there is no validation folder."""

    sequences: tuple[str, ...] = ()
    """Names of sequences, separated by commas; empty = all."""

    detections: str = "det"
    """Which stored detections: <seq>/det/NAME.txt. Unused with a detector."""

    embeddings: str = ""
    """Folder with one <seq>.npz each, array `embeddings` (rows in the order of the detection file); empty = none."""

    source: str = ""
    """Frames instead of `data`: a video, a folder of images, a stream address or a camera's number (Ctrl-C ends it)."""

    detector: str = ""
    """Where detections come from: a checkpoint, onnx:FILE (any network in YOLOX's output form), file:NAME (as
    `detections`); empty = `detections`."""

    slm: str = "none"
    """Similarity network that embeds the detections: a checkpoint, an .onnx file of any re-identification network, or
    none."""

    camera_motion: CameraSource = "none"
    """Where the camera's motion comes from; file: <seq>/gmc/gmc.txt; flow, ecc, orb: estimated from the frames."""

    device: str = "auto"
    """Where the networks run: auto, cpu, cuda, cuda:N."""

    predict: PredictConfig = field(default_factory=PredictConfig)
    """Classes, input size and thresholds of the detector."""

    cache: str = ""
    """Folder for what networks saw (<seq>.npz) and for estimated camera motion; empty = RUN/detections. Give the same
    folder to many runs and the networks run once."""

    seed: int = 0
    """Seed of the generated crowd."""

    def __post_init__(self) -> None:
        if self.data and self.source:
            raise ValueError("source and data are both given; take one")
        if self.slm not in ("", "none") and self.embeddings:
            raise ValueError("slm and embeddings are both given; take one")

    @property
    def stored(self) -> bool:
        """Whether detections come from files."""
        return not self.source and (not self.detector or self.detector.startswith("file:"))

    @property
    def needs_frames(self) -> bool:
        """Whether frames have to be read, where no cache holds what they show."""
        looks = self.slm not in ("", "none") or self.camera_motion in ("flow", "ecc", "orb")
        return looks or not self.stored


@dataclass(frozen=True, eq=False)
class SequenceInput:
    """What a tracker needs of one sequence. detections: numbered 1 .. num_frames. embeddings: (N, D) rows beside it,
    D = 0 for none. warps: (num_frames, 2, 3), from the frame before; None = the camera stands.

    seconds: time that the networks took, by stage. apart: time of decoding and of the camera's motion, which the
    paper's frames per second leave out. problems: one line for each thing that went wrong and was bridged.
    """

    name: str
    frame_rate: float
    num_frames: int
    detections: DetectionTable
    embeddings: Floats
    warps: Floats | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    apart: dict[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def frames(self) -> Iterator[Detections]:
        """Yield the detections frame by frame."""
        table = self.detections
        for number in range(1, self.num_frames + 1):
            rows = table.frame(number)
            yield Detections(table.boxes[rows], table.scores[rows], self.embeddings[rows], table.classes[rows])


@dataclass(frozen=True, eq=False)
class _Networks:
    """The networks of a configuration, and where what they see is kept."""

    detector: DetectorLike | None
    embedder: EmbedderLike | None
    cache: Path

    def see(
        self,
        name: str,
        origin: str,
        table: DetectionTable | None,
        frames: Callable[[], Iterable[Frame]],
        num_frames: int | None,
    ) -> CachedDetections:
        """Return what the networks see in the frames, from the cache where it is there."""
        seeing = self.detector or table
        assert seeing is not None
        fingerprint = {
            "source": origin,
            "detector": self.detector.fingerprint if self.detector else f"detections {digest(table)}",
            "slm": self.embedder.fingerprint if self.embedder else "none",
        }
        return load_or_detect(
            self.cache / f"{name}.npz",
            fingerprint,
            lambda: detect_sequence(frames(), seeing, self.embedder, name, num_frames),
        )


def sequence_inputs(config: SequenceInputConfig, cache: str | Path = "runs/detections") -> Iterator[SequenceInput]:
    """Return the sequences that `config` asks for, each read when its turn comes; the networks are loaded now.

    Raises InputError for what is missing or does not fit. cache: folder for what networks see, where the configuration
    names none.
    """
    names = sequence_names(config)
    networks = _networks(config, Path(config.cache or cache))
    if config.source:
        return (_read_frames(config, networks) for _ in names)
    if not config.data:
        return (_generated(crowd(config.seed)[name], config) for name in names)
    folders = {folder.name: folder for folder in list_sequences(config.data)}
    return (_read_sequence(folders[name], config, networks) for name in names)


def sequence_names(config: SequenceInputConfig) -> list[str]:
    """Return the names of the sequences that `config` asks for; raise InputError for one that is not there."""
    if config.source:
        return [open_source(config.source).name]
    if config.data:
        known, place = [folder.name for folder in list_sequences(config.data)], config.data
    else:
        known, place = list(crowd(config.seed)), "the generated crowd"
    for name in config.sequences:
        if name not in known:
            raise InputError(f"sequences: no {name!r} in {place}{nearest(name, known)}")
    return list(config.sequences) or known


@lru_cache(maxsize=2)
def crowd(seed: int) -> dict[str, WorldSequence]:
    """Return the generated crowd's sequences by name; making them takes a second or two, so they are kept."""
    return {world.name: world for world in crowd_sequences(seed=seed)}


def _networks(config: SequenceInputConfig, cache: Path) -> _Networks:
    detector = "" if config.stored else config.detector
    if not detector and config.slm in ("", "none"):
        return _Networks(None, None, cache)
    seeing, embedding = network_loading.load_networks(detector, config.slm, config.device, config.predict)
    return _Networks(seeing, embedding, cache)


def _generated(world: WorldSequence, config: SequenceInputConfig) -> SequenceInput:
    if config.needs_frames:
        raise InputError("data: the generated crowd has no pictures; tools/make_world.py renders one that has")
    first, last = split_range(world.info.length, config.split)
    return SequenceInput(
        world.name,
        world.info.frame_rate,
        last - first + 1,
        cut_frames(world.detections, first, last),
        _rows_between(world.detections, world.embeddings, first, last),
        _cut_warps(world.warps, first, last) if config.camera_motion == "file" else None,
    )


def _read_sequence(folder: Path, config: SequenceInputConfig, networks: _Networks) -> SequenceInput:
    info = read_sequence_info(folder)
    first, last = split_range(info.length, resolve_split(config.split, config.data))
    table = None if networks.detector else _stored_detections(folder, config)
    embeddings = np.zeros((len(table or ()), 0))
    seconds: dict[str, float] = {}
    apart: dict[str, float] = {}
    problems: tuple[str, ...] = ()
    if table is not None and config.embeddings:
        embeddings = read_embeddings(Path(config.embeddings) / f"{folder.name}.npz", len(table))
    if table is not None:
        embeddings = _rows_between(table, embeddings, first, last)
        table = cut_frames(table, first, last)
    if networks.detector or networks.embedder:
        origin = f"{folder.resolve()} frames {first} .. {last}"
        seen = networks.see(info.name, origin, table, lambda: _frames(folder, first, last), last - first + 1)
        if seen.num_frames < last - first + 1:
            raise InputError(f"{info.image_folder}: images of frames {first} .. {last} are needed ({config.split})")
        table, embeddings, problems = seen.table, seen.embeddings.astype(np.float64), seen.problems
        seconds = dict(seen.seconds)
        apart["decode"] = seconds.pop("decode")
    assert table is not None
    warps = _warps(folder, info, config, table, (first, last), networks.cache, apart)
    frames = last - first + 1
    return SequenceInput(info.name, info.frame_rate, frames, table, embeddings, warps, seconds, apart, problems)


def _read_frames(config: SequenceInputConfig, networks: _Networks) -> SequenceInput:
    """Read a video, a folder of images, a stream or a camera."""
    if networks.detector is None:
        raise InputError("detector: frames need one: a checkpoint, or onnx:FILE")
    source = open_source(config.source)
    seen = networks.see(source.name, _identity(config.source), None, lambda: source, source.num_frames)
    seconds = dict(seen.seconds)
    apart = {"decode": seconds.pop("decode")}
    warps = None
    if config.camera_motion in ("flow", "ecc", "orb"):
        motion = estimate_camera_motion(
            config.source, CameraMotionConfig(method=config.camera_motion), seen.table, networks.cache
        )
        warps, apart["camera motion"] = motion.warps[: seen.num_frames], motion.seconds
    elif config.camera_motion == "file":
        raise InputError("camera_motion: file needs data, a MOTChallenge sequence; frames take flow, ecc or orb")
    embeddings = seen.embeddings.astype(np.float64)
    return SequenceInput(
        source.name, source.frame_rate, seen.num_frames, seen.table, embeddings, warps, seconds, apart, seen.problems
    )


def _identity(source: str) -> str:
    """Return what tells one source from another: path, size and time of a file, the address of anything else."""
    path = Path(source)
    if not path.is_file():
        return str(path.resolve()) if path.exists() else source
    return f"{path.resolve()} {path.stat().st_size} bytes"


def _frames(folder: Path, first: int, last: int) -> Iterator[Frame]:
    source: FrameSource = open_source(folder)
    for _, frame in source.pick(range(first, last + 1)):
        yield frame


def _stored_detections(folder: Path, config: SequenceInputConfig) -> DetectionTable:
    name = config.detector.removeprefix("file:") or config.detections
    file = folder / "det" / f"{name}.txt"
    if not file.is_file():
        there = sorted(path.stem for path in (folder / "det").glob("*.txt"))
        raise InputError(f"detections: no file {file}{nearest(name, there)}; there are {', '.join(there) or 'none'}")
    return read_detections(file)


def _warps(
    folder: Path,
    info: SequenceInfo,
    config: SequenceInputConfig,
    table: DetectionTable,
    frames: tuple[int, int],
    cache: Path,
    apart: dict[str, float],
) -> Floats | None:
    """Return the camera's motion over the frames (from, to), None where it is not asked for."""
    first, last = frames
    if config.camera_motion == "none":
        return None
    if config.camera_motion == "file":
        warps = read_warps(folder / "gmc" / "gmc.txt")
        if len(warps) < last:
            raise InputError(f"{folder / 'gmc' / 'gmc.txt'}: {len(warps)} warps for {info.length} frames")
        return _cut_warps(warps, first, last)
    moved = DetectionTable(table.frames + first - 1, table.boxes, table.scores, table.classes)
    motion = estimate_camera_motion(folder, CameraMotionConfig(method=config.camera_motion), moved, cache)
    apart["camera motion"] = motion.seconds
    if len(motion.warps) < last:
        raise InputError(f"{info.image_folder}: images of frames {first} .. {last} are needed ({config.camera_motion})")
    return _cut_warps(motion.warps, first, last)


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
