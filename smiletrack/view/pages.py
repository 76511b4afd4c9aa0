"""HTML pages made from the templates beside this module. Every value that goes into one is escaped.

A page is one file that needs no network and may load nothing: its policy allows pictures that it holds itself, its own
style, and the one script it was made with, so that not even a mistake in escaping lets a name from outside run.
"""

import base64
import functools
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

_FOLDER = Path(__file__).parent / "templates"


def render_page(template: str, script: str = "", **values: Any) -> str:
    """Return the page of a template. script: the name of the JavaScript file that it runs, "" for none."""
    code = _file(script) if script else Markup("")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")
    allowed = f"'sha256-{digest}'" if script else "'none'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"
    page = _environment().get_template(template)
    return page.render(policy=policy, style=_file("page.css"), script=code, **values)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _file(name: str) -> Markup:
    """Return a file of ours that goes into a page as it is."""
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))
