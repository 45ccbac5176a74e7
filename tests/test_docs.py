"""The pages of docs/ tell the truth: commands parse; configs, links and Python names exist; every stage is told."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest
import typer.main

from mmvideo import recipes
from mmvideo.registry import PARTS, find

CHECKOUT = Path(__file__).resolve().parents[1]
PAGES = sorted((CHECKOUT / "docs").glob("*.md"))
COMMANDS = [(page.name, command) for page in PAGES for command in re.findall(
    r"^(?:    |\$ )mmvideo (.*?)(?:\s+#.*|\s+>.*)?$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)]


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_commands_exist_with_their_options(page: str, command: str) -> None:
    from mmvideo.cli import app

    words = shlex.split(command)
    found: click.Command = typer.main.get_command(app)
    while words and hasattr(found, "commands"):
        found = found.commands[words.pop(0)]
    found.make_context(found.name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_configs_links_files_and_python_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"mmvideo (?:train|eval) (\w[\w/-]*)(?![\w/.-])", text):
        assert name in {*recipes.recipe_names("configs"), *PARTS["benchmarks"], "DATA"}, name
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (page.parent / target).exists(), target
    for file in re.findall(r"`((?:mmvideo|tests|benchmarks|demos|docs|configs)/[\w/.-]+\.\w+)`", text):
        assert (CHECKOUT / file).exists(), file
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mmvideo"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")


def test_every_stage_is_told_with_what_it_needs_and_gives() -> None:
    page = (CHECKOUT / "docs" / "recipes.md").read_text(encoding="utf-8")
    told = {name: (needs, gives) for name, needs, gives in re.findall(
        r"^\| `([\w-]+)` \| ([\w, ]+) \| ([\w, ]+) \|", page, flags=re.MULTILINE)}
    assert told == {name: (", ".join(kind.needs), ", ".join(kind.gives))
                    for name in PARTS["stages"] for kind in [find("stages", name)]}
