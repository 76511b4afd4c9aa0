"""Ranges stand on the fields of a configuration: `momentum: Share = 0.9` takes a number in [0, 1] and nothing else.

`Checked` is the base of every configuration dataclass. It looks at the fields whenever one is made, from a file, from
the command line or in Python; `range_text` puts the same ranges into `--help` and the reference.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf

from smiletrack.errors import shown

Share = Annotated[float, Ge(0), Le(1)]
"""A fraction, probability, score or IoU."""
ProperShare = Annotated[float, Ge(0), Lt(1)]
"""A fraction of less than everything, such as a decay."""
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Count = Annotated[int, Ge(0)]
PositiveCount = Annotated[int, Ge(1)]
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
"""What seeds a random generator."""


class Checked:
    """Base of configuration dataclasses: raises ValueError for the first field whose value is not in its range.

    A class with a relation between fields to check extends `__post_init__` and calls this one first.
    """

    def __post_init__(self) -> None:
        for name, annotation in field_annotations(type(self)).items():
            for fault in faults(name, annotation, getattr(self, name)):
                raise ValueError(fault)


def faults(key: str, annotation: Any, value: Any) -> Iterator[str]:
    """Yield a line, `KEY must be RANGE, not VALUE`, for each value at or below `key` that its annotation forbids.

    Looks at numbers (finite, no truth values), ranges, lengths and choices, inside tuples, dictionaries and unions too.
    Sections are dataclasses that have checked themselves.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    wrong = ""
    if origin is Annotated:
        inner = list(faults(key, arguments[0], value))
        yield from inner
        if not inner and not all(_holds(mark, value) for mark in arguments[1:]):
            wrong = _text(arguments[1:])
    elif origin in (types.UnionType, typing.Union):
        kinds = [kind for kind in arguments if kind is not types.NoneType]
        if value is not None and all(any(faults(key, kind, value)) for kind in kinds):
            yield from faults(key, kinds[0], value)
    elif origin is Literal and value not in arguments:
        wrong = " or ".join(filter(None, (", ".join(map(str, arguments[:-1])), str(arguments[-1]))))
    elif origin is tuple and not isinstance(value, (tuple, list)):
        wrong = "a list"
    elif origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[1:] == (...,) else list(arguments)
        wrong = "" if len(kinds) == len(value) else f"{len(kinds)} entries"
        for index, (kind, item) in enumerate(zip(kinds, value, strict=False)):
            yield from faults(f"{key}.{index}", kind, item)
    elif origin is dict and not isinstance(value, dict):
        wrong = "a mapping"
    elif origin is dict:
        for name, item in value.items():
            yield from faults(f"{key}.{name}", arguments[1], item)
    elif annotation is int and (isinstance(value, bool) or not isinstance(value, Integral)):
        wrong = "a whole number"
    elif annotation is int and abs(value) >= 2**63:
        wrong = "a whole number of 64 bits"
    elif annotation is float and (isinstance(value, bool) or not isinstance(value, Real)):
        wrong = "a number"
    elif annotation is float and not _is_finite(value):
        wrong = "a finite number"
    if wrong:
        yield f"{key} must {'have' if wrong.endswith('entries') else 'be'} {wrong}, not {shown(value)}"


def range_text(annotation: Any) -> str:
    """Return the range of a field as `in [0, 1]`, `at least 1` or `above 0`; of a tuple's items as `each ...`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        return next(filter(None, map(range_text, arguments)), "")
    if origin in (tuple, dict):
        each = range_text(arguments[0] if origin is tuple else arguments[1])
        return f"each {each}" if each else ""
    if origin is Annotated:
        return ", ".join(filter(None, (_text(arguments[1:]), range_text(arguments[0]))))
    return ""


def field_annotations(schema: Any) -> dict[str, Any]:
    """Return the annotation of every field of a dataclass, with the marks of `Annotated`."""
    return _annotations(schema)


@functools.cache
def _annotations(schema: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(schema, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(schema)}


def _text(marks: tuple[Any, ...]) -> str:
    """Return what the marks of one `Annotated` demand."""
    bounds = {type(mark): mark for mark in marks}
    low, high = bounds.get(Ge) or bounds.get(Gt), bounds.get(Le) or bounds.get(Lt)
    texts = []
    if low and high:
        left = f"[{low.ge}" if isinstance(low, Ge) else f"({low.gt}"
        texts.append(f"in {left}, {high.le}]" if isinstance(high, Le) else f"in {left}, {high.lt})")
    elif low:
        texts.append(f"at least {low.ge}" if isinstance(low, Ge) else f"above {low.gt}")
    elif high:
        texts.append(f"at most {high.le}" if isinstance(high, Le) else f"below {high.lt}")
    if MultipleOf in bounds:
        texts.append(f"a multiple of {bounds[MultipleOf].multiple_of}")
    if MinLen in bounds:
        least, most = bounds[MinLen].min_length, bounds[MaxLen].max_length if MaxLen in bounds else None
        texts.append(f"{least} entries" if least == most else f"{least} {f'to {most}' if most else 'or more'} entries")
    return ", ".join(texts)


def _holds(mark: Any, value: Any) -> bool:
    """Return whether a value fulfils one mark of its type; marks of other kinds demand nothing."""
    match mark:
        case Ge(ge=low):
            return bool(value >= low)
        case Gt(gt=low):
            return bool(value > low)
        case Le(le=high):
            return bool(value <= high)
        case Lt(lt=high):
            return bool(value < high)
        case MultipleOf(multiple_of=unit):
            return bool(value % unit == 0)
        case MinLen(min_length=least):
            return len(value) >= least
        case MaxLen(max_length=most):
            return len(value) <= most
    return True


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False
