"""What the commands share: options, overrides, and where output goes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.errors import InvalidInput, OutputError, shown
from mmvideo.jobs.options import JobOptions
from mmvideo.licences import ENVIRONMENT, licence_names
from mmvideo.recipes import parsed
from mmvideo.wording import printable

BROKEN_PIPE = 141
"""Exit code where nobody reads the output any more: 128 + SIGPIPE."""
_STATE = {"debug": False}


def _remember_debug(value: bool) -> bool:
    _STATE["debug"] = _STATE["debug"] or value
    return value


def debugging() -> bool:
    """Say whether --debug was given."""
    return _STATE["debug"]


def _allow(value: str | None) -> str | None:
    """Set the environment variable, so that every process of a job sees it too."""
    if value is not None:
        licence_names(value)
        os.environ[ENVIRONMENT] = value
    return value


AllowLicences = Annotated[str | None, typer.Option(
    "--allow-licences", metavar="NAMES", callback=_allow, help="Licences of models that are allowed, as "
    "apache-2.0,mit; a model with another is refused. By default all are.")]
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
    "--save", metavar="FILE", help="Also write the result: .json, subtitles (.srt, .vtt), or a picture (.png, .pdf, "
    ".svg).")]
Timeout = Annotated[float | None, typer.Option(
    "--timeout", metavar="SECONDS", help="Longest time for one clip: fetching, decoding and the networks, with all "
    f"questions. By default there is no limit, and {JobOptions.timeout_seconds:g} s in a job (--out).")]
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
                               "--set encode_video.end_seconds=4.")
        found.setdefault(stage, {})[option] = parsed(value, f"--set {name}")
    return found


def json_line(value: Any) -> str:
    """Return one line of JSON."""
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    return json.dumps(value, ensure_ascii=False)


def say(text: object = "", end: str = "\n") -> None:
    """Print a line of the result to stdout."""
    _write(sys.stdout, f"{text}{end}")


def note(text: object) -> None:
    """Print a remark to stderr."""
    _write(sys.stderr, f"{text}\n")


def _write(stream: Any, text: str) -> None:
    """Write at once, whatever the stream's encoding.

    Raises:
        SystemExit: nobody reads any more, as behind `| head`; the code is the shell's for SIGPIPE.
        OutputError: the text cannot be written, as on a full disk.
    """
    if stream is None:  # closed by the caller
        return
    try:
        stream.write(printable(text, stream.encoding or "utf-8"))
        stream.flush()
    except OSError as error:
        _close(stream)
        if isinstance(error, BrokenPipeError):
            raise SystemExit(BROKEN_PIPE) from error
        raise OutputError(f"The output cannot be written: {error.strerror or error}.") from error


def _close(stream: Any) -> None:
    """Send what a stream still holds nowhere, so that Python does not try again, and complain, when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


__all__ = [
    "AllowLicences",
    "Debug",
    "Device",
    "Json",
    "Model",
    "Overrides",
    "RecipeName",
    "Save",
    "Timeout",
    "debugging",
    "json_line",
    "note",
    "overrides",
    "say",
]
