"""Frames in, frames out: from images, videos and cameras, decoded ahead in a thread; H.264 out.

Frames are (H, W, 3) uint8 in OpenCV's channel order (blue, green, red). What can be mended while reading (an unreadable
picture in mid-sequence, a video that is cut short) does not stop a long run: it is listed in `FrameSource.problems`.
"""

import itertools
import queue
import threading
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from smiletrack.data.frame_timing import read_timing, timing_of
from smiletrack.errors import InputError
from smiletrack.files import atomic_path
from smiletrack.images import Frame
from smiletrack.lazy import LazyModule
from smiletrack.limits import LARGEST_IMAGE

av = LazyModule("av")
cv2 = LazyModule("cv2")

NumberedFrame = tuple[int, Frame]

DEFAULT_RATE = 30.0
"""Frames a second where nothing tells it."""
_AHEAD = 8
"""Frames decoded before they are asked for; 8 frames of 1080p are 50 MB."""


class FrameSource:
    """Frames of one picture sequence, video or camera; iterate to read it, as often as wanted (a camera goes on).

    name: what result files are called after. frame_rate: frames a second. rate_known: whether the source tells it, else
    it is DEFAULT_RATE. num_frames: how many there are, as far as the file says, None where it does not (cameras,
    streams); for progress bars, since headers are wrong. files: what is read, nothing of a live source, whose frames
    come as long as one looks. notes: what is odd about the source, one line each. problems: one line for each thing
    that went wrong in the iteration that ran last and was bridged.
    """

    def __init__(
        self,
        name: str,
        frame_rate: float,
        num_frames: int | None,
        read: "Callable[[FrameSource, Container[int]], Iterator[NumberedFrame]]",
        files: Sequence[Path] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        """`read` yields the frames whose numbers, from 1, are in the container it is given. frame_rate: 0 = unknown."""
        self.name = name
        self.rate_known = frame_rate > 0
        self.frame_rate = frame_rate if frame_rate > 0 else DEFAULT_RATE
        self.num_frames = num_frames
        self.files, self.notes = files, notes
        self.problems: list[str] = []
        self._read = read

    @property
    def live(self) -> bool:
        """Whether frames come as long as one looks, and only once."""
        return not self.files

    def __iter__(self) -> Iterator[Frame]:
        self.problems.clear()
        with closing(_decoded_ahead(self._read(self, _Every()))) as frames:
            for _, frame in frames:
                yield frame

    def pick(self, numbers: Iterable[int]) -> Iterator[NumberedFrame]:
        """Yield (number, frame) of the frames with these numbers, from 1, ascending; those that are not there are not.

        Of a folder only these images are read; a video is decoded from its start to the last of them.
        """
        self.problems.clear()
        wanted = set(numbers)
        left = len(wanted)
        with closing(_decoded_ahead(self._read(self, wanted))) as frames:
            for numbered in frames if left else ():
                yield numbered
                left -= 1
                if not left:
                    return

    def every(self, stride: int) -> "FrameSource":
        """Return frames 1, 1 + stride, 1 + 2 stride ... as a source of their own, numbered 1, 2, 3 ...

        The others are not read where the source allows it: images are not opened, pictures of a camera not fetched;
        those of a video are decoded, which later ones need, and no more.
        """
        if stride == 1:
            return self

        def read(source: FrameSource, wanted: Container[int]) -> Iterator[NumberedFrame]:
            for number, frame in self._read(source, _EveryNth(stride, wanted)):
                yield 1 + (number - 1) // stride, frame

        count = None if self.num_frames is None else -(-self.num_frames // stride)
        rate = self.frame_rate if self.rate_known else 0.0
        return FrameSource(self.name, rate, count, read, self.files, self.notes)


class _Every:
    """Contains every number."""

    def __contains__(self, number: object) -> bool:
        return True


@dataclass(frozen=True)
class _EveryNth:
    """Contains 1, 1 + stride, 1 + 2 stride ..., of which those that are `wanted`, counted from 1."""

    stride: int
    wanted: Container[int]

    def __contains__(self, number: object) -> bool:
        assert isinstance(number, int)
        return (number - 1) % self.stride == 0 and 1 + (number - 1) // self.stride in self.wanted


def open_video(address: str, name: str) -> FrameSource:
    """Open a video file or a stream (`rtsp://...`). Raises InputError where there is nothing that ffmpeg reads."""
    files = [] if "://" in address else [Path(address)]
    with _opened(address) as container:
        promised = container.streams.video[0].frames or None
        timing = read_timing(container, name, live=not files)

    def read(source: FrameSource, wanted: Container[int]) -> Iterator[NumberedFrame]:
        count, damaged = 0, 0
        with _opened(address) as container:
            packets = container.demux(video=0)
            while True:
                try:
                    pictures = next(packets).decode()
                except StopIteration:
                    break
                except av.FFmpegError:
                    damaged += 1
                    continue
                for picture in pictures:
                    count += 1
                    if count in wanted:
                        yield count, _upright(picture)
        if count == 0:
            raise InputError(f"{address}: no frame of this video can be decoded")
        if promised is not None and count < promised:
            source.problems.append(f"{address}: cut short or damaged: {count} of {promised} frames could be read")
        elif damaged:
            source.problems.append(f"{address}: {damaged} damaged packets were left out, {count} frames read")

    return FrameSource(name, timing.frame_rate or 0.0, promised, read, files, timing.notes)


def open_camera(number: int) -> FrameSource:
    """Open a camera of this machine. Raises InputError where there is none, or another program holds it."""
    capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        raise InputError(f"camera {number}: there is no such camera, or another program holds it")

    def read(source: FrameSource, wanted: Container[int]) -> Iterator[NumberedFrame]:
        for count in itertools.count(1):
            there = capture.grab()
            if there and count not in wanted:
                continue
            there, frame = capture.retrieve() if there else (False, None)
            if not there:
                source.problems.append(f"camera {number}: gives no more frames")
                return
            yield count, np.asarray(frame, np.uint8)

    timing = timing_of(capture.get(cv2.CAP_PROP_FPS), 0.0, np.zeros(0), f"camera {number}")
    return FrameSource(f"camera{number}", timing.frame_rate or 0.0, None, read)


class VideoWriter:
    """Write BGR frames to a video file that appears at `path` when the `with` block ends well and wrote any.

    H.264 where the ffmpeg behind PyAV has an encoder for it, else MPEG-4. The first frame sets the size (an odd last
    row or column is cut, 4:2:0 colour needs even ones); later frames of other sizes are scaled to it.
    """

    def __init__(self, path: str | Path, frame_rate: float) -> None:
        self.path = Path(path)
        self.codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self._rate = Fraction(frame_rate).limit_denominator(1001)
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> "VideoWriter":
        with ExitStack() as opened:
            try:
                self._temporary = opened.enter_context(atomic_path(self.path))
                self._container = av.open(str(self._temporary), "w")
            except (OSError, ValueError) as error:
                raise InputError(f"{self.path}: cannot be written as a video ({error})") from None
            opened.push(self._finish)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        nothing = InputError(f"{self.path}: no frames to write")
        self._opened.__exit__(*(error if self._stream is not None else (InputError, nothing, None)))

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close the file; what goes wrong there, say a full disk, keeps it from its place like what came before."""
        try:
            if kind is None:
                self._container.mux(self._stream.encode())
        finally:
            self._container.close()

    def write(self, frame: Frame) -> None:
        """Append one frame."""
        if self._stream is None:
            height, width = (side // 2 * 2 for side in frame.shape[:2])
            self._stream = self._container.add_stream(self.codec, rate=self._rate)
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.options = {"crf": "23", "preset": "veryfast"} if self.codec == "libx264" else {}
        width, height = self._stream.width, self._stream.height
        if frame.shape[0] // 2 * 2 != height or frame.shape[1] // 2 * 2 != width:
            frame = cv2.resize(frame, (width, height))
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="bgr24")
        self._container.mux(self._stream.encode(picture))


def _upright(picture: Any) -> Frame:
    """Decode to BGR and undo the rotation that phones store beside the picture (counter-clockwise degrees)."""
    frame: Frame = picture.to_ndarray(format="bgr24")
    quarter_turns = round(getattr(picture, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(frame, quarter_turns)) if quarter_turns else frame


@contextmanager
def _opened(address: str) -> Iterator[Any]:
    """Open a video that has pictures of a size that may be decoded; closed at the end."""
    try:
        container = av.open(address, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{address}: not a video that ffmpeg reads ({error})") from None
    with container:
        if not container.streams.video:
            raise InputError(f"{address}: this file has no video stream")
        if not container.streams.video[0].codec_context:  # av gives the stream no width then
            raise InputError(f"{address}: ffmpeg does not know how this video is coded")
        width, height = container.streams.video[0].width, container.streams.video[0].height
        if width * height > LARGEST_IMAGE:
            raise InputError(
                f"{address}: refused, it declares {width} x {height} pixels; at most {LARGEST_IMAGE} are read"
            )
        container.streams.video[0].thread_type = "AUTO"
        yield container


def _decoded_ahead(frames: Iterator[NumberedFrame]) -> Generator[NumberedFrame, None, None]:
    """Yield what `frames` yields while a thread reads up to `_AHEAD` in advance; errors arrive in their turn."""
    ready: queue.Queue[NumberedFrame | BaseException | None] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def offer(item: NumberedFrame | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for frame in frames:
                if not offer(frame):
                    return
            offer(None)
        except BaseException as error:
            offer(error)

    thread = threading.Thread(target=work, daemon=True, name="decode")
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join(timeout=5)
