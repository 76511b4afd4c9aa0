"""The page of `show_data`: figures, pictures and faults of annotated sequences in one HTML file."""

import base64
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from smiletrack.lazy import LazyModule
from smiletrack.types import Floats, Ints
from smiletrack.view.charts import line_chart
from smiletrack.view.drawing import Image
from smiletrack.view.pages import render_page
from smiletrack.view.row_charts import lives
from smiletrack.view.sequence_statistics import SequenceStatistics
from smiletrack.view.svg import tag

cv2 = LazyModule("cv2")

_CHART = (340, 230)


def statistics_page(
    title: str, sequences: Sequence[SequenceStatistics], sheets: Mapping[str, Sequence[tuple[str, Image]]]
) -> str:
    """Return one HTML page that needs no network. sheets: titled pictures of a sequence, by its name."""
    return render_page(
        "data.html.j2",
        title=title,
        faults=[(sequence.name, fault) for sequence in sequences for fault in sequence.faults],
        table={sequence.name: _cells(sequence) for sequence in sequences},
        sequences=[
            {
                "name": sequence.name,
                "charts": _charts(sequence),
                "sheets": [(text, _data_uri(sheet)) for text, sheet in sheets.get(sequence.name, ())],
                "lives": _lives(sequence),
            }
            for sequence in sequences
        ],
    )


def _cells(sequence: SequenceStatistics) -> dict[str, str]:
    """Return the figures of a sequence as they are written, by the name of their column."""
    counts = sequence.boxes_a_frame
    shape = sequence.widths / np.maximum(sequence.heights, 1e-9)
    return {
        "frames": f"{len(sequence.frames):,}",
        "boxes": f"{counts.sum():,}",
        "ignored": f"{sequence.ignored:,}",
        "people": f"{len(sequence.presence):,}",
        "boxes a frame": f"{counts.mean():.1f}" if len(counts) else "–",
        "most": f"{counts.max():,}" if len(counts) else "–",
        "height, px": _median(sequence.heights, ".0f"),
        "width / height": _median(shape, ".2f"),
        "visibility": _median(sequence.visibility, ".2f"),
        "lifetime, frames": _median(sequence.lifetimes, ".0f"),
    }


def _median(values: Floats | Ints, form: str) -> str:
    return format(float(np.median(values)), form) if len(values) else "–"


def _charts(sequence: SequenceStatistics) -> list[Markup]:
    boxes_a_frame = {"boxes": (sequence.frames.tolist(), sequence.boxes_a_frame.tolist())}
    return [
        line_chart(boxes_a_frame, "frame", "boxes", _CHART),
        _histogram(sequence.visibility, "visibility", np.linspace(0, 1, 21)),
        _histogram(sequence.heights, "height, px"),
        _histogram(sequence.lifetimes, "lifetime, frames", what="people"),
    ]


def _histogram(values: Floats | Ints, label: str, edges: Floats | None = None, what: str = "boxes") -> Markup:
    """Return a histogram as a stepped line; without edges, 30 bins from 0 to the greatest value."""
    if not len(values):
        return tag("p", f"{label}: nothing to draw.", class_="absent")
    counts, edges = np.histogram(values, np.linspace(0, max(float(values.max()), 1.0), 31) if edges is None else edges)
    xs = np.repeat(edges, 2).tolist()
    ys = [0, *np.repeat(counts, 2).tolist(), 0]
    return line_chart({what: (xs, ys)}, label, what, _CHART)


def _lives(sequence: SequenceStatistics) -> Markup | None:
    """Return who is there when; None where nobody is named."""
    if not sequence.presence:
        return None
    return lives(sequence.presence, int(sequence.frames[0]), int(sequence.frames[-1]))


def _data_uri(sheet: Image) -> str:
    _, data = cv2.imencode(".jpg", sheet, (cv2.IMWRITE_JPEG_QUALITY, 85))
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
