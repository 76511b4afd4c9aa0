"""XML of others, read so that a file can do no more than be wrong: no document types, no entities, bounded size."""

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from smiletrack.errors import InputError
from smiletrack.limits import LARGEST_XML, XML_DEPTH

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (its production 2)."""


def read_xml(file: Path) -> Element:
    """Return the root of an XML file.

    Raises InputError for a file that is not there or not XML, is larger than 256 MB, nests deeper than 64 elements, or
    declares a document type, by which entities would come.
    """
    builder, depth = TreeBuilder(), 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > XML_DEPTH:
            raise InputError(f"{file}: elements nest deeper than {XML_DEPTH}")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: Any) -> None:
        raise InputError(f"{file}: declares a document type (DOCTYPE), which annotations have no need of; refused")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        if file.stat().st_size > LARGEST_XML:
            raise InputError(f"{file}: larger than {LARGEST_XML // 2**20} MB")
        with file.open("rb") as stream:
            parser.ParseFile(stream)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise InputError(f"{file}: not XML ({error})") from None
    return builder.close()


def xml_text(text: str) -> str:
    """Return `text` with a replacement character for each one that no XML file can hold."""
    return _NOT_XML.sub("\ufffd", text)
