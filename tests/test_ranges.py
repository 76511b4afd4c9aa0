"""Ranges on fields: every kind of mark, wherever it stands, and what the messages say."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Ge, Gt, Le, Lt, MinLen, MultipleOf

from smiletrack.ranges import Checked, Count, Share, field_annotations, range_text


@dataclass(frozen=True)
class Inner(Checked):
    share: Share = 0.5


@dataclass(frozen=True)
class Marked(Checked):
    share: Share = 0.5
    open: Annotated[float, Gt(-1), Lt(1)] = 0.0
    limit: Annotated[float, Le(2)] = 0.0
    count: Count = 1
    size: Annotated[int, Ge(32), MultipleOf(32)] = 64
    maybe: Share | None = None
    shares: tuple[Share, ...] = ()
    pair: tuple[int, Share] = (1, 1.0)
    names: Annotated[tuple[str, ...], MinLen(1)] = ("a",)
    table: dict[str, Share] = field(default_factory=dict)
    mode: Literal["fast", "slow", 3] = "fast"
    plain: float = 0.0
    switch: bool = True
    anything: Any = None
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("share", 1.01, "share must be in [0, 1], not 1.01"),
        ("share", -0.01, "share must be in [0, 1], not -0.01"),
        ("share", float("nan"), "share must be a finite number, not nan"),
        ("share", True, "share must be a number, not True"),
        ("share", "0.5", "share must be a number, not '0.5'"),
        ("share", None, "share must be a number, not None"),
        ("open", -1, "open must be in (-1, 1), not -1"),
        ("open", 1.0, "open must be in (-1, 1), not 1.0"),
        ("limit", 2.5, "limit must be at most 2, not 2.5"),
        ("limit", -float("inf"), "limit must be a finite number, not -inf"),
        ("count", -1, "count must be at least 0, not -1"),
        ("count", 1.0, "count must be a whole number, not 1.0"),
        ("count", 10**30, f"count must be a whole number of 64 bits, not {10**30}"),
        ("size", 100, "size must be at least 32, a multiple of 32, not 100"),
        ("size", 0, "size must be at least 32, a multiple of 32, not 0"),
        ("maybe", 2.0, "maybe must be in [0, 1], not 2.0"),
        ("shares", (0.5, 2.0), "shares.1 must be in [0, 1], not 2.0"),
        ("pair", (1, 2.0), "pair.1 must be in [0, 1], not 2.0"),
        ("names", (), "names must have 1 or more entries, not ()"),
        ("table", {"a": 1.0, "b": -1.0}, "table.b must be in [0, 1], not -1.0"),
        ("table", None, "table must be a mapping, not None"),
        ("mode", "quick", "mode must be fast, slow or 3, not 'quick'"),
        ("plain", 10**400, "plain must be a finite number, not 1000"),
    ],
)
def test_a_value_out_of_range_is_refused_on_construction_and_replacement(name: str, value: Any, message: str) -> None:
    for make in (lambda: Marked(**{name: value}), lambda: replace(Marked(), **{name: value})):
        with pytest.raises(ValueError) as failure:
            make()
        assert str(failure.value).startswith(message) and len(str(failure.value)) < 150


@pytest.mark.parametrize(
    "given",
    [
        {"share": 0, "open": 0.999, "limit": -1e9, "count": 0, "size": 32, "maybe": 0.0, "mode": 3, "plain": 7},
        {"share": 1, "maybe": None, "count": np.int64(7), "plain": np.float32(-1), "anything": True, "switch": False},
        {"shares": (0.0, 1.0), "pair": (-5, 0.0), "table": {"a": 1}, "inner": Inner(0.0)},
    ],
)
def test_what_is_in_range_is_taken(given: dict[str, Any]) -> None:
    assert all(getattr(Marked(**given), name) == value for name, value in given.items())


def test_ranges_in_words() -> None:
    words = {name: range_text(annotation) for name, annotation in field_annotations(Marked).items()}
    assert {name: text for name, text in words.items() if text} == {
        "share": "in [0, 1]",
        "open": "in (-1, 1)",
        "limit": "at most 2",
        "count": "at least 0",
        "size": "at least 32, a multiple of 32",
        "maybe": "in [0, 1]",
        "shares": "each in [0, 1]",
        "names": "1 or more entries",
        "table": "each in [0, 1]",
    }
