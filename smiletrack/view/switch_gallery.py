"""The gallery of identity switches: what was seen, what spoke for which track, and what each switch cost."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smiletrack.view.colors import hex_color, identity_color
from smiletrack.view.error_analysis import Switch
from smiletrack.view.switch_causes import CAUSES


@dataclass(frozen=True)
class Candidate:
    """What spoke for one of the two tracks at the switch; None is "not known".

    identity: of the result. gap: frames since it was seen last. iou: overlap of its predicted box and the one at the
    switch. appearance: cosine of its embedding and that at the switch. score: 1 - cost of the pair, up is good. gate:
    "passed", "refused", "too costly" (above the stage's limit), "not compared" (no overlap, or taken before), or "".
    """

    identity: int
    gap: int | None = None
    iou: float | None = None
    appearance: float | None = None
    score: float | None = None
    gate: str = ""

    @property
    def color(self) -> str:
        """The identity's colour in pictures and timelines, as CSS writes it."""
        return hex_color(identity_color(self.identity))


@dataclass(frozen=True)
class Crop:
    """A picture of the gallery as a data URI, and what it shows."""

    caption: str
    uri: str


@dataclass(frozen=True)
class SwitchCard:
    """One switch of the gallery. before: the candidate that would have been right. after: the one that was taken.

    cause: a key of `switch_causes.CAUSES`.
    """

    run: str
    sequence: str
    switch: Switch
    cause: str
    before: Candidate
    after: Candidate
    detection_score: float | None = None
    crops: Sequence[Crop] = ()

    @property
    def missed(self) -> int:
        """Frames without a match before the switch."""
        return self.switch.frame - self.switch.previous_frame - 1

    @property
    def cost(self) -> float | None:
        """IDF1 points of its sequence that the switch cost, None where that was not computed."""
        return 100 * self.switch.cost if math.isfinite(self.switch.cost) else None

    @property
    def evidence(self) -> list[tuple[str, str, str]]:
        """What is known of both tracks: (what, of the one before, of the one after)."""
        before, after = self.before, self.after
        rows = [
            ("last seen", _seen(before), _seen(after)),
            ("IoU", _number(before.iou), _number(after.iou)),
            ("appearance", _number(before.appearance), _number(after.appearance)),
            ("score", _number(before.score), _number(after.score)),
            ("gate", before.gate or "–", after.gate or "–"),
        ]
        return [row for row in rows if row[1:] != ("–", "–")]


def costly_first(cards: Sequence[SwitchCard]) -> list[SwitchCard]:
    """Return the cards, the most costly first, those of unknown cost last."""
    return sorted(cards, key=lambda card: (card.cost is None, -(card.cost or 0.0)))


def count_causes(cards: Sequence[SwitchCard], runs: Sequence[str]) -> Mapping[str, Sequence[int]]:
    """Return cause -> number of switches of each run, in the order of `CAUSES`; causes that nobody had are left out."""
    counted = Counter((card.cause, card.run) for card in cards)
    table = {cause: [counted[cause, run] for run in runs] for cause in CAUSES}
    return {cause: numbers for cause, numbers in table.items() if any(numbers)}


def _seen(candidate: Candidate) -> str:
    if candidate.gap is None:
        return "never before"
    return f"{candidate.gap} frame{'s' * (candidate.gap > 1)} ago"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
