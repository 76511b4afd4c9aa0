"""The neutral form that every reader gives: images with boxes; and what to do about faults in them."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.errors import InputError
from smiletrack.types import Floats, Ints

UNKNOWN = -1
"""The identity of somebody whom the set does not name, the frame number of a photograph."""


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """One image and its N people, as the set says, unfiltered.

    boxes: (N, 4) xyxy px, not clipped. identities: (N,) unique in the whole set, UNKNOWN for nobody in particular.
    visibility: (N,) in [0, 1]. ignored: (N,) neither target nor background (groups, distractors, reflections).
    sequence: the video, or the set's name for photographs. frame: its number in the video from 1, or UNKNOWN.
    source: the file that says all this; lines: (N,) line numbers in it, None where it has none.
    width, height: px; 0 where only the image itself knows. relative: boxes are shares of the image's sides still.
    dialect: what the columns of `source` were taken for, where there is a choice, and what is odd in it.
    """

    path: Path
    boxes: Floats
    identities: Ints
    visibility: Floats
    ignored: NDArray[np.bool_]
    sequence: str
    source: Path
    frame: int = UNKNOWN
    lines: Ints | None = None
    width: int = 0
    height: int = 0
    relative: bool = False
    dialect: str = ""

    def where(self, row: int) -> str:
        """Return file:line of a box, or the file and the image it belongs to."""
        if self.lines is None:
            return f"{self.source}: image {self.path.name}"
        return f"{self.source}:{self.lines[row]}"


@dataclass(frozen=True)
class Counts:
    """What published tables count: images, different people, boxes that are targets."""

    images: int
    identities: int
    boxes: int


def count(images: list[AnnotatedImage]) -> Counts:
    """Count the images, the people and their boxes; what is ignored does not count."""
    people = [image.identities[~image.ignored & (image.identities != UNKNOWN)] for image in images]
    identities = len(np.unique(np.concatenate(people))) if people else 0
    return Counts(len(images), identities, sum(int((~image.ignored).sum()) for image in images))


@dataclass
class Problems:
    """Faults found in a set. A kind that is not allowed stops the import; the others are collected to be told."""

    allowed: frozenset[str] = frozenset()
    """Kinds of faults to leave out and count, of KINDS."""
    lines: list[str] = field(default_factory=list)
    """One line a fault: where and what."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many of each kind."""

    def add(self, kind: str, line: str) -> None:
        """Note a fault; InputError where its kind is not allowed."""
        if kind not in self.allowed:
            raise InputError(f"{line}; mend the data, or leave such out and have them counted with --skip-bad")
        self.lines.append(line)
        self.counts[kind] += 1


KINDS = ("missing image", "unreadable image", "image of another size", "box without area in the image", "duplicate")
BAD_BOX = KINDS[3]
