"""Write docs/configuration.md, the reference of every key of every command, from the dataclasses."""

import argparse
import sys
from pathlib import Path

from smiletrack.engine.reference import configuration_reference
from smiletrack.engine.verbs import VERBS
from smiletrack.files import atomic_write

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"


def main() -> None:
    """Write the page; with --check only tell, by the exit status, whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only check that the page is up to date")
    checked = parser.parse_args().check
    text = configuration_reference({name: verb.load_schema() for name, verb in VERBS.items()})
    if checked:
        current = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        sys.exit(0 if current == text else f"{PAGE.name} is out of date: python tools/make_docs.py writes it")
    with atomic_write(PAGE) as stream:
        stream.write(text)


if __name__ == "__main__":
    main()
