"""What reaches a terminal, a file or a pipe: names as they are, every digit, and bars only where somebody watches."""

import os
import pty
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from smiletrack.console import notify, print_table, printable, progress, say, table_blocks
from smiletrack.engine.eval_mot import EvalConfig, eval_mot
from smiletrack.engine.track import TrackConfig, track

ODD_NAMES = ("[red]", "[/]", "[/x]", ":smile:", "a[0] [b]", "[link=x]y[/link]", "\\[bold]")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_brackets_are_no_markup(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(name)
    notify(name)
    print_table([name, "n"], [[name, "1"]])
    assert list(progress([1, 2], name)) == [1, 2]
    told = capsys.readouterr()
    assert told.out.count(name) == 3 and told.err == f"{name}\n"


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[2Jb\rc\nd\x07\x9be\u202ef\udcffg")
    print_table(["\x1b]0;title\x07", "n"], [["\x1b[1A", "1"]])
    told = capsys.readouterr().out
    assert "\x1b" not in told and "\r" not in told and "\u202e" not in told and len(told.splitlines()) == 3
    assert told.splitlines()[0] == "a\ufffd[2Jb c d\ufffd\ufffde\ufffdf\ufffdg"


def test_long_text_loses_its_middle() -> None:
    assert printable("x" * 60) == "x" * 60
    short = printable("start" + "x" * 1000 + "end!", 21)
    assert len(short) == 21 and short.startswith("startxxxxx…") and short.endswith("xxxend!")


def test_any_encoding_will_do() -> None:
    code = "from smiletrack.console import say, print_table; say('Straße…'); print_table(['ß', 'n'], [['€', '1']])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[0] == r"Stra\xdfe\u2026"


def wide_table(names: int = 1) -> tuple[list[str], list[list[str]]]:
    """A table of 14 number columns, 130 cells wide, whose numbers all differ."""
    rng = np.random.default_rng(0)
    rows = [[f"MOT17-0{row}-FRCNN"] * names + [f"{x:.4f}" for x in rng.uniform(0, 99, 14)] for row in range(3)]
    return ["sequence"] * names + [f"M{i}" for i in range(14)], rows


@pytest.mark.parametrize(("width", "names"), [(80, 1), (80, 2), (40, 1), (131, 1), (5, 1)])
def test_a_narrow_terminal_gets_every_digit(width: int, names: int) -> None:
    headings, rows = wide_table(names)
    blocks = table_blocks(headings, rows, names, width)
    text = "\n".join(line for block in blocks for line in block)
    for number in [cell for row in rows for cell in row[names:]]:
        assert text.split().count(number) == 1
    for block in blocks:
        assert [line.split()[:names] for line in block] == [row[:names] for row in (headings, *rows)]
        one_column = len(block[1].split()) == names + 1
        assert one_column or max(map(len, block)) <= width
    # as few blocks as it takes: no two neighbours fit together
    lengths = [max(map(len, block)) - names * len("MOT17-00-FRCNN  ") for block in blocks]
    assert all(names * 16 + a + 2 + b > width for a, b in pairwise(lengths))


def test_a_pipe_gets_a_row_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    headings, rows = wide_table()
    print_table(headings, rows, total=True)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [headings, *rows]


def on_terminal(code: str, columns: int = 80, piped: bool = False) -> tuple[str, str]:
    """Run `code` with standard error on a terminal, standard output too or into a pipe; return what each got."""
    master, terminal = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "CI")}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment | {"TERM": "xterm", "COLUMNS": str(columns)},
        stdin=terminal,
        stdout=subprocess.PIPE if piped else terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        shown += part
    out = process.stdout.read() if process.stdout is not None else b""
    assert process.wait() == 0
    os.close(master)
    return out.decode(), shown.decode()


WORK = (
    "from smiletrack.console import notify, print_table, progress, say\n"
    "for i in progress(range(3), '[red]bar'):\n  say(f'result {i}'); notify(f'note {i}')\n"
    "print_table(['name', 'n'], [['x', '1.25'], ['all', '2.5']], total=True)\n"
)


def test_a_bar_is_shown_on_a_terminal_and_results_go_where_they_are_sent() -> None:
    out, shown = on_terminal(WORK, piped=True)
    assert out == "result 0\nresult 1\nresult 2\nname     n\nx     1.25\nall    2.5\n"
    assert "[red]bar" in shown and "3/3" in shown and "note 2" in shown and "result" not in shown
    _, shown = on_terminal(WORK)
    assert "[red]bar" in shown and "result 2" in shown and "\033[1mall    2.5\033[m" in shown
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)
    assert done.stderr == "note 0\nnote 1\nnote 2\n" and done.stdout == out


def test_commands_take_sequences_with_brackets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "[red] a[0]"
    folder = tmp_path / "data" / "train" / name
    (folder / "gt").mkdir(parents=True)
    (folder / "det").mkdir()
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={name}\nimDir=img1\nframeRate=10\nseqLength=5\nimWidth=200\nimHeight=120\nimExt=.jpg\n"
    )
    (folder / "gt" / "gt.txt").write_text("".join(f"{f},1,10,10,20,60,1,1,1\n" for f in range(1, 6)))
    (folder / "det" / "det.txt").write_text("".join(f"{f},-1,10,10,20,60,0.9\n" for f in range(1, 6)))
    track(TrackConfig(data=str(tmp_path / "data" / "train"), output=str(tmp_path / "run")))
    assert f"{name}: 5 frames, 1 tracks" in capsys.readouterr().out
    eval_mot(EvalConfig(results=str(tmp_path / "run")))
    assert any(line.split()[:3] == [*name.split(), "100"] for line in capsys.readouterr().out.splitlines())
