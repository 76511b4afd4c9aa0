"""Matches, misses, false alarms and switches of one frame, marked on its image."""

import numpy as np

from smiletrack.types import Ints
from smiletrack.view.colors import FALSE_ALARM, MISS, SWITCH, identity_color
from smiletrack.view.drawing import Image, draw_box, draw_label, draw_lines, line_width
from smiletrack.view.error_analysis import Matching, Switch, false_alarms

_SHOWN = 15
"""Frames that a switch stays marked; one alone is too short to see."""


class MistakePainter:
    """Marks the mistakes of one sequence. Counts what it has marked so far; frames are painted in any order."""

    def __init__(self, matching: Matching, switches: list[Switch]) -> None:
        """`switches`: of `error_analysis.find_switches`."""
        self._matching = matching
        self._switches: dict[int, list[Switch]] = {}
        for switch in sorted(switches, key=lambda switch: switch.frame):
            self._switches.setdefault(switch.truth_id, []).append(switch)
        self._false_alarms = false_alarms(matching)
        self.misses = self.false_alarms = self.switches = 0

    def paint(self, image: Image, number: int) -> Image:
        """Return a copy of the image of frame `number` with its marks.

        Matches: thin boxes in the colour of the result identity. Misses: dashed red. False alarms: orange.
        Switches: thick magenta with both identities. A legend with the counts so far is in the corner.
        """
        picture: Image = image.copy()
        matching, width = self._matching, line_width(image)
        for row in _rows(matching.truth.frames, number):
            partner, switch = matching.partner[row], self._recent_switch(int(matching.truth.ids[row]), number)
            if partner < 0:
                self.misses += 1
                draw_box(picture, matching.truth.boxes[row], MISS, "miss", dashed=True)
            elif switch is not None:
                self.switches += switch.frame == number
                label = f"{switch.before_id} > {switch.after_id}"
                draw_box(picture, matching.results.boxes[partner], SWITCH, label, width=3 * width)
            else:
                identity = int(matching.results.ids[partner])
                draw_box(picture, matching.results.boxes[partner], identity_color(identity), str(identity))
        rows = self._false_alarms
        for row in rows[_rows(matching.results.frames[rows], number)]:
            self.false_alarms += 1
            identity = int(matching.results.ids[row])
            draw_box(picture, matching.results.boxes[row], FALSE_ALARM, f"false {identity}", width=2 * width)
        draw_lines(
            picture,
            [f"frame {number}", f"{self.misses} misses", f"{self.false_alarms} false", f"{self.switches} switches"],
        )
        self._legend(picture)
        return picture

    def _recent_switch(self, truth_id: int, number: int) -> Switch | None:
        """Return the last switch of an identity that is still to be shown."""
        past = [switch for switch in self._switches.get(truth_id, ()) if number - _SHOWN < switch.frame <= number]
        return past[-1] if past else None

    def _legend(self, picture: Image) -> None:
        x, y = 4, picture.shape[0] - 4
        for text, color in (("switch", SWITCH), ("false alarm", FALSE_ALARM), ("miss", MISS)):
            y -= draw_label(picture, text, (x, y), color) + 2


def _rows(frames: Ints, number: int) -> Ints:
    """Return the rows of one frame of a sorted column."""
    first, last = np.searchsorted(frames, (number, number + 1))
    return np.arange(first, last)
