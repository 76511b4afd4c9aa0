"""The command line: verbs, flags, overrides, and one line with status 2 for whatever a user can mend."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smiletrack.config import load_config, save_config
from smiletrack.engine import cli
from smiletrack.engine.cli import parse, parser_for, run
from smiletrack.engine.settings.train_slm import TrainSLMConfig
from smiletrack.engine.verbs import VERBS, Verb
from smiletrack.errors import InputError
from smiletrack.ranges import Checked, Positive


@dataclass(frozen=True)
class Part(Checked):
    speed: Positive = 1.0
    """Pixels a frame."""


@dataclass(frozen=True)
class Whole(Checked):
    """Do it.

    smiletrack whole NAME
    """

    name: str = "x"
    """A name, 100 % of it."""
    count: int = 3
    """How many."""
    names: tuple[str, ...] = ()
    """Several."""
    part: Part = field(default_factory=Part)
    """A section."""
    fast: bool = False


def verb(work: Callable[[Any], object], **options: Any) -> Verb:
    return Verb("does it", SimpleNamespace(Whole=Whole, work=work), "work", "Whole", **options)  # type: ignore[arg-type]


def said(words: list[str], capsys: pytest.CaptureFixture[str], status: int = 2) -> str:
    """Run a command that stops; return its one line."""
    with pytest.raises(SystemExit) as stop:
        run(words)
    message = capsys.readouterr().err
    assert stop.value.code == status and message.count("\n") == 1
    return message


def test_flags_words_and_overrides_become_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Whole] = []
    monkeypatch.setitem(VERBS, "whole", verb(got.append, aliases={"--number": "--count"}))
    run(["whole", "--number", "5", "part.speed=2", "--names", "a,b", "--fast"])
    assert got == [Whole(count=5, names=("a", "b"), part=Part(2.0), fast=True)]
    monkeypatch.setitem(VERBS, "whole", verb(got.append, positional="names"))
    run(["whole", "p", "--count", "4", "/x=y/q", "count=6"])
    assert got[-1] == Whole(count=6, names=("p", "/x=y/q"))


def test_a_run_goes_on_with_its_own_configuration(tmp_path: Path) -> None:
    """--resume RUN: what the run had, below what is said now."""
    made = load_config(TrainSLMConfig, None, ["fit.epochs=4", "fit.learning_rate=0.5"], output=str(tmp_path))
    save_config(made, tmp_path / "config.yaml")
    words = ["--resume", str(tmp_path), "fit.epochs=9"]
    parser = parser_for(VERBS["train-slm"], "x")
    with pytest.raises(InputError, match=r"holds no run that could go on"):
        parse(parser, VERBS["train-slm"], words)
    (tmp_path / "last.pt").touch()
    found = parse(parser, VERBS["train-slm"], words)
    assert found.resume and found.output == str(tmp_path)
    assert (found.fit.epochs, found.fit.learning_rate) == (9, 0.5)


def test_help_shows_documentation_ranges_and_defaults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(VERBS, "group whole", verb(print))
    with pytest.raises(SystemExit) as stop:
        run(["group", "whole", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    for part in ("Do it.", "smiletrack whole NAME", "A name, 100 % of it. (default x)", "How many. (default 3)"):
        assert part in text
    run(["group"])
    assert "group whole  does it" in capsys.readouterr().out
    run([])
    assert all(name in capsys.readouterr().out for name in ("group whole",))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["whole", "part.speed=0"], "smiletrack whole: error: part.speed must be above 0, not 0"),
        (["whole", "--cuont", "1"], "unrecognized arguments: --cuont (did you mean '--count'?)"),
        (["whole", "--count"], "argument --count: expected one argument"),
        (["whole", "word"], "'word': an override is written key.sub=value"),
        (["whole", "--config", "none.yaml"], "none.yaml: no such configuration file"),
        (["hole"], "smiletrack: error: no command 'hole' (did you mean 'whole'?)"),
        (["--data", "x"], "no command '--data'"),
        (["benchmark", "speed"], "no benchmark 'speed'; there are association, metrics, pipeline"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    words: list[str], reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(VERBS, "whole", verb(print))
    assert reason in said(words, capsys)


def foreign(name: str) -> Exception:
    """Return an exception whose class belongs to the package `name`."""
    return type("Fault", (RuntimeError,), {"__module__": f"{name}.inside"})("broken\n\x1b[2Jmodel")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("a: wrong\nthere"), "whole: error: a: wrong there"),
        (OSError(28, "No space left on device"), "whole: error: No space left on device"),
        (PermissionError(13, "Permission denied", "/x/y"), "whole: error: /x/y: Permission denied"),
        (OSError(18, "Invalid cross-device link", "a", None, "b"), "whole: error: a: b: Invalid cross-device link"),
        (MemoryError(), "not enough memory"),
        (foreign("onnxruntime"), "onnxruntime: broken \ufffd[2Jmodel"),
        (foreign("cv2"), "cv2: broken"),
        (ModuleNotFoundError("no", name="optuna.samplers"), "optuna is not installed; pip install 'smiletrack[tune]'"),
    ],
)
def test_what_is_not_this_programs_fault_is_one_line(
    error: BaseException, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(config: Whole) -> None:
        raise error

    monkeypatch.setitem(VERBS, "whole", verb(work))
    assert reason in said(["whole"], capsys)


@pytest.mark.parametrize(
    "error", [ValueError("ours"), foreign("numpy"), ModuleNotFoundError("no", name="smiletrack.x")]
)
def test_faults_of_this_program_keep_their_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(config: Whole) -> None:
        raise error

    monkeypatch.setitem(VERBS, "whole", verb(work))
    with pytest.raises(type(error)):
        run(["whole"])


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def work(config: Whole) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(VERBS, "whole", verb(work))
    assert said(["whole"], capsys, status=130) == "smiletrack whole: stopped\n"


def test_a_reader_that_has_gone_is_141_and_leaves_the_signals_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default of SIGPIPE would end a process that goes on, such as a test's, at the next closed pipe."""

    def work(config: Whole) -> None:
        raise BrokenPipeError

    monkeypatch.setitem(VERBS, "whole", verb(work))
    before = signal.getsignal(signal.SIGPIPE)
    with pytest.raises(SystemExit, match="141"):
        run(["whole"])
    assert capsys.readouterr() == ("", "")
    assert signal.getsignal(signal.SIGPIPE) == before
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "smiletrack", "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("module", ["yaml", "torch"])
def test_ctrl_c_while_modules_load_is_130(module: str, tmp_path: Path) -> None:
    """A module that sends the signal when it is loaded stands for one that takes its time."""
    (tmp_path / f"{module}.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "smiletrack", "eval-slm", "--checkpoint", __file__]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # where the tests run in the background it is not
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60, preexec_fn=heard
    )
    assert done.returncode == 130 and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["track", "--help"], ["eval", "--help"], ["make-world", "--help"]])
def test_help_loads_no_networks(words: list[str]) -> None:
    code = (
        "import sys\nfrom smiletrack.engine.cli import run\n"
        f"try: run({words})\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'pandas', 'optuna', 'onnxruntime', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_folder_where_a_file_is_meant_and_names_that_are_too_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in said(["track", "--output", str(tmp_path / "file" / "run")], capsys)
    assert "File name too long" in said(["track", "--output", str(tmp_path / ("x" * 300))], capsys)
    assert "File name too long" in said(["track", "--data", "x" * 300, "--output", str(tmp_path / "run")], capsys)
    assert "Is a directory" in said(["track", "--output", str(tmp_path / "run"), "--config", str(tmp_path)], capsys)
    assert not (tmp_path / "run").exists()


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--version"])
    assert capsys.readouterr().out == f"smiletrack {cli.__version__}\n"
