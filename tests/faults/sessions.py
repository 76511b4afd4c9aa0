"""Commands as processes of a session of their own, so that whatever they start can be found when they are gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LEAVING_S = 120
"""How long what a killed command had started may take to notice and leave."""


@dataclass(frozen=True)
class Ended:
    """How a command ended. behind: processes that it left."""

    status: int
    told: str
    seconds: float
    behind: list[int]


def run_command(words: Sequence[str], folder: Path, after_s: float = 0.0, number: int = signal.SIGKILL) -> Ended:
    """Run `smiletrack WORDS` in `folder` and, after so many seconds (0 for never), send its process a signal."""
    start = time.monotonic()
    with (folder / "told.log").open("w+") as told:
        command = subprocess.Popen(
            [sys.executable, "-m", "smiletrack", *words],
            cwd=folder, stdout=told, stderr=told, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            command.wait(after_s or None)
        except subprocess.TimeoutExpired:
            command.send_signal(number)
            command.wait()
        seconds = time.monotonic() - start
        told.seek(0)
        return Ended(command.returncode, told.read(), seconds, _left_behind(command.pid))


def _left_behind(session: int) -> list[int]:
    """Return the session's processes that are there when they have had time to leave, and end them."""
    until = time.monotonic() + LEAVING_S
    while (there := _members(session)) and time.monotonic() < until:
        time.sleep(0.2)
    for process in there:
        os.kill(process, signal.SIGKILL)
    return there


def _members(session: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = place.read_text().rpartition(") ")[2].split()[:4]
        except OSError:  # gone meanwhile
            continue
        if int(of) == session and state != "Z":
            found.append(int(place.parent.name))
    return found
