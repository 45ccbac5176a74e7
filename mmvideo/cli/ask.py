"""Commands `ask`, `caption` and `classify`: the three embedded pipelines on files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli import jobs
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
    app.command(epilog=_examples("mmvideo caption clip.mp4", "mmvideo caption *.mp4 --json > captions.jsonl",
                                 "mmvideo caption clips/ --out captions"),
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
    stream: Annotated[bool, typer.Option("--stream", help="Print the reply as it is made (chat models).")] = False,
    choices: Annotated[list[str] | None, typer.Option(
        "--choice", help="One of the only replies allowed; give two or more (chat models).")] = None,
    max_new_tokens: Annotated[int | None, typer.Option("--max-new-tokens", min=1, help="The longest reply.")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0, help="0 takes the likeliest.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Makes drawn replies repeatable.")] = None,
    save: Save = None, json: Json = False, debug: Debug = False,
) -> None:
    """Answer questions about a video."""
    pipe = _pipeline(recipe or "video-qa", model, device, set_)
    given = {"choices": choices, "max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    asking = {name: value for name, value in given.items() if value is not None}
    if stream and not json:
        answers = [_streamed(pipe, video, question, fps, asking) for question in questions]
    else:
        answers = pipe(video, questions, hook=_progress(), **_media(fps), **asking)
    for index, answer in enumerate(answers):
        if not stream or json:
            _show(answer, json, title=answer.question if len(answers) > 1 else None)
        if save is not None:
            note(f"wrote {answer.save(_numbered(save, index, len(answers)))}")


def _streamed(pipe: Any, video: str, question: str, fps: float | None, asking: dict[str, Any]) -> Any:
    """Print a reply piece by piece; return the answer."""
    pieces = pipe(video, question, stream=True, **_media(fps), **asking)
    for piece in pieces:
        typer.echo(piece, nl=False)
    typer.echo()
    typer.echo(str(pieces.result).partition("\n")[2])
    return pieces.result


def caption(
    videos: Annotated[list[str], typer.Argument(metavar="VIDEO...", help="Files, URLs, folders of images or GIFs; with "
                                                "--out also folders of clips, globs, lists, manifests and shards.")],
    model: Model = None, device: Device = None, set_: Overrides = None, recipe: RecipeName = None,
    fps: Fps = None, save: Save = None, json: Json = False, debug: Debug = False, out: jobs.Out = None,
    prompt: jobs.Prompt = None, engine: jobs.Engine = "local", workers: jobs.Workers = None,
    batch_size: jobs.Batch = 8, processes: jobs.Processes = 2, address: jobs.Address = None,
    retry_failed: jobs.Retry = False, allow_reduce: jobs.Reduce = False, timeout: jobs.Timeout = 120.0,
    allow_damage: jobs.Damaged = False, need_audio: jobs.NeedAudio = False, min_frames: jobs.MinFrames = 1,
    max_bytes: jobs.MaxBytes = 2 * 1024**3, max_seconds: jobs.MaxSeconds = 300.0, parquet: jobs.Parquet = False,
    sidecar: jobs.Sidecar = None, beside: jobs.Beside = False,
) -> None:
    """Say what happens in each video, in words; with --out as a batch job that survives crashes."""
    if out is not None:
        if fps is not None or save is not None:
            raise InvalidInput("--fps and --save are for single videos; a job (--out) writes rows and sidecars.")
        jobs.batch(recipe or "video-captioning", videos, out, model, device, set_, json, prompt=prompt,
                   **jobs.options_of(
                       engine=engine, workers=workers, batch_size=batch_size, processes=processes, address=address,
                       retry_failed=retry_failed, allow_reduce=allow_reduce, timeout=timeout,
                       allow_damage=allow_damage, need_audio=need_audio, min_frames=min_frames, max_bytes=max_bytes,
                       max_seconds=max_seconds, parquet=parquet, sidecar=sidecar, beside=beside))
        return
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
