"""One job in several processes, here or on other machines: each part of it is done by one of them.

All that they share is a folder. A part is claimed with a file lock, which the operating system gives back when a
process dies, and is done when its file is there; files appear whole. So a process may be killed at any moment: another
takes the part over, or the next start of the command does.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from smiletrack.config import to_yaml
from smiletrack.engine.run_folders.folder import commit_of_checkout, make_folder
from smiletrack.errors import InputError
from smiletrack.files import atomic_write
from smiletrack.ranges import Checked
from smiletrack.version import __version__

_FOLDER = ".shards"
_NOT_COMPARED = ("shard", "output", "device", "cache", "overwrite", "json")
"""Fields that may differ between the processes of one job: they change where and how it is done, not what comes out."""
_LAUNCHERS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"))


@dataclass(frozen=True, kw_only=True)
class ShardConfig(Checked):
    """A job that several processes share."""

    shard: str = ""
    """Share of the work as I/N, such as 2/8: this is the second of eight processes that share the output folder. A
    sequence that another one has done or is at is skipped, and who is ready early helps the others. Empty = what
    torchrun or Slurm (srun, arrays) says, else the whole work anew."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shard:
            _parsed(self.shard)


@dataclass(frozen=True)
class Shard:
    """Process number `index` (from 0) of `count`."""

    index: int
    count: int


def this_shard(asked: str) -> Shard | None:
    """Return the share `asked` for, else the one that a launcher's environment tells; None for the whole work."""
    return _parsed(asked) if asked else _launched()


def _parsed(text: str) -> Shard:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"shard must be I/N with I from 1 to N, such as 2/8, not {text!r}")
    return Shard(int(found[1]) - 1, int(found[2]))


def _launched() -> Shard | None:
    """Return what torchrun or srun say; a Slurm array of such jobs multiplies."""
    index, count = 0, 1
    for rank, size in _LAUNCHERS:
        if rank in os.environ and size in os.environ:
            index, count = _number(rank), _number(size)
            break
    if "SLURM_ARRAY_TASK_ID" in os.environ and "SLURM_ARRAY_TASK_COUNT" in os.environ:
        first, step = _number("SLURM_ARRAY_TASK_MIN", 0), max(1, _number("SLURM_ARRAY_TASK_STEP", 1))
        index += count * ((_number("SLURM_ARRAY_TASK_ID") - first) // step)
        count *= _number("SLURM_ARRAY_TASK_COUNT")
    if count <= 1:
        return None
    if not 0 <= index < count:
        raise InputError(f"shard: the launcher's environment names process {index} of {count}; --shard I/N overrides")
    return Shard(index, count)


def _number(variable: str, default: int | None = None) -> int:
    text = os.environ.get(variable, "" if default is None else str(default))
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{variable}: {text!r} in the environment is no number; --shard I/N overrides") from None


class SharedJob:
    """The job of a command in one folder, as one of its processes sees it.

    place: hidden folder for what the processes tell each other.
    shard: None for a process that does all of it anew, and allows no other beside it.
    """

    def __init__(self, folder: Path, command: str, shard: Shard | None) -> None:
        self._folder = folder
        self.place = folder / _FOLDER / command
        self.shard = shard

    @contextmanager
    def running(self, config: Any, begin: Callable[[], None]) -> Iterator[None]:
        """Take part in the job while the block runs; the first process of a job calls `begin` before.

        That removes what another job left, which is one with another configuration or of other code. Raises InputError
        where processes of another job are at work in the folder.
        """
        make_folder(self.place)
        file, job = self.place / "job.yaml", _identity(config)
        with (self.place / "running.lock").open("a") as members:
            with self.lock("start"):
                joins = self.shard is not None and _text(file) == job
                if not joins:
                    self._enter(members, alone=True)
                    for mark in self.place.glob("*.done"):
                        mark.unlink(missing_ok=True)
                    with atomic_write(file) as stream:
                        stream.write(job)
                        stream.flush()  # on a full disk nothing begins
                        begin()
                if self.shard is not None:
                    self._enter(members, alone=False)
            yield

    def claimed(self, parts: Sequence[str], done: Callable[[str], bool]) -> Iterator[str]:
        """Yield the parts that this process has to do: its own share first, then what is left of the others'.

        A part is this process's until the next one is asked for. Parts are names of files. A part that is `done`, or
        that another process is at, is left out.
        """
        if self.shard is None:
            yield from parts
            return
        own = parts[self.shard.index :: self.shard.count]
        others = [part for part in reversed(parts) if part not in own]  # from the end: there their owners come last
        for part in (*own, *others):
            with (self.place / f"{part}.lock").open("a") as stream:
                if not done(part) and self._try_lock(stream, alone=True) and not done(part):
                    yield part

    def mark(self, part: str) -> None:
        """Remember that a part is done, for parts of which no file of their own tells."""
        (self.place / f"{part}.done").touch()

    def is_marked(self, part: str) -> bool:
        """Tell whether a process of this job has done the part."""
        return (self.place / f"{part}.done").exists()

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Keep the other processes out of a block of this name; they wait."""
        with (self.place / f".{name}.lock").open("a") as stream:
            self._try_lock(stream, alone=True, wait=True)
            yield

    def _enter(self, members: IO[str], alone: bool) -> None:
        if not self._try_lock(members, alone):
            raise InputError(
                f"{self._folder}: another process is at work in it, and not with the same --shard job; wait for it, or"
                " name another --output"
            )

    def _try_lock(self, stream: IO[str], alone: bool, wait: bool = False) -> bool:
        """Lock an open file until it is closed; tell whether that could be done without waiting."""
        try:
            fcntl.flock(stream, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        except OSError as error:
            if self.shard is not None:
                raise InputError(f"{self._folder}: shards need file locks there ({error.strerror})") from None
        return True


def refuse_while_at_work(folder: Path, command: str) -> None:
    """Raise InputError where a process does the whole job of a command in the folder now."""
    file = folder / _FOLDER / command / "running.lock"
    if not file.is_file():
        return
    with file.open() as stream, suppress(OSError):  # file systems without locks
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: smiletrack {command} is at work in it; wait until it is done") from None


def _identity(config: Any) -> str:
    """Return what the processes of one job have in common."""
    tree = yaml.safe_load(to_yaml(config))
    kept = {key: value for key, value in tree.items() if key not in _NOT_COMPARED}
    return yaml.safe_dump({"version": __version__, "commit": commit_of_checkout(), "config": kept}, sort_keys=False)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
