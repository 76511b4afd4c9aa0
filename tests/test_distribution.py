"""What is installed: what the wheel holds, the dependencies that are declared, and a core that needs nothing else."""

import ast
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from smiletrack.errors import InputError
from smiletrack.lazy import EXTRAS, missing_extras, require_modules
from tests.data.mot_folders import walkers, write_sequence

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "smiletrack"
OWN = "smiletrack"
SOLD_AS = {"cv2": "opencv-python", "yaml": "pyyaml", "PIL": "pillow", "supervision": "trackers", "rerun": "rerun-sdk"}
"""Module -> the declared distribution that brings it, where the names differ."""


def build(target: str, source: Path, folder: Path) -> Path:
    """Build the wheel or sdist of the project in `source`; return the file."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def declared(wheel: Path) -> dict[str, set[str]]:
    """Extra -> names of the distributions it asks for; the core is the extra ''."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    wanted: dict[str, set[str]] = {"": set()}
    for line in lines:
        if line.startswith("Provides-Extra: "):
            wanted[line.partition(": ")[2]] = set()
    for line in lines:
        if line.startswith("Requires-Dist: "):
            requirement = Requirement(line.partition(": ")[2])
            extras = [e for e in wanted if e and requirement.marker and requirement.marker.evaluate({"extra": e})]
            for extra in extras or [""]:
                wanted[extra].add(canonicalize_name(requirement.name))
    return wanted


def imported_modules() -> set[str]:
    """Names of the foreign packages that the package imports, lazily or not."""
    names: set[str] = set()
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "LazyModule":
                names |= {str(word.value) for word in node.args if isinstance(word, ast.Constant)}
    return {name.partition(".")[0] for name in names} - {OWN, *sys.stdlib_module_names}


def test_every_import_is_declared_where_its_message_says(declared: dict[str, set[str]]) -> None:
    modules = imported_modules()
    for module in modules:
        name = canonicalize_name(SOLD_AS.get(module, module))
        assert name in declared[EXTRAS.get(module, "")], f"{module} is in extra {EXTRAS.get(module, '')!r}?"
    assert set(EXTRAS) <= modules | {"tensorboard"}
    assert set(EXTRAS.values()) <= set(declared)


def test_all_is_every_extra_that_users_have_and_dev_holds_it(declared: dict[str, set[str]]) -> None:
    extras = set(declared) - {"", "all", "dev", "bench"}
    assert declared["all"] == set().union(*(declared[extra] for extra in extras)) <= declared["dev"]
    heavy = {"torch", "tensorboard", "optuna", "motmetrics", "pycocotools", "opencv-python", "av", "pandas"}
    assert not heavy & declared[""]


def test_every_dependency_has_its_reason_in_the_readme(declared: dict[str, set[str]]) -> None:
    text = (ROOT / "README.md").read_text().partition("## What it stands on")[2]
    told = {name for line in text.splitlines() if line.startswith("| ") for name in line.split("|")[1].split(", ")}
    told = {canonicalize_name(name.strip()) for name in told}
    users = set().union(*(names for extra, names in declared.items() if extra not in ("dev", "bench", "all")))
    assert users <= told and told - users <= {"dependency", "filterpy"}


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry,) = (archive.read(name).decode() for name in names if name.endswith("/entry_points.txt"))
    assert "smiletrack = smiletrack.__main__:main" in entry
    configs = {f"{OWN}/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "configs").rglob("*.yaml")}
    code = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}
    pages = {path.relative_to(ROOT).as_posix() for path in (PACKAGE / "view" / "templates").iterdir()}
    assert names >= configs | code | pages | {f"{OWN}/py.typed"}
    assert not [name for name in names if "/test" in name or not name.startswith(OWN)]


def needed(name: str) -> Iterator[str]:
    """Yield a distribution and all that it needs, as it is installed here; perhaps several times."""
    yield canonicalize_name(name)
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from needed(requirement.name)


@pytest.fixture(scope="module")
def empty_environment(wheel: Path, declared: dict[str, set[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a virtual environment that holds the wheel, its core dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in {name for core in declared[""] for name in needed(core)}:
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            (site / top).symlink_to(Path(str(found.locate_file(top))).resolve())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return folder / "bin" / "python"


def run_in(python: Path, folder: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    """Run `python WORDS...` in a folder, without this checkout; plain loops instead of compiled ones for the speed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"NUMBA_DISABLE_JIT": "1"}
    command = [str(python), *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_core_tracks_and_scores_in_an_empty_environment(empty_environment: Path, tmp_path: Path) -> None:
    frames = range(1, 9)
    write_sequence(tmp_path / "data" / "A", walkers(frames), walkers(frames, "0.9,-1,-1,-1", identified=False), 8)
    for words in ("track --data data --detections det --tracker bytetrack", "eval"):
        done = run_in(empty_environment, tmp_path, "-m", "smiletrack", *words.split())
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("COMBINED  97.895  97.895  97.895   100   100")


LACKING = {
    "quickstart": "torch, cv2, av are not installed; pip install 'smiletrack[train,video]' brings them",
    "train-slm": "torch is not installed; pip install 'smiletrack[train]' brings it",
    "export slm": "torch is not installed; pip install 'smiletrack[train]' brings it",
    "track --source file --detector file.onnx": "av is not installed; pip install 'smiletrack[video]' brings it",
    "make-world": "cv2 is not installed; pip install 'smiletrack[video]' brings it",
    "tune --config example": "optuna is not installed; pip install 'smiletrack[tune]' brings it",
    "ablate --table robustness robustness.plot=x.png":
        "matplotlib is not installed; pip install 'smiletrack[tune]' brings it",
    "benchmark association": "the peer is not installed: pip install 'smiletrack[bench]'",
}  # fmt: skip


def test_commands_that_need_more_say_what_to_install(empty_environment: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file.onnx").touch()
    code = (
        "import sys\nfrom smiletrack.engine.cli import run\n"
        f"for words in {list(LACKING)}:\n"
        "    try: run(words.split())\n"
        "    except SystemExit as stop: print('status', stop.code, file=sys.stderr)\n"
    )
    done = run_in(empty_environment, tmp_path, "-c", code)
    told = [line.partition(" error: ")[2] for line in done.stderr.splitlines() if " error: " in line]
    assert told == list(LACKING.values()), done.stderr
    assert done.stderr.count("status 2") == len(LACKING)


def test_what_is_missing_is_told_with_all_its_extras() -> None:
    require_modules("numpy", "cv2")
    with pytest.raises(InputError, match=r"^nothing_here is not installed"):
        EXTRAS["nothing_here"] = "train"
        try:
            require_modules("numpy", "nothing_here")
        finally:
            del EXTRAS["nothing_here"]
    assert missing_extras("numpy.fft") == ""
    both = missing_extras("torch.nn", "cv2", "torch")
    assert both == "torch, cv2 are not installed; pip install 'smiletrack[train,video]' brings them"


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("SMILETRACK_FULL"), reason="SMILETRACK_FULL=1 installs from the package index")
@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_pip_installs_wheel_and_sdist(target: str, tmp_path: Path) -> None:
    """What pip makes of them in a new environment, with dependencies of its own choice."""
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    made = build(target, ROOT, tmp_path / "dist")
    subprocess.run([programs / "pip", "install", "--quiet", made], check=True, capture_output=True)
    frames = range(1, 9)
    write_sequence(tmp_path / "data" / "A", walkers(frames), walkers(frames, "0.9,-1,-1,-1", identified=False), 8)
    for words in ("track --data data --detections det --tracker bytetrack", "eval"):
        done = run_in(programs / "smiletrack", tmp_path, *words.split())
        assert done.returncode == 0, done.stderr
