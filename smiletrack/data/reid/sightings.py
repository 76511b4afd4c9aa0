"""All boxes of a sequence's frames as a tracker hands them to an SLM, and whom each shows, where that is known."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import area, clip_boxes, covered_shares, iou_matrix
from smiletrack.data.mot import DetectionTable
from smiletrack.data.reid.identities import IdentityTable, merge_identities
from smiletrack.data.sequences import FolderSequence, one_copy_each, open_folders
from smiletrack.data.truth import IGNORED_CLASSES
from smiletrack.errors import InputError
from smiletrack.lazy import LazyModule
from smiletrack.types import Floats, Ints, TrackTable

optimize = LazyModule("scipy.optimize")

Mask = NDArray[np.bool_]

NOBODY = -1
"""Identity of a box that shows nobody known: a false detection, or somebody without an annotation."""
SAME_BOX = 0.5
"""Least overlap of a detection and the annotation that it is taken to show."""


@dataclass(frozen=True, eq=False)
class SequenceSightings:
    """One sequence; row i of every array is the same box.

    images: the image of each frame in use. frames: (N,) time index, -1 where there is no time (photographs). boxes: (N,
    4) xyxy pixels. identities: (N,), unique in a frame, or NOBODY. covered: (N,) the share of the box under annotated
    people nearer to the camera, in [0, 1]. visibility: (N,) in [0, 1], as annotated.
    """

    name: str
    images: tuple[Path, ...]
    image_indices: Ints
    frames: Ints
    boxes: Floats
    identities: Ints
    covered: Floats
    visibility: Floats

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def known(self) -> Ints:
        """(M,) rows that show somebody known."""
        return np.flatnonzero(self.identities != NOBODY)

    @property
    def timed(self) -> bool:
        """Whether the boxes have a time."""
        return bool((self.frames >= 0).all())

    def anchors(self, every: int) -> Mask:
        """(N,) boxes in the first frame and every which one from there; all of them where there is no time."""
        if not self.timed or not len(self):
            return np.ones(len(self), bool)
        return (self.frames - self.frames.min()) % every == 0

    def people(self, rows: Ints) -> IdentityTable:
        """Return these rows, none of which may be NOBODY, as a table of identities."""
        names = np.full(len(self), self.name)
        return IdentityTable(
            self.images, self.image_indices, self.boxes, self.visibility, self.identities, self.frames, names
        )[rows]


def folder_sightings(
    root: Path, split: str, detections: Collection[str], every: int, gaps: Collection[int], min_score: float = 0.1
) -> list[SequenceSightings]:
    """Return the boxes of the sequences in a folder: stored detections matched to the annotated pedestrians.

    root, split: as `sequences.open_folders` takes them; of MOT17's three copies only the first is used. detections:
    names of stored detections, of which each sequence's first that is there is taken; empty = the pedestrians' own
    boxes. Frames in use are the anchors (the split's first frame and `every` which from there) and those `gaps` frames
    after one. min_score: detections at or below it are no boxes to a tracker. In each frame detections and annotations
    are joined one to one, where they overlap by SAME_BOX or more, so that the sum of overlaps is greatest.
    InputError names a sequence without detections or annotations, or a frame in use whose image is absent.
    """
    opened = one_copy_each(open_folders(root, split))
    return [_sequence_sightings(sequence, detections, every, gaps, min_score) for sequence in opened]


def _sequence_sightings(
    sequence: FolderSequence, detections: Collection[str], every: int, gaps: Collection[int], min_score: float
) -> SequenceSightings:
    """Return the boxes of one sequence in the frames in use: of the truth, or detections matched to it."""
    annotations, images = sequence.truth(), sequence.image_files()
    if annotations is None:
        raise InputError(f"{sequence.origin}: no ground truth (gt/gt.txt)")
    inside = area(clip_boxes(annotations.table.boxes, sequence.width, sequence.height)) > 0
    pedestrians, truth = annotations.targets(), annotations.table
    everybody = inside & (pedestrians | np.isin(truth.classes, IGNORED_CLASSES))
    truth, pedestrians = truth[everybody], pedestrians[everybody]
    seen = _detections(sequence, detections) if detections else None
    used, parts = frames_in_use(sequence.num_frames, every, gaps), []
    if missing := [number for number in used if number not in images]:
        raise InputError(f"{sequence.image_path(missing[0])}: no such image; unpack all or choose another split")
    for number in used:
        here = truth.frames == number
        persons = truth[here], np.flatnonzero(pedestrians[here])
        if seen is None:
            parts.append(_own_boxes(*persons))
        else:
            rows = seen.frame(number)
            parts.append(_matched(seen.boxes[rows[seen.scores[rows] > min_score]], *persons))
    boxes, identities, covered, visibility = (np.concatenate(column) for column in zip(*parts, strict=True))
    index = np.repeat(np.arange(len(used)), [len(part[0]) for part in parts])
    pictures, frames = tuple(images[number] for number in used), np.array(used, np.int64)[index]
    return SequenceSightings(sequence.name, pictures, index, frames, boxes, identities, covered, visibility)


def table_sightings(table: IdentityTable) -> list[SequenceSightings]:
    """Return a table's own boxes, sequence by sequence; who stands before whom is taken from its boxes alone."""
    sequences = []
    for name in np.unique(table.sequences):
        part = table[table.sequences == name]
        covered = np.zeros(len(part))
        for image in range(len(part.images)):
            rows = np.flatnonzero(part.image_indices == image)
            covered[rows] = covered_shares(part.boxes[rows], part.boxes[rows])
        index, people = part.image_indices, part.identities
        sequences.append(
            SequenceSightings(str(name), part.images, index, part.frames, part.boxes, people, covered, part.visibility)
        )
    return sequences


def frames_in_use(num_frames: int, every: int, gaps: Collection[int]) -> list[int]:
    """Return the anchors 1, 1 + `every` ... and the frames that come a gap after one, in order."""
    anchors = range(1, num_frames + 1, every)
    return sorted({n for anchor in anchors for n in (anchor, *(anchor + gap for gap in gaps)) if n <= num_frames})


def joined_people(sequences: Sequence[SequenceSightings], rows: Sequence[Ints]) -> IdentityTable:
    """Return the given rows of each sequence in one table, people of different sequences being different."""
    return merge_identities([sequence.people(part) for sequence, part in zip(sequences, rows, strict=True)])


def _detections(sequence: FolderSequence, names: Collection[str]) -> DetectionTable:
    """Return the first of the named detections that the sequence has; InputError where it has none of them."""
    for name in names:
        if (sequence.folder / "det" / f"{name}.txt").is_file():
            return sequence.detections(name).table
    return sequence.detections(next(iter(names))).table


def _own_boxes(everybody: TrackTable, targets: Ints) -> tuple[Floats, Ints, Floats, Floats]:
    boxes = everybody.boxes[targets]
    covered = covered_shares(boxes, everybody.boxes)
    return boxes, everybody.ids[targets], covered, everybody.visibility[targets]


def _matched(boxes: Floats, everybody: TrackTable, targets: Ints) -> tuple[Floats, Ints, Floats, Floats]:
    """Return boxes, identity, covered share and visibility of each box of a frame; 0 and 1 for NOBODY.

    everybody: annotations of one frame, all who can stand before somebody. targets: rows of those to be told apart.
    """
    overlaps = iou_matrix(boxes, everybody.boxes[targets])
    overlaps[overlaps < SAME_BOX] = 0
    i, j = optimize.linear_sum_assignment(-overlaps)
    i, j = i[overlaps[i, j] > 0], targets[j[overlaps[i, j] > 0]]
    identities, covered, visibility = np.full(len(boxes), NOBODY), np.zeros(len(boxes)), np.ones(len(boxes))
    identities[i], visibility[i] = everybody.ids[j], everybody.visibility[j]
    for row, own in zip(i, j, strict=True):
        # the annotation of the person itself may end lower than the detection
        covered[row] = covered_shares(boxes[row : row + 1], np.delete(everybody.boxes, own, 0))[0]
    return boxes, identities, covered, visibility
