"""Command `separate`: the voices of a clip, by the faces that speak."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli.clips import Clip, understood
from mmvideo.cli.common import (
    AllowLicences,
    Debug,
    Device,
    Json,
    Model,
    Overrides,
    RecipeName,
    Timeout,
    note,
    overrides,
)
from mmvideo.cli.output import check_folder, each
from mmvideo.deadline import checked
from mmvideo.errors import InvalidInput
from mmvideo.wording import plural

Boxes = Annotated[list[str] | None, typer.Option(
    "--face", metavar="X0,Y0,X1,Y1", help="Mark a face by hand, in pixels, brow to chin; may be given again. Then none "
    "is searched for.")]


def add_separate_command(app: typer.Typer) -> None:
    """Register the command."""
    lines = ("mmvideo separate clip.mp4 --out voices", "mmvideo separate clip.mp4 --out voices --no-videos --json",
             "mmvideo separate clip.mp4 --out voices --face 288,150,504,365 --face 788,92,998,302",
             "mmvideo separate 0 --live --out voices")
    app.command("separate", epilog="Examples:\n\n" + "\n\n".join(f"[bold]{line}[/bold]" for line in lines),
                rich_help_panel="Ask things of video")(separate_command)


def separate_command(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A file or http(s) address with sound, or - for "
                                         "standard input.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write into; made if absent.")],
    videos: Annotated[bool, typer.Option("--videos/--no-videos", help="Also write a video a person.")] = True,
    live: Annotated[bool, typer.Option("--live", help="Separate while VIDEO goes on: a file is played in real time; a "
                                       "number is a camera, heard through the microphone.")] = False,
    microphone: Annotated[str | None, typer.Option("--microphone", help="With --live and a camera: FFmpeg's name of "
                                                   "the microphone; the default one otherwise.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="With --live: stop after so many.")] = None,
    face: Boxes = None, model: Model = None, device: Device = None, set_: Overrides = None, recipe: RecipeName = None,
    timeout: Timeout = None, json: Json = False, allow_licences: AllowLicences = None, debug: Debug = False,
) -> None:
    """Separate the voices of a clip by the faces that speak: a sound and a video for each person."""
    check_folder(out)
    checked(timeout)
    changes = overrides(set_)
    if live:
        if face or changes or recipe or timeout:
            raise InvalidInput("--live finds its faces itself and takes no --face, --set, --recipe or --timeout; "
                               "--seconds ends it.")
        from mmvideo.cli.separate_live import separate_live

        told = separate_live(video, out, weights=model or "separator", device=device or "cpu", microphone=microphone,
                             seconds=seconds, as_json=json)
        note(f"wrote {out}/live.json and the sound of {plural(told['people'], 'person')}")
        return
    if microphone is not None or seconds is not None:
        raise InvalidInput("--microphone and --seconds go with --live.")
    if face:
        changes["faces"] = {**changes.get("faces", {}), "boxes": [n for text in face for n in _box(text)]}
    name = recipe or "source-separation"
    with understood([video], job=f"run {name}", images=False) as clips:
        if len(clips) > 1:
            raise InvalidInput(f"{video} holds {plural(len(clips), 'clip')}, and separate takes one; for all of them: "
                               f"mmvideo run {name} {video} --out {out}")

        def answers(clip: Clip, _: int) -> list[Any]:
            from mmvideo.hooks import Progress
            from mmvideo.pipeline import Pipeline

            result = Pipeline(name, model, device, **changes)(
                clip.path, hook=Progress(), timeout_seconds=timeout)
            clip.named(result).save(out, videos=videos)
            return [result]

        each(clips, answers, json=json)
    note(f"wrote {out}/voices.json and what it names")


def _box(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise InvalidInput(f"--face {text!r}: write four numbers, X0,Y0,X1,Y1, as in --face 288,150,504,365.")
    return numbers
