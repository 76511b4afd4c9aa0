"""What surrounds the code agrees with it: versions, make targets, hooks, the image, the lock."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from smiletrack.version import __version__

ROOT = Path(__file__).resolve().parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line.strip() and line[0] not in "# "]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+|\$\(VENV\)/\.installed):", read("Makefile"), re.M))


def test_the_version_stands_in_one_place_and_what_repeats_it_agrees() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == __version__ and citation["license"] == "Apache-2.0"
    assert citation["cff-version"] == "1.2.0" and citation["authors"] and citation["message"] and citation["title"]
    assert "2211.08824" in str(citation["preferred-citation"])
    newest = re.findall(r"^## (\S+)", read("docs/changelog.md"), re.M)[0]
    assert newest == __version__


def test_hosted_runs_use_make_on_every_python_that_is_promised() -> None:
    jobs: dict[str, Any] = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    made = {command.removeprefix("make ").replace(".venv", "$(VENV)") for command in commands if "make " in command}
    assert {"check", "test"} <= made <= make_targets()
    low, high = map(int, re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', read("pyproject.toml"))[0])
    assert jobs["test"]["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(low, high)]


def test_hooks_run_the_tools_of_make_check() -> None:
    (local,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert local["repo"] == "local", "nothing is downloaded"
    entries = [hook["entry"] for hook in local["hooks"]]
    for tool in ("ruff format", "ruff check", "mypy"):
        assert any(entry.startswith(f".venv/bin/{tool}") for entry in entries) and f"$(BIN)/{tool}" in read("Makefile")
    assert all((ROOT / word).is_file() for entry in entries for word in entry.split() if word.endswith(".py"))


def test_the_image_is_built_from_files_that_are_there_and_runs_as_nobody_special() -> None:
    steps = re.findall(r"^([A-Z]+) (.*(?:\\\n.*)*)", read("Dockerfile"), re.M)
    first, image = steps[0]
    assert first == "FROM" and re.fullmatch(r"python:3\.\d+-slim", image)
    given = [word for step, rest in steps if step == "COPY" for word in rest.split()[:-1]]
    assert given and all((ROOT / name).exists() for name in given)
    allowed = [line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")]
    assert set(given) == set(allowed)
    assert dict(steps)["USER"] == "1000" and dict(steps)["ENTRYPOINT"] == '["smiletrack"]'
    for step, rest in steps:
        if step == "RUN" and "apt-get install" in rest:
            assert "--no-install-recommends" in rest and "rm -rf /var/lib/apt/lists" in rest


def test_the_lock_fits_what_is_asked_for() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 reads TOML")
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(line for extra in extras if extra != "bench" for line in extras[extra])]
    text = read(".github/requirements-dev.lock")
    locked: dict[str, list[Requirement]] = {}
    for requirement in requirements(text):
        locked.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    for line in asked:
        wanted = Requirement(line)
        if wanted.name == "smiletrack":
            continue
        for pin in locked[canonicalize_name(wanted.name)]:
            (version,) = pin.specifier
            assert version.operator == "==" and wanted.specifier.contains(version.version), f"make lock: {line}"
    assert "://" not in text
