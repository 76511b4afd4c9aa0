"""YAML files, flags and `key.sub=value` words merged into one frozen tree of dataclasses.

Strict on purpose: an unknown key, a wrong type or an impossible value is an `InputError` with the full key and the
nearest right one. A file may name others to build on (`base: file.yaml` or a list of them, relative to itself), and a
text where a section belongs names a preset: `tracker: bytetrack` reads `configs/tracker/bytetrack.yaml`.
Path fields are declared `str`, so that the saved YAML holds plain text.
"""

import ast
import dataclasses
import difflib
import functools
import inspect
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from smiletrack.errors import InputError, shown
from smiletrack.files import atomic_write
from smiletrack.lazy import LazyModule
from smiletrack.limits import YAML_DEPTH
from smiletrack.ranges import faults, field_annotations
from smiletrack.yaml_text import parse_yaml

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
    fields; None means "not given". `file` may be the name of a shipped configuration (`find_config`). Raises InputError
    for everything that does not fit.
    """
    tree = read_tree(find_config(file)) if file is not None else {}
    layers = [(str(file), tree), ("the command line", {k: v for k, v in values.items() if v is not None})]
    layers += [(shown(word), _parse_override(word)) for word in overrides]
    merged = _default_sections(schema)
    for source, layer in layers:
        merged = _overlay(merged, _expand(schema, layer, "", source))
    return build_config(schema, merged)


def build_config(schema: type[ConfigT], tree: dict[str, Any]) -> ConfigT:
    """Make the frozen dataclass tree from plain values; InputError names the full key of the first wrong one."""
    for fault in _truth_values(schema, tree, ""):
        raise InputError(fault)
    try:
        made: ConfigT = pydantic.TypeAdapter(schema).validate_python(tree)
        return made
    except pydantic.ValidationError as failure:
        raise InputError(_reason(schema, failure.errors()[0])) from None


def _reason(schema: type, error: dict[str, Any]) -> str:
    """Return pydantic's `error` in the words of `ranges`, with the full key."""
    place, value = error["loc"], error["input"]
    if error["type"] == "missing":  # it names the entry that is not there; the fault is its list's
        place = place[:-1]
    key = ".".join(str(part) for part in place)
    reason = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "value_error":
        # __post_init__ messages start with the field's name: with the section before it that is the full key
        return f"{key}.{reason}" if key else reason
    if isinstance(value, str) and error["type"] != "literal_error":
        value = parse_yaml(value, key)  # a flag's word; the fault is the number's, not the text's
    annotation = functools.reduce(_annotation_of, place, schema)
    for fault in faults(key, annotation, value):
        choices = [choice for choice in typing.get_args(_bare(annotation)) if isinstance(choice, str)]
        return fault + nearest(shown(value), choices)
    return f"{key}: {shown(value)} is not valid: {reason[0].lower()}{reason[1:]}"


def _truth_values(annotation: Any, value: Any, key: str) -> Iterator[str]:
    """Yield a fault for each truth value where a number belongs; pydantic would read 1 and 0."""
    if isinstance(value, bool):
        yield from faults(key, annotation, value)
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for part, item in items:
        yield from _truth_values(_annotation_of(annotation, part), item, f"{key}.{part}" if key else str(part))


def _annotation_of(annotation: Any, part: Any) -> Any:
    """Return what `annotation` declares for its field, item or key `part`; Any where it declares nothing."""
    section, bare = section_of(annotation), _bare(annotation)
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if section is not None:
        return field_annotations(section).get(part, Any)
    if origin is tuple and isinstance(part, int):
        return arguments[0] if arguments[1:] == (...,) else arguments[min(part, len(arguments) - 1)]
    return arguments[1] if origin is dict else Any


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


def read_tree(file: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the file's tree laid over the trees of its `base` files; `above` are the files that name it as a base."""
    if file.resolve() in above:
        raise InputError(f"{file}: its `base` leads back to itself")
    tree = parse_yaml(_text(file), str(file))
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise InputError(f"{file}: a configuration is a mapping of keys to values, not a {type(tree).__name__}")
    bases = tree.pop("base", [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise InputError(f"{file}: base must be a file or a list of files, not {shown(bases)}")
    merged: dict[str, Any] = {}
    for base in bases:
        merged = _overlay(merged, read_tree(file.parent / base, (*above, file.resolve())))
    return _overlay(merged, tree)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{file}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not readable as YAML ({error})") from None


def find_config(file: str | Path) -> Path:
    """Return the file, or where there is none the shipped configuration of that name, such as `slm/demo`.

    The folder may be left out, and written as `configs/slm/demo.yaml` it is found from everywhere too. InputError where
    nothing or more than one configuration has the name.
    """
    shipped = {path.relative_to(CONFIG_ROOT).with_suffix("").as_posix(): path for path in CONFIG_ROOT.rglob("*.yaml")}
    asked = str(file).removeprefix("configs/").removesuffix(".yaml")
    found = [name for name in shipped if asked in (name, name.rpartition("/")[2])]
    if Path(file).exists() or (not found and str(file).endswith((".yaml", ".yml"))):
        return Path(file)
    if not found:
        raise InputError(f"{file}: no such configuration file, and none is shipped{nearest(asked, list(shipped))}")
    if len(found) > 1:
        raise InputError(f"{file}: several shipped configurations have this name: {', '.join(sorted(found))}")
    return shipped[found[0]]


def preset_file(section: str, name: str) -> Path:
    """Return the file of a shipped preset, or the path itself where `name` is a YAML file."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    known = sorted(path.stem for path in (CONFIG_ROOT / section).glob("*.yaml"))
    if name not in known:
        raise InputError(f"{section}: no preset {shown(name)}{nearest(name, known)}; there are {', '.join(known)}")
    return CONFIG_ROOT / section / f"{name}.yaml"


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


def section_of(annotation: Any) -> type | None:
    """Return the dataclass in `X` or `X | None`, None for every other annotation."""
    bare = _bare(annotation)
    return bare if dataclasses.is_dataclass(bare) and isinstance(bare, type) else None


def nearest(word: str, known: Sequence[str]) -> str:
    """Return ` (did you mean 'x'?)` for a near miss, else nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _expand(schema: type, tree: dict[str, Any], key: str, source: str) -> dict[str, Any]:
    """Check every key against the schema and replace preset names by their trees."""
    known = [field.name for field in dataclasses.fields(schema)]
    expanded: dict[str, Any] = {}
    for name, value in tree.items():
        full = f"{key}{name}"
        if name not in known:
            choices = [key + k for k in known]
            hint = nearest(full, choices) or "; there are " + ", ".join(choices)
            raise InputError(f"{source}: unknown key {shown(full)}{hint}")
        annotation = _annotation_of(schema, name)
        section, item = section_of(annotation), section_of(_annotation_of(_bare(annotation), 0))
        if section is not None and isinstance(value, str):
            preset = preset_file(name, value)
            expanded[name] = _Preset(_expand(section, read_tree(preset), f"{full}.", str(preset)))
        elif section is not None and isinstance(value, dict):
            expanded[name] = _expand(section, value, f"{full}.", source)
        elif section is not None and value is not None:
            raise InputError(
                f"{source}: {full} is a section (keys below it) or the name of a preset, not {shown(value)}"
            )
        elif item is not None and isinstance(value, dict):
            expanded[name] = {k: _expand_item(item, v, f"{full}.{k}.", source) for k, v in value.items()}
        elif item is not None and isinstance(value, list):
            expanded[name] = [_expand_item(item, v, f"{full}.{k}.", source) for k, v in enumerate(value)]
        elif isinstance(value, str) and typing.get_origin(_bare(annotation)) is tuple:
            expanded[name] = _words(value)
        else:
            expanded[name] = value
    return expanded


def _words(text: str) -> list[str]:
    """Split at commas, but not inside the longest path of something that exists (FOLDER or FOLDER@SPLIT)."""
    parts, words = text.split(","), []
    while parts:
        joined = (",".join(parts[:end]).strip() for end in range(len(parts), 1, -1))
        word = next((j for j in joined if _exists(j) or _exists(_without_split(j))), parts[0])
        parts = parts[word.count(",") + 1 :]
        words.append(word.strip())
    return [word for word in words if word]


def _without_split(word: str) -> str:
    folder, _, split = word.rpartition("@")
    return folder if "," not in split else ""


def _exists(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists()
    except (OSError, ValueError):  # too long for a name, or none
        return False


def _expand_item(section: type, value: Any, key: str, source: str) -> Any:
    return _expand(section, value, key, source) if isinstance(value, dict) else value


class _Preset(dict[str, Any]):
    """A section that a preset fills: what lower layers said of it is dropped."""


def _overlay(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Return `lower` with `upper` laid over it, section by section."""
    merged = dict(lower)
    for name, value in upper.items():
        below = merged.get(name)
        onto = isinstance(value, dict) and not isinstance(value, _Preset) and isinstance(below, dict)
        merged[name] = _overlay(typing.cast(dict[str, Any], below), value) if onto else value
    return merged


def _parse_override(word: str) -> dict[str, Any]:
    path, separator, text = word.partition("=")
    names = path.split(".")
    if not separator or not path or len(names) > YAML_DEPTH:
        raise InputError(f"{shown(word)}: an override is written key.sub=value")
    value = parse_yaml(text, shown(word))
    for name in reversed(names):
        value = {name: value}
    return typing.cast(dict[str, Any], value)


def _bare(annotation: Any) -> Any:
    """Return `X` of `X | None` and of `Annotated[X, ...]`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    kinds = [kind for kind in arguments if kind is not types.NoneType]
    if origin is typing.Annotated or (origin in (types.UnionType, typing.Union) and len(kinds) == 1):
        return _bare(kinds[0])
    return annotation


def _plain(value: Any) -> Any:
    """Return the tree with tuples as lists, which is what YAML has."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value
