"""The documentation is true: the reference is current, links lead somewhere, commands name flags that exist."""

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from smiletrack.engine.cli import parser_for
from smiletrack.engine.reference import configuration_reference

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "datasets" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def make_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_make_docs_writes(make_docs: ModuleType) -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == configuration_reference(make_docs.COMMANDS), "python tools/make_docs.py writes it anew"


def test_every_tool_is_in_the_reference(make_docs: ModuleType) -> None:
    tools = {path.stem for path in (ROOT / "tools").glob("*.py")} - {"make_docs"}
    assert tools == {command.split()[0] for command in make_docs.COMMANDS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)|src=\"([^\"]+)\"", page.read_text(encoding="utf-8")):
        name = target[0] or target[1]
        if "://" not in name:
            assert (page.parent / name).exists(), f"{page.name}: {name}"


def commands(page: Path) -> list[list[str]]:
    """Return the words of each `python tools/...` command in the page's code blocks."""
    found = []
    for block in re.findall(r"```(?:bash|sh|console)?\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.match(r"(?:\$ )?python tools/(\w+)\.py(.*)", line.strip()):
                found.append([match[1], *shlex.split(match[2], comments=True)])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_tools_and_flags_that_exist(page: Path, make_docs: ModuleType) -> None:
    for tool, *words in commands(page):
        assert (ROOT / "tools" / f"{tool}.py").is_file(), tool
        name = " ".join((tool, words[0])) if tool == "benchmark" else tool
        if name not in make_docs.COMMANDS:
            continue
        flags = {
            option for action in parser_for(make_docs.COMMANDS[name], "")._actions for option in action.option_strings
        }
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= flags, f"{page.name}: {tool} has no {used - flags}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        exec(compile(block, str(page), "exec"), {})
