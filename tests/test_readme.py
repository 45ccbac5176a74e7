"""The README tells the truth: its commands parse, its Python names exist, its tree is the tree."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest
import typer.main

CHECKOUT = Path(__file__).resolve().parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"^\$ mmvideo (.*?)(?:\s+#.*|\s+>.*)?$", README, flags=re.MULTILINE)


def test_make_demo_and_make_test_come_first() -> None:
    head = README.split("```python")[0]
    assert head.index("make demo") < head.index("make test")
    assert "## " not in head


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists_with_its_options(command: str) -> None:
    from mmvideo.cli import app

    words = shlex.split(command)
    found: click.Command = typer.main.get_command(app)
    while hasattr(found, "commands"):
        found = found.commands[words.pop(0)]
    found.make_context(found.name, words)


def test_there_are_commands() -> None:
    assert {command.split()[0] for command in COMMANDS} >= {
        "ask", "caption", "classify", "probe", "list", "show", "doctor", "toybox", "train", "eval", "demo"}


@pytest.mark.parametrize("code", PYTHON)
def test_every_name_that_the_python_uses_exists(code: str) -> None:
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:  # a name in the module, or a module inside it
                assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")


def test_the_first_python_is_at_most_five_lines() -> None:
    assert len([line for line in PYTHON[0].splitlines() if line.strip()]) <= 5


def test_configs_and_links_that_are_named_exist() -> None:
    from mmvideo import recipes

    for name in re.findall(r"mmvideo (?:train|eval) ([\w/-]+)", README):
        assert name in recipes.names("configs")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (CHECKOUT / target).exists(), target


def test_the_path_from_call_to_answer_is_short_and_real() -> None:
    path = README.split("the code reads in this order:")[1].split("\n\n")[0]
    files = re.findall(r"`([\w/]+\.py)`", path)
    assert 3 <= len(files) <= 8
    for file in files:
        importlib.import_module(file.removesuffix(".py").replace("/", "."))


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="the tree is that of the files under version control")
def test_the_tree_is_the_tree() -> None:
    spec = importlib.util.spec_from_file_location("tree", CHECKOUT / "docs" / "tree.py")
    tree = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tree)
    written = README.split(tree.START)[1].split(tree.END)[0]
    assert written == tree.tree(), "run `make tree`"
