"""Write docs/files.md: one caption a file, its own first line. `make tree` calls it; a test compares."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDERS = ("mmvideo", "pipelines", "configs", "demos", "benchmarks", "docs")
WIDTH = 170
START, END = "<!-- tree -->\n```text\n", "```\n<!-- /tree -->"


def files() -> list[Path]:
    """List the files to caption, folders in the order of FOLDERS."""
    command = ["git", "ls-files", "--cached", *FOLDERS]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split()
    kept = [Path(name) for name in listed if Path(name).suffix in {".py", ".yaml", ".md", ".mp4"}]
    return sorted((path for path in kept if (CHECKOUT / path).is_file()),
                  key=lambda path: (FOLDERS.index(path.parts[0]), path.parent.as_posix(), path.name))


def caption(path: Path) -> str:
    """Return what a file says about itself in its first sentence."""
    if path.suffix == ".mp4":
        return "the bundled clip"
    text = (CHECKOUT / path).read_text(encoding="utf-8")
    if path.suffix == ".py":
        words = ast.get_docstring(ast.parse(text)) or ""
    elif path.suffix == ".yaml":
        words = next((line.removeprefix("about:") for line in text.splitlines() if line.startswith("about:")), "")
    else:
        words = next((line.lstrip("# ") for line in text.splitlines() if line.startswith("#")), "")
    sentence = re.split(r"(?<! al)\. ", " ".join(words.split("\n\n")[0].split()))[0].strip().strip('"')
    return textwrap.shorten(sentence, WIDTH, placeholder=" ...").rstrip(".")


def tree() -> str:
    """Return the block of docs/files.md between its markers."""
    lines, folder = [], None
    for path in files():
        said = caption(path)
        if path.name == "__init__.py" and not said:
            continue
        if path.parent != folder:
            folder = path.parent
            lines.append(f"{folder.as_posix()}/")
        lines.append(f"  {path.name:25} {said}".rstrip())
    return "\n".join(lines) + "\n"


def main() -> None:
    """Put the tree into docs/files.md."""
    readme = CHECKOUT / "docs" / "files.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    readme.write_text(before + START + tree() + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
