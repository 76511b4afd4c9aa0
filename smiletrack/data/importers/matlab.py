"""MATLAB files, read by SciPy in a process of its own; errors name the file, and nothing in them is executed."""

import functools
import pickle
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smiletrack.errors import InputError
from smiletrack.limits import MATLAB_MEMORY, MATLAB_SECONDS

_CHILD = Path(__file__).with_name("matlab_child.py")


def load_matlab(file: Path, variable: str, *others: str) -> Any:
    """Return the first of these variables that the file holds; InputError where it is no such file or holds none.

    So is one that ends the process that reads it, takes more memory than `MATLAB_MEMORY`, or minutes.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file; is the archive the right one, and all of it unpacked?")
    child = _child()
    assert child.stdin is not None and child.stdout is not None
    try:
        pickle.dump((str(file), (variable, *others)), child.stdin)
        child.stdin.flush()
        if not select.select([child.stdout], [], [], MATLAB_SECONDS)[0]:
            raise TimeoutError(f"more than {MATLAB_SECONDS:g} seconds")
        found, value = pickle.load(child.stdout)
    except Exception as error:  # the process is gone, or hangs
        _give_up(child)
        reason = str(error) if isinstance(error, TimeoutError) else "it ends the program that reads it"
        raise InputError(f"{file}: not readable as a MATLAB file ({reason})") from None
    except BaseException:  # an answer that nobody waits for must not be the next one's
        _give_up(child)
        raise
    if not found:
        raise InputError(f"{file}: not readable as a MATLAB file ({value}); is the archive the right one?")
    return value


@functools.cache
def _child() -> "subprocess.Popen[bytes]":
    """Return the process that reads, started at the first file; it ends with this one, whose pipe it reads from."""
    return subprocess.Popen(
        [sys.executable, str(_CHILD), str(MATLAB_MEMORY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _give_up(child: "subprocess.Popen[bytes]") -> None:
    _child.cache_clear()
    child.kill()
    child.wait()


@contextmanager
def as_published(file: Path, what: str) -> Iterator[None]:
    """Turn what a file of another structure makes of the code that takes it apart into an InputError of one line."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        reason = " ".join(repr(error).split())[:120]
        raise InputError(f"{file}: not {what} ({reason})") from None
