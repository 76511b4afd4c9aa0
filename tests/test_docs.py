"""The documentation is true: the reference is current, links lead somewhere, commands name flags that exist."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from smiletrack import limits
from smiletrack.config import CONFIG_ROOT
from smiletrack.data.video import VideoWriter
from smiletrack.engine.cli import parser_for
from smiletrack.engine.reference import configuration_reference
from smiletrack.engine.verbs import VERBS
from tests.network_graphs import HEIGHT, WIDTH, detector_file

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "datasets" / "README.md", *sorted((ROOT / ".github").glob("*.md"))]
PAGES += sorted((ROOT / "docs").glob("*.md"))
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def test_the_reference_is_what_make_docs_writes() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    schemas = {name: verb.load_schema() for name, verb in VERBS.items()}
    assert written == configuration_reference(schemas), "python tools/make_docs.py writes it anew"


def test_the_limits_are_those_that_are_promised() -> None:
    """Names and values, in their order; 2^53 is a power."""
    text = (ROOT / ".github" / "SECURITY.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([0-9,^]+) \|", text, flags=re.M)
    powers = [(name, value.replace(",", "").partition("^")) for name, value in rows]
    promised = {name: float(base) ** float(power or 1) for name, (base, _, power) in powers}
    held = {name: float(value) for name, value in vars(limits).items() if name.isupper()}
    assert list(promised.items()) == list(held.items())


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


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the snippets read: a video and a detector that sees something in it."""
    folder = tmp_path_factory.mktemp("inputs")
    detector_file(folder / "yolox_nano.onnx", "yolox", scale=1.0, colour="bgr")
    with VideoWriter(folder / "street.mp4", 25) as video:
        for _ in range(4):
            video.write(np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_snippets_run(page: Path, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    for file in inputs.iterdir() if blocks else ():
        (tmp_path / file.name).symlink_to(file)
    for block in blocks:
        exec(compile(block, str(page), "exec"), {})
    if page.name == "python.md":
        assert len((tmp_path / "street.txt").read_text().splitlines()) >= 4
        assert (tmp_path / "tracked.mp4").stat().st_size > 500


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the cells one after another; SMILETRACK_FULL=1 runs them in a kernel as readers do."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cells = [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] or not "".join(cell["source"]).count("print(") for cell in cells), (
        "stored with its output"
    )
    if os.environ.get("SMILETRACK_FULL"):
        command = [sys.executable, "-m", "jupyter", "execute", "--output", str(tmp_path / notebook.name), str(notebook)]
        subprocess.run(command, check=True, capture_output=True)
        return
    names: dict[str, object] = {}
    for number, cell in enumerate(cells):
        exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), names)


def test_every_page_is_on_the_site() -> None:
    navigation = yaml.safe_load((ROOT / ".mkdocs" / "mkdocs.yml").read_text())["nav"]
    named = set(re.findall(r"[a-z0-9_]+\.md", str(navigation)))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= named
