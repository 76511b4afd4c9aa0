"""A process that dies at a chosen moment: at one of the times when it opens, renames, makes or removes a file."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

_CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")


def run_until(command: Callable[[], object], folder: Path, moment: int = 0, number: int = signal.SIGKILL) -> int:
    """Run `command` in a process of its own; at the `moment`-th change below `folder`, from 1, that gets a signal.

    Returns how many changes the command made by then. moment: 0 for none; then the command has to end well.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _become(command, folder, moment, number, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        changes = len(stream.read())
    status = os.waitpid(child, 0)[1]
    assert moment or status == 0, f"the command failed ({status})"
    return changes


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
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
