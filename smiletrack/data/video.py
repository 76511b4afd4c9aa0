"""Pictures in, pictures out: frames from folders, videos and cameras, decoded ahead in a thread; H.264 out.

Frames are (H, W, 3) uint8 in OpenCV's channel order (blue, green, red). What can be mended while reading (an unreadable
picture in mid-sequence, a video that is cut short) does not stop a long run: it is listed in `FrameSource.problems`.
"""

import itertools
import queue
import re
import threading
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from smiletrack.data.mot import read_sequence_info
from smiletrack.errors import InputError
from smiletrack.files import atomic_path
from smiletrack.images import Frame as Frame

NumberedFrame = tuple[int, Frame]

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"))
_DEFAULT_RATE = 30.0
_AHEAD = 8
"""Frames decoded before they are asked for; 8 frames of 1080p are 50 MB."""


class FrameSource:
    """Frames of one picture sequence, video or camera; iterate to read it, as often as wanted (a camera goes on).

    name: what result files are called after. frame_rate: frames a second. num_frames: how many there are, as far as
    the file says, None where it does not (cameras, streams). problems: one line for each thing that went wrong in
    the iteration that ran last and was bridged.
    """

    def __init__(
        self,
        name: str,
        frame_rate: float,
        num_frames: int | None,
        read: "Callable[[FrameSource, Container[int]], Iterator[NumberedFrame]]",
    ) -> None:
        """`read` yields the frames whose numbers, from 1, are in the container it is given."""
        self.name = name
        self.frame_rate = frame_rate
        self.num_frames = num_frames
        self.problems: list[str] = []
        self._read = read

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


class _Every:
    """Contains every number."""

    def __contains__(self, number: object) -> bool:
        return True


def open_source(spec: str | int | Path) -> FrameSource:
    """Open a folder of images, a MOT sequence folder, a video file, a stream address (`rtsp://...`) or a camera number.

    Images are read in natural order of their names (2 before 10); a MOT sequence in the order of its frame numbers, and
    a number without an image there counts as unreadable. An unreadable image shows the frame before it once more, so
    that frame numbers stay true. Raises InputError where there is nothing to read at all, or the first frame is bad.
    """
    text = str(spec)
    if text.isdecimal() and not Path(text).exists():
        return _camera(int(text))
    if "://" in text:
        return _video(text, text.rsplit("/", 1)[-1] or "stream")
    path = Path(text)
    if path.is_dir():
        sequence = (path / "seqinfo.ini").is_file() or (path / "img1").is_dir()
        return _sequence(path) if sequence else _image_folder(path)
    if not path.exists():
        raise InputError(f"{path}: no such video, folder or camera")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _images(path.stem, _DEFAULT_RATE, [path])
    return _video(str(path), path.stem)


def read_image(path: Path) -> Frame:
    """Read one image as 8-bit BGR, whatever it holds (grey, palette, alpha, 16 bit: the upper 8 are kept).

    Raises InputError for a file that is missing, not an image, or a JPEG that ends before its end mark.
    """
    try:
        data = np.fromfile(path, np.uint8)  # imread cannot open non-ASCII names on every system
    except OSError as error:
        raise InputError(f"{path}: the image cannot be read ({error.strerror})") from None
    # libjpeg paints the missing part grey and calls it a success
    cut_short = data[:2].tobytes() == b"\xff\xd8" and b"\xff\xd9" not in data[-4096:].tobytes()
    try:
        frame = None if cut_short or not len(data) else cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:
        frame = None
    if frame is None:
        raise InputError(f"{path}: the image is {'cut short' if cut_short else 'corrupt or of an unknown format'}")
    return np.asarray(frame, np.uint8)


class VideoWriter:
    """Write BGR frames to a video file that appears at `path` when the `with` block ends well and wrote any.

    H.264 where the ffmpeg behind PyAV has an encoder for it, else MPEG-4. The first frame sets the size (an odd last
    row or column is cut, 4:2:0 colour needs even ones); later frames of other sizes are scaled to it.
    """

    def __init__(self, path: str | Path, frame_rate: float) -> None:
        self.path = Path(path)
        self.codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self._rate = Fraction(frame_rate).limit_denominator(1001)
        self._atomic = atomic_path(self.path)
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> "VideoWriter":
        try:
            self._temporary = self._atomic.__enter__()
            self._container = av.open(str(self._temporary), "w")
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: cannot be written as a video ({error})") from None
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            if self._stream is not None and error[0] is None:
                self._container.mux(self._stream.encode())
            self._container.close()
        finally:
            nothing = InputError(f"{self.path}: no frames to write")
            self._atomic.__exit__(*(error if self._stream is not None else (InputError, nothing, None)))

    def write(self, frame: Frame) -> None:
        """Append one frame."""
        if self._stream is None:
            height, width = (side // 2 * 2 for side in frame.shape[:2])
            self._stream = self._container.add_stream(self.codec, rate=self._rate)
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.options = {"crf": "23", "preset": "veryfast"} if self.codec == "libx264" else {}
        width, height = self._stream.width, self._stream.height
        if frame.shape[0] // 2 * 2 != height or frame.shape[1] // 2 * 2 != width:
            frame = np.asarray(cv2.resize(frame, (width, height)), np.uint8)
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="bgr24")
        self._container.mux(self._stream.encode(picture))


def image_paths(folder: Path) -> list[Path]:
    """Return the images right in `folder`, in natural order of their names."""
    images = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."]
    return sorted(images, key=lambda path: [int(part) if part.isdecimal() else part for part in _numbers(path.name)])


def _numbers(name: str) -> list[str]:
    return re.split(r"(\d+)", name)


def _sequence(folder: Path) -> FrameSource:
    """A MOT sequence: `seqinfo.ini` where there is one, images numbered from 1."""
    if (folder / "seqinfo.ini").is_file():
        info = read_sequence_info(folder)
        name, rate, images = info.name, info.frame_rate, info.image_folder
    else:
        name, rate, images = folder.resolve().name, _DEFAULT_RATE, folder / "img1"
    if not images.is_dir():
        raise InputError(f"{images}: no such folder; the sequence has no images")
    paths = image_paths(images)
    if not paths:
        raise InputError(f"{images}: no images in this folder")
    if all(path.stem.isdecimal() for path in paths):
        by_number = {int(path.stem): path for path in paths}
        pattern = paths[0]
        missing = {n: pattern.with_stem(f"{n:0{len(pattern.stem)}d}") for n in range(1, max(by_number) + 1)}
        paths = list((missing | by_number).values()) if 0 not in by_number else paths
    return _images(name, float(rate), paths)


def _image_folder(folder: Path) -> FrameSource:
    paths = image_paths(folder)
    if not paths:
        raise InputError(f"{folder}: neither images nor a MOT sequence (seqinfo.ini, img1/) in this folder")
    return _images(folder.resolve().name, _DEFAULT_RATE, paths)


def _images(name: str, frame_rate: float, paths: list[Path]) -> FrameSource:
    def read(source: FrameSource, wanted: Container[int]) -> Iterator[NumberedFrame]:
        last: Frame | None = None
        for number, path in enumerate(paths, 1):
            if number not in wanted:
                continue
            try:
                last = read_image(path)
            except InputError as error:
                if last is None:
                    raise
                source.problems.append(f"{error}; the frame before it is used in its place")
            yield number, last

    return FrameSource(name, frame_rate, len(paths), read)


def _video(address: str, name: str) -> FrameSource:
    with _opened(address) as container:
        stream = container.streams.video[0]
        frame_rate = float(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE)
        promised = stream.frames or None

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

    return FrameSource(name, frame_rate, promised, read)


def _upright(picture: Any) -> Frame:
    """Decode to BGR and undo the rotation that phones store beside the picture (counter-clockwise degrees)."""
    frame: Frame = picture.to_ndarray(format="bgr24")
    quarter_turns = round(getattr(picture, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(frame, quarter_turns)) if quarter_turns else frame


@contextmanager
def _opened(address: str) -> Iterator[Any]:
    try:
        container = av.open(address)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{address}: not a video that ffmpeg reads ({error})") from None
    with container:
        if not container.streams.video:
            raise InputError(f"{address}: this file has no video stream")
        container.streams.video[0].thread_type = "AUTO"
        yield container


def _camera(number: int) -> FrameSource:
    capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        raise InputError(f"camera {number}: there is no such camera, or another program holds it")

    def read(source: FrameSource, wanted: Container[int]) -> Iterator[NumberedFrame]:
        for count in itertools.count(1):
            there, frame = capture.read()
            if not there:
                source.problems.append(f"camera {number}: gives no more frames")
                return
            if count in wanted:
                yield count, np.asarray(frame, np.uint8)

    return FrameSource(f"camera{number}", capture.get(cv2.CAP_PROP_FPS) or _DEFAULT_RATE, None, read)


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
