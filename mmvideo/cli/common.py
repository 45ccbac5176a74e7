"""What the commands share: options, overrides, and where output goes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.errors import InvalidInput, MmvideoError, shown
from mmvideo.recipes import parsed

_STATE = {"debug": False}


def _remember_debug(value: bool) -> bool:
    _STATE["debug"] = _STATE["debug"] or value
    return value


def debugging() -> bool:
    """Say whether --debug was given."""
    return _STATE["debug"]


Debug = Annotated[bool, typer.Option("--debug", callback=_remember_debug, help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Model = Annotated[str | None, typer.Option(
    "--model", metavar="NAME|FOLDER", help="An embedded model (`mmvideo list models`), a model of the Hugging Face hub "
    "(owner/name) or a folder of one, or a folder written by `mmvideo train`; by default the recipe's own.")]
Device = Annotated[str | None, typer.Option(
    "--device", help="cpu, cuda, cuda:1, mps; by default the first GPU, else cpu.")]
Overrides = Annotated[list[str] | None, typer.Option(
    "--set", metavar="STAGE.OPTION=VALUE", help="Change an option of a stage; may be given again.")]
Save = Annotated[Path | None, typer.Option(
    "--save", metavar="FILE", help="Also write the result: .json, or a picture (.png, .pdf, .svg).")]
RecipeName = Annotated[str | None, typer.Option("--recipe", metavar="NAME|FILE.yaml", help="Run another recipe.")]


def overrides(items: Iterable[str] | None) -> dict[str, dict[str, Any]]:
    """Turn `stage.option=value` texts into what `Pipeline` takes; values are read as YAML scalars.

    Raises:
        InvalidInput: not of that form.
        RecipeError: a value that is no YAML.
    """
    found: dict[str, dict[str, Any]] = {}
    for item in items or ():
        name, equals, value = item.partition("=")
        stage, dot, option = name.partition(".")
        if not (equals and dot and stage and option):
            raise InvalidInput(f"--set {shown(item)}: write it as STAGE.OPTION=VALUE, as in "
                               "--set sample.num_frames=32.")
        found.setdefault(stage, {})[option] = parsed(value, f"--set {name}")
    return found


def as_json(value: Any) -> str:
    """Return one line of JSON; an error becomes {"type", "error", "exit_code"}."""
    if isinstance(value, MmvideoError):
        value = {"type": type(value).__name__, "error": str(value), "exit_code": value.exit_code}
    elif hasattr(value, "to_dict"):
        value = value.to_dict()
    return json.dumps(value, ensure_ascii=False)


def say(text: object = "") -> None:
    """Print a line of the result to stdout."""
    typer.echo(str(text))


def note(text: object) -> None:
    """Print a remark to stderr."""
    sys.stderr.write(f"{text}\n")


__all__ = ["Debug", "Device", "Json", "Model", "Overrides", "RecipeName", "Save", "as_json", "debugging", "note",
           "overrides", "say"]
