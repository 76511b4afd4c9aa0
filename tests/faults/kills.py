"""A process that dies at a chosen moment: at one of the times when it opens, renames, makes or removes a file."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from smiletrack.errors import InputError

_CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")


_PATIENCE_S = 5.0
"""How long a command may wait for one that stands still."""


def run_until(command: Callable[[], object], folder: Path, moment: int = 0, number: int = signal.SIGKILL) -> int:
    """Run `command` in a process of its own; at the `moment`-th change below `folder`, from 1, that gets a signal.

    Returns how many changes the command made by then. moment: 0 for none; then the command has to end well.
    """
    reading, writing = os.pipe()
    child = _forked(lambda: _become(command, folder, moment, number, writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        changes = len(stream.read())
    status = os.waitpid(child, 0)[1]
    assert moment or status == 0, f"the command failed ({status})"
    return changes


def run_beside(first: Callable[[], object], second: Callable[[], object], folder: Path, moment: int) -> tuple[int, int]:
    """Let `first` stand still at its `moment`-th change below `folder` while `second` runs; return how both ended.

    0 is well, 2 an InputError. A second command that waits for the first gets what it waits for after a while.
    """
    reading, writing = os.pipe()
    child = _forked(lambda: _become(first, folder, moment, signal.SIGSTOP, writing))
    stopped = os.WIFSTOPPED(status := os.waitpid(child, os.WUNTRACED)[1])
    other = _forked(lambda: _become(second, folder, 0, 0, writing))
    until = time.monotonic() + _PATIENCE_S
    while not (over := os.waitpid(other, os.WNOHANG))[0] and time.monotonic() < until:
        time.sleep(0.01)
    if stopped:
        os.kill(child, signal.SIGCONT)
        status = os.waitpid(child, 0)[1]
    ended = over[1] if over[0] else os.waitpid(other, 0)[1]
    os.close(reading)
    os.close(writing)
    return os.waitstatus_to_exitcode(status), os.waitstatus_to_exitcode(ended)


def _forked(be: Callable[[], None]) -> int:
    if child := os.fork():
        return child
    be()
    raise AssertionError("has become another")


def _become(command: Callable[[], object], folder: Path, moment: int, number: int, writing: int) -> None:
    """Be the child: never returns."""
    changes = 0

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal changes
        if event not in _CHANGES or not isinstance(arguments[0], (str, os.PathLike)):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if str(folder) in os.fspath(arguments[0]):
            changes += 1
            os.write(writing, b".")
            if changes == moment:
                os.kill(os.getpid(), number)

    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        sys.addaudithook(look)
        command()
        status = 0
    except KeyboardInterrupt:
        status = 130
    except InputError as error:
        print(error, file=sys.stderr)
        status = 2
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
