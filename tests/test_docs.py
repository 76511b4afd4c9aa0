"""The documentation is true: the reference is current, links lead somewhere, commands name flags that exist."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smiletrack.config import CONFIG_ROOT
from smiletrack.engine.cli import parser_for
from smiletrack.engine.reference import configuration_reference
from smiletrack.engine.verbs import VERBS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "datasets" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_reference_is_what_make_docs_writes() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    schemas = {name: verb.load_schema() for name, verb in VERBS.items()}
    assert written == configuration_reference(schemas), "python tools/make_docs.py writes it anew"


def test_asking_for_help_writes_no_docs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    command = [sys.executable, str(tmp_path / "tools" / "make_docs.py"), "--help"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "--check" in done.stdout and not (tmp_path / "docs").exists()


def test_every_verb_has_a_script_and_says_in_its_help_what_it_does() -> None:
    tools = {path.stem.replace("_", "-").replace("eval-mot", "eval") for path in (ROOT / "tools").glob("*.py")}
    assert tools - {"make-docs"} == {name.split()[0] for name in VERBS}
    for name, verb in VERBS.items():
        text = verb.description()
        assert "Reads" in text or "Writes" in text, name
        assert text.count(f"smiletrack {name}") >= 3, f"{name}: three examples"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)|src=\"([^\"]+)\"", page.read_text(encoding="utf-8")):
        name = target[0] or target[1]
        if "://" not in name:
            assert (page.parent / name).exists(), f"{page.name}: {name}"


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the verb and the words of each `smiletrack VERB ...` at the start of a line."""
    for line in text.replace("\\\n", " ").splitlines():
        if match := re.match(r"(?:\$ |# Run: |# Then: |#  )?\s*(?:torchrun .* -m )?smiletrack (\S.*)", line.strip()):
            words = shlex.split(match[1], comments=True)
            yield next((name for name in VERBS if words[: len(name.split())] == name.split()), words[0]), words


@pytest.mark.parametrize("page", [*PAGES, *VERBS, *CONFIG_ROOT.rglob("*.yaml")], ids=str)
def test_commands_name_verbs_and_flags_that_exist(page: Path | str) -> None:
    if isinstance(page, str):
        text = VERBS[page].description()
    else:
        text = page.read_text(encoding="utf-8")
    if page in PAGES:
        text = "\n".join(re.findall(r"```(?:bash|sh|console)?\n.*?```|(?:^    .*\n)+", text, re.S | re.M))
    for name, words in commands(text):
        flags = {flag for action in parser_for(VERBS[name], name)._actions for flag in action.option_strings}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= flags | set(VERBS[name].aliases), f"{page}: {name} has no {used - flags}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        exec(compile(block, str(page), "exec"), {})
