"""What a command tells whoever started it: results on standard output, notes and progress bars on standard error.

This is the only module that knows about terminals. Text is shown as it is, so a sequence called `[red]` keeps its
brackets; control characters, which could move the cursor or hide what is written, never reach the terminal, and what is
too long to be read loses its middle.
"""

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TextIO, TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Item = TypeVar("Item")

_LONGEST_LINE = 2000
_LONGEST_NAME = 60
_LONGEST_TITLE = 30
_BETWEEN = "  "
_HIDDEN = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's control characters, halves of characters, and separators of lines and paragraphs."""
_TURNS = {chr(code) for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Marks that turn the direction of writing: with them a name can look like another one."""


def say(*lines: str) -> None:
    """Print lines of what the command was asked for, on standard output."""
    _write(sys.stdout, [printable(line, _LONGEST_LINE) for line in lines])


def notify(*lines: str) -> None:
    """Print lines about how the command gets on, on standard error."""
    _write(sys.stderr, [printable(line, _LONGEST_LINE) for line in lines])


def printable(text: str, longest: int = _LONGEST_NAME) -> str:
    """Return text from outside on one line, without control characters, its middle cut out above `longest` characters.

    White space of every kind becomes a blank, other characters that do not print become U+FFFD.
    """
    text = "".join(" " if c.isspace() else c if _prints(c) else "\ufffd" for c in text)
    if len(text) <= longest:
        return text
    kept = longest - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def _prints(character: str) -> bool:
    return unicodedata.category(character) not in _HIDDEN and character not in _TURNS


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1, total: bool = False) -> None:
    """Print a table on standard output: the first `names` columns are names, the others numbers.

    A number is never folded or cut. A table that is wider than the terminal goes on below with its other numbers, the
    names repeated; where the output is no terminal, a row is always one line. total: the last row sums up the others.
    """
    terminal = Console()
    colored = terminal.is_terminal and terminal.color_system not in (None, "windows")
    for block in table_blocks(headings, rows, names, terminal.width if terminal.is_terminal else None):
        bold = {0, len(block) - 1} if total else {0}
        _write(sys.stdout, [f"\033[1m{line}\033[m" if colored and i in bold else line for i, line in enumerate(block)])


def table_blocks(
    headings: Sequence[str], rows: Sequence[Sequence[str]], names: int, width: int | None
) -> list[list[str]]:
    """Return the lines of a table that is at most `width` cells wide, as one block or as several with the same names.

    None is any width. A block has one number column at least, whatever the width.
    """
    cells = [[printable(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    blocks: list[list[int]] = [[]]
    left = sum(width + len(_BETWEEN) for width in widths[:names])
    room = left
    for column in range(names, len(widths)):
        room += widths[column] + len(_BETWEEN)
        if width is not None and blocks[-1] and room - len(_BETWEEN) > width:
            blocks.append([])
            room = left + widths[column] + len(_BETWEEN)
        blocks[-1].append(column)
    return [
        [
            _BETWEEN.join(_padded(row[i], widths[i], i >= names) for i in (*range(names), *block)).rstrip()
            for row in cells
        ]
        for block in blocks
    ]


def _padded(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def _write(stream: TextIO, lines: Sequence[str]) -> None:
    """Write lines whatever the stream's encoding is; each is out before the program goes on."""
    encoding = stream.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


class ProgressBar:
    """A bar on standard error while a block runs, gone after it; nothing where that is no terminal, or `quiet`.

    What is printed meanwhile appears above the bar.
    """

    def __init__(self, title: str, total: float | None, quiet: bool = False, remaining: bool = True) -> None:
        """`total`: steps, None for not known. `remaining`: show the time left (estimated), else the time spent."""
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn() if remaining else TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
            # results that go into a file or a pipe must not be caught and drawn above the bar
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._bar.add_task(printable(title, _LONGEST_TITLE), total=total, note="")

    def __enter__(self) -> "ProgressBar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, steps: float = 1) -> None:
        """Move on by so many steps."""
        self._bar.advance(self._task, steps)

    def show(self, done: float, title: str, note: str = "") -> None:
        """Put the bar to `done` steps with a new title, and a note behind it."""
        self._bar.update(self._task, completed=done, description=printable(title, _LONGEST_TITLE), note=note)


def progress(items: Iterable[Item], title: str, total: float | None = None, quiet: bool = False) -> Iterator[Item]:
    """Yield the items with a `ProgressBar`; `total` is their number where they do not tell it themselves."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with ProgressBar(title, total, quiet) as bar:
        for item in items:
            yield item
            bar.advance()
