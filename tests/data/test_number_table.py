"""The fast reader of numbers against Python's own float, on every way to write a number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smiletrack.data.number_table import parse_numbers

numbers = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.decimals(-9999, 9999, allow_nan=False, places=4).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        ["-0", "+3.5", ".5", "5.", "1e-3", "1E5", "0.1", "9007199254740993", "123456789.123456789123456789"]
    ),
)


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=1, max_size=8)),
       st.sampled_from([",", ";", None, " , "]), st.sampled_from(["\n", "\r\n"]), st.booleans())  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_every_number_is_the_float_nearest_to_its_text(
    rows: list[list[str]], separator: str | None, end: str, closed: bool
) -> None:
    text = end.join((separator or "\t ").join(row) for row in rows) + (end if closed else "")
    values = parse_numbers(text.encode(), separator.strip() if separator else None)
    assert values is not None
    np.testing.assert_array_equal(values.T, [[float(cell) for cell in row] for row in rows])


@pytest.mark.parametrize(
    "text", ["", "\n", "1,2\n3\n", "1,2\n3,4,5\n", "1,,2\n", "1,2\n\n3,4\n", "1,x\n", "1,nan\n", "inf,1\n", "1,2,\n",
             "1,2\n3,4\n\n", "1,-\n", "1,.\n", "1,2 3\n", "1,1e999\n", "\ufeff1,2\n", "1,2\x00\n", "0x10,1\n"],
)  # fmt: skip
def test_what_is_not_regular_is_left_to_another_reader(text: str) -> None:
    assert parse_numbers(text.encode(), ",") is None


@pytest.mark.parametrize("text", ["1 2\n3\n", "1\n2 3\n", "1 2\n\n3 4\n", "1 b\n"])
def test_ragged_lines_of_blanks_are_not_regular(text: str) -> None:
    assert parse_numbers(text.encode(), None) is None


def test_blanks_and_tabs_in_any_number() -> None:
    values = parse_numbers(b"  1 \t 2\t\t3 \n4 5   6", None)
    assert values is not None and values.T.tolist() == [[1, 2, 3], [4, 5, 6]]
