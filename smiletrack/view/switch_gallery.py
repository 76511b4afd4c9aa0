"""The gallery of identity switches: what was seen, what spoke for which track, and what the switch cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from smiletrack.view.colors import hex_color, identity_color
from smiletrack.view.error_analysis import Switch


@dataclass(frozen=True)
class Candidate:
    """What spoke for one of the two tracks at the switch; None is "not known".

    identity: of the result. gap: frames since it was seen last. iou: overlap of its predicted box and the one at the
    switch. appearance: cosine of its looks and those at the switch. score: 1 - cost of the pair, up is good. gate:
    "passed", "refused", "too costly" (above the stage's limit), "not compared" (no overlap, or taken before), or "".
    """

    identity: int
    gap: int | None = None
    iou: float | None = None
    appearance: float | None = None
    score: float | None = None
    gate: str = ""


@dataclass(frozen=True)
class Crop:
    """A picture of the gallery as a data URI, and what it shows."""

    caption: str
    uri: str


@dataclass(frozen=True)
class SwitchCard:
    """One switch of the gallery. before: the candidate that would have been right. after: the one that was taken."""

    run: str
    sequence: str
    switch: Switch
    before: Candidate
    after: Candidate
    detection_score: float | None = None
    crops: Sequence[Crop] = ()

    @property
    def kind(self) -> str:
        """Tell after what the identity changed: a gap without a match, the birth of a track, a meeting of two."""
        if self.switch.frame - self.switch.previous_frame > 1:
            return "gap"
        return "new track" if self.after.gap is None else "crossing"


def gallery(cards: Sequence[SwitchCard]) -> str:
    """Return the section with all cards, the most costly first, and its filters."""
    if not cards:
        return (
            '<section id="switches"><h2>Identity switches</h2><p class="missing">None, or no ground truth to find '
            "them with.</p></section>"
        )
    cards = sorted(cards, key=lambda card: -card.switch.cost if math.isfinite(card.switch.cost) else math.inf)
    filters = "".join(
        _choice(key, label, list(dict.fromkeys(values)))
        for key, label, values in (
            ("run", "run", [card.run for card in cards]),
            ("sequence", "sequence", sorted(card.sequence for card in cards)),
            ("kind", "after", sorted(card.kind for card in cards)),
        )
    )
    return (
        '<section id="switches"><h2>Identity switches</h2>'
        "<p>Sorted by what each cost: IDF1 points (of its sequence) that would be won had the boxes from this switch "
        "to the next kept the identity before. A switch back costs nothing or less. Dashed white is the truth. IoU, "
        "looks (cosine) and score (1 - cost) are what the tracker itself weighed, found by tracking again; where that "
        "is not possible, IoU and looks come from the last boxes and embeddings. Not compared: no overlap, or the "
        "track was gone or taken.</p>"
        f'<form id="filters">{filters}'
        '<label>cost at least <input type="number" name="cost" step="0.05" placeholder="any"></label>'
        '<label>sort by <select name="sort"><option value="cost">cost</option><option value="frame">time</option>'
        '<option value="gap">gap</option></select></label>'
        f'<output id="shown">{len(cards)} of {len(cards)} switches</output></form>'
        f'<div id="cards">{"".join(_card(card) for card in cards)}</div></section>'
    )


def _choice(name: str, label: str, values: Sequence[str]) -> str:
    options = "".join(f'<option value="{escape(value)}">{escape(value)}</option>' for value in values)
    return f'<label>{label} <select name="{name}"><option value="">all</option>{options}</select></label>'


def _card(card: SwitchCard) -> str:
    switch = card.switch
    known = math.isfinite(switch.cost)
    cost = f"{100 * switch.cost:.2f}" if known else "?"
    crops = "".join(
        f'<figure><img src="{crop.uri}" alt="{escape(crop.caption)}"><figcaption>{escape(crop.caption)}</figcaption>'
        "</figure>"
        for crop in card.crops
    )
    gap = switch.frame - switch.previous_frame
    rows = _candidate("was", card.before) + _candidate("became", card.after)
    score = "" if card.detection_score is None else f" · detection {card.detection_score:.2f}"
    # "of how many frames" tells cheap from costly at a glance
    return (
        f'<article class="card" data-run="{escape(card.run)}" data-sequence="{escape(card.sequence)}" '
        f'data-kind="{card.kind}" data-cost="{100 * switch.cost if known else -1e9:.4f}" data-frame="{switch.frame}" '
        f'data-gap="{gap}"><h4>{_identity(switch.before_id)} → {_identity(switch.after_id)}'
        f'<span class="cost" title="IDF1 points of the sequence">{cost}</span></h4>'
        f"<p>{escape(card.sequence)} · frame {switch.frame} · truth {switch.truth_id} · {card.kind}"
        f"{_frames(gap - 1) if gap > 1 else ''}{score}</p>"
        f'<div class="crops">{crops}</div>'
        "<table><thead><tr><th></th><th>id</th><th>IoU</th><th>looks</th><th>score</th><th>gate</th><th>last seen</th>"
        f'</tr></thead><tbody>{rows}</tbody></table><p class="run">{escape(card.run)}</p></article>'
    )


def _frames(count: int) -> str:
    return f" of {count} frame{'s' * (count > 1)}"


def _candidate(role: str, candidate: Candidate) -> str:
    numbers = "".join(
        f"<td>{'–' if value is None else f'{value:.2f}'}</td>"
        for value in (candidate.iou, candidate.appearance, candidate.score)
    )
    seen = "never before" if candidate.gap is None else f"{candidate.gap} frame{'s' * (candidate.gap > 1)} ago"
    return (
        f"<tr><th>{role}</th><td>{_identity(candidate.identity)}</td>{numbers}<td>{candidate.gate or '–'}</td>"
        f"<td>{seen}</td></tr>"
    )


def _identity(identity: int) -> str:
    return f'<span class="identity" style="border-color:{hex_color(identity_color(identity))}">{identity}</span>'
