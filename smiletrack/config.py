"""YAML files, flags and `key.sub=value` words merged into one frozen tree of dataclasses.

Strict on purpose: an unknown key, a wrong type or an impossible value is an `InputError` with the full key and the
nearest right one. A file may name others to build on (`base: file.yaml` or a list of them, relative to itself), and a
text where a section belongs names a preset: `tracker: bytetrack` reads `configs/tracker/bytetrack.yaml`.
Path fields are declared `str`, so that the saved YAML holds plain text.
"""

import ast
import dataclasses
import difflib
import inspect
import re
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from smiletrack.errors import InputError
from smiletrack.files import atomic_write
from smiletrack.lazy import LazyModule

pydantic = LazyModule("pydantic")

ConfigT = TypeVar("ConfigT")

_PACKAGE = Path(__file__).resolve().parent
CONFIG_ROOT = next(root for root in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if root.is_dir())
"""The shipped configurations: inside an installed wheel, beside the package in a checkout."""


def load_config(
    schema: type[ConfigT], file: str | Path | None = None, overrides: Sequence[str] = (), /, **values: Any
) -> ConfigT:
    """Merge defaults < bases of `file` < `file` < `values` < `overrides` into an instance of `schema`.

    `overrides` are words like `tracker.split.high=0.5`; their right sides are read as YAML. `values` are top-level
    fields; None means "not given". Raises InputError for everything that does not fit.
    """
    tree = read_tree(Path(file)) if file is not None else {}
    layers = [(str(file), tree), ("the command line", {k: v for k, v in values.items() if v is not None})]
    layers += [(word, _parse_override(word)) for word in overrides]
    merged = _default_sections(schema)
    for source, layer in layers:
        merged = _overlay(merged, _expand(schema, layer, "", source))
    return build_config(schema, merged)


def build_config(schema: type[ConfigT], tree: dict[str, Any]) -> ConfigT:
    """Make the frozen dataclass tree from plain values; InputError names the full key of the first wrong one."""
    try:
        made: ConfigT = pydantic.TypeAdapter(schema).validate_python(tree)
        return made
    except pydantic.ValidationError as failure:
        first = failure.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        # __post_init__ messages start with the field's name: with the section before it that is the full key
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "value_error":
            raise InputError(f"{key}.{reason}" if key else reason) from None
        words = re.findall("'([^']*)'", str(first.get("ctx", {}).get("expected", "")))
        guess = nearest(str(first["input"]), words)
        raise InputError(f"{key}: {first['input']!r} is not valid{guess}: {reason[0].lower()}{reason[1:]}") from None


def _default_sections(schema: type) -> dict[str, Any]:
    """Return the trees of sections whose default is more than their class's own: keys given later lie over them."""
    made = {f.name: f.default_factory() for f in dataclasses.fields(schema) if callable(f.default_factory)}
    return {
        name: dataclasses.asdict(value)
        for name, value in made.items()
        if dataclasses.is_dataclass(value) and not isinstance(value, type)
    }


def altered(config: ConfigT, changes: dict[str, Any]) -> ConfigT:
    """Return `config` with a tree of `changes` laid over it; the errors are those of `load_config`."""
    schema = type(config)
    tree = dataclasses.asdict(config)  # type: ignore[call-overload]
    return build_config(schema, _overlay(tree, _expand(schema, changes, "", "changes")))


def read_tree(file: Path) -> dict[str, Any]:
    """Return the file's tree laid over the trees of its `base` files."""
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: no such configuration file") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: not readable as YAML ({' '.join(str(error).split())})") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise InputError(f"{file}: a configuration is a mapping of keys to values, not a {type(tree).__name__}")
    bases = tree.pop("base", [])
    merged: dict[str, Any] = {}
    for base in [bases] if isinstance(bases, str) else bases:
        merged = _overlay(merged, read_tree(file.parent / base))
    return _overlay(merged, tree)


def preset_file(section: str, name: str) -> Path:
    """Return the file of a shipped preset, or the path itself where `name` is a YAML file."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    file = CONFIG_ROOT / section / f"{name}.yaml"
    if not file.is_file():
        known = sorted(path.stem for path in (CONFIG_ROOT / section).glob("*.yaml"))
        raise InputError(f"{section}: no preset {name!r}{nearest(name, known)}; there are {', '.join(known)}")
    return file


def save_config(config: Any, path: Path) -> None:
    """Write the whole tree as YAML that `load_config` reads back to an equal one."""
    with atomic_write(path) as stream:
        stream.write(to_yaml(config))


def to_yaml(config: Any) -> str:
    """Return the whole tree as YAML text, fields in the order of the dataclass."""
    return yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False, allow_unicode=True)


def field_docs(schema: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, inherited fields included."""
    docs: dict[str, str] = {}
    for base in reversed(schema.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        body = ast.parse(inspect.cleandoc("\n" + inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for statement, following in zip(body.body, body.body[1:], strict=False):
            match statement, following:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    docs[name] = " ".join(text.split())
    return docs


def nearest(word: str, known: Sequence[str]) -> str:
    """Return ` (did you mean 'x'?)` for a near miss, else nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _expand(schema: type, tree: dict[str, Any], key: str, source: str) -> dict[str, Any]:
    """Check every key against the schema and replace preset names by their trees."""
    annotations = typing.get_type_hints(schema)
    known = [field.name for field in dataclasses.fields(schema)]
    expanded: dict[str, Any] = {}
    for name, value in tree.items():
        full = f"{key}{name}"
        if name not in known:
            choices = [key + k for k in known]
            raise InputError(
                f"{source}: unknown key {full!r}{nearest(full, choices) or '; there are ' + ', '.join(choices)}"
            )
        section, item = _section(annotations[name]), _item_section(annotations[name])
        if item is not None and isinstance(value, dict):
            expanded[name] = {k: _expand_item(item, v, f"{full}.{k}.", source) for k, v in value.items()}
        elif item is not None and isinstance(value, list):
            expanded[name] = [_expand_item(item, v, f"{full}.{k}.", source) for k, v in enumerate(value)]
        elif section is not None and isinstance(value, str):
            preset = preset_file(name, value)
            expanded[name] = {_RESET: True} | _expand(section, read_tree(preset), f"{full}.", str(preset))
        elif section is not None and isinstance(value, dict):
            expanded[name] = _expand(section, value, f"{full}.", source)
        elif section is not None and value is not None:
            raise InputError(f"{source}: {full} is a section (keys below it) or a preset's name, not {value!r}")
        elif isinstance(value, str) and typing.get_origin(annotations[name]) is tuple:
            expanded[name] = [part.strip() for part in value.split(",") if part.strip()]
        else:
            expanded[name] = value
    return expanded


def _expand_item(section: type, value: Any, key: str, source: str) -> Any:
    return _expand(section, value, key, source) if isinstance(value, dict) else value


_RESET = "\0reset"  # marks a section that a preset fills: what lower layers said of it is dropped


def _overlay(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Return `lower` with `upper` laid over it, section by section."""
    merged = dict(lower)
    for name, value in upper.items():
        below = merged.get(name)
        if isinstance(value, dict):
            fresh = value.get(_RESET) or not isinstance(below, dict)
            value = {k: v for k, v in value.items() if k != _RESET}
            merged[name] = value if fresh else _overlay(typing.cast(dict[str, Any], below), value)
        else:
            merged[name] = value
    return merged


def _parse_override(word: str) -> dict[str, Any]:
    path, separator, text = word.partition("=")
    if not separator or not path:
        raise InputError(f"{word!r}: an override is written key.sub=value")
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"{word!r}: the right side is not YAML") from None
    for name in reversed(path.split(".")):
        value = {name: value}
    return typing.cast(dict[str, Any], value)


def _section(annotation: Any) -> type | None:
    """Return the dataclass in `X` or `X | None`, None for every other annotation."""
    optional = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    for candidate in typing.get_args(annotation) if optional else (annotation,):
        if dataclasses.is_dataclass(candidate) and isinstance(candidate, type):
            return candidate
    return None


def _item_section(annotation: Any) -> type | None:
    """Return the dataclass in `tuple[X, ...]` and `dict[str, X]`, None for every other annotation."""
    if typing.get_origin(annotation) not in (tuple, dict):
        return None
    return next((a for a in typing.get_args(annotation) if dataclasses.is_dataclass(a) and isinstance(a, type)), None)


def _plain(value: Any) -> Any:
    """Return the tree with tuples as lists, which is what YAML has."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value
