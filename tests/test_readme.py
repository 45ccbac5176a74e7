"""The README and the pages it was divided into tell the truth: commands, samples, Python names, the tree of files."""

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
FIRST = (CHECKOUT / "README.md").read_text(encoding="utf-8")
README = "\n".join([FIRST, *((CHECKOUT / "docs" / f"{name}.md").read_text(encoding="utf-8")
                              for name in ("command-line", "models", "training", "files"))])
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"^\$ mmvideo (.*?)(?:\s+#.*|\s+>.*)?$", README, flags=re.MULTILINE)


def test_make_demo_and_make_test_come_first() -> None:
    head = FIRST.split("```python")[0]
    assert head.index("make demo") < head.index("make test")
    assert "## " not in head


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists_with_its_options(command: str) -> None:
    from mmvideo.cli import app

    words = shlex.split(command)
    found: click.Command = typer.main.get_command(app)
    while hasattr(found, "commands") and words:
        found = found.commands[words.pop(0)]
    found.make_context(found.name, words)


def _samples() -> dict[str, str]:
    """Return command -> what the README prints below it, for those with output."""
    found: dict[str, str] = {}
    for block in re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL):
        for sample in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = sample.partition("\n")
            if output.strip():
                found[command.removeprefix("mmvideo ")] = output
    return found


SAMPLES = _samples()
PROFILE = next(command for command in SAMPLES if command.startswith("profile "))


def _words(text: str) -> list[str]:
    """Return the words of an output; without how long it took, and with confidences to the next five per cent."""
    text = re.sub(r", \d+\.\d\d s$", "", text, flags=re.MULTILINE)
    return re.sub(r"\d+(?=%)", lambda found: str(5 * round(int(found[0]) / 5)), text).split()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the paths of the README exist."""
    (tmp_path / "mmvideo").symlink_to(CHECKOUT / "mmvideo")
    (tmp_path / "clip.mp4").symlink_to(CHECKOUT / "mmvideo" / "embedded" / "demo" / "toybox.mp4")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for pipeline in ("VIDEO_QA", "VIDEO_CAPTIONING"):
        monkeypatch.delenv(f"MMVIDEO_MODEL_{pipeline}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", sorted(set(SAMPLES) - {PROFILE}))
def test_every_sample_is_what_the_command_prints(command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mmvideo.cli import main

    with pytest.raises(SystemExit):
        main(shlex.split(command))
    printed = capsys.readouterr()
    said = (printed.out + printed.err).replace(str(Path.cwd()), "/home/me")
    assert _words(said) == _words(SAMPLES[command])


def test_there_are_samples() -> None:
    assert {command.split()[0] for command in SAMPLES} >= {"ask", "classify", "probe", "show", "profile"}


def test_the_sample_of_the_demo_is_what_it_prints(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mmvideo.cli import main

    with pytest.raises(SystemExit):
        main(["demo", "--device", "cpu"])
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("  frames at ")]
    sample = re.search(r"```text\n(caption: .*?)```", README, flags=re.DOTALL)[1]
    assert lines[0] == "nasa.mp4: 13.1 s"
    assert _words("\n".join(lines[1:lines.index("toybox.mp4: 2.0 s")])) == _words(sample)


def test_the_sample_of_profile_holds_what_is_counted() -> None:
    from mmvideo.cli.encoders import _number, _percent
    from mmvideo.encoders import zoo
    from mmvideo.evaluation import profile

    lines = SAMPLES[PROFILE].splitlines()
    for line, name in zip(lines[1:5], shlex.split(PROFILE)[1:5], strict=True):
        preset, counted = zoo.preset_of(name), profile.count_preset(name)
        of_params, of_work = profile.differences(counted, preset)
        assert line.split()[:8] == [
            name, f"{counted.params / 1e6:.2f}", _number(preset.published.params_millions), _percent(of_params),
            f"{counted.gflops:.2f}", _number(preset.published.gflops), _percent(of_work), str(counted.tokens)]
        if preset.published.difference:
            assert f"{name}: {preset.published.difference}" in lines


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

    for name in re.findall(r"mmvideo (?:train|eval) (\w[\w/-]*)(?![\w/.-])", README):
        assert name in {*recipes.recipe_names("configs"), "DATA"}
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", FIRST):
        assert (CHECKOUT / target).exists(), target


def test_the_readme_is_short() -> None:
    assert len(FIRST.encode()) <= 10_000


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
