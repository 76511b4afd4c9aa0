"""The page of `show_data`: figures, pictures and faults of annotated sequences in one HTML file."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from smiletrack.types import Floats, Ints
from smiletrack.view.colors import hex_color, identity_color
from smiletrack.view.drawing import Image
from smiletrack.view.sequence_statistics import SequenceStatistics
from smiletrack.view.svg import line_chart, ticks

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
