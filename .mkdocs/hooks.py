"""Pages that lie outside docs/, and links to and from them: a file has one place in the repository, one on the site."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "datasets/README.md": "datasets.md",
    ".github/CONTRIBUTING.md": "contributing.md",
}
"""File of the repository -> page of the site. Those in docs/ keep their names."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages."""
    here = next((source for source, made in PAGES.items() if made == page.file.src_uri), f"docs/{page.file.src_uri}")

    def on_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), link[1]))
        made = PAGES.get(target, target.removeprefix("docs/"))
        return f"]({made}{link[2] or ''})"

    # every page of the site lies at its top
    return re.sub(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)", on_site, markdown)
