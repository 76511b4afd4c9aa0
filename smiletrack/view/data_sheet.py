"""What an annotated sequence looks like: a contact sheet, a sheet of its people, and a page of statistics."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smiletrack.boxes import area, clip_boxes
from smiletrack.data.importers.annotations import UNKNOWN, AnnotatedImage
from smiletrack.images import cut_boxes
from smiletrack.types import Floats, Ints
from smiletrack.view.colors import hex_color, identity_color
from smiletrack.view.drawing import Image, draw_box, draw_lines
from smiletrack.view.svg import line_chart, ticks

_CELL_WIDTH, _COLUMNS, _GAP = 640, 3, 4
_CROP = (60, 168)
_PEOPLE = 10
_MOST_LABELS = 30
"""Boxes in a frame up to which each has its identity written above it."""
_GREY, _NOBODY = (150, 150, 150), (80, 200, 80)
_CHART = (320, 210)
_HEADS = (
    "sequence",
    "frames",
    "boxes",
    "ignored",
    "people",
    "boxes a frame",
    "most",
    "height, px",
    "width / height",
    "visibility",
    "lifetime, frames",
)


def contact_sheet(frames: Sequence[tuple[AnnotatedImage, Image]]) -> Image:
    """Return a BGR sheet of frames with their boxes: a colour an identity, green for unnamed, dashed grey for ignored.

    frames: at least one pair of annotation and BGR picture.
    """
    cells = [_cell(annotated, picture) for annotated, picture in frames]
    height = max(len(cell) for cell in cells)
    cells = [np.pad(cell, [(0, height - len(cell) + _GAP), (0, _GAP), (0, 0)], constant_values=255) for cell in cells]
    blank = np.full_like(cells[0], 255)
    rows = [cells[i : i + _COLUMNS] for i in range(0, len(cells), _COLUMNS)]
    columns = min(_COLUMNS, len(cells))
    return np.concatenate([np.concatenate([*row, *[blank] * (columns - len(row))], 1) for row in rows])


def _cell(annotated: AnnotatedImage, picture: Image) -> Image:
    scale = _CELL_WIDTH / picture.shape[1]
    size = (_CELL_WIDTH, max(1, round(picture.shape[0] * scale)))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    cell = np.asarray(cv2.resize(picture, size, interpolation=smooth), np.uint8)
    labels = len(annotated.boxes) <= _MOST_LABELS
    for box, identity, ignored in zip(
        annotated.boxes * scale, annotated.identities.tolist(), annotated.ignored.tolist(), strict=True
    ):
        named = identity != UNKNOWN
        color = _GREY if ignored else identity_color(identity) if named else _NOBODY
        draw_box(cell, box, color, str(identity) if labels and named and not ignored else "", dashed=ignored)
    frame = f"frame {annotated.frame}" if annotated.frame != UNKNOWN else annotated.path.name
    draw_lines(cell, [f"{frame}: {int((~annotated.ignored).sum())} people, {int(annotated.ignored.sum())} ignored"])
    return cell


def people_sheet(frames: Sequence[tuple[AnnotatedImage, Image]]) -> Image | None:
    """Return a BGR sheet, a row a person, of who is seen best in these frames; None where nobody is named.

    Each row must show one person. A grey field is a frame that the person is not in.
    """
    seen = np.concatenate([annotated.identities[_named(annotated)] for annotated, _ in frames])
    visibility = np.concatenate([annotated.visibility[_named(annotated)] for annotated, _ in frames])
    people, row_of = np.unique(seen, return_inverse=True)
    if not len(people):
        return None
    clearest = np.argsort(-np.bincount(row_of, visibility), kind="stable")[:_PEOPLE]
    rows = []
    for person in people[clearest].tolist():
        crops = [_crop(annotated, picture, person) for annotated, picture in frames]
        bar = np.full((_CROP[1], 8, 3), identity_color(person), np.uint8)
        rows.append(np.concatenate([bar, *crops], 1))
    return np.concatenate([np.pad(row, [(0, _GAP), (0, 0), (0, 0)], constant_values=255) for row in rows])


def _crop(annotated: AnnotatedImage, picture: Image, person: int) -> Image:
    rows = np.flatnonzero(_named(annotated) & (annotated.identities == person))
    crops, _ = cut_boxes(picture, annotated.boxes[rows[:1]], _CROP)
    return crops[0] if len(crops) else np.full((_CROP[1], _CROP[0], 3), 200, np.uint8)


def _named(annotated: AnnotatedImage) -> NDArray[np.bool_]:
    return np.asarray(~annotated.ignored & (annotated.identities != UNKNOWN))


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
        people = image.identities[_named(image)].tolist()
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


def statistics_page(
    title: str, sequences: Sequence[SequenceStatistics], sheets: Mapping[str, Sequence[tuple[str, Image]]]
) -> str:
    """Return one HTML page that needs no network. sheets: titled pictures of a sequence, by its name."""
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    faults = "".join(f"<li><b>{escape(s.name)}</b>: {escape(fault)}</li>" for s in sequences for fault in s.faults)
    notes = f'<section class="notes"><h2>Look at these</h2><ul>{faults}</ul></section>' if faults else ""
    body = "".join(_section(sequence, sheets.get(sequence.name, ())) for sequence in sequences)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><header><h1>{escape(title)}</h1></header>"
        f"<main>{notes}<section><h2>Figures</h2>{_table(sequences)}<p>The last four columns are medians.</p></section>"
        f"{body}</main></body></html>\n"
    )


def _table(sequences: Sequence[SequenceStatistics]) -> str:
    rows = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in _cells(sequence)) + "</tr>" for sequence in sequences
    )
    head = "".join(f"<th>{text}</th>" for text in _HEADS)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cells(sequence: SequenceStatistics) -> list[str]:
    counts = sequence.boxes_a_frame
    shape = sequence.widths / np.maximum(sequence.heights, 1e-9)
    return [
        f'<a href="#{escape(sequence.name)}">{escape(sequence.name)}</a>',
        f"{len(sequence.frames):,}",
        f"{counts.sum():,}",
        f"{sequence.ignored:,}",
        f"{len(sequence.presence):,}",
        f"{counts.mean():.1f}" if len(counts) else "–",
        f"{counts.max():,}" if len(counts) else "–",
        _median(sequence.heights, ".0f"),
        _median(shape, ".2f"),
        _median(sequence.visibility, ".2f"),
        _median(sequence.lifetimes, ".0f"),
    ]


def _median(values: Floats | Ints, form: str) -> str:
    return format(float(np.median(values)), form) if len(values) else "–"


def _section(sequence: SequenceStatistics, sheets: Sequence[tuple[str, Image]]) -> str:
    pictures = "".join(f"<h3>{escape(text)}</h3>{_picture(sheet, text)}" for text, sheet in sheets)
    charts = [
        line_chart({"boxes": (sequence.frames.tolist(), sequence.boxes_a_frame.tolist())}, "frame", "boxes", _CHART),
        _histogram(sequence.visibility, "visibility", np.linspace(0, 1, 21)),
        _histogram(sequence.heights, "height, px"),
        _histogram(sequence.lifetimes, "lifetime, frames", what="people"),
    ]
    lives = f"<h3>Who is there when</h3>{_lives(sequence)}" if sequence.presence else ""
    name = escape(sequence.name)
    return (
        f'<section id="{name}"><h2>{name}</h2><div class="charts">{"".join(charts)}</div>{pictures}'
        f'<div class="scroll tall">{lives}</div></section>'
    )


def _picture(sheet: Image, text: str) -> str:
    _, data = cv2.imencode(".jpg", sheet, (cv2.IMWRITE_JPEG_QUALITY, 85))
    source = base64.b64encode(data.tobytes()).decode("ascii")
    return f'<img src="data:image/jpeg;base64,{source}" alt="{escape(text)}" style="max-width:100%">'


def _histogram(values: Floats | Ints, label: str, edges: Floats | None = None, what: str = "boxes") -> str:
    """Return a histogram as a stepped line; without edges, 30 bins from 0 to the greatest value."""
    if not len(values):
        return f'<p class="missing">{escape(label)}: nothing to draw.</p>'
    counts, edges = np.histogram(values, np.linspace(0, max(float(values.max()), 1.0), 31) if edges is None else edges)
    xs = np.repeat(edges, 2).tolist()
    ys = [0, *np.repeat(counts, 2).tolist(), 0]
    return line_chart({what: (xs, ys)}, label, what, _CHART)


def _lives(sequence: SequenceStatistics) -> str:
    """Return a row a person, a bar for each stretch of frames without a gap."""
    left, step, width = 60, 11, 1000
    first, last = int(sequence.frames[0]), int(sequence.frames[-1])
    scale = (width - left - 6) / max(last - first + 1, 1)
    height = step * len(sequence.presence) + 22
    parts = []
    in_order = sorted(sequence.presence.items(), key=lambda item: (int(item[1][0]), item[0]))
    for row, (person, frames) in enumerate(in_order):
        parts.append(f'<text x="{left - 6}" y="{row * step + 9}" text-anchor="end">{person}</text>')
        stops = np.flatnonzero(np.diff(frames) > 1) + 1
        for start, stop in pairwise([0, *stops.tolist(), len(frames)]):
            begin, end = int(frames[start]), int(frames[stop - 1])
            parts.append(
                f'<rect x="{left + (begin - first) * scale:.1f}" y="{row * step + 1}" height="8" '
                f'width="{max((end - begin + 1) * scale, 0.8):.1f}" fill="{hex_color(identity_color(person))}">'
                f"<title>{person}: frames {begin}–{end}</title></rect>"
            )
    for tick in ticks([float(first), float(last)]):
        if first <= tick <= last:
            x = left + (tick - first) * scale
            parts.append(f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{tick:g}</text>')
    return (
        f'<svg class="timeline" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="the frames that each person is in">{"".join(parts)}</svg>'
    )
