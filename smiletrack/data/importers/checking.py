"""From what a set says to what training may use: faults are told, the field's filters applied."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import area, clip_boxes
from smiletrack.data.importers.annotations import BAD_BOX, UNKNOWN, AnnotatedImage, Problems
from smiletrack.data.importers.probe import MISSING, ImageState
from smiletrack.ranges import Checked, NonNegative, Share


@dataclass(frozen=True)
class FilterConfig(Checked):
    """Which boxes are targets, and in which form."""

    min_visibility: Share = 0.0
    """People of whom a smaller fraction than this is visible are ignored."""
    min_height: NonNegative = 0.0
    """People of fewer pixels in height than this are ignored."""
    clip: bool = False
    """Clip boxes to the image; otherwise they extend to where the person would be."""
    keep_ignored: bool = True
    """Write ignored boxes, as crowds, which neither training nor COCO's AP counts; otherwise they are left out."""


def checked(
    images: list[AnnotatedImage], states: dict[Path, ImageState], filters: FilterConfig, problems: Problems
) -> list[AnnotatedImage]:
    """Return the images that are there and whole, with their size, and their sound boxes, filtered."""
    return [
        _filtered(_sound(image, problems), filters)
        for image in (_present(image, states[image.path], problems) for image in images)
        if image is not None
    ]


def _present(image: AnnotatedImage, state: ImageState, problems: Problems) -> AnnotatedImage | None:
    """Return the image with its size and its boxes in pixels, or None, noted, where the file is not as annotated."""
    if state.problem:
        reason = f"not there, but {image.source} names it" if state.problem == MISSING else "cut short or no image"
        problems.add(state.problem, f"{image.path}: the image is {reason}")
        return None
    if image.width and (image.width, image.height) != (state.width, state.height):
        problems.add(
            "image of another size",
            f"{image.path}: the image is {state.width}x{state.height}, but {image.source} is about "
            f"{image.width}x{image.height}",
        )
        return None
    sides = np.array([state.width, state.height] * 2, np.float64) if image.relative else 1.0
    return replace(image, boxes=image.boxes * sides, relative=False, width=state.width, height=state.height)


def _sound(image: AnnotatedImage, problems: Problems) -> AnnotatedImage:
    """Leave out boxes without area in the image, and all but the first of one identity."""
    wrong = ~np.asarray(np.isfinite(image.boxes).all(1))
    wrong |= area(clip_boxes(np.where(wrong[:, None], 0.0, image.boxes), image.width, image.height)) <= 0
    for row in np.flatnonzero(wrong).tolist():
        corners = ", ".join(f"{corner:g}" for corner in image.boxes[row])
        problems.add(
            BAD_BOX,
            f"{image.where(row)}: the box ({corners}) has no area in the image of {image.width}x{image.height}",
        )
    named = np.flatnonzero(~wrong & ~image.ignored & (image.identities != UNKNOWN))
    _, first = np.unique(image.identities[named], return_index=True)
    for row in sorted(set(named.tolist()) - set(named[first].tolist())):
        problems.add("duplicate", f"{image.where(row)}: identity {image.identities[row]} is in the image twice")
        wrong[row] = True
    return _rows(image, ~wrong)


def _filtered(image: AnnotatedImage, filters: FilterConfig) -> AnnotatedImage:
    ignored = image.ignored | (image.visibility < filters.min_visibility)
    ignored |= (image.boxes[:, 3] - image.boxes[:, 1]) < filters.min_height
    boxes = clip_boxes(image.boxes, image.width, image.height) if filters.clip else image.boxes
    image = replace(image, boxes=boxes, ignored=ignored)
    return image if filters.keep_ignored else _rows(image, ~ignored)


def _rows(image: AnnotatedImage, keep: NDArray[np.bool_]) -> AnnotatedImage:
    if keep.all():
        return image
    return replace(
        image,
        boxes=image.boxes[keep],
        identities=image.identities[keep],
        visibility=image.visibility[keep],
        ignored=image.ignored[keep],
        lines=None if image.lines is None else image.lines[keep],
    )
