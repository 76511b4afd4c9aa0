"""Where the tests find real data and recorded results: the folder named by SMILETRACK_SHARED, or ../shared.

It is optional. Tests that need it skip with a reason; everything else runs on worlds made here.
"""

import io
import os
import runpy
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # for tests that open ONNX Runtime by themselves
REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and oracles; skips where it is absent."""
    folder = Path(os.environ.get("SMILETRACK_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "oracles").is_dir():
        pytest.skip(f"needs the shared folder with real data and oracles (SMILETRACK_SHARED; not at {folder})")
    return folder


@pytest.fixture(scope="session")
def oracle(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function: archive name (`metrics`, `trackers`, `networks`) -> its unpacked folder."""

    def unpack(name: str) -> Path:
        folder = tmp_path_factory.getbasetemp() / "oracles"
        if not (folder / name).is_dir():
            with tarfile.open(shared / "oracles" / f"{name}.tar.xz") as archive:
                archive.extractall(folder, filter="data")
        return folder / name

    return unpack


@pytest.fixture(scope="session")
def real_data(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real MOTChallenge folders, annotations and detections only (frames: read the clips in shared/data/video)."""
    folder = tmp_path_factory.getbasetemp() / "real"
    if not folder.is_dir():
        command = [sys.executable, str(shared / "data" / "unpack.py"), str(folder), "--no-frames"]
        subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def run_tool() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs `tools/NAME.py WORDS...` as a user does and returns what the process ended with.

    It takes place in this process, which has loaded already what a new one loads for seconds; with `options` of
    `subprocess.run` it is a process of its own.
    """

    def run(name: str, *words: object, **options: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(REPOSITORY / "tools" / f"{name}.py"), *map(str, words)]
        if options:
            return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]
        out, err, status = io.StringIO(), io.StringIO(), 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", command[1:])
            try:
                runpy.run_path(command[1], run_name="__main__")
            except SystemExit as stop:
                status = int(stop.code or 0)
        return subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())

    return run
