"""What the networks see, once a sequence: frames in, detections with embeddings out, kept as one `.npz`.

A tracking experiment reads the file and never runs a network again. The file knows what it was made from (source,
frame range, detector, SLM) and is refused for anything else.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from smiletrack.array_files import read_arrays
from smiletrack.config import build_config
from smiletrack.console import notify, progress
from smiletrack.data.mot import DetectionTable
from smiletrack.engine.inputs.frame_pipeline import StageTimes, see_frames
from smiletrack.errors import InputError
from smiletrack.files import atomic_path
from smiletrack.images import Frame
from smiletrack.types import Detections, Floats

EMBEDDED_ABOVE = 0.1
"""Detections at or below this score are noise to every preset (paper, "SMC") and get no embedding: a zero row."""


class DetectorLike(Protocol):
    """A detector: frames in, `Detections` out; `Predictor`, or a class of your own (docs/detectors.md).

    `fingerprint` names weights and settings: what was seen under an equal one is read from the cache. One that tells
    classes apart may have `class_names`, what its classes 1, 2 ... are called.
    """

    @property
    def fingerprint(self) -> str: ...

    def detect(self, frame: Frame) -> Detections: ...


class EmbedderLike(Protocol):
    """A similarity network: a frame and (N, 4) xyxy boxes in, (N, D) unit rows out; zeros for "no appearance"."""

    @property
    def fingerprint(self) -> str: ...

    def embed(self, frame: Frame, boxes: Floats) -> NDArray[np.float32]: ...


@dataclass(frozen=True, eq=False)
class CachedDetections:
    """One sequence as the networks saw it.

    table: detections of all frames, frame numbers from 1. embeddings: (N, D) rows beside it, D = 0 without an SLM.
    num_frames: frames seen, those without detections included. seconds: wall time by stage ("decode", "detect",
    "embed"). problems: one line for each frame that could not be read and was bridged.
    """

    table: DetectionTable
    embeddings: NDArray[np.float32]
    num_frames: int
    seconds: dict[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def detect_sequence(
    frames: Iterable[Frame],
    detector: DetectorLike | DetectionTable,
    embedder: EmbedderLike | None,
    name: str,
    expected: int | None = None,
    live: bool = False,
    quiet: bool = False,
) -> CachedDetections:
    """Run the networks over `frames`; frame k of the iteration is frame number k + 1.

    `detector` may be a table of ready detections (numbered alike), then only the embeddings are computed and the rows
    keep their order. A frame smaller than its boxes is no error: boxes are clipped for the crops. `expected` frames are
    what the progress bar counts to; all that come are seen. A `live` source is ended by Ctrl-C, and what was seen
    counts.
    """
    times = StageTimes()
    seen: list[Detections] = []
    if isinstance(detector, DetectionTable):
        detect = partial(_rows, detector)
    else:
        detect = partial(_detected, detector)
    embed = partial(_embedded, embedder) if embedder else None
    watched = progress(frames, name, expected, quiet)
    with suppress(KeyboardInterrupt) if live else nullcontext():  # nothing else ends a camera
        for _, found in see_frames(watched, detect, embed, times):
            seen.append(found)
    seconds = {"decode": times.decode, "detect": 0.0, "embed": 0.0} | times.shares()
    if isinstance(detector, DetectionTable):
        seconds["embed"] += seconds.pop("detect")
    return CachedDetections(*_stack(seen), len(seen), seconds, tuple(getattr(frames, "problems", ())))


def load_or_detect(
    file: Path, fingerprint: Mapping[str, str], make: Callable[[], CachedDetections], overwrite: bool = False
) -> CachedDetections:
    """Return what `file` holds, or call `make` and write what it returns there.

    A damaged file is made again, with a word about it. Raises InputError where the file was made with another
    fingerprint, unless `overwrite`: the message says what differs.
    """
    if file.is_file():
        try:
            cached, about = _read(file)
        except InputError as error:
            notify(f"{error}; it is made again")
        else:
            difference = _difference(about, fingerprint)
            if not difference:
                return cached
            if not overwrite:
                raise InputError(
                    f"{file}: made with {difference}; --overwrite makes it again, another --output or cache keeps both"
                )
    made = make()
    write_cached_detections(file, made, fingerprint)
    return made


def _difference(made: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Return what was other when a cache was made, "" for nothing; single settings are told rather than digests."""
    differing = [key for key, value in wanted.items() if made.get(key) != value]
    settings = [key for key in differing if key.startswith("predict.")]
    if differing == ["frames"]:
        return "other frames under the same name (names, sizes or times of files have changed)"
    return ", ".join(f"{key} {made.get(key)}, not {wanted[key]}" for key in (settings or differing)[:3])


@dataclass(frozen=True)
class _About:
    """What a cache says about itself."""

    fingerprint: dict[str, str]
    num_frames: int
    seconds: dict[str, float]
    problems: tuple[str, ...]


def write_cached_detections(file: Path, made: CachedDetections, fingerprint: Mapping[str, str]) -> None:
    """Write the `.npz` atomically."""
    about = asdict(_About(dict(fingerprint), made.num_frames, made.seconds, made.problems))
    table = made.table
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            frames=table.frames,
            boxes=table.boxes,
            scores=table.scores,
            classes=table.classes,
            embeddings=made.embeddings.astype(np.float16),  # cosine changes by less than 1e-3, half the size
            about=np.array(json.dumps(about)),
        )


def _read(file: Path) -> tuple[CachedDetections, dict[str, str]]:
    """Return what `write_cached_detections` wrote, and the fingerprint; InputError where the file is damaged."""
    arrays = read_arrays(file, "frames", "boxes", "scores", "classes", "embeddings", "about")
    try:
        about = build_config(_About, json.loads(str(arrays.pop("about"))))
        embeddings = arrays.pop("embeddings").astype(np.float32)
        frames, boxes, scores, classes = arrays.values()
        table = DetectionTable(frames, boxes, scores, classes)
        rows = len(frames)
        if frames.dtype != np.int64 or classes.dtype != np.int64 or boxes.dtype != np.float64:
            raise ValueError("arrays of other number types")
        if boxes.shape != (rows, 4) or scores.shape != (rows,) or classes.shape != (rows,) or len(embeddings) != rows:
            raise ValueError("arrays of different lengths")
        if rows and not (frames.min() >= 1 and frames.max() <= about.num_frames and (np.diff(frames) >= 0).all()):
            raise ValueError(f"frames that are not 1 .. {about.num_frames} in order")
        if embeddings.ndim != 2 or not (np.isfinite(embeddings).all() and np.isfinite(scores).all()):
            raise ValueError("embeddings or scores that are no numbers")
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{file}: a damaged cache of detections ({error})") from None
    return CachedDetections(table, embeddings, about.num_frames, about.seconds, about.problems), about.fingerprint


def with_embeddings(found: Detections, embedder: EmbedderLike, frame: Frame) -> Detections:
    """Return the detections of a frame with embeddings of those above the noise, zero rows for the others."""
    wanted = np.flatnonzero(found.scores > EMBEDDED_ABOVE)
    rows = embedder.embed(frame, found.boxes[wanted])
    embeddings = np.zeros((len(found), rows.shape[1]))
    embeddings[wanted] = rows
    return Detections(found.boxes, found.scores, embeddings, found.classes)


def _detected(detector: DetectorLike, number: int, frame: Frame) -> Detections:
    return detector.detect(frame)


def _embedded(embedder: EmbedderLike, frame: Frame, found: Detections) -> Detections:
    return with_embeddings(found, embedder, frame)


def _rows(table: DetectionTable, number: int, frame: Frame) -> Detections:
    rows = table.frame(number)
    return Detections(table.boxes[rows], table.scores[rows], classes=table.classes[rows])


def _stack(seen: list[Detections]) -> tuple[DetectionTable, NDArray[np.float32]]:
    """Join the frames' detections; frames of ready tables come sorted, so rows keep their order inside a frame."""
    frames = np.repeat(np.arange(1, len(seen) + 1), [len(found) for found in seen])
    width = max((found.embeddings.shape[1] for found in seen), default=0)
    blocks = [found.embeddings.astype(np.float32) for found in seen if len(found)]
    table = DetectionTable(
        frames,
        np.concatenate([np.zeros((0, 4)), *(found.boxes for found in seen)]),
        np.concatenate([np.zeros(0), *(found.scores for found in seen)]),
        np.concatenate([np.zeros(0, np.int64), *(found.classes for found in seen)]),
    )
    return table, np.concatenate([np.zeros((0, width), np.float32), *blocks])
