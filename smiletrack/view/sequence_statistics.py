"""Figures of an annotated sequence: how many boxes and people, how large, how visible, how long, and what is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import area, clip_boxes
from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage
from smiletrack.types import Floats, Ints


@dataclass(frozen=True, eq=False)
class SequenceStatistics:
    """Figures of one sequence; every array is over target boxes (not ignored) unless it says otherwise.

    frames: (F,) numbers of all frames, 1, 2 .. for photographs. boxes_a_frame: (F,). presence: the frames that each
    named person is in. visibility: (N,). heights, widths: (N,) px. ignored: how many boxes. faults: what is wrong.
    """

    name: str
    frames: Ints
    boxes_a_frame: Ints
    presence: Mapping[int, Ints]
    visibility: Floats
    heights: Floats
    widths: Floats
    ignored: int
    faults: Sequence[str]

    @property
    def lifetimes(self) -> Ints:
        """Return for how many frames each person is there, from the first to the last."""
        return np.array([frames[-1] - frames[0] + 1 for frames in self.presence.values()], np.int64)


def statistics(name: str, images: Sequence[AnnotatedImage], missing: int = 0) -> SequenceStatistics:
    """Return the figures of one sequence in frame order. missing: how many of its images are not there."""
    boxes = np.concatenate([np.zeros((0, 4)), *(image.boxes[~image.ignored] for image in images)])
    numbered = all(image.frame != UNKNOWN for image in images)
    frames = np.array([image.frame if numbered else i for i, image in enumerate(images, 1)], np.int64)
    presence: dict[int, list[int]] = {}
    outside = twice = 0
    for image, frame in zip(images, frames.tolist(), strict=True):
        people = image.identities[named_rows(image)].tolist()
        twice += len(people) - len(set(people))
        for person in people:
            presence.setdefault(person, []).append(frame)
        if image.width:
            outside += int((area(clip_boxes(image.boxes[~image.ignored], image.width, image.height)) <= 0).sum())
    empty = sum(not (~image.ignored).any() for image in images)
    faults = {
        "images are not there": missing,
        "frames have no box": empty,
        "boxes have no area in the image": outside,
        "boxes show a person twice in a frame": twice,
    }
    return SequenceStatistics(
        name,
        frames,
        np.array([(~image.ignored).sum() for image in images], np.int64),
        {person: np.array(sorted(where), np.int64) for person, where in presence.items()},
        np.concatenate([np.zeros(0), *(image.visibility[~image.ignored] for image in images)]),
        boxes[:, 3] - boxes[:, 1],
        boxes[:, 2] - boxes[:, 0],
        sum(int(image.ignored.sum()) for image in images),
        [f"{number:,} {text}" for text, number in faults.items() if number],
    )


def named_rows(annotated: AnnotatedImage) -> NDArray[np.bool_]:
    """Return which boxes (N,) show a person with a name: not ignored, identity known."""
    return ~annotated.ignored & (annotated.identities != UNKNOWN)
