"""Run folders: what was asked (`config.yaml`), where it ran (`environment.json`), and which run was the last."""

import datetime
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from smiletrack.config import save_config
from smiletrack.errors import InputError
from smiletrack.files import write_json

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


def latest_run(root: str | Path = "runs", contains: str = "tracks") -> Path:
    """Return the run below `root` whose config was written last, among those that hold `contains`."""
    runs = [file.parent for file in Path(root).rglob("config.yaml") if (file.parent / contains).exists()]
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
