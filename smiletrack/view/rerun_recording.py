"""Recordings for the Rerun viewer (rerun.io): frames, boxes in the colours of identities, trails, two timelines."""

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from smiletrack.files import atomic_path
from smiletrack.lazy import LazyModule, require_modules
from smiletrack.types import Floats, Ints
from smiletrack.view.colors import identity_color
from smiletrack.view.drawing import Image

rerun = LazyModule("rerun")

SPAWN = "spawn"
"""What stands for a file where the viewer is to be opened instead."""
_JPEG_QUALITY = 85


class RerunRecording:
    """A recording that is written to a `.rrd` file, whole or not at all, or sent to a viewer that is opened for it.

    Its timelines are `frame`, from 1, and `time`, in seconds. Its entities: `frame`, `frame/tracks`, `frame/trails`.
    """

    def __init__(self, target: Path | str, name: str, frame_rate: float, trail_length: int = 30) -> None:
        """target: the file, or SPAWN. name: of the sequence. Raises InputError where rerun-sdk is not installed."""
        require_modules("rerun")
        self._target, self._name, self._frame_rate = target, name, frame_rate
        self._trails: dict[int, deque[list[float]]] = {}
        self._trail_length = trail_length
        self._stack = ExitStack()
        self._stream: Any = None

    def __enter__(self) -> "RerunRecording":
        self._stream = rerun.RecordingStream("smiletrack", recording_id=None, make_default=False)
        self._stream.send_recording_name(self._name)
        if self._target == SPAWN:
            self._stream.spawn()
        else:
            self._stream.save(str(self._stack.enter_context(atomic_path(Path(self._target)))))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stream.flush()
        self._stream.disconnect()  # closes the file, which then gets its name
        self._stack.__exit__(*error)

    def log(self, number: int, frame: Image, ids: Ints, boxes: Floats, kinds: Sequence[str] = ()) -> None:
        """Add a frame, (H, W, 3) BGR, and its tracks: ids (N,), boxes (N, 4), and what the classes (N,) are called."""
        self._stream.set_time("frame", sequence=number)
        self._stream.set_time("time", duration=(number - 1) / self._frame_rate)
        self._stream.log("frame", rerun.Image(frame, color_model="BGR").compress(jpeg_quality=_JPEG_QUALITY))
        labels = [f"{kind} {identity}" for kind, identity in zip(kinds, ids, strict=True)] if kinds else map(str, ids)
        self._stream.log(
            "frame/tracks",
            rerun.Boxes2D(
                array=boxes,
                array_format=rerun.Box2DFormat.XYXY,
                labels=list(labels),
                colors=[_color(identity) for identity in ids.tolist()],
            ),
        )
        self._log_trails(ids, boxes)

    def _log_trails(self, ids: Ints, boxes: Floats) -> None:
        """Add the paths of the feet of the tracks that are there."""
        if not self._trail_length:
            return
        for identity, (left, _, right, foot) in zip(ids.tolist(), boxes.tolist(), strict=True):
            trail = self._trails.setdefault(identity, deque(maxlen=self._trail_length + 1))
            trail.append([(left + right) / 2, foot])
        self._trails = {identity: self._trails[identity] for identity in ids.tolist()}
        strips = [list(trail) for trail in self._trails.values()]
        colors = [_color(identity) for identity in self._trails]
        self._stream.log("frame/trails", rerun.LineStrips2D(strips, colors=colors))


def _color(identity: int) -> tuple[int, int, int]:
    """Return red, green and blue."""
    return identity_color(identity)[::-1]
