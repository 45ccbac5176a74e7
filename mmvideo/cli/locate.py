"""Commands `locate` and `actions`: what happens from when to when, and who does what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli import jobs
from mmvideo.cli.ask import Fps, JobVideos, describe_or_batch, examples
from mmvideo.cli.common import AllowLicences, Debug, Device, Json, Model, Overrides, RecipeName, Save, Timeout
from mmvideo.cli.dataclass_options import with_options

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
        "mmvideo locate film.mp4 --label person --save people.srt", "mmvideo locate clips/ --json > segments.jsonl",
        "mmvideo locate clips/ --out segments --sidecar srt"),
                rich_help_panel="Ask things of video")(locate_command)
    app.command("actions", epilog=examples(
        "mmvideo actions film.mp4", "mmvideo actions film.mp4 --subject person --save actions.png",
        "mmvideo actions clips/ --json > actions.jsonl", "mmvideo actions clips/ --out actions"),
                rich_help_panel="Ask things of video")(actions_command)


@with_options(jobs.job_options(without=("timeout_seconds",)), before="timeout")
def locate_command(
    context: typer.Context, videos: JobVideos, label: Labels = None, kind: Kinds = None, min_score: LeastScore = None,
    model: Model = None, device: Device = None, set_: Overrides = None, recipe: RecipeName = None, fps: Fps = None,
    save: SaveSegments = None, json: Json = False, debug: Debug = False, out: jobs.Out = None, timeout: Timeout = None,
    allow_licences: AllowLicences = None, **options: Any,
) -> None:
    """Say what happens from when to when in each video, a line a segment; with --out as a batch job."""
    from mmvideo.localization.result import TEXTS

    stages = _given("locate", labels=label or None, kinds=kind or None, min_score=min_score)
    describe_or_batch(context, recipe or "temporal-localization", videos, out, model, device, set_, fps, timeout, save,
                      json, options, stages=stages, texts=tuple(TEXTS))


@with_options(jobs.job_options(without=("timeout_seconds",)), before="timeout")
def actions_command(
    context: typer.Context, videos: JobVideos, subject: Subjects = None, min_score: LeastScore = None,
    model: Model = None, device: Device = None, set_: Overrides = None, recipe: RecipeName = None, fps: Fps = None,
    save: Save = None, json: Json = False, debug: Debug = False, out: jobs.Out = None, timeout: Timeout = None,
    allow_licences: AllowLicences = None, **options: Any,
) -> None:
    """Say who does what in each video, where and in which seconds; with --out as a batch job."""
    stages = _given("detect_actions", subjects=subject or None, min_score=min_score)
    describe_or_batch(context, recipe or "action-detection", videos, out, model, device, set_, fps, timeout, save, json,
                      options, stages=stages)


def _given(stage: str, **options: Any) -> dict[str, dict[str, Any]]:
    """Return the options of a stage that were given."""
    given = {name: value for name, value in options.items() if value is not None}
    return {stage: given} if given else {}


__all__ = ["actions_command", "add_locate_commands", "locate_command"]
