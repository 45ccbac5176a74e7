"""Hooks of mkdocs: the README is the first page, links out of docs/ lead to pages of the site or become plain text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changes.md": "CHANGELOG.md"}
"""Page of the site -> file of the checkout; cards of models are added to them."""
CARDS = {f"cards/{card.parent.name}.md": card.relative_to(ROOT).as_posix()
         for card in sorted((ROOT / "mmvideo" / "embedded").glob("*/README.md"))}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie outside docs/."""
    for page, source in (PAGES | CARDS).items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links of a page to where their targets are in the site."""
    there = {source: name for name, source in (PAGES | CARDS).items()}
    home = (ROOT / (PAGES | CARDS).get(page.file.src_uri, f"docs/{page.file.src_uri}")).parent
    depth = page.file.src_uri.count("/")

    def moved(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        path = Path(*(home / target).parts).resolve()
        if not path.is_relative_to(ROOT):
            return match[0]
        name = path.relative_to(ROOT).as_posix()
        inside = there.get(name) or (name.removeprefix("docs/") if name.startswith("docs/") else None)
        return f"[{words}]({'../' * depth}{inside}{anchor})" if inside else f"{words} (`{name}`)"

    return re.sub(r"(?<!\!)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)]*)?\)", moved,
                  re.sub(r"\]\(docs/([\w-]+\.png)\)", r"](\1)", markdown))
