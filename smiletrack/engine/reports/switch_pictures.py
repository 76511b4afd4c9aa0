"""The pictures of identity switches: the person at the last match before, at the switch, and a little later."""

from collections.abc import Sequence

import numpy as np

from smiletrack.engine.reports.switch_evidence import Evidence
from smiletrack.engine.run_folders.results import SequenceRun
from smiletrack.errors import InputError
from smiletrack.view.context_crops import Window, context_crop
from smiletrack.view.error_analysis import Matching, Switch
from smiletrack.view.switch_gallery import Crop

_AFTER = 10
"""Frames after the switch at which the third picture is taken, or less where the next switch comes before."""


def switch_pictures(
    sequence: SequenceRun, matching: Matching, switches: Sequence[Switch], evidence: Evidence
) -> tuple[dict[Switch, list[Crop]], list[str]]:
    """Cut the pictures of each switch, all of one scale; also return what is missing."""
    pictures: dict[Switch, list[Crop]] = {switch: [] for switch in switches}
    if not switches:
        return pictures, []
    try:
        source = sequence.images()
    except InputError as error:
        return {}, [f"no images, so the gallery has no pictures ({error})"]
    wanted: dict[int, list[tuple[Switch, str, int, Window]]] = {}
    for switch in switches:
        moments = _moments(matching, switch)
        window = Window.around(matching.truth.boxes[[row for _, row in moments]])
        for caption, row in moments:
            frame = int(matching.truth.frames[row])
            wanted.setdefault(frame, []).append((switch, caption, row, window))
    for frame, image in source.pick(wanted):
        for switch, caption, row, window in wanted[frame]:
            boxes = evidence.boxes_at(frame, (switch.before_id, switch.after_id))
            uri = context_crop(image, matching.truth.boxes[row], window, boxes)
            pictures[switch].append(Crop(f"{caption}, frame {frame}", uri))
    found = sum(len(crops) > 0 for crops in pictures.values())
    notes = [] if found == len(switches) else [f"images of only {found} of {len(switches)} switches are there"]
    return pictures, notes + source.problems


def _moments(matching: Matching, switch: Switch) -> list[tuple[str, int]]:
    """Return captions and truth rows of the three moments, in the order of time."""
    truth = matching.truth
    later = np.flatnonzero((truth.ids == switch.truth_id) & (truth.frames > switch.frame) & (matching.partner >= 0))
    later = later[(later <= switch.last_row) & (truth.frames[later] <= switch.frame + _AFTER)]
    after = [("after", int(later[-1]))] if len(later) else []
    return [("before", switch.previous_row), ("at", switch.row), *after]
