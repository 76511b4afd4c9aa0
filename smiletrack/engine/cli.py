"""The command line: verbs, flags made from config dataclasses, one line for a user's mistake, exit status 2."""

import argparse
import dataclasses
import os
import sys
import tempfile
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TypeVar

from smiletrack.config import field_docs, load_config, nearest
from smiletrack.console import notify, say
from smiletrack.engine.verbs import VERBS, Verb
from smiletrack.errors import InputError
from smiletrack.input_paths import missing_paths
from smiletrack.lazy import missing_extras
from smiletrack.ranges import field_annotations, range_text
from smiletrack.version import __version__

ConfigT = TypeVar("ConfigT")

_PIPE_CLOSED = 141
"""Exit status of a program whose reader has gone, as the shell gives it."""

_FOREIGN = (
    "av",
    "cv2",
    "google",
    "onnx",
    "onnxruntime",
    "openvino",
    "optuna",
    "safetensors",
    "safetensors_rust",
    "sqlalchemy",
    "sqlite3",
    "torch",
)
"""Packages that read users' files; what they raise is about the file or the machine, not about this program."""


def run(words: Sequence[str]) -> None:
    """Run the command that `words` ask for, such as `["track", "--data", "datasets/MOT17/train"]`.

    A mistake of the user (InputError), what the operating system refuses and what a foreign runtime says of a file are
    one line on standard error and exit status 2; Ctrl-C is status 130. `--json -` prints nothing but the figures.
    """
    with failures_in_one_line("smiletrack"):
        if words[:1] in (["--version"], ["-V"]):
            say(f"smiletrack {__version__}")
            return
        name = next((name for name in VERBS if list(words[: len(name.split())]) == name.split()), "")
        if not name:
            _overview(words)
            return
        run_verb(name, words[len(name.split()) :])


def run_verb(name: str, words: Sequence[str]) -> None:
    """Parse `words` into the configuration of a verb and do its work; the errors are those of `run`."""
    verb = VERBS[name]
    with failures_in_one_line(f"smiletrack {name}"):
        parser = parser_for(verb, f"smiletrack {name}")
        given = [verb.aliases.get(word, word) for word in words]
        with _figures(parse(parser, verb, given)) as config:
            for fault in missing_paths(config):
                raise InputError(fault)
            verb.load_function()(config)


def parse(parser: argparse.ArgumentParser, verb: Verb, words: Sequence[str]) -> Any:
    """Return the configuration: every top-level field is a flag, `--config FILE` lies below, `key.sub=value` on top."""
    schema = verb.load_schema()
    arguments = vars(parser.parse_intermixed_args(words))
    given: list[str] = arguments.pop("words")
    file = arguments.pop("config") or verb.config
    overrides = [word for word in given if "=" in word and not positional_word(word)]
    rest = [word for word in given if word not in overrides]
    values: dict[str, Any] = {k: v for k, v in arguments.items() if v is not None}
    if values.get("resume") and rest and verb.positional is None:
        values["output"], *rest = rest
    if values.get("resume") and "output" in values:
        file = file or _file_of_run(Path(values["output"]))
    if rest and verb.positional is None:
        raise InputError(f"{rest[0]!r}: an override is written key.sub=value, all else has a flag; --help lists them")
    if rest and verb.positional is not None:
        several = typing.get_origin(typing.get_type_hints(schema)[verb.positional]) is tuple
        if len(rest) > 1 and not several:
            raise InputError(f"only one {verb.positional} is taken, not {', '.join(rest)}")
        values[verb.positional] = rest if several else rest[0]
    return load_config(schema, file, overrides, **values)


def parser_for(verb: Verb, program: str) -> argparse.ArgumentParser:
    """Return the argument parser with one flag a top-level field (`output_dir` -> `--output-dir`).

    Its help is the docstring under the field, with range and default.
    """
    schema = verb.load_schema()
    parser = _Parser(
        prog=program,
        usage=f"{program} [--config FILE] [--key VALUE ...] [key.sub=value ...]",
        description=verb.description(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    help_text = "YAML file with any of the keys below, or the name of a shipped one"
    parser.add_argument("--config", metavar="FILE", help=help_text)
    types, docs = typing.get_type_hints(schema), field_docs(schema)
    ranges = field_annotations(schema)
    for field in sorted(
        dataclasses.fields(schema), key=lambda field: bool(field.kw_only)
    ):  # what commands share comes last
        if field.name == verb.positional:
            continue
        flag = "--" + field.name.replace("_", "-")
        help_text = (docs.get(field.name, "") + _range_and_default(field, ranges[field.name])).replace("%", "%%")
        if types[field.name] is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=help_text)
        else:
            parser.add_argument(
                flag, metavar=_metavar(types[field.name]), type=_reader(types[field.name]), help=help_text
            )
    if verb.positional is None:
        usage = "overrides, last word wins, e.g. tracker.split.high=0.5"
        parser.add_argument("words", nargs="*", metavar="key.sub=value", help=usage)
    else:
        usage = f"{docs.get(verb.positional, verb.positional)} Words key.sub=value are overrides."
        parser.add_argument("words", nargs="*", metavar=verb.positional.upper(), help=usage.replace("%", "%%"))
    return parser


def _file_of_run(folder: Path) -> Path:
    """Return the configuration of a run to go on with; InputError where there is none."""
    if not (folder / "last.pt").is_file():
        raise InputError(f"resume: {folder} holds no run that could go on (no last.pt)")
    return folder / "config.yaml"


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


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> typing.NoReturn:
        unknown = message.partition("unrecognized arguments: ")[2].split(" ")[0].partition("=")[0]
        flags = [flag for action in self._actions for flag in action.option_strings]
        raise InputError(f"{message}{nearest(unknown, flags) if unknown else ''}; {self.prog} --help lists the flags")


@contextmanager
def failures_in_one_line(program: str) -> Iterator[None]:
    """End the program with one line on standard error where a user, the system or a file is at fault."""
    try:
        yield
    except InputError as error:
        _stop(program, str(error))
    except BrokenPipeError:  # `| head` has read enough; nothing that is left may be written at the end either
        _silence(sys.stdout)
        sys.exit(_PIPE_CLOSED)
    except OSError as error:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        _stop(program, ": ".join([*names, error.strerror or str(error)]))
    except ModuleNotFoundError as error:
        hint = missing_extras(error.name or "")
        if not hint:
            raise
        _stop(program, hint)
    except MemoryError as error:
        _stop(program, f"not enough memory ({error or 'no more is said'})")
    except KeyboardInterrupt:
        notify(f"{program}: stopped")
        sys.exit(130)
    except Exception as error:
        package = type(error).__module__.partition(".")[0]
        if package not in _FOREIGN:
            raise
        _stop(program, f"{package}: {error}")


def _silence(stream: typing.TextIO) -> None:
    """Lead what is still to be flushed out of a stream nowhere."""
    with suppress(OSError, ValueError):  # a stream of a test has no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def positional_word(word: str) -> bool:
    """Tell a path that happens to hold `=` from an override: overrides are dotted identifiers before the sign."""
    return not all(part.isidentifier() for part in word.partition("=")[0].split("."))


def _overview(words: Sequence[str]) -> None:
    """Print the verbs; InputError where `words` begin with something that is none."""
    group = [name for name in VERBS if words and name.split()[0] == words[0]]
    asked = [word for word in words if word not in ("-h", "--help")]
    if asked and not group:
        raise InputError(f"no command {asked[0]!r}{nearest(asked[0], list(VERBS))}; smiletrack --help lists them")
    if len(asked) > 1:
        raise InputError(f"no {asked[0]} {asked[1]!r}; there are {', '.join(name.split()[1] for name in group)}")
    names = group or list(VERBS)
    width = max(map(len, names))
    say(
        "usage: smiletrack VERB [--config FILE] [--key VALUE ...] [key.sub=value ...]",
        "",
        "Track people in video, train the networks that do it, and measure how well they do.",
        "",
        *(f"  {name:{width}}  {VERBS[name].summary}" for name in names),
        "",
        "smiletrack VERB --help says what a verb reads and writes, with examples.",
    )


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


def _stop(program: str, message: str) -> typing.NoReturn:
    notify(f"{program}: error: {message}")
    sys.exit(2)
