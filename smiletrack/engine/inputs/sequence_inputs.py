"""What a tracker needs of a sequence - detections, embeddings, camera motion - from files, frames or the crowd."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from smiletrack.data.mot import DetectionTable
from smiletrack.data.sequences import Sequence, open_sequences
from smiletrack.data.sources import open_source
from smiletrack.data.strides import frames_of, looks_of, num_looks
from smiletrack.data.video import FrameSource
from smiletrack.engine.inputs.camera_motion import digest, estimate_camera_motion
from smiletrack.engine.inputs.detection_cache import (
    CachedDetections,
    DetectorLike,
    EmbedderLike,
    detect_sequence,
    load_or_detect,
)
from smiletrack.engine.settings.sequence_input import SequenceInputConfig
from smiletrack.errors import InputError
from smiletrack.files import state_of_files
from smiletrack.lazy import LazyModule
from smiletrack.motion.camera_motion import CameraMotionConfig, skipping_warps
from smiletrack.types import Detections, Floats, Ints

network_loading = LazyModule("smiletrack.engine.inputs.networks")
"""Needs PyTorch; commands that read stored detections and embeddings start without it."""


@dataclass(frozen=True, eq=False)
class SequenceInput:
    """What a tracker needs of one sequence. detections: numbered 1 .. num_frames. embeddings: (N, D) rows beside it,
    D = 0 for none. warps: (num_looks, 2, 3), from the frame looked at before; None = the camera stands. stride: frames
    1, 1 + stride, 1 + 2 stride ... were looked at; the others have no detections.

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
    stride: int = 1

    @property
    def num_looks(self) -> int:
        """How many frames were looked at."""
        return num_looks(self.num_frames, self.stride)

    def all_frames(self) -> tuple[Detections, Ints]:
        """Return all detections in the order of frames, and the frame of each."""
        table = self.detections
        rows = np.argsort(table.frames, kind="stable")
        seen = Detections(table.boxes[rows], table.scores[rows], self.embeddings[rows], table.classes[rows])
        return seen, table.frames[rows]

    def frames(self) -> Iterator[Detections]:
        """Yield the detections frame by frame, of those that were looked at."""
        table = self.detections
        for number in range(1, self.num_frames + 1, self.stride):
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
        stored = stored.every(config.stride)
    if networks.detector or networks.embedder:
        ready = _by_look(stored.table, config.stride) if stored else None
        origin = _strided(sequence.origin, config)
        seen = networks.see(sequence.name, origin, ready, lambda: sequence.images().every(config.stride))
        if seen.num_frames < num_looks(sequence.num_frames, config.stride):
            raise InputError(
                f"{sequence.origin}: only the first {seen.num_frames} of these have images; all are needed"
            )
        given = replace(_as_input(sequence, seen, config), class_names=networks.class_names)
    else:
        assert stored is not None
        given = SequenceInput(sequence.name, sequence.frame_rate, sequence.num_frames, stored.table, stored.embeddings)
        given = replace(given, stride=config.stride)
    given = replace(given, notes=(*_rate_note(sequence), *sequence.notes, *(stored.doubts if stored else ())))
    return _with_warps(given, sequence, config, networks.cache)


def _read_frames(config: SequenceInputConfig, networks: _Networks) -> SequenceInput:
    """Read a video, a folder of images, a stream or a camera."""
    if networks.detector is None:
        raise InputError("detector: frames need one: a checkpoint, or an .onnx file")
    if config.camera_motion == "file":
        raise InputError("camera_motion: file needs data, a MOTChallenge sequence; frames take flow, ecc or orb")
    source = open_source(config.source, config.frame_rate).every(config.stride)
    if source.live and config.camera_motion != "none":
        raise InputError(
            "camera_motion: a camera or stream cannot be looked at again for it; tools/demo.py estimates while it looks"
        )
    origin = _strided(_identity(config.source), config)
    seen = networks.see(source.name, origin, None, lambda: source)
    notes = (*source.notes, *_rate_note(source))
    given = replace(_as_input(source, seen, config), notes=notes, class_names=networks.class_names)
    if config.camera_motion == "none":
        return given
    return _with_estimate(given, source, origin, config.camera_motion, networks.cache)


def _by_look(table: DetectionTable, stride: int) -> DetectionTable:
    """Return the detections numbered as the frames that are looked at come."""
    return replace(table, frames=looks_of(table.frames, stride))


def _strided(origin: str, config: SequenceInputConfig) -> str:
    """Return what tells the frames that are looked at from others."""
    return origin if config.stride == 1 else f"{origin}, every {config.stride} frames"


def _as_input(source: Sequence | FrameSource, seen: CachedDetections, config: SequenceInputConfig) -> SequenceInput:
    """Return what the networks saw, look after look, as a tracker's input; decoding is told apart."""
    seconds = dict(seen.seconds)
    return SequenceInput(
        name=source.name,
        frame_rate=source.frame_rate,
        num_frames=1 + (seen.num_frames - 1) * config.stride,
        detections=replace(seen.table, frames=frames_of(seen.table.frames, config.stride)),
        embeddings=seen.embeddings.astype(np.float64),
        apart={"decode": seconds.pop("decode")},
        seconds=seconds,
        problems=seen.problems,
        stride=config.stride,
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
        return replace(given, warps=skipping_warps(sequence.warps(), config.stride))
    images, origin = sequence.images().every(config.stride), _strided(sequence.origin, config)
    return _with_estimate(given, images, origin, config.camera_motion, cache)


def _with_estimate(
    given: SequenceInput, frames: FrameSource, origin: str, method: Literal["flow", "ecc", "orb"], cache: Path
) -> SequenceInput:
    """Return the input with the camera's motion over its frames, estimated where it is not in the cache."""
    table = _by_look(given.detections, given.stride)
    motion = estimate_camera_motion(frames, origin, CameraMotionConfig(method), table, cache)
    if len(motion.warps) < given.num_looks:
        raise InputError(f"{origin}: only the first {len(motion.warps)} frames have images ({method})")
    warps = motion.warps[: given.num_looks]
    return replace(given, warps=warps, apart=given.apart | {"camera motion": motion.seconds})


def _identity(source: str) -> str:
    """Return what tells one source from another: its path, or its address."""
    path = Path(source)
    return str(path.resolve()) if path.exists() else source
