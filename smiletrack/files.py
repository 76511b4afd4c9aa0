"""Files that are there whole or not at all, and the tables the commands leave beside them."""

import fcntl
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from smiletrack.errors import InputError
from smiletrack.limits import LONGEST_NAME


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on any error.

    Folders above `path` are made. A reader sees the old file or the new one, never half of one; what a killed writer
    left goes with the next one. An OSError that names no file, such as that of a full disk, names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = _locked_temporary(path)
    try:
        with naming(path, temporary):
            yield temporary
        # results are for sharing: the mode that a plain open() gives, where some writers make files private
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


@contextmanager
def naming(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Let an OSError that names no file, or `temporary`, such as that of a full disk, name `path`."""
    try:
        yield
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _locked_temporary(path: Path) -> tuple[int, Path]:
    """Return an empty hidden file beside `path`, and the handle that locks it as long as it is open.

    Its name is the same every time, so that what a killed writer left is used again; a second writer takes another.
    """
    for number in itertools.count():
        temporary = path.with_name(f".{path.stem}.part{number or ''}{path.suffix}")
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if _lock(handle) and _is_at(handle, temporary):  # else its writer is at work, or has just put it in place
            os.ftruncate(handle, 0)
            return handle, temporary
        os.close(handle)
    raise AssertionError("numbers do not end")


def _lock(handle: int) -> bool:
    """Return whether the file is this process's now; so it is on file systems that have no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes that ask the same out of a folder, which is made, while the block runs.

    InputError where one is at work in it. The lock is this process's and not its children's; the system takes it back
    however the process ends, and its file goes with the block.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".at-work.lock"
    with _locked_by_process(path):
        try:
            yield
        finally:
            with suppress(OSError):  # the folder may be gone
                path.unlink()


def _locked_by_process(path: Path) -> IO[Any]:
    """Return the lock file, open and this process's; InputError where it is another's."""
    while True:
        stream = path.open("a")
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            stream.close()
            raise InputError(f"{path.parent}: another process is at work in it; wait for it, or name another") from None
        except OSError:  # a file system without locks
            pass
        if _is_at(stream.fileno(), path):  # else the one before has just removed it
            return stream
        stream.close()


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file for writing (text is UTF-8) that appears at `path` only when the block ends well."""
    with (
        atomic_path(path) as temporary,
        temporary.open(mode, encoding=None if "b" in mode else "utf-8") as stream,
    ):
        yield stream


def is_plain_name(name: str) -> bool:
    """Tell whether a text, say out of a data set, is the name of one file and leads nowhere else as part of a path."""
    try:
        fits = 0 < len(name.encode("utf-8")) <= LONGEST_NAME
    except UnicodeEncodeError:  # half a character
        return False
    return fits and name not in (".", "..") and not any(c in "/\\" or ord(c) < 32 or ord(c) == 127 for c in name)


def state_of_files(files: Iterable[Path]) -> str:
    """Return 16 letters that change with the names, the sizes and the times of change of files, and their order."""
    digest = hashlib.sha256()
    for file in files:
        try:
            state = file.stat()
            digest.update(f"{file.name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        except OSError:
            digest.update(f"{file.name}\0absent\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with full float precision, atomically."""
    with atomic_write(path) as stream:
        json.dump(value, stream, indent=1, ensure_ascii=False)
        stream.write("\n")


def read_json(path: Path) -> Any:
    """Return the parsed file; raise `InputError` naming file and line where it is missing or not JSON.

    Nests and numbers that are too large for Python's reader are not JSON here.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({' '.join(str(error).split())})") from None
