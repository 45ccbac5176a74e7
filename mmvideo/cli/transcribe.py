"""Command `transcribe`: what is said in each clip, and by whom."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mmvideo.cli import jobs
from mmvideo.cli.ask import describe_or_batch
from mmvideo.cli.common import (
    AllowLicences,
    Debug,
    Device,
    Json,
    Overrides,
    RecipeName,
    Save,
    Timeout,
)
from mmvideo.cli.dataclass_options import with_options

SpeechModel = Annotated[str | None, typer.Option(
    "--model", metavar="NAME|FOLDER", help="A speech model of the Hugging Face hub, such as openai/whisper-base, or a "
    "folder of one; by default subtitles are read, and nothing is heard.")]
Language = Annotated[str | None, typer.Option("--language", metavar="CODE", help="Language that is spoken, as en; by "
                                              "default a multilingual model finds it out.")]
Translate = Annotated[bool, typer.Option("--translate", help="Write it in English, by models that can translate.")]
Origin = Annotated[str | None, typer.Option("--from", metavar="auto|subtitles|speech", help="auto takes subtitles of "
                                            "the file or beside it where there are some.")]
Speakers = Annotated[bool, typer.Option("--speakers", help="Separate the voices and say who speaks.")]


def add_transcribe_command(app: typer.Typer) -> None:
    """Register the command."""
    lines = ("mmvideo transcribe talk.mp4 --model openai/whisper-base --save talk.srt",
             "mmvideo transcribe interview.mp4 --model openai/whisper-base --speakers",
             "mmvideo transcribe films/ --model openai/whisper-base --out transcripts --sidecar vtt")
    app.command("transcribe", epilog="Examples:\n\n" + "\n\n".join(f"[bold]{line}[/bold]" for line in lines),
                rich_help_panel="Ask things of video")(transcribe_command)


@with_options(jobs.job_options(without=("timeout_seconds",)), before="timeout")
def transcribe_command(
    context: typer.Context,
    videos: Annotated[list[str], typer.Argument(metavar="VIDEO...", help="Files, http(s) addresses, folders and "
                                                "patterns of clips, or - for standard input.")],
    model: SpeechModel = None, language: Language = None, translate: Translate = False, origin: Origin = None,
    speakers: Speakers = False, device: Device = None, set_: Overrides = None, recipe: RecipeName = None,
    save: Save = None, json: Json = False, debug: Debug = False, out: jobs.Out = None, timeout: Timeout = None,
    allow_licences: AllowLicences = None, **options: Any,
) -> None:
    """Write down what is said in each video and when; with --out as a batch job that survives crashes."""
    name = recipe or ("speaker-transcription" if speakers else "transcription")
    chosen = {"language": language, "task": "translate" if translate else None, "origin": origin}
    given = {key: value for key, value in chosen.items() if value is not None}
    describe_or_batch(context, name, videos, out, model, device, set_, None, timeout, save, json, options,
                      stages={"transcribe": given} if given else None)


__all__ = ["add_transcribe_command"]
