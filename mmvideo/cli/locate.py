"""Commands `locate` and `actions`: what happens from when to when, and who does what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli.ask import Fps, Videos, describe_clips, examples
from mmvideo.cli.common import AllowLicences, Debug, Device, Json, Model, Overrides, RecipeName, Save, Timeout

Labels = Annotated[list[str] | None, typer.Option(
    "--label", metavar="WORDS", help="Only segments whose label has these words, as person; with a model of the hub, a "
    "phrase to look for. May be given again.")]
Kinds = Annotated[list[str] | None, typer.Option(
    "--kind", metavar="KIND", help="Only segments of this kind: object, sound, speech, shot, picture, movement, "
    "camera. May be given again.")]
Subjects = Annotated[list[str] | None, typer.Option(
    "--subject", metavar="CLASS", help="Only tracks of this class of the detector, as person. May be given again.")]
LeastScore = Annotated[float | None, typer.Option("--min-score", help="Leave out segments below this score, 0 to 1.")]
SaveSegments = Annotated[Path | None, typer.Option(
    "--save", metavar="FILE", help="Also write the segments: .json, subtitles (.srt, .vtt), chapters (.txt), or a "
    "picture (.png, .pdf, .svg).")]


def add_locate_commands(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("locate", epilog=examples(
        "mmvideo locate film.mp4", "mmvideo locate film.mp4 --kind sound --kind speech",
        "mmvideo locate film.mp4 --label person --save people.srt", "mmvideo locate clips/ --json > segments.jsonl"),
                rich_help_panel="Ask things of video")(locate_command)
    app.command("actions", epilog=examples(
        "mmvideo actions film.mp4", "mmvideo actions film.mp4 --subject person --save actions.png",
        "mmvideo actions clips/ --json > actions.jsonl"), rich_help_panel="Ask things of video")(actions_command)


def locate_command(
    videos: Videos, label: Labels = None, kind: Kinds = None, min_score: LeastScore = None, model: Model = None,
    device: Device = None, set_: Overrides = None, recipe: RecipeName = None, fps: Fps = None,
    timeout: Timeout = None, save: SaveSegments = None, json: Json = False, allow_licences: AllowLicences = None,
    debug: Debug = False,
) -> None:
    """Say what happens from when to when in each video, a line a segment."""
    from mmvideo.localization.result import TEXTS

    given: dict[str, Any] = {"labels": label or None, "kinds": kind or None, "min_score": min_score}
    options = {name: value for name, value in given.items() if value is not None}
    describe_clips("locate", recipe or "temporal-localization", videos, model, device, set_, fps, timeout, save, json,
                   options={"locate": options} if options else {}, texts=tuple(TEXTS))


def actions_command(
    videos: Videos, subject: Subjects = None, min_score: LeastScore = None, model: Model = None, device: Device = None,
    set_: Overrides = None, recipe: RecipeName = None, fps: Fps = None, timeout: Timeout = None, save: Save = None,
    json: Json = False, allow_licences: AllowLicences = None, debug: Debug = False,
) -> None:
    """Say who does what in each video, where and in which seconds."""
    given: dict[str, Any] = {"subjects": subject or None, "min_score": min_score}
    options = {name: value for name, value in given.items() if value is not None}
    describe_clips("actions", recipe or "action-detection", videos, model, device, set_, fps, timeout, save, json,
                   options={"detect_actions": options} if options else {})


__all__ = ["actions_command", "add_locate_commands", "locate_command"]
