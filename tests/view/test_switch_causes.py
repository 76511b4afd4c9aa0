"""Causes of identity switches in worlds that were made to have them."""

import pytest

from smiletrack.view.error_analysis import find_switches
from smiletrack.view.switch_causes import CAUSES, SwitchCauses

LONG = "A" * 20

CASES = {
    "two exchange": ({1: LONG + "BBB", 2: "B" * 20 + "AAA"}, ["crossing", "crossing"]),
    "one takes the other's": ({1: LONG + "BBB", 2: "B" * 20 + "..."}, ["crossing"]),
    "hidden, and out with the other's": ({1: LONG + "....." + "BBB", 2: "B" * 24}, ["crossing"]),
    "hidden, while the other took it": (
        {1: LONG + "....." + "CCC", 2: "B" * 20 + "." + "AAAAAA"},
        ["crossing", "crossing"],
    ),
    "hidden, then new": ({1: LONG + "." + "BBB"}, ["gap"]),
    "hidden, then one of long ago": ({1: LONG + "." * 15 + "BBB", 2: "B" * 20}, ["gap"]),
    "never hidden, then new": ({1: LONG + "BBB"}, ["second track"]),
    "never hidden, then one of long ago": ({1: LONG + "A" * 20 + "BBB", 2: "B" * 20}, ["second track"]),
    "just come in": ({1: "." * 20 + "A" * 10 + "BBB"}, ["entry"]),
    "no longer just come in": ({1: "." * 20 + "A" * 11 + "BBB"}, ["second track"]),
    "and back": ({1: LONG + "." + "B" * 12 + "AAA"}, ["gap", "return"]),
    "back at once": ({1: LONG + "BA" + "AAA"}, ["second track", "return"]),
}


@pytest.mark.parametrize("name", CASES)
def test_each_switch_has_the_cause_that_was_made(world, name: str) -> None:  # type: ignore[no-untyped-def]
    covers, expected = CASES[name]
    matching = world(covers)
    causes = SwitchCauses(matching)
    found = [causes.of(switch) for switch in sorted(find_switches(matching), key=lambda s: (s.truth_id, s.frame))]
    assert found == expected and set(found) <= set(CAUSES)


@pytest.mark.parametrize(
    ("before", "after", "cause"), [(0.6, 0.7, "look-alike"), (0.7, 0.6, "crossing"), (0.7, None, "crossing")]
)
def test_looks_that_spoke_for_the_wrong_track(world, before: float, after: float | None, cause: str) -> None:  # type: ignore[no-untyped-def]
    matching = world({1: LONG + "BBB", 2: "B" * 20 + "AAA"})
    assert {SwitchCauses(matching).of(switch, before, after) for switch in find_switches(matching)} == {cause}
