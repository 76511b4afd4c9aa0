"""Text files of numbers, read fast and exactly: what detections, results and annotations of whole data sets are.

Most numbers in such files are decimal fractions of few digits: a whole number below 2^53 over a power of ten up to
10^22, both of which float64 holds exactly, so that one division gives the float64 nearest to the text (W. D. Clinger,
"How to read floating point numbers accurately", PLDI 1990). The few others are left to Python's own reader.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smiletrack.types import Floats

Bytes = NDArray[np.uint8]

_POWERS = 10.0 ** np.arange(23)
_NEWLINE, _RETURN, _BLANK, _TAB = 10, 13, 32, 9
_PLUS, _MINUS, _POINT, _ZERO, _NINE = 43, 45, 46, 48, 57
_EXACT = 1 << 53
_REGULAR, _IRREGULAR = 0, 1


def parse_numbers(data: bytes, separator: str | None) -> Floats | None:
    """Return the numbers of a text as (columns, rows), each the float64 nearest to what is written.

    separator: one character, or None for any run of blanks and tabs. None is returned where the text is not regular: a
    line with more or fewer cells than the first, an empty cell, a blank line, or a cell that is not a finite decimal
    number.
    """
    text = np.frombuffer(data, np.uint8)
    columns = _count_cells(text, ord(separator or "\0"))
    rows = int(np.count_nonzero(text == _NEWLINE)) + (not data.endswith(b"\n"))
    if columns == 0:
        return None
    values = np.empty((columns, rows))
    hard = np.empty((max(64, rows // 8), 4), np.int64)
    found, num_hard = _parse(text, ord(separator or "\0"), values, hard)
    if found == _IRREGULAR:
        return None
    for column, row, start, end in hard[:num_hard].tolist():
        try:
            values[column, row] = float(data[start:end])
        except ValueError:
            return None
    return values if np.isfinite(values[:, hard[:num_hard, 1]]).all() else None


@njit(cache=True)
def _count_cells(text: Bytes, separator: int) -> int:
    """Return the number of cells in the first line."""
    cells, inside = 0, False
    for place in range(len(text)):
        mark = text[place]
        if mark == _NEWLINE:
            break
        if separator == 0:
            blank = mark in (_BLANK, _TAB, _RETURN)
            if not blank and not inside:
                cells += 1
            inside = not blank
        elif mark == separator:
            cells += 1
        elif mark not in (_BLANK, _TAB, _RETURN):
            inside = True
    return cells if separator == 0 else cells + 1 if inside else 0


@njit(cache=True)
def _after_blanks(text: Bytes, place: int) -> int:
    while place < len(text) and text[place] in (_BLANK, _TAB, _RETURN):
        place += 1
    return place


@njit(cache=True)
def _cell_end(text: Bytes, place: int, separator: int) -> int:
    """Return where the cell that `place` is in ends: at a separator, a line's end or, without one, a blank."""
    while place < len(text) and text[place] != _NEWLINE and text[place] != separator:
        if separator == 0 and text[place] in (_BLANK, _TAB, _RETURN):
            break
        place += 1
    return place


@njit(cache=True)
def _parse(text: Bytes, separator: int, values: Floats, hard: NDArray[np.int64]) -> tuple[int, int]:
    """Fill `values`; list in `hard` (column, row, start, end) the cells that need a reader of every case.

    Returns _REGULAR or _IRREGULAR and the number of hard cells. Too many hard cells count as irregular.
    """
    columns, rows = values.shape
    num_hard = 0
    place = 0
    length = len(text)
    for row in range(rows):
        for column in range(columns):
            place = start = _after_blanks(text, place)
            negative = False
            if place < length and (text[place] == _MINUS or text[place] == _PLUS):
                negative = text[place] == _MINUS
                place += 1
            mantissa, digits, decimals, point = 0, 0, 0, False
            while place < length:
                mark = text[place]
                if _ZERO <= mark <= _NINE:
                    if mantissa < _EXACT:  # beyond it is hard anyhow; no overflow this way
                        mantissa = mantissa * 10 + int(mark - _ZERO)
                    digits += 1
                    decimals += point
                elif mark == _POINT and not point:
                    point = True
                else:
                    break
                place += 1
            end = place
            place = _after_blanks(text, end)
            last = column == columns - 1
            ends_here = place == length or text[place] == _NEWLINE
            if separator == 0:
                follows = ends_here if last else place > end and not ends_here
            else:
                follows = ends_here if last else not ends_here and text[place] == separator
            if follows and digits > 0 and mantissa < _EXACT and decimals <= 22:
                value = mantissa / _POWERS[decimals]
                values[column, row] = -value if negative else value
            else:
                # an exponent, more digits than float64 holds, a word, an empty cell: find its end
                end = _cell_end(text, end, separator)
                place = _after_blanks(text, end)
                ends_here = place == length or text[place] == _NEWLINE
                if last != ends_here or num_hard == len(hard) or end == start:
                    return _IRREGULAR, num_hard
                hard[num_hard] = (column, row, start, end)
                num_hard += 1
                values[column, row] = np.nan
            if last or separator != 0:
                place += 1
    return (_REGULAR if place >= length else _IRREGULAR), num_hard
