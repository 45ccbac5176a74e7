"""Options of commands are the fields of dataclasses: same names, types and defaults, and help from one place."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mmvideo import cli
from mmvideo.cli import ask, jobs, locate, serve, transcribe
from mmvideo.cli.dataclass_options import field_docs
from mmvideo.generation import GenerationOptions
from mmvideo.jobs import JobOptions
from mmvideo.serving.rules import Rules

FUNCTIONS = {"run": jobs.run_command, "caption": ask.caption_command,
             "classify": ask.classify_command, "track": ask.track_command, "ask": ask.ask_command,
             "locate": locate.locate_command, "actions": locate.actions_command,
             "transcribe": transcribe.transcribe_command,
             "serve": serve.serve_command}

SINGLE = ("caption", "classify", "track", "locate", "actions", "transcribe")
"""Commands for single videos that become a job with --out."""


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


@pytest.mark.parametrize(("command", "kind", "left_out", "in_other_units"), [
    ("run", JobOptions, {"progress", "files"}, {}), ("caption", JobOptions, {"progress", "files"}, {}),
    *((command, JobOptions, {"progress", "files"}, {}) for command in SINGLE if command != "caption"),
    ("ask", GenerationOptions, {"history"}, {}), ("serve", Rules, set(), {"max_bytes": 1024 * 1024})],
    ids=lambda value: value if isinstance(value, str) else "")
def test_every_field_is_an_option(command: str, kind: type, left_out: set[str], in_other_units: dict[str, int]) -> None:
    options = {option.name: option for option in typer.main.get_command(cli.app).commands[command].params}
    parameters = inspect.signature(FUNCTIONS[command]).parameters
    docs, hints = field_docs(kind), typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name in left_out or (field.name == "timeout_seconds" and command in SINGLE):
            continue  # the time limit of single videos holds without a job, too, and then has no default
        option = options[field.name]
        several = typing.get_origin(hints[field.name]) is tuple
        default = tuple(option.default or ()) if several else option.default
        assert default == (field.default // in_other_units[field.name] if field.name in in_other_units
                           else field.default)
        assert (option.multiple, getattr(option, "is_flag", False)) == (several, hints[field.name] is bool)
        kinds = {"schema": Path | None, "folders": list[Path] | None}
        given, _ = typing.get_args(parameters[field.name].annotation)
        assert given == kinds.get(field.name, list[str] | None if several else hints[field.name])
        first = _words(docs[field.name].partition("\n\n")[0])
        assert first, "the docstring of the field is the help of the option"
        assert option.help.startswith(first.removesuffix("."))
    assert left_out.isdisjoint(options)


def test_help_of_fields_is_written_nowhere_else() -> None:
    sources = {path.name: _words(path.read_text()) for path in Path(cli.__file__).parent.glob("*.py")}
    for kind in (JobOptions, GenerationOptions, Rules):
        for doc in field_docs(kind).values():
            assert [file for file, text in sources.items() if _words(doc)[:30] in text] == [], doc


def test_what_is_given_becomes_the_options_of_the_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(jobs, "batch", lambda *args, question=None, prompt=None, **options: seen.append(options))
    out = ["--out", str(tmp_path)]
    given = ["--allow-damage", "--timeout", "9", "--sidecar", "srt", "--sidecar", "txt", "--retry", "OutOfMemory",
             "--batch-size", "3", "--crashes", "2", "--max-bytes", "10", "--parquet", "--thumbnails", "0"]
    expected = JobOptions(strict=False, timeout_seconds=9.0, sidecars=("srt", "txt"), retry=("OutOfMemory",),
                          batch_size=3, crashes=2, max_bytes=10, parquet=True, thumbnails=0)
    for words in (["run", "video-captioning", "clips"], ["caption", "clips"]):
        for extra in ([], given):
            result = CliRunner().invoke(cli.app, [*words, *out, *extra])
            assert result.exit_code == 0, result.output
            assert JobOptions(**seen[-1]) == (expected if extra else JobOptions())


def test_an_option_that_says_no_is_named_as_it_was_given() -> None:
    for option in ("--allow-damage", "--strict", "--stop-after=3"):
        result = CliRunner().invoke(cli.app, ["caption", "clip.mp4", option])
        assert str(result.exception).startswith(f"{option.partition('=')[0]}: only a batch job understands this")
