"""Command `new`: a template of an encoder, recipe or config, with its test and its line of documentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli import templates
from mmvideo.cli.common import Debug, note, say
from mmvideo.cli.templates import filled
from mmvideo.errors import InvalidInput, OutputError, UnknownName, shown

KINDS = ("encoder", "recipe", "config")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*$")
_WIDTH = 110
Files = dict[Path, str]


def add_new_command(app: typer.Typer) -> None:
    """Register the command."""
    app.command("new", rich_help_panel="Make things", epilog="Examples:\n\n"
                "[bold]mmvideo new encoder my-net[/bold]\n\n"
                "[bold]mmvideo new recipe shots --like video-classification[/bold]\n\n"
                "[bold]mmvideo new config mine --like train/probe-toybox[/bold]")(new_command)


def new_command(
    kind: Annotated[str, typer.Argument(metavar="encoder|recipe|config")],
    name: Annotated[str, typer.Argument(help="Lower case, with dashes.")],
    like: Annotated[str | None, typer.Option("--like", metavar="NAME", help="Recipe or config to begin with "
                                             "(`mmvideo list pipelines`, `mmvideo list configs`).")] = None,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to write. A checkout of mmvideo gets its "
                                     "files where they belong; elsewhere an encoder becomes a package of its own.",
                                     )] = Path("."),
    debug: Debug = False,
) -> None:
    """Write a template with its test and its line of documentation; nothing that is there is replaced."""
    if kind not in KINDS:
        raise UnknownName("template", kind, KINDS)
    if not _NAME.match(name):
        raise InvalidInput(f"{shown(name)} is no name: use lower-case letters and digits with dashes between, as in "
                           "my-net.")
    if kind == "encoder" and like is not None:
        raise InvalidInput("--like is for recipes and configs.")
    checkout = (to / "mmvideo" / "registry.py").is_file() and (to / "pipelines").is_dir()
    make = {"encoder": _encoder, "recipe": _recipe, "config": _config}[kind]
    files, changed, steps = make(name, to, checkout, like)
    if there := [path for path in files if path.exists()]:
        raise InvalidInput(f"{there[0]} is there already; give another name or folder (--to).")
    try:
        for path, text in {**files, **changed}.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            say(f"{'wrote' if path in files else 'changed'} {path}")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    for step in steps:
        note(step)


def _encoder(name: str, to: Path, checkout: bool, like: str | None) -> tuple[Files, Files, list[str]]:
    from mmvideo import registry

    if name in registry.names("encoders"):
        raise InvalidInput(f"There is an encoder {name} already; see `mmvideo show {name}`.")
    class_name = "".join(word.capitalize() for word in name.split("-"))
    stem = name.replace("-", "_")
    docs = f"- `{name}`: say what it is, for whom, and what was measured (`mmvideo show {name}`)."
    if not checkout:
        module, home = f"mmvideo_{stem}", to / f"mmvideo-{name}"
        given = {"name": name, "class": class_name, "module": module, "docs": docs.removeprefix("- ")}
        return {home / module / "__init__.py": filled(templates.ENCODER, **given),
                home / "tests" / f"test_{stem}.py": filled(templates.ENCODER_TEST, **given),
                home / "pyproject.toml": filled(templates.PLUGIN_PROJECT, **given),
                home / "README.md": filled(templates.PLUGIN_README, **given)}, {}, [
                    f"next: pip install -e {home} && python -m pytest {home}/tests && mmvideo show {name}"]
    given = {"name": name, "class": class_name, "module": f"mmvideo.encoders.{stem}"}
    registry_file = to / "mmvideo" / "registry.py"
    text = registry_file.read_text(encoding="utf-8")
    opened = '    "encoders": {\n'
    if opened not in text:
        raise InvalidInput(f"{registry_file} has no line {opened.strip()!r}; is this a checkout of mmvideo?")
    line = f'        "{name}": "mmvideo.encoders.{stem}:{class_name}",\n'
    return ({to / "mmvideo" / "encoders" / f"{stem}.py": filled(templates.ENCODER, **given),
             to / "tests" / "encoders" / f"test_{stem}.py": filled(templates.ENCODER_TEST, **given)},
            {registry_file: text.replace(opened, opened + line, 1), **_docs(to / "docs" / "models.md", docs)},
            [f"next: python -m pytest tests/encoders -k '{stem} or zoo' && mmvideo show {name}",
             "a network that bears a paper's name also needs the golden tensor of its reference (CONTRIBUTING.md)"])


def _recipe(name: str, to: Path, checkout: bool, like: str | None) -> tuple[Files, Files, list[str]]:
    from mmvideo import recipes

    if name in recipes.recipe_names():
        raise InvalidInput(f"There is a recipe {name} already; see `mmvideo show {name} --static`.")
    found = recipes.load_recipe(like or "video-classification")
    lines = [f"name: {name}", f"about: {_quoted(f'Say in one line what {name} does.')}",
             f"takes: [{', '.join(found.takes)}]", f"gives: {found.gives}", "stages:"]
    for stage in found.stages:
        lines += [f"  - {stage.name}:" if stage.options else f"  - {stage.name}: {{}}",
                  *(f"      {key}: {_quoted(value)}" for key, value in stage.options.items()),
                  *_commented("stages", stage.name, stage.options, "      # ")]
    path = (to / "pipelines" if checkout else to) / f"{name}.yaml"
    where = f'"{name}"' if checkout else f'Path(__file__).with_name("{name}.yaml")'
    test = (to / "tests" if checkout else to) / f"test_recipe_{name.replace('-', '_')}.py"
    run = f"mmvideo run {name if checkout else path} CLIPS --out OUT"
    docs = f"- `{name}`: say what it gives, and for which clips it was measured. `{run}`."
    text = filled(templates.RECIPE_TEST, name=name, where=where)
    return ({path: "\n".join(lines) + "\n", test: _without_path(text, where),
             **({} if checkout else _note(to, name, docs))},
            _docs(to / "docs" / "recipes.md", docs) if checkout else {},
            [f"next: mmvideo show {name if checkout else path} && python -m pytest {test}"])


def _config(name: str, to: Path, checkout: bool, like: str | None) -> tuple[Files, Files, list[str]]:
    from mmvideo import recipes

    raw, _ = recipes.read_yaml("configs", like or "train/classifier-toybox")
    kind = next((one for one in ("trainer", "evaluator") if one in raw), None)
    if kind is None:
        raise InvalidInput(f"{like} is no config of training or evaluation; see `mmvideo list configs`.")
    folder, command = ("train", "train") if kind == "trainer" else ("eval", "eval")
    values = {key: value for key, value in raw.items() if key not in (kind, "about")}
    dumped = recipes.to_yaml({kind: raw[kind], "about": f"Say in one line what {name} does.", **values})
    lines = [dumped.rstrip("\n"), *_commented(f"{kind}s", str(raw[kind]), values, "# ")]
    path = (to / "configs" / folder if checkout else to) / f"{name}.yaml"
    where = f'"{folder}/{name}"' if checkout else f'Path(__file__).with_name("{name}.yaml")'
    test = (to / "tests" / "training" if checkout else to) / f"test_config_{name.replace('-', '_')}.py"
    checker = "training.recipes" if kind == "trainer" else "evaluation.recipes"
    check = "check_training" if kind == "trainer" else "check_evaluation"
    text = filled(templates.CONFIG_TEST, name=name, where=where, checker=f"{checker} import {check}", check=check,
                  kind=kind, part=str(raw[kind]))
    run = f"mmvideo {command} {f'{folder}/{name}' if checkout else path}"
    docs = f"- `{name}`: say what it makes, from which data, in which time. `{run}`."
    return ({path: "\n".join(lines) + "\n", test: text, **({} if checkout else _note(to, name, docs))},
            _docs(to / "docs" / "training.md", docs) if checkout else {},
            [f"next: {run} --check && python -m pytest {test}"])


def _commented(kind: str, name: str, given: Any, mark: str) -> list[str]:
    """Return the other options of a part as comments, with their defaults and what they do."""
    from mmvideo import registry
    from mmvideo.cli.describe_parts import options_of_part

    lines = []
    for option in options_of_part(registry.find(kind, name)):
        if option["name"] not in given and "default" in option:
            about = option["about"] or option["type"]
            lines.append(f"{mark}{option['name']}: {_quoted(option['default'])}" + (f"  # {about}" if about else ""))
    return [line if len(line) <= _WIDTH else f"{line[:_WIDTH - 4].rstrip()} ..." for line in lines]


def _quoted(value: Any) -> str:
    """Return a value as YAML has it on one line."""
    from mmvideo.recipes import to_yaml

    return to_yaml(value, flow=True)


def _without_path(text: str, where: str) -> str:
    return text if "Path(" in where else text.replace("from pathlib import Path\n\n", "")


def _note(to: Path, name: str, docs: str) -> Files:
    return {to / f"{name}.md": f"# {name}\n\n{docs.removeprefix('- ')}\n"}


def _docs(page: Path, line: str) -> Files:
    """Return a page with a line added at its end; nothing where there is no such page."""
    if not page.is_file():
        return {}
    return {page: page.read_text(encoding="utf-8").rstrip("\n") + f"\n\n{line}\n"}
