"""What each identity switch came from, so that a hundred of them can be counted before one is looked at."""

import numpy as np

from smiletrack.types import Ints
from smiletrack.view.error_analysis import Matching, Switch

CAUSES = {
    "crossing": "An identity went from one person to another: two met, and a track went on with the wrong one.",
    "look-alike": "The track that was taken looked more like the person than the right one did.",
    "gap": "The person was missed for a while, and the track before was not found again.",
    "second track": "The person was seen all the time, but another track took over: a double or a new one.",
    "entry": "The person had just come in, and the track had no history to hold on to.",
    "return": "The person got an identity back that it had before; this mends an earlier switch.",
}
"""Name -> what it means. A switch has one cause, the first that fits of: return, entry, look-alike, crossing, gap,
second track."""

_SOON = 10
"""Frames that count as "just": since a person was covered first, and between an identity's being on two people."""


class SwitchCauses:
    """Tells the causes of the switches of one sequence."""

    def __init__(self, matching: Matching) -> None:
        """Index who was covered by which identity, and when."""
        rows = np.flatnonzero(matching.partner >= 0)
        self._covered_by = _Occurrences(
            matching.truth.ids[rows], matching.truth.frames[rows], matching.results.ids[matching.partner[rows]]
        )
        self._covers = _Occurrences(
            matching.results.ids[matching.partner[rows]], matching.truth.frames[rows], matching.truth.ids[rows]
        )

    def of(self, switch: Switch, cosine_before: float | None = None, cosine_after: float | None = None) -> str:
        """Return the cause, a key of `CAUSES`.

        cosine_before, cosine_after: cosine between the embedding at the switch and that of the track that would have
        been right, and of the track that was taken; None where it is not known or that track is new.
        """
        frames, identities = self._covered_by.of(switch.truth_id)
        if switch.after_id in identities[frames < switch.frame]:
            return "return"
        if switch.frame - frames[0] <= _SOON:
            return "entry"
        if cosine_before is not None and cosine_after is not None and cosine_after > cosine_before:
            return "look-alike"
        taken = self._on_another(switch.after_id, switch.truth_id, switch.frame - _SOON, switch.frame - 1)
        lost = self._on_another(switch.before_id, switch.truth_id, switch.previous_frame, switch.frame + _SOON)
        if taken or lost:
            return "crossing"
        return "gap" if switch.frame - switch.previous_frame > 1 else "second track"

    def _on_another(self, identity: int, person: int, first: int, last: int) -> bool:
        """Tell whether an identity covered somebody else in the frames `first` .. `last`."""
        frames, people = self._covers.of(identity)
        return bool(((frames >= first) & (frames <= last) & (people != person)).any())


class _Occurrences:
    """For each key its (frames, values), frames ascending."""

    def __init__(self, keys: Ints, frames: Ints, values: Ints) -> None:
        order = np.lexsort((frames, keys))
        names, starts = np.unique(keys[order], return_index=True)
        parts = (np.split(column[order], starts[1:]) for column in (frames, values))
        self._parts: dict[int, tuple[Ints, Ints]] = dict(zip(names.tolist(), zip(*parts, strict=True), strict=True))

    def of(self, key: int) -> tuple[Ints, Ints]:
        return self._parts[key]
