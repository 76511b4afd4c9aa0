"""Broken files made of whole ones: random changes of bytes, of words in texts, and of values in structures."""

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

BOUNDARIES = (0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**24 + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1)
NUMBERS = (
    "0", "1", "-1", "2", "1.5", "-0", "nan", "NaN", "inf", "-inf", "Infinity", "1e308", "-1e308", "1e309", "1e-320",
    "2147483648", "9007199254740993", "9223372036854775808", "1" * 40, "9" * 5000, "0x10", "1_000", "+5", ".5", "5.",
    "true", "null", "~", "''", "1,2", "1;2", "\u0661",
)  # fmt: skip
WORDS = (
    "", " ", "\t", "\n", "\r", "\0", "\ufeff", "../../x", "/absolute", "a/b", "..", ".", "x" * 300, "[red]", "[/]",
    "\x1b[2J", "\u202e", "\ud7ff", "%s%n", "{0}", "{x.y}", "*a", "&a", "!!python/object/apply:os.system [ls]", "- - -",
    "[" * 50, "{" * 50, "[" * 100_000, '"', "'", "#", ":", "base: x", "é", "日本", "None", "MOT17-02-FRCNN", "=", "[]",
    "{}", "[x]", "0 0", "<a>", "]]>", "&b;",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, -0.0, 1e308, float("inf"), float("nan"), 2**31, 2**53 + 1, 2**63, 10**40, 10**400,
    "", "x", "../../x", "/x", "a\0b", "x" * 300, "1", "nan", [], {}, [[]], [None], [1, 2, 3, 4], [0] * 9, {"a": 1},
    {"": []}, ["a", 1], "\ud800",
)  # fmt: skip


def mutated(data: bytes, name: str, rng: random.Random) -> bytes:
    """Return `data`, the content of a file of this name, with one to four things changed."""
    suffix = name.rpartition(".")[2]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        inside = _INSIDE.get(suffix)
        if inside is not None and rng.random() < 0.7:
            try:
                data = inside(data, rng)
                continue
            except Exception:  # what was changed before is no such file any more
                pass
        data = _bytes(data, rng)
    return data


def _bytes(data: bytes, rng: random.Random) -> bytes:
    """Change bits, bytes, words; cut, repeat, move or insert."""
    content = bytearray(data)
    place = rng.randrange(len(content) + 1)
    if rng.random() < 0.3:  # most formats say at their start what follows
        place = min(place, rng.randrange(200))
    length = rng.choice((1, 1, 2, 4, 8, 16, 100))
    kind = rng.randrange(8)
    if kind == 0 and place < len(content):
        content[place] ^= 1 << rng.randrange(8)
    elif kind == 1 and place < len(content):
        content[place] = rng.choice((0, 1, 0x20, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    elif kind == 2:
        width = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
        value = rng.choice(BOUNDARIES) % 256 ** struct.calcsize(width)
        content[place : place + struct.calcsize(width)] = struct.pack(width, value)
    elif kind == 3:
        del content[place : place + length]
    elif kind == 4:
        content[place:place] = content[rng.randrange(len(content) + 1) :][:length]
    elif kind == 5:
        content[place:place] = rng.randbytes(length)
    elif kind == 6:
        del content[place:]
    else:
        content[place : place + length] = rng.choice(NUMBERS + WORDS).encode("utf-8", "surrogatepass")
    return bytes(content)


def _text(data: bytes, rng: random.Random) -> bytes:
    """Change a cell of a line, or lines."""
    lines = data.decode("utf-8", "replace").split("\n")
    place = rng.randrange(len(lines))
    kind = rng.randrange(8)
    if kind <= 3:
        marks = [mark for mark in (",", "=", ":", "\t", " ", ";") if mark in lines[place]]
        mark = rng.choice(marks) if marks else ","
        cells = lines[place].split(mark)
        cells[rng.randrange(len(cells))] = rng.choice(NUMBERS if rng.random() < 0.6 else WORDS)
        if rng.random() < 0.2:
            cells.append(rng.choice(NUMBERS))
        if rng.random() < 0.1:
            del cells[rng.randrange(len(cells))]
        lines[place] = mark.join(cells)
    elif kind == 4:
        lines.insert(place, lines[rng.randrange(len(lines))])
    elif kind == 5:
        del lines[place]
    elif kind == 6:
        lines.insert(place, rng.choice(WORDS))
    else:
        lines[place] = lines[place].replace(*rng.choice(((",", ";"), (",", "\t"), (",", " "), ("=", ":"), (",", ",,"))))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _json(data: bytes, rng: random.Random) -> bytes:
    """Change a value, a key or a list of the structure."""
    return json.dumps(_value(json.loads(data), rng)).encode()


def _lines_of_json(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines()
    place = rng.randrange(len(lines))
    lines[place] = _json(lines[place], rng)
    return b"\n".join(lines)


def _value(value: Any, rng: random.Random) -> Any:
    """Return a copy with one thing changed somewhere inside."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.08:
        return rng.choice(VALUES)
    copied: Any = dict(value) if isinstance(value, dict) else list(value)
    keys = list(copied) if isinstance(copied, dict) else list(range(len(copied)))
    key = rng.choice(keys)
    kind = rng.random()
    if kind < 0.08:
        del copied[key]
    elif kind < 0.14 and isinstance(copied, dict):
        copied[rng.choice(("", "a", "../x", *map(str, keys)))] = copied.pop(key)
    elif kind < 0.2 and isinstance(copied, list):
        copied.insert(rng.randrange(len(copied)), copied[key])
    else:
        copied[key] = _value(copied[key], rng)
    return copied


def _archive(data: bytes, rng: random.Random) -> bytes:
    """Change one member of a zip archive, checksums right; its name or its form now and then."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice([*members, *(key for key in members if key.endswith((".pkl", "about.npy")))])
    kind = rng.random()
    if kind < 0.05:
        del members[name]
    elif kind < 0.1:
        members[rng.choice(("x", "../x", f"{name}x"))] = members.pop(name)
    elif kind < 0.15:
        members[name] = bytes(rng.choice((0, 10, 200_000)))
    elif name.endswith(".npy") and rng.random() < 0.7:
        members[name] = _array(members[name], rng)
    else:
        members[name] = _bytes(members[name], rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if rng.random() < 0.5 else zipfile.ZIP_STORED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return stream.getvalue()


def _array(data: bytes, rng: random.Random) -> bytes:
    """Change the numbers, the type, the shape, or the text of an array that holds JSON."""
    array: Any = np.load(io.BytesIO(data))
    kind = rng.randrange(6)
    if array.dtype.kind == "U" and array.ndim == 0 and rng.random() < 0.8:
        array = np.array(_json(str(array).encode(), rng).decode())
    elif kind == 0:
        array = array.astype(rng.choice(("f2", "f4", "f8", "i1", "i8", "u8", "?", "c8", "U3", "S2", "M8[s]", ">f8")))
    elif kind == 1:
        array = array.reshape(rng.choice(((-1,), (1, *array.shape), (*array.shape, 1), array.shape[::-1])))
    elif kind == 2:
        array = array[: len(array) // 2] if array.ndim else array
    elif kind == 3 and array.size and array.dtype.kind in "fi":
        array = array.copy()
        numbers = (0, -1, 7, 2**31) if array.dtype.kind == "i" else (0.0, -1.0, 1e300, np.nan, np.inf)
        array.flat[rng.randrange(array.size)] = rng.choice(numbers)
    elif kind == 4:
        shape = rng.choice((f"({2**40},)", "(0,)", "()", f"(0, {2**62})", "(-1,)", "(2, 2)", "('a',)", "(" * 90))
        text = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data[-array.nbytes :]
    else:
        return _bytes(data, rng)
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _safetensors(data: bytes, rng: random.Random) -> bytes:
    """Change the header: names, types, shapes, offsets, and the metadata, which hold JSON in texts."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    about = header.get("__metadata__", {})
    if about and rng.random() < 0.5:
        key = rng.choice(list(about))
        try:
            about[key] = _json(about[key].encode(), rng).decode()
        except ValueError:
            about[key] = rng.choice(WORDS)
    else:
        header = _value(header, rng)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def _png(data: bytes, rng: random.Random) -> bytes:
    """Change the header's sizes and forms, its checksum right."""
    header = bytearray(data[16:29])
    place = rng.choice((0, 4))
    if rng.random() < 0.6:
        header[place : place + 4] = struct.pack(">I", rng.choice((0, 1, 20_000, 2**31 - 1, 2**31, 2**16)))
    else:
        header[rng.randrange(8, 13)] = rng.randrange(256)
    return data[:16] + bytes(header) + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]


_INSIDE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    **dict.fromkeys(("txt", "ini", "csv", "tsv", "yaml", "train", "xml", "words"), _text),
    **dict.fromkeys(("npz", "pt", "pth"), _archive),
    "json": _json,
    "odgt": _lines_of_json,
    "safetensors": _safetensors,
    "png": _png,
}
