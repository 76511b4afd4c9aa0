"""What every command shares: flags made from a config dataclass, one line for a user's mistake, exit status 2."""

import argparse
import dataclasses
import signal
import sys
import tempfile
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

from smiletrack.config import field_docs, load_config
from smiletrack.console import notify
from smiletrack.errors import InputError
from smiletrack.ranges import field_annotations, range_text

ConfigT = TypeVar("ConfigT")


def main(
    command: Callable[[ConfigT], Any],
    schema: type[ConfigT],
    description: str | None,
    positional: str | None = None,
    argv: Sequence[str] | None = None,
    config: str | None = None,
) -> None:
    """Parse the command line into `schema` and run `command` on it.

    Every top-level field of `schema` becomes a flag (`output_dir` -> `--output-dir`) whose help is the docstring under
    the field; `--config FILE` reads YAML below the flags; words `key.sub=value` go on top. `positional` names the field
    that the words without `=` fill (a tuple field takes them all). `config` is the file used when none is given.
    A mistake of the user (InputError) is one line on stderr and exit status 2; Ctrl-C is status 130. `--json -` leaves
    standard output to the figures.
    """
    parser = parser_for(schema, description, positional)
    arguments = vars(parser.parse_intermixed_args(argv))
    words: list[str] = arguments.pop("words")
    file = arguments.pop("config") or config
    overrides = [word for word in words if "=" in word and not positional_word(word)]
    rest = [word for word in words if word not in overrides]
    values: dict[str, Any] = {k: v for k, v in arguments.items() if v is not None}
    try:
        if rest and positional is None:
            raise InputError(f"{rest[0]!r}: an override is written key.sub=value")
        if rest and positional is not None:
            several = typing.get_origin(typing.get_type_hints(schema)[positional]) is tuple
            if len(rest) > 1 and not several:
                raise InputError(f"only one {positional} is taken, not {', '.join(rest)}")
            values[positional] = rest if several else rest[0]
        with _figures(load_config(schema, file, overrides, **values)) as settings:
            command(settings)
    except InputError as error:
        sys.exit(_fail(parser.prog, str(error)))
    except BrokenPipeError:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    except KeyboardInterrupt:
        notify(f"{parser.prog}: stopped")
        sys.exit(130)


@contextmanager
def _figures(config: ConfigT) -> Iterator[ConfigT]:
    """Yield the configuration; where its file for figures (`json`) is `-`, print that, and nothing else, on stdout."""
    if getattr(config, "json", "") != "-":
        yield config
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        with redirect_stdout(sys.stderr):
            yield dataclasses.replace(config, json=str(file))  # type: ignore[type-var]
        if file.is_file():
            sys.stdout.write(file.read_text(encoding="utf-8"))


def parser_for(schema: type, description: str | None, positional: str | None = None) -> argparse.ArgumentParser:
    """Return the argument parser with one flag a top-level field."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file with any of the keys below")
    types, docs = typing.get_type_hints(schema), field_docs(schema)
    ranges = field_annotations(schema)
    for field in dataclasses.fields(schema):
        if field.name == positional:
            continue
        flag = "--" + field.name.replace("_", "-")
        help_text = (docs.get(field.name, "") + _range_and_default(field, ranges[field.name])).replace("%", "%%")
        if types[field.name] is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=help_text)
        else:
            parser.add_argument(
                flag, metavar=_metavar(types[field.name]), type=_reader(types[field.name]), help=help_text
            )
    if positional is None:
        usage = "overrides, last word wins, e.g. tracker.split.high=0.5"
        parser.add_argument("words", nargs="*", metavar="key.sub=value", help=usage)
    else:
        usage = f"{docs.get(positional, positional)} Words key.sub=value are overrides."
        parser.add_argument("words", nargs="*", metavar=positional.upper(), help=usage.replace("%", "%%"))
    return parser


def positional_word(word: str) -> bool:
    """Tell a path that happens to hold `=` from an override: overrides are dotted identifiers before the sign."""
    return not all(part.isidentifier() for part in word.partition("=")[0].split("."))


def _range_and_default(field: "dataclasses.Field[Any]", annotation: Any) -> str:
    """Return ` (in [0, 1]; default 0.5)` or the part of it that says something."""
    simple = isinstance(field.default, (str, int, float)) and not isinstance(field.default, bool)
    default = f"default {field.default}" if simple and field.default != "" else ""
    said = "; ".join(filter(None, (range_text(annotation), default)))
    return f" ({said})" if said else ""


def _reader(annotation: Any) -> Callable[[str], Any]:
    """Return what turns a flag's word into a value; the configuration checks it afterwards."""
    choices = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()
    words = {str(choice): choice for choice in choices}
    return lambda word: words.get(word, word)


def _metavar(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return "{" + ",".join(str(a) for a in typing.get_args(annotation)) + "}"
    if typing.get_origin(annotation) is tuple:
        return "A,B"
    if any(dataclasses.is_dataclass(a) for a in (annotation, *typing.get_args(annotation))):
        return "PRESET"
    return {int: "N", float: "X"}.get(annotation, "VALUE")


def _fail(program: str, message: str) -> int:
    notify(f"{program}: error: {' '.join(message.split())}")
    return 2
