"""Commands `ask`, `caption` and `classify`: the three embedded pipelines on files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli.common import (
    Debug,
    Device,
    Json,
    Model,
    Overrides,
    RecipeName,
    Save,
    as_json,
    note,
    overrides,
    say,
)
from mmvideo.errors import InvalidInput, MmvideoError

Videos = Annotated[list[str], typer.Argument(metavar="VIDEO...", help="Files, URLs, folders of images or GIFs.")]
Fps = Annotated[float | None, typer.Option("--fps", help="Frames a second, for a folder of images.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Ask things of video"
    app.command(epilog=_examples("mmvideo ask clip.mp4 'what happens next?'",
                                 "mmvideo ask clip.mp4 'what color is the ball?' 'does it bounce?' --json",
                                 "mmvideo ask clip.mp4 'which toy made the sound?' --save answer.png"),
                rich_help_panel=panel)(ask)
    app.command(epilog=_examples("mmvideo caption clip.mp4", "mmvideo caption *.mp4 --json > captions.jsonl"),
                rich_help_panel=panel)(caption)
    app.command(epilog=_examples("mmvideo classify clip.mp4", "mmvideo classify shot1.mp4 shot2.mp4",
                                 "mmvideo classify film.mp4 --save shots.png"),
                rich_help_panel=panel)(classify)


def _examples(*lines: str) -> str:
    return "Examples:\n\n" + "\n\n".join(f"[bold]{line}[/bold]" for line in lines)


def ask(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A file, URL, folder of images or GIF.")],
    questions: Annotated[list[str], typer.Argument(metavar="QUESTION...", help="One or more questions.")],
    model: Model = None, device: Device = None, set_: Overrides = None, recipe: RecipeName = None, fps: Fps = None,
    save: Save = None, json: Json = False, debug: Debug = False,
) -> None:
    """Answer questions about a video."""
    pipe = _pipeline(recipe or "video-qa", model, device, set_)
    answers = pipe(video, questions, hook=_progress(), **_media(fps))
    for index, answer in enumerate(answers):
        _show(answer, json, title=answer.question if len(answers) > 1 else None)
        if save is not None:
            note(f"wrote {answer.save(_numbered(save, index, len(answers)))}")


def caption(
    videos: Videos, model: Model = None, device: Device = None, set_: Overrides = None, recipe: RecipeName = None,
    fps: Fps = None, save: Save = None, json: Json = False, debug: Debug = False,
) -> None:
    """Say what happens in each video, in words."""
    _each(recipe or "video-captioning", videos, model, device, set_, fps, save, json)


def classify(
    videos: Videos, model: Model = None, device: Device = None, set_: Overrides = None, recipe: RecipeName = None,
    fps: Fps = None, save: Save = None, json: Json = False, debug: Debug = False,
) -> None:
    """Say how the camera moves in every shot of each video."""
    _each(recipe or "video-classification", videos, model, device, set_, fps, save, json)


def _pipeline(recipe: str, model: str | None, device: str | None, changes: list[str] | None) -> Any:
    from mmvideo.pipeline import Pipeline

    return Pipeline(recipe, model, device, **overrides(changes))


def _progress() -> Any:
    from mmvideo.hooks import Progress

    return Progress()


def _media(fps: float | None) -> dict[str, Any]:
    return {} if fps is None else {"fps": fps}


def _each(recipe: str, videos: list[str], model: str | None, device: str | None, changes: list[str] | None,
          fps: float | None, save: Path | None, json: bool) -> None:
    """Run a pipeline on every video; a file that fails is reported, and its exit code given, after the rest."""
    pipe = _pipeline(recipe, model, device, changes)
    code = 0
    for index, video in enumerate(videos):
        try:
            result = pipe(video, hook=_progress(), **_media(fps))
        except MmvideoError as error:
            if len(videos) == 1:
                raise
            code = code or error.exit_code
            note(f"mmvideo: {error}")
            if json:
                say(as_json(error))
            continue
        _show(result, json, title=video if len(videos) > 1 else None)
        if save is not None:
            note(f"wrote {result.save(_numbered(save, index, len(videos)))}")
    if code:
        raise typer.Exit(code)


def _show(result: Any, json: bool, *, title: str | None = None) -> None:
    if json:
        say(as_json(result))
        return
    if title:
        say(f"{title}")
    say(result)


def _numbered(path: Path, index: int, count: int) -> Path:
    if path.suffix == "":
        raise InvalidInput(f"--save {str(path)!r}: give a suffix, .json or .png.")
    return path if count == 1 else path.with_name(f"{path.stem}-{index + 1}{path.suffix}")
