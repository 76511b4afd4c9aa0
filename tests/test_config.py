"""The configuration: precedence, presets, and one clear line for everything that does not fit."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

import smiletrack.config as config_module
from smiletrack.config import field_docs, load_config, save_config
from smiletrack.engine.cli import main
from smiletrack.errors import InputError


@dataclass(frozen=True)
class Part:
    speed: float = 1.0
    """Pixels a frame, above 0."""
    mode: Literal["fast", "slow"] = "fast"
    """How."""

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError(f"speed must be above 0, not {self.speed}")


@dataclass(frozen=True)
class Whole:
    name: str = "x"
    """A name."""
    count: int = 3
    """How many, in
    all."""
    names: tuple[str, ...] = ()
    """Several."""
    part: Part = field(default_factory=Part)
    """A section."""
    maybe: Part | None = None
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] = field(default_factory=dict)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_precedence_is_base_then_file_then_flags_then_words(tmp_path: Path) -> None:
    write(
        tmp_path / "base.yaml",
        "parts: [{speed: 4}]\nnamed: {a: {mode: slow}}\nname: base\ncount: 1\npart: {speed: 2, mode: slow}\n",
    )
    file = write(tmp_path / "file.yaml", "base: base.yaml\ncount: 2\npart: {speed: 3}\n")
    got = load_config(Whole, file, ["part.speed=1e1", "names=a,b"], count=7, name=None)
    assert got == Whole("base", 7, ("a", "b"), Part(10.0, "slow"), None, (Part(4.0),), {"a": Part(1.0, "slow")})


def test_a_text_in_a_section_names_a_preset_and_words_refine_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "part").mkdir()
    write(tmp_path / "part" / "slow.yaml", "mode: slow\n")
    write(tmp_path / "part" / "quick.yaml", "speed: 9\n")
    monkeypatch.setattr(config_module, "CONFIG_ROOT", tmp_path)
    file = write(tmp_path / "file.yaml", "part: slow\n")
    assert load_config(Whole, file).part == Part(1.0, "slow")
    # another preset starts afresh: nothing of `slow` is left
    assert load_config(Whole, file, ["part.mode=slow"], part="quick").part == Part(9.0, "slow")
    assert load_config(Whole, file, part="quick").part == Part(9.0, "fast")
    assert load_config(Whole, file, ["maybe={speed: 9}"]).maybe == Part(9.0)
    with pytest.raises(InputError, match=r"part: no preset 'quik' \(did you mean 'quick'\?\)"):
        load_config(Whole, file, part="quik")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("part: {sped: 1}", r"unknown key 'part.sped' \(did you mean 'part.speed'\?\)"),
        ("cuont: 1", r"unknown key 'cuont' \(did you mean 'count'\?\)"),
        ("count: many", "count: 'many' is not valid"),
        ("count: 1.5", "count: 1.5 is not valid"),
        ("part: {speed: -1}", "part.speed must be above 0, not -1"),
        ("part: {mode: fats}", r"part.mode: 'fats' is not valid \(did you mean 'fast'\?\)"),
        ("part: 3", "part is a section"),
        ("parts: [{speed: 1}, {sped: 1}]", r"unknown key 'parts.1.sped' \(did you mean 'parts.1.speed'\?\)"),
        ("named: {a: {sped: 1}}", "unknown key 'named.a.sped'"),
        ("parts: [3]", "parts.0: 3 is not valid"),
        ("- 1", "a configuration is a mapping"),
        ("a: [", "not readable as YAML"),
        ("base: none.yaml", "none.yaml: no such configuration file"),
        ("name: !!python/object/apply:os.system ['true']", "not readable as YAML"),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_full_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as failure:
        load_config(Whole, write(tmp_path / "file.yaml", text))
    assert "\n" not in str(failure.value)


def test_a_saved_tree_reads_back_equal(tmp_path: Path) -> None:
    config = Whole("ü", 1, ("a",), Part(0.1 + 0.2, "slow"), Part())
    save_config(config, tmp_path / "c.yaml")
    assert load_config(Whole, tmp_path / "c.yaml") == config


def test_docs_stand_under_the_fields() -> None:
    assert field_docs(Whole)["count"] == "How many, in all."


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    got: list[Whole] = []
    main(got.append, Whole, "What.", argv=["--count", "5", "part.speed=2", "--names", "a,b"])
    assert got == [Whole(count=5, names=("a", "b"), part=Part(2.0))]
    main(got.append, Whole, "What.", positional="names", argv=["p", "--count", "4", "/x=y/q", "count=6"])
    assert got[-1] == Whole(count=6, names=("p", "/x=y/q"))
    with pytest.raises(SystemExit) as stop:
        main(got.append, Whole, "What.", argv=["part.speed=0"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith("error: part.speed must be above 0, not 0.0\n")
    with pytest.raises(SystemExit) as stop:
        main(got.append, Whole, "What.", argv=["--help"])
    assert "A section." in capsys.readouterr().out
