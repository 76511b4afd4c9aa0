"""Sizes of many images from their first bytes, and whether their last bytes are there, remembered between runs."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import PIL.Image

from smiletrack.console import ProgressBar
from smiletrack.data.image_files import upright_size

_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}
"""First bytes of a JPEG and a PNG -> what must stand near their end."""
MISSING, UNREADABLE = "missing image", "unreadable image"

_TAIL = 4096
_BATCH = 512


@dataclass(frozen=True)
class ImageState:
    """width, height: px as the picture is seen (EXIF), 0 where unknown. problem: MISSING, UNREADABLE, or nothing."""

    width: int
    height: int
    problem: str = ""


def probe_images(paths: Iterable[Path], memory: Path, others: Iterable[Path] = ()) -> dict[Path, ImageState]:
    """Return the state of each image. No pixel is decoded.

    memory: a text file that is read first and grows while images are looked at, so that a run that was stopped, or
    a second one, opens only files that are new or changed (another size or time). others: files of the same kind, which
    other processes wrote.
    """
    known = {key: state for file in (memory, *others) for key, state in _remembered(file).items()}
    states: dict[Path, ImageState] = {}
    todo: list[tuple[Path, str]] = []
    for path in dict.fromkeys(paths):
        key = _key(path)
        if key in known:
            states[path] = known[key]
        elif key:
            todo.append((path, key))
        else:
            states[path] = ImageState(0, 0, MISSING)
    memory.parent.mkdir(parents=True, exist_ok=True)
    with (
        memory.open("a", encoding="utf-8") as stream,
        ThreadPoolExecutor(min(2 * (os.cpu_count() or 1), 16)) as pool,
        ProgressBar("looking at images", len(todo)) as bar,
    ):
        for batch in _batches(todo, _BATCH):
            for (path, key), state in zip(batch, pool.map(probe, [path for path, _ in batch]), strict=True):
                states[path] = state
                stream.write(f"{state.width}\t{state.height}\t{state.problem}\t{key}\n")
            stream.flush()
            bar.advance(len(batch))
    return states


def probe(path: Path) -> ImageState:
    """Look at one image: its header for the size, its end for whether it is whole."""
    try:
        with path.open("rb") as stream:
            start = stream.read(2)
            stream.seek(max(path.stat().st_size - _TAIL, 0))
            whole = _ENDS.get(start, b"") in stream.read()
            stream.seek(0)
            with PIL.Image.open(stream) as image:
                width, height = upright_size(image)
    except FileNotFoundError:
        return ImageState(0, 0, MISSING)
    except (OSError, ValueError, SyntaxError, MemoryError, PIL.Image.DecompressionBombError):
        return ImageState(0, 0, UNREADABLE)
    return ImageState(width, height, "" if whole else UNREADABLE)


def _key(path: Path) -> str:
    """Return size, time and path in one line, nothing where there is no such file; `upright`: how sizes are meant."""
    try:
        state = path.stat()
    except OSError:
        return ""
    return f"upright\t{state.st_size}\t{state.st_mtime_ns}\t{path}"


def _remembered(memory: Path) -> dict[str, ImageState]:
    states = {}
    if memory.is_file():
        for line in memory.read_text(encoding="utf-8", errors="replace").splitlines():
            width, _, rest = line.partition("\t")
            height, _, rest = rest.partition("\t")
            problem, _, key = rest.partition("\t")
            if (
                width.isdecimal() and height.isdecimal() and len(width) < 10 > len(height) and key
            ):  # a line cut short has another key than any image
                states[key] = ImageState(int(width), int(height), problem)
    return states


def _batches(items: list[tuple[Path, str]], size: int) -> Iterator[list[tuple[Path, str]]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
