"""Camera motion of a whole sequence, estimated once and kept in a file."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.array_files import read_arrays
from smiletrack.config import build_config
from smiletrack.console import notify, progress
from smiletrack.data.mot import DetectionTable
from smiletrack.data.video import FrameSource
from smiletrack.errors import InputError
from smiletrack.files import atomic_path, state_of_files
from smiletrack.lazy import LazyModule
from smiletrack.motion.camera_motion import CameraMotion, CameraMotionConfig
from smiletrack.types import Floats

cv2 = LazyModule("cv2")

MASKED_ABOVE = 0.3
"""Detections above this score are left out of the estimate: they move by themselves."""


@dataclass(frozen=True, eq=False)
class SequenceMotion:
    """warps: (T, 2, 3), row i maps pixels of frame i to frame i + 1 (numbers from 1), row 0 is the identity.

    num_failed: frames where the estimate failed and the identity stands. seconds: time of the estimate, decoding
    apart, 0 where it was read. problems: one line for each frame that could not be read and was bridged.
    """

    warps: Floats
    num_failed: int
    seconds: float
    problems: tuple[str, ...]


def estimate_camera_motion(
    frames: FrameSource,
    origin: str,
    config: CameraMotionConfig | None = None,
    detections: DetectionTable | None = None,
    cache: Path | None = None,
) -> SequenceMotion:
    """Estimate the camera's motion over `frames`, or read it from the folder `cache` if it is there.

    origin: what tells these frames from any others. `detections` (frame numbers from 1, as the frames come) are masked.
    The cached file tells what it was made from, settings, origin and detections; made from anything else it is made
    anew.
    """
    config = config or CameraMotionConfig()
    fingerprint = {
        "source": origin,
        "num_frames": frames.num_frames,
        "images": state_of_files(frames.files),
        "detections": digest(detections),
        "opencv": cv2.__version__,
        **asdict(config),
    }
    file = cache / f"{frames.name}.{config.method}.npz" if cache is not None else None
    if file is not None and (known := _read(file, fingerprint)) is not None:
        return known
    motion, warps, seconds = CameraMotion(config), [], 0.0
    description = f"camera motion of {frames.name}"
    for number, frame in enumerate(progress(frames, description, frames.num_frames), 1):
        boxes = _movers(detections, number)
        start = time.perf_counter()
        warps.append(motion.step(frame, boxes))
        seconds += time.perf_counter() - start
    made = SequenceMotion(np.stack(warps), motion.num_failed, seconds, tuple(frames.problems))
    if file is not None:
        _write(file, made, fingerprint)
    return made


def _movers(detections: DetectionTable | None, number: int) -> Floats | None:
    if detections is None:
        return None
    rows = detections.frame(number)
    boxes: Floats = detections.boxes[rows[detections.scores[rows] > MASKED_ABOVE]]
    return boxes


def digest(detections: DetectionTable | None) -> str:
    """Return 16 letters that tell one table of detections from another."""
    if detections is None:
        return "none"
    digest = hashlib.sha256()
    for column in (detections.frames, detections.boxes, detections.scores):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class _About:
    """What a cache says about itself."""

    fingerprint: dict[str, Any]
    num_failed: int
    problems: tuple[str, ...]


def _write(file: Path, motion: SequenceMotion, fingerprint: dict[str, object]) -> None:
    about = asdict(_About(fingerprint, motion.num_failed, motion.problems))
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, warps=motion.warps, about=np.array(json.dumps(about)))


def _read(file: Path, fingerprint: dict[str, object]) -> SequenceMotion | None:
    """Return what the file holds, None where it is absent, damaged (which is told) or made from something else."""
    if not file.is_file():
        return None
    try:
        arrays = read_arrays(file, "warps", "about")
        warps, about = arrays["warps"], build_config(_About, json.loads(str(arrays["about"])))
        if warps.dtype != np.float64 or warps.shape[1:] != (2, 3) or not np.isfinite(warps).all():
            raise InputError(f"{file}: a damaged cache of camera motion (warps of shape {warps.shape})")
    except (ValueError, RecursionError) as error:
        notify(f"{error if isinstance(error, InputError) else f'{file}: a damaged cache ({error})'}; it is made again")
        return None
    if about.fingerprint != fingerprint:
        return None
    return SequenceMotion(warps, about.num_failed, 0.0, about.problems)
