"""Broken files into every reader: `python -m tests.fuzz.run [READER=name] [SECONDS=60] [COUNT=n] [SEED=0] [KEEP=x]`.

A reader returns, or raises `InputError` (or what the system says, an OSError) in one line, within seconds and without
gigabytes. What does otherwise is a finding: the file is kept, and told at the end. Each reader has a process of its
own, which is started again where it dies.
"""

import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smiletrack.errors import InputError
from tests.fuzz.mutations import mutated
from tests.fuzz.readers import READERS, Reader

MOST_SECONDS = 5.0
"""Time that one file may take."""
MOST_BYTES = 2**31
"""Memory that one file may take on top of what the process has."""


@dataclass(frozen=True)
class Finding:
    """A file that a reader does not stand. number: which of the seed's."""

    reader: str
    number: int
    what: str


def fuzz(name: str, numbers: range, folder: Path, seed: int = 0, seconds: float = 1e9) -> Iterator[Finding | int]:
    """Yield the number of each file that is about to be read, and findings."""
    reader = READERS[name]
    reader.make(folder)
    file = folder / reader.file
    whole = file.read_bytes()
    with _silence(), suppress(InputError):  # some are whole, but not what the reader wants
        reader.read(folder)  # what is compiled or loaded at its first use is no fault of a file
    end = time.monotonic() + seconds
    for number in numbers:
        if time.monotonic() > end:
            return
        broken = mutated(whole, reader.file, random.Random(f"{seed} {name} {number}"))
        file.write_bytes(broken)
        yield number
        with _silence():
            what = complaint(reader, folder)
        if what:
            yield Finding(name, number, what)
        if not file.exists() or file.read_bytes() != broken:  # a cache that was made again
            shutil.rmtree(folder)
            folder.mkdir()
            reader.make(folder)


def complaint(reader: Reader, folder: Path) -> str:
    """Read the files and return what is wrong with how that went, "" for nothing."""
    try:
        with _timeout(MOST_SECONDS):
            reader.read(folder)
    except InputError as error:
        text = str(error)
        if "\n" in text or not text:
            return f"message of several lines: {text[:200]!r}"
    except OSError as error:
        if "\n" in str(error):
            return f"message of several lines: {str(error)[:200]!r}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {str(error)[:150]!r} at {_place(error)}"
    return ""


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if "smiletrack/" in name:
            place = f"{name.rpartition('smiletrack/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


@contextmanager
def _silence() -> Iterator[None]:
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere), redirect_stdout(nowhere):
        yield


class _TooSlow(BaseException):
    pass


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise _TooSlow(f"more than {seconds:g} s")

    # the processor's time: a busy machine is no finding
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _child(name: str, first: int, count: int, seed: int, seconds: float) -> None:
    """Read files in this process, telling of each on standard output before it is read."""
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w", buffering=1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "a"
        place.mkdir()
        limited = False
        for event in fuzz(name, range(first, first + count), place, seed, seconds):
            if not limited:
                pages = int(Path("/proc/self/statm").read_text().split()[0])
                resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_BYTES, -1))
                limited = True
            if isinstance(event, Finding):
                out.write(f"finding\t{event.number}\t{event.what}\n")
            else:
                out.write(f"{event}\n")


def run(name: str, count: int, seconds: float, seed: int) -> tuple[int, list[Finding]]:
    """Break files for one reader; return how many, and the findings."""
    findings: list[Finding] = []
    done, end = 0, time.monotonic() + seconds
    while done < count and time.monotonic() < end:
        left = end - time.monotonic()
        words = [sys.executable, "-m", "tests.fuzz.run", "--child", name, str(done), str(count - done), str(seed)]
        errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed below; a pipe that nobody reads would be full of what decoders say
        child = subprocess.Popen([*words, str(left)], stdout=subprocess.PIPE, stderr=errors, text=True)
        assert child.stdout is not None
        last = done
        for line in child.stdout:
            if line.startswith("finding"):
                _, number, what = line.rstrip("\n").split("\t", 2)
                findings.append(Finding(name, int(number), what))
            else:
                last = int(line)
        finished = child.wait() == 0
        with errors:
            errors.seek(0)
            complaint_of_child = errors.read()
        done = last + 1
        if not finished:
            findings.append(Finding(name, last, f"the process died ({child.returncode}) {complaint_of_child[-300:]!r}"))
        elif done < count:
            break
    return done, findings


def keep(finding: Finding, folder: Path, seed: int) -> Path:
    """Write the file of a finding into `folder`; return its path."""
    with tempfile.TemporaryDirectory() as place:
        reader = READERS[finding.reader]
        reader.make(Path(place))
        file = Path(place) / reader.file
        broken = mutated(file.read_bytes(), reader.file, random.Random(f"{seed} {finding.reader} {finding.number}"))
    digest = hashlib.sha256(broken).hexdigest()[:6]
    kept = folder / f"{finding.reader}-{finding.number}-{digest}{Path(reader.file).suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(broken)
    return kept


def main(words: list[str]) -> int:
    """Run as the words say; return 1 where there are findings."""
    given = dict(word.split("=", 1) for word in words)
    names = given["READER"].split(",") if given.get("READER") else list(READERS)
    seconds, seed = float(given.get("SECONDS") or 60), int(given.get("SEED") or 0)
    count = int(given.get("COUNT") or 10**9)
    total, found = 0, 0
    for name in names:
        done, findings = run(name, count, seconds, seed)
        total, found = total + done, found + len(findings)
        print(f"{name}: {done} files, {len(findings)} findings", flush=True)
        told: set[str] = set()
        for finding in findings:
            kind = finding.what.split(":")[0] + finding.what.rpartition(" at ")[2]
            if kind not in told:
                told.add(kind)
                kept = keep(finding, Path(given.get("KEEP") or "runs/fuzz"), seed)
                print(f"  {kept}: {finding.what}", flush=True)
    print(f"{len(names)} readers, {total} files, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(sys.argv[2], *map(int, sys.argv[3:6]), float(sys.argv[6]))
    else:
        sys.exit(main(sys.argv[1:]))
