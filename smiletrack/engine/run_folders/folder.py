"""Run folders: what was asked (`config.yaml`), where it ran (`environment.json`), and which run was the last."""

import datetime
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from smiletrack.config import save_config
from smiletrack.console import notify
from smiletrack.errors import InputError
from smiletrack.files import write_json

_ASIDE = ".before"
_RECORDED = ("smiletrack", "numpy", "scipy", "lap", "opencv-python", "torch", "torchvision", "onnxruntime")


def start_run(folder: str | Path, config: Any, name: str) -> Path:
    """Make `folder` and write the whole merged config and an environment record into it; return its path.

    `name` is the command ("track", "train_slm" ...). The seed is recorded where `config` has one.
    """
    path = make_folder(Path(folder))
    save_config(config, path / "config.yaml")
    write_json(path / "environment.json", _environment(name) | {"seed": getattr(config, "seed", None)})
    return path


def make_folder(path: Path) -> Path:
    """Make a folder and those above it, where they are not there, and return it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made into a run folder ({error.strerror})") from None
    return path


def set_aside(folder: Path, parts: Sequence[str]) -> None:
    """Move what a finished run is out of the way, into a hidden folder, from where `until_whole` takes it back.

    What a run left that was killed goes instead: the one before it is still set aside.
    """
    aside = folder / _ASIDE
    unfinished = aside.is_dir()
    aside.mkdir(parents=True, exist_ok=True)
    for part in parts:
        if (folder / part).exists():
            _remove(folder / part) if unfinished else (folder / part).replace(aside / part)


@contextmanager
def until_whole(folder: Path, parts: Sequence[str], whole: Callable[[], bool], alone: bool = True) -> Iterator[None]:
    """Let what was set aside go when a block has made a new run that is `whole`; after an error put it back.

    alone: whether nobody else works on the run; what others have made is kept.
    """
    aside = folder / _ASIDE
    try:
        yield
    except BaseException:
        if alone and aside.is_dir() and any(aside.iterdir()):
            for part in parts:
                _remove(folder / part)
                if (aside / part).exists():
                    (aside / part).replace(folder / part)
            aside.rmdir()
            notify(f"{folder}: the run that was there before is as it was")
        raise
    if whole():
        _remove(aside)


def run_is_whole(folder: Path) -> bool:
    """Tell whether the run in a folder, whose old state was set aside, came to its end."""
    return not (folder / _ASIDE).is_dir()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def latest_run(root: str | Path = "runs", contains: str = "tracks") -> Path:
    """Return the run below `root` whose config was written last, among those that hold `contains`."""
    runs = [file.parent for file in Path(root).rglob("config.yaml") if (file.parent / contains).exists()]
    runs = [run for run in runs if run.name != _ASIDE]
    if not runs:
        raise InputError(f"{root}: no run with {contains!r} in it yet; `smiletrack track` makes one")
    return max(runs, key=lambda run: (run / "config.yaml").stat().st_mtime)


def _environment(name: str) -> dict[str, Any]:
    return {
        "command": name,
        "arguments": sys.argv[1:],
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit_of_checkout(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {package: _version(package) for package in _RECORDED},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit_of_checkout() -> str | None:
    """Return the checkout's commit, `+` appended where files differ from it; None outside a checkout."""
    here = Path(__file__).resolve().parents[3]
    if not (here / ".git").exists():
        return None

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "HEAD").strip() + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
