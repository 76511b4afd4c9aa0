"""What a tracker needs of a sequence - detections, embeddings, camera motion - from files, frames or the crowd."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from smiletrack.data.mot import DetectionTable
from smiletrack.data.sequences import Sequence, open_sequences
from smiletrack.data.sources import open_source
from smiletrack.data.splits import Split
from smiletrack.data.video import FrameSource
from smiletrack.detector.settings import PredictConfig
from smiletrack.engine.inputs.camera_motion import digest, estimate_camera_motion
from smiletrack.engine.inputs.detection_cache import (
    CachedDetections,
    DetectorLike,
    EmbedderLike,
    detect_sequence,
    load_or_detect,
)
from smiletrack.engine.settings.computing import DeviceConfig
from smiletrack.errors import InputError
from smiletrack.files import state_of_files
from smiletrack.input_paths import InputPath
from smiletrack.lazy import LazyModule
from smiletrack.motion.camera_motion import CameraMotionConfig
from smiletrack.ranges import Seed
from smiletrack.types import Detections, Floats, Ints

network_loading = LazyModule("smiletrack.engine.inputs.networks")
"""Needs PyTorch; commands that read stored detections and embeddings start without it."""

CameraSource = Literal["none", "file", "flow", "ecc", "orb"]


@dataclass(frozen=True)
class SequenceInputConfig(DeviceConfig):
    """Which sequences are tracked, and with which detections, embeddings and camera motion."""

    data: InputPath = ""
    """Folder of MOTChallenge sequences, or one such sequence; empty = the generated crowd."""

    split: Split = "all"
    """Frames to track, renumbered from 1; val is val_half where there is no validation folder."""

    sequences: tuple[str, ...] = ()
    """Names of sequences or patterns (MOT17-0*-SDP), separated by commas; empty = all."""

    frame_rate: Annotated[float, Ge(0), Le(1_000_000)] = 0.0
    """Frames per second, whatever the data says; 0 = what it says, or 30 where it says nothing."""

    detections: str = "det"
    """Name of the stored detections, <seq>/det/NAME.txt. Not used with a detector."""

    embeddings: InputPath = ""
    """Folder of <seq>.npz files whose array `embeddings` has a row for every line of the detection file; empty =
    none."""

    source: str = ""
    """Frames to track instead of `data`: a video, a folder of images, a stream address or a camera number (Ctrl-C ends
    it)."""

    detector: InputPath = ""
    """Source of detections: a checkpoint, the network file of another program (.onnx, or .xml of OpenVINO), a class of
    your own (module:Class, docs/detectors.md), or file:NAME (as `detections`); empty = `detections`."""

    slm: InputPath = "none"
    """Similarity network that computes embeddings: a checkpoint, the network file (.onnx, OpenVINO's .xml) of any
    re-identification network (FILE@bgr255 says what it is fed, docs/slm.md), module:Class of your own, or none."""

    camera_motion: CameraSource = "none"
    """Source of the camera motion. file: <seq>/gmc/gmc.txt. flow, ecc, orb: estimated from the frames."""

    predict: PredictConfig = field(default_factory=PredictConfig)
    """Classes, input size and thresholds of the detector."""

    cache: str = ""
    """Folder for detections and embeddings of networks (<seq>.npz) and estimated camera motion; empty = RUN/detections.
    Runs that share it run the networks once."""

    overwrite: bool = False
    """Run the networks again where the cache was made from other frames, networks or settings."""

    seed: Seed = 0
    """Seed of the generated crowd."""

    def __post_init__(self) -> None:
        super().__post_init__()
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

    class_names: what the classes 1, 2 ... of the detections are called, () where nothing tells.
    seconds: time that the networks took, by stage. apart: time of decoding and of the camera's motion, which the
    paper's frames per second leave out. problems: one line for each thing that went wrong and was bridged. notes: one
    line for each thing that was assumed, or is hardly what it is taken for.
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
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()

    def all_frames(self) -> tuple[Detections, Ints]:
        """Return all detections in the order of frames, and the frame of each."""
        table = self.detections
        rows = np.argsort(table.frames, kind="stable")
        seen = Detections(table.boxes[rows], table.scores[rows], self.embeddings[rows], table.classes[rows])
        return seen, table.frames[rows]

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
    overwrite: bool

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that the detector tells apart, () where it tells none."""
        return tuple(getattr(self.detector, "class_names", ()))

    def see(
        self,
        name: str,
        origin: str,
        table: DetectionTable | None,
        frames: Callable[[], FrameSource],
    ) -> CachedDetections:
        """Return what the networks see in the frames, from the cache where it is there.

        Frames that are gone are no reason to refuse what was seen in them; a live source is always looked at.
        """
        seeing = self.detector or table
        assert seeing is not None
        file = self.cache / f"{name}.npz"
        source: FrameSource | None = None
        try:
            source = frames()
        except InputError:
            if not file.is_file():
                raise
        fingerprint = {
            "source": origin,
            **({"frames": state_of_files(source.files)} if source else {}),
            **getattr(self.detector, "settings", {}),
            "detector": self.detector.fingerprint if self.detector else f"detections {digest(table)}",
            "slm": self.embedder.fingerprint if self.embedder else "none",
        }

        def look() -> CachedDetections:
            read = source or frames()
            return detect_sequence(read, seeing, self.embedder, name, read.num_frames, read.live)

        if source and source.live:
            file.unlink(missing_ok=True)
        return load_or_detect(file, fingerprint, look, self.overwrite)


def sequence_inputs(
    config: SequenceInputConfig,
    cache: str | Path = "runs/detections",
    claimed: Callable[[list[str]], Iterator[str]] = iter,
) -> Iterator[SequenceInput]:
    """Return the sequences that `config` asks for, each read when its turn comes; the networks are loaded now.

    Raises InputError for what is missing or does not fit. cache: folder for what networks see, where the configuration
    names none. claimed: yields those of the sequences' names whose turn comes at all.
    """
    sequences = [] if config.source else _sequences(config)
    networks = _networks(config, Path(config.cache or cache))
    if config.source:
        return iter([_read_frames(config, networks)])
    by_name = {sequence.name: sequence for sequence in sequences}
    return (_read_sequence(by_name[name], config, networks) for name in claimed(list(by_name)))


def sequence_names(config: SequenceInputConfig) -> list[str]:
    """Return the names of the sequences that `config` asks for; raise InputError for one that is not there."""
    if config.source:
        return [open_source(config.source).name]
    return [sequence.name for sequence in _sequences(config)]


def _sequences(config: SequenceInputConfig) -> list[Sequence]:
    return open_sequences(config.data, config.split, config.sequences, config.seed, config.frame_rate)


def _networks(config: SequenceInputConfig, cache: Path) -> _Networks:
    detector = "" if config.stored else config.detector
    if not detector and config.slm in ("", "none"):
        return _Networks(None, None, cache, config.overwrite)
    seeing, embedding = network_loading.load_networks(detector, config.slm, config.device, config.predict)
    return _Networks(seeing, embedding, cache, config.overwrite)


def _read_sequence(sequence: Sequence, config: SequenceInputConfig, networks: _Networks) -> SequenceInput:
    """Return what the tracker is given of one sequence: stored detections, or what the networks see in its images."""
    stored = None
    if config.camera_motion == "file":
        sequence.warps()  # what it says is wrong, it says before the networks run
    if networks.detector is None:
        stored = sequence.detections(config.detector.removeprefix("file:") or config.detections, config.embeddings)
    if networks.detector or networks.embedder:
        ready = stored.table if stored else None
        seen = networks.see(sequence.name, sequence.origin, ready, sequence.images)
        if seen.num_frames < sequence.num_frames:
            raise InputError(
                f"{sequence.origin}: only the first {seen.num_frames} of these have images; all are needed"
            )
        given = replace(_as_input(sequence, seen), class_names=networks.class_names)
    else:
        assert stored is not None
        given = SequenceInput(sequence.name, sequence.frame_rate, sequence.num_frames, stored.table, stored.embeddings)
    given = replace(given, notes=(*_rate_note(sequence), *sequence.notes, *(stored.doubts if stored else ())))
    return _with_warps(given, sequence, config, networks.cache)


def _read_frames(config: SequenceInputConfig, networks: _Networks) -> SequenceInput:
    """Read a video, a folder of images, a stream or a camera."""
    if networks.detector is None:
        raise InputError("detector: frames need one: a checkpoint, or an .onnx file")
    if config.camera_motion == "file":
        raise InputError("camera_motion: file needs data, a MOTChallenge sequence; frames take flow, ecc or orb")
    source = open_source(config.source, config.frame_rate)
    if source.live and config.camera_motion != "none":
        raise InputError(
            "camera_motion: a camera or stream cannot be looked at again for it; tools/demo.py estimates while it looks"
        )
    seen = networks.see(source.name, _identity(config.source), None, lambda: source)
    notes = (*source.notes, *_rate_note(source))
    given = replace(_as_input(source, seen), notes=notes, class_names=networks.class_names)
    if config.camera_motion == "none":
        return given
    return _with_estimate(given, source, _identity(config.source), config.camera_motion, networks.cache)


def _as_input(source: Sequence | FrameSource, seen: CachedDetections) -> SequenceInput:
    """Return what the networks saw as a tracker's input; decoding is told apart."""
    seconds = dict(seen.seconds)
    apart = {"decode": seconds.pop("decode")}
    embeddings = seen.embeddings.astype(np.float64)
    return SequenceInput(
        source.name, source.frame_rate, seen.num_frames, seen.table, embeddings, None, seconds, apart, seen.problems
    )


def _rate_note(source: Sequence | FrameSource) -> tuple[str, ...]:
    """Return a line where the frame rate, which tracks' memory and motion depend on, is not known."""
    if source.rate_known:
        return ()
    return (f"{source.name}: nothing tells the frame rate; {source.frame_rate:g} a second, --frame-rate says another",)


def _with_warps(given: SequenceInput, sequence: Sequence, config: SequenceInputConfig, cache: Path) -> SequenceInput:
    if config.camera_motion == "none":
        return given
    if config.camera_motion == "file":
        return replace(given, warps=sequence.warps())
    return _with_estimate(given, sequence.images(), sequence.origin, config.camera_motion, cache)


def _with_estimate(
    given: SequenceInput, frames: FrameSource, origin: str, method: Literal["flow", "ecc", "orb"], cache: Path
) -> SequenceInput:
    """Return the input with the camera's motion over its frames, estimated where it is not in the cache."""
    motion = estimate_camera_motion(frames, origin, CameraMotionConfig(method), given.detections, cache)
    if len(motion.warps) < given.num_frames:
        raise InputError(f"{origin}: only the first {len(motion.warps)} frames have images ({method})")
    warps = motion.warps[: given.num_frames]
    return replace(given, warps=warps, apart=given.apart | {"camera motion": motion.seconds})


def _identity(source: str) -> str:
    """Return what tells one source from another: its path, or its address."""
    path = Path(source)
    return str(path.resolve()) if path.exists() else source
