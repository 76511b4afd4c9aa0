"""The numbered images of a sequence as a source of frames."""

import bisect
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

from smiletrack.data.image_files import read_image
from smiletrack.data.video import FrameSource, NumberedFrame
from smiletrack.errors import InputError
from smiletrack.images import Frame


def open_images(name: str, frame_rate: float, images: Mapping[int, Path], first: int = 1, last: int = 0) -> FrameSource:
    """Return the frames `first` .. `last` (0 = the last that has an image), numbered from 1, of a sequence's images.

    images: frame number -> file, ascending. frame_rate: 0 where it is not known. A frame without an image, or with one
    that cannot be read, shows the frame before it once more, so that frame numbers stay true; there are none after the
    last image. Raises InputError, while it is read, where the first frame that is asked for is one of those.
    """
    there = list(images)
    end = min(last, there[-1]) if last and there else there[-1] if there else 0

    def read(source: FrameSource, wanted: Container[int]) -> Iterator[NumberedFrame]:
        before: Frame | None = None
        problem = ""
        for number in range(first, end + 1):
            if number - first + 1 not in wanted:
                continue
            try:
                if number not in images:
                    raise InputError(f"{images[there[0]].parent}: no image for frame {_gap(there, number)}")
                before = read_image(images[number])
            except InputError as error:
                if before is None:
                    raise
                if problem != str(error):  # a gap of many frames is one problem
                    problem = str(error)
                    source.problems.append(f"{problem}; the frame before is used instead")
            yield number - first + 1, before

    files = [path for number, path in images.items() if first <= number <= end]
    return FrameSource(name, frame_rate, max(end - first + 1, 0), read, files)


def _gap(there: Sequence[int], number: int) -> str:
    """Return the absent numbers around `number` as text: 5, or 5 .. 9."""
    place = bisect.bisect(there, number)
    first, last = (there[place - 1] + 1 if place else 1), there[place] - 1
    return f"{first}" if first == last else f"{first} .. {last}"
