"""The configuration: precedence, presets, and one clear line for everything that does not fit."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

import smiletrack.config as config_module
from smiletrack.config import CONFIG_ROOT, field_docs, find_config, load_config, save_config
from smiletrack.errors import InputError
from smiletrack.ranges import Checked, Positive


@dataclass(frozen=True)
class Part(Checked):
    speed: Positive = 1.0
    """Pixels a frame."""
    mode: Literal["fast", "slow"] = "fast"
    """How."""


@dataclass(frozen=True)
class Whole(Checked):
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


BOMB = "&a0 {x: 1}" + "".join(f", &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))
"""Ten short values, the last of which stands for 9^9 mappings."""


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
        ("count: many", "^count must be a whole number, not 'many'$"),
        ("count: 1.5", "^count must be a whole number, not 1.5$"),
        ("part: {speed: -1}", "part.speed must be above 0, not -1"),
        ("part: {mode: fats}", r"part.mode must be fast or slow, not 'fats' \(did you mean 'fast'\?\)"),
        ("part: {speed: .nan}", "part.speed must be a finite number, not nan"),
        ("part: {speed: inf}", "part.speed must be a finite number, not inf"),
        ("part: {speed: true}", "part.speed must be a number, not True"),
        ("parts: [{}, {speed: no}]", "parts.1.speed must be a number, not False"),
        ("count: true", "count must be a whole number, not True"),
        ("count: 99999999999999999999", "count must be a whole number of 64 bits"),
        ("part: 3", "part is a section"),
        ("part: " + 300 * "a", "part: no preset 'aaa"),
        ("parts: [{speed: 1}, {sped: 1}]", r"unknown key 'parts.1.sped' \(did you mean 'parts.1.speed'\?\)"),
        ("named: {a: {sped: 1}}", "unknown key 'named.a.sped'"),
        ("parts: [3]", "parts.0: 3 is not valid"),
        ("- 1", "a configuration is a mapping"),
        ("a: [", "not readable as YAML"),
        ("base: none.yaml", "none.yaml: no such configuration file"),
        ("base: [1]", r"base must be a file or a list of files, not \[1\]"),
        ("base: 5", "base must be a file or a list of files, not 5"),
        ("base: file.yaml", "file.yaml: its `base` leads back to itself"),
        ("name: !!python/object/apply:os.system ['true']", "not readable as YAML"),
        ("name: 2020-13-45", "not readable as YAML"),
        ("count: " + 5000 * "9", "not readable as YAML"),
        ("count: 0x" + 5000 * "f", "count must be a whole number of 64 bits, not int too large to show"),
        ("count: 1\ncount: 2", "the key 'count' stands twice in one mapping"),
        ("names: " + 50 * "[" + 50 * "]", "nested more than 40 levels deep"),
        ("names: " + 5000 * "[" + 5000 * "]", "nested more than 40 levels deep"),
        ("names: &a [*a]", "a value that holds itself"),
        (f"names: [{BOMB}]", "more than 100000 values, aliases written out"),
        (f"named: {{a: {{<<: [{BOMB}]}}}}", "more than 100000 values, aliases written out"),
        ("name: " + 2_000_000 * "x", "2000006 characters of YAML; 1000000 are read at most"),
    ],
    ids=lambda text: text[:40],
)
def test_what_does_not_fit_is_one_short_line_with_the_full_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as failure:
        load_config(Whole, write(tmp_path / "file.yaml", text))
    assert "\n" not in str(failure.value) and len(str(failure.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("count", "an override is written key.sub=value"),
        (100 * "part." + "speed=1", "an override is written key.sub=value"),
        ("part.speed=" + 5000 * "[", "nested more than 40 levels deep"),
        ("part.speed=-.inf", "part.speed must be a finite number, not -inf"),
        ("part.speed=1" + 400 * "0", "part.speed must be a finite number, not 1000"),
        ("part.\0reset=1", "unknown key"),
        (5000 * "x" + "=1", "unknown key 'xxx"),
    ],
    ids=lambda text: text[:40],
)
def test_an_override_that_does_not_fit_is_one_short_line(word: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as failure:
        load_config(Whole, None, [word])
    assert "\n" not in str(failure.value) and len(str(failure.value)) < 500


def test_aliases_and_merges_are_read(tmp_path: Path) -> None:
    text = "parts: [&fast {speed: 5}, *fast, {<<: *fast, mode: slow}]"
    assert load_config(Whole, write(tmp_path / "file.yaml", text)).parts == (Part(5), Part(5), Part(5, "slow"))


def test_a_saved_tree_reads_back_equal(tmp_path: Path) -> None:
    config = Whole("ü", 1, ("a",), Part(0.1 + 0.2, "slow"), Part())
    save_config(config, tmp_path / "c.yaml")
    assert load_config(Whole, tmp_path / "c.yaml") == config


def test_docs_stand_under_the_fields() -> None:
    assert field_docs(Whole)["count"] == "How many, in all."


@dataclass(frozen=True)
class Lists:
    train: tuple[str, ...] = ()
    """Paths."""


def test_a_comma_in_a_path_that_exists_does_not_separate(tmp_path: Path) -> None:
    for name in ("a,b", "c", "a,b,c@d"):
        (tmp_path / name).mkdir()
    odd, plain, more = (str(tmp_path / name) for name in ("a,b", "c", "a,b,c@d"))

    def read(text: str) -> tuple[str, ...]:
        return load_config(Lists, train=text).train

    assert read(f"{odd},{plain}") == (odd, plain) and read(f"{plain}, {odd}@val_half,x") == (
        plain,
        f"{odd}@val_half",
        "x",
    )
    assert (
        read(f"{more},{odd}") == (more, odd)
        and read(more) == (more,)
        and read(f"{more}@train_half") == (f"{more}@train_half",)
    )
    assert read("a, b,,c") == ("a", "b", "c") and read("") == ()
    many = tuple(f"sequence-{i:03d}" for i in range(400))
    assert read(",".join(many)) == many


def test_shipped_configurations_are_found_by_name_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("slm/demo", "mot17-half-small", "configs/slm/demo.yaml", "slm/demo.yaml"):
        assert find_config(name).is_relative_to(CONFIG_ROOT) and find_config(name).is_file()
    with pytest.raises(InputError, match="demo: several shipped configurations have this name: slm/demo, world/demo"):
        find_config("demo")
    with pytest.raises(InputError, match=r"no such configuration file, and none is shipped \(did you mean 'slm/demo'"):
        find_config("slm/dema")
    (tmp_path / "demo").write_text("count: 9")
    assert load_config(Whole, "demo").count == 9, "a file of one's own comes first"
