"""Image files: their pixels, their size, and which of them is which frame of a sequence.

Pictures are upright: where a camera wrote its orientation beside the pixels (EXIF), pixels and sizes both follow it.
"""

import io
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smiletrack.errors import InputError
from smiletrack.files import atomic_write
from smiletrack.images import Frame
from smiletrack.lazy import LazyModule
from smiletrack.limits import LARGEST_IMAGE

cv2 = LazyModule("cv2")
pillow = LazyModule("PIL.Image")

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".gif", ".jp2"))
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(LARGEST_IMAGE))  # for forms that Pillow does not know
_ORIENTATION = 0x0112
"""EXIF's tag; 5 to 8 are the orientations that exchange width and height."""
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>[0-9]+)(?P<after>[^0-9]*)")


def read_image(path: Path) -> Frame:
    """Read one image as (H, W, 3) 8-bit BGR, whatever it holds (grey, palette, alpha, 16 bit: the upper 8 are kept).

    Of an animation the first picture is read. Raises InputError for a file that is missing, not an image, or a JPEG
    that ends before its end mark, and before it is decoded for one that declares more pixels than `LARGEST_IMAGE`.
    """
    try:
        data = np.fromfile(path, np.uint8)  # imread cannot open non-ASCII names on every system
    except OSError as error:
        raise InputError(f"{path}: the image cannot be read ({error.strerror})") from None
    # libjpeg paints the missing part grey and calls it a success
    _check_size(data, path)
    cut_short = data[:2].tobytes() == b"\xff\xd8" and b"\xff\xd9" not in data[-4096:].tobytes()
    try:
        frame = None if cut_short or not len(data) else cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:
        frame = None
    if frame is None:
        raise InputError(f"{path}: the image is {'cut short' if cut_short else 'corrupt or of an unknown format'}")
    return np.asarray(frame, np.uint8)


def write_image(path: Path, picture: Frame) -> None:
    """Write a (H, W, 3) BGR picture, atomically, in the form that the name ends in (`.png`, `.jpg`)."""
    encoded = cv2.imencode(path.suffix, np.ascontiguousarray(picture))[1]  # imwrite says nothing of a full disk
    with atomic_write(path, "wb") as stream:
        stream.write(encoded.tobytes())


def _check_size(data: NDArray[np.uint8], path: Path) -> None:
    """Raise InputError where the header declares more pixels than `LARGEST_IMAGE`; the rest is for the decoder."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pillow.DecompressionBombWarning)  # its limit is lower
            with pillow.open(io.BytesIO(data.tobytes())) as image:
                width, height = image.size
    except pillow.DecompressionBombError as error:
        raise InputError(f"{path}: refused, {error}") from None
    except Exception:  # Pillow knows fewer forms than OpenCV, and stumbles over damage in its own ways
        return
    if width * height > LARGEST_IMAGE:
        raise InputError(f"{path}: refused, it declares {width} x {height} pixels; at most {LARGEST_IMAGE} are read")


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height in pixels as `read_image` gives them, from the file's header; no pixel is decoded.

    Raises InputError for a file that is missing or no image.
    """
    try:
        with pillow.open(path) as image:
            return upright_size(image)
    except (OSError, ValueError, SyntaxError, MemoryError, pillow.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "corrupt or of an unknown format"
        raise InputError(f"{path}: the image cannot be read ({reason})") from None


def upright_size(image: Any) -> tuple[int, int]:
    """Return width and height of an opened Pillow image after its EXIF orientation is applied."""
    width, height = image.size
    if image.format == "TIFF":  # some versions of Pillow exchange the sides by themselves, and some do not
        width, height = image.tag_v2[256], image.tag_v2[257]
    return (height, width) if image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8) else (width, height)


def image_paths(folder: Path) -> list[Path]:
    """Return the images right in `folder`, in natural order of their names (2 before 10); hidden files are none."""
    images = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."]
    return sorted(images, key=lambda path: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", path.name)])


@dataclass(frozen=True, eq=False)
class FrameImages:
    """The images of a sequence. by_frame: frame number from 1 -> file, ascending; numbers without an image are absent.

    by_number: whether the numbers in the names count the frames; else the n-th image is frame n.
    """

    by_frame: dict[int, Path]
    by_number: bool

    @property
    def last(self) -> int:
        """The last frame that has an image, 0 where there is none."""
        return next(reversed(self.by_frame), 0)


def pair_frames(folder: Path, extension: str = "", length: int = 0) -> FrameImages:
    """Pair the images in `folder` with frame numbers; nothing where there is no such folder.

    Names that are one text around one number (`000001.jpg`, `frame_000000.PNG`) count frames, from 0 if there is a
    number 0 and from 1 else, provided that no number is beyond the sequence of `length` frames; where the length is
    not known (0) or exceeded, that they begin at 0 or 1 and at most every second number is absent. Of all other names,
    such as time stamps, the n-th in natural order is frame n. `extension` (`.jpg`) chooses among several file types.
    Raises InputError where two images have one number.
    """
    paths = image_paths(folder) if folder.is_dir() else []
    chosen = [path for path in paths if path.suffix.lower() == extension.lower()]
    paths = chosen or paths
    numbers = _numbers(paths)
    if not numbers or not _count_frames(numbers, length):
        return FrameImages(dict(enumerate(paths, 1)), False)
    start = 0 if 0 in numbers else 1
    by_frame: dict[int, Path] = {}
    for number, path in sorted(zip(numbers, paths, strict=True)):
        if (twin := by_frame.setdefault(number - start + 1, path)) is not path:
            raise InputError(
                f"{folder}: {twin.name} and {path.name} are both image {number}; remove one, or name the type that "
                "counts as imExt in seqinfo.ini"
            )
    return FrameImages(by_frame, True)


def _numbers(paths: Sequence[Path]) -> list[int]:
    """Return the number in each name; nothing where the names differ in more than that."""
    found = [_NUMBERED.fullmatch(path.stem) for path in paths]
    matches = [match for match in found if match is not None]
    if len(matches) < len(paths) or len({(match["before"], match["after"]) for match in matches}) > 1:
        return []
    return [int(match["number"]) for match in matches]


def _count_frames(numbers: Sequence[int], length: int) -> bool:
    """Tell whether numbers in names count frames rather than, say, milliseconds."""
    first, last = min(numbers), max(numbers)
    frames = last + (first == 0)
    return frames <= length or (first <= 1 and frames <= 2 * len(set(numbers)))
