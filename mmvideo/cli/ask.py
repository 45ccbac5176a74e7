"""Commands `ask`, `caption`, `classify` and `track`: the embedded pipelines on files."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli import jobs
from mmvideo.cli.clips import Clip, split_arguments, understood
from mmvideo.cli.common import (
    AllowLicences,
    Debug,
    Device,
    Json,
    Model,
    Overrides,
    RecipeName,
    Save,
    Timeout,
    overrides,
    say,
)
from mmvideo.cli.dataclass_options import Spelling, is_given, options_of, values_of, with_options
from mmvideo.cli.output import check_file, each
from mmvideo.deadline import checked
from mmvideo.errors import InvalidInput, MediaNotFound, MissingExtra
from mmvideo.generation import GenerationOptions
from mmvideo.redaction import one_line
from mmvideo.subtitles import SUFFIXES

Videos = Annotated[list[str], typer.Argument(
    metavar="VIDEO...", help="Files, http(s) addresses, folders and patterns of clips, folders of images (with --fps), "
    "or - for standard input.")]
JobVideos = Annotated[list[str], typer.Argument(
    metavar="VIDEO...", help="Files, http(s) addresses, folders and patterns of clips, folders of images (with --fps), "
    "or - for standard input; with --out also lists, manifests and shards.")]
_REPLIES = "Replies"
_SPELLED = {"choices": Spelling("--choice"), "schema": Spelling(metavar="FILE.json", kind=Path)}
Fps = Annotated[float | None, typer.Option("--fps", help="Frames a second, for a folder of images.")]


def add_ask_commands(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Ask things of video"
    app.command("ask", epilog=examples("mmvideo ask clip.mp4 'what happens next?'",
                                 "mmvideo ask clip.mp4 'what color is the ball?' 'does it bounce?' --json",
                                 "mmvideo ask a.mp4 b.mp4 'which toy made the sound?' --save answer.png"),
                rich_help_panel=panel)(ask_command)
    app.command("caption", epilog=examples("mmvideo caption clip.mp4", "mmvideo caption *.mp4 --json > captions.jsonl",
                                 "mmvideo caption clips/ --out captions"),
                rich_help_panel=panel)(caption_command)
    app.command("classify", epilog=examples("mmvideo classify clip.mp4", "mmvideo classify shot1.mp4 shot2.mp4",
                                 "mmvideo classify film.mp4 --save shots.png", "mmvideo classify - < film.mp4",
                                 "mmvideo classify clips/ --model runs/mine --out labels"),
                rich_help_panel=panel)(classify_command)
    app.command("track", epilog=examples("mmvideo track clip.mp4", "mmvideo track clip.mp4 --save tracks.png",
                                 "mmvideo track clips/ --json > tracks.jsonl", "mmvideo track clips/ --out tracks"),
                rich_help_panel=panel)(track_command)


def examples(*lines: str) -> str:
    return "Examples:\n\n" + "\n\n".join(f"[bold]{line}[/bold]" for line in lines)


@with_options(options_of(GenerationOptions, without=("history",), spelled=_SPELLED, panel_of=lambda name: _REPLIES),
       before="timeout")
def ask_command(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(
        metavar="VIDEO... QUESTION...", help="One or more clips (files, http(s) addresses, folders, patterns, or - for "
        "standard input), then one or more questions.")],
    model: Model = None, device: Device = None, set_: Overrides = None, recipe: RecipeName = None, fps: Fps = None,
    timeout: Timeout = None, save: Save = None, json: Json = False, allow_licences: AllowLicences = None,
    debug: Debug = False, **options: Any,
) -> None:
    """Answer questions about one or more videos."""
    videos, questions = split_arguments(words)
    generation = values_of({name: value for name, value in options.items() if is_given(context, name)})
    stream = generation.pop("stream", False)
    if "schema" in generation:
        generation["schema"] = _schema(generation["schema"])
    if stream and json:
        raise InvalidInput("--stream prints words as they are made, --json whole results: give one of them.")
    name = recipe or "video-qa"
    _check(name, model, save, questions, {**generation, **({"stream": True} if stream else {})}, timeout)
    changes = overrides(set_)
    with understood(videos, fps, job="run video-qa") as clips:
        run = _Runner(clips, name, model, device, changes, timeout)

        def answers(clip: Clip, place: int) -> Sequence[Any]:
            if stream:
                title = "{}\n{}" if len(clips) > 1 else "{1}" if len(questions) > 1 else ""
                return [run.streamed(clip, question, generation, title.format(one_line(clip.name), question))
                        for question in questions]
            return run(clip, place, questions, **generation)

        each(clips, answers, json=json, save=save, printed=stream,
             command=lambda clip, outside: _command("ask", clip, fps, [answer.question for answer in outside]))


@with_options(jobs.job_options(without=("timeout_seconds",)), before="timeout")
def caption_command(
    context: typer.Context, videos: JobVideos, model: Model = None, device: Device = None, set_: Overrides = None,
    recipe: RecipeName = None, fps: Fps = None, save: Save = None, json: Json = False, debug: Debug = False,
    out: jobs.Out = None, prompt: jobs.Prompt = None, timeout: Timeout = None, allow_licences: AllowLicences = None,
    **options: Any,
) -> None:
    """Say what happens in each video, in words; with --out as a batch job that survives crashes."""
    describe_or_batch(context, recipe or "video-captioning", videos, out, model, device, set_, fps, timeout, save, json,
                      options, prompt=prompt)


@with_options(jobs.job_options(without=("timeout_seconds",)), before="timeout")
def classify_command(
    context: typer.Context, videos: JobVideos, model: Model = None, device: Device = None, set_: Overrides = None,
    recipe: RecipeName = None, fps: Fps = None, save: Save = None, json: Json = False, debug: Debug = False,
    out: jobs.Out = None, timeout: Timeout = None, allow_licences: AllowLicences = None, **options: Any,
) -> None:
    """Label each video: camera movement of every shot, or what --model names; with --out as a batch job."""
    describe_or_batch(context, recipe or "video-classification", videos, out, model, device, set_, fps, timeout, save,
                      json, options)


@with_options(jobs.job_options(without=("timeout_seconds",)), before="timeout")
def track_command(
    context: typer.Context, videos: JobVideos, model: Model = None, device: Device = None, set_: Overrides = None,
    recipe: RecipeName = None, fps: Fps = None, save: Save = None, json: Json = False, debug: Debug = False,
    out: jobs.Out = None, timeout: Timeout = None, allow_licences: AllowLicences = None, **options: Any,
) -> None:
    """Say which things and people are seen in each video, from when to when, and how they move; with --out as a batch
    job."""
    describe_or_batch(context, recipe or "object-tracking", videos, out, model, device, set_, fps, timeout, save, json,
                      options)


def describe_or_batch(context: typer.Context, recipe: str, videos: list[str], out: Path | None, model: str | None,
                      device: str | None, set_: list[str] | None, fps: float | None, timeout: float | None,
                      save: Path | None, json: bool, job: Mapping[str, Any], *, prompt: str | None = None,
                      stages: Mapping[str, Mapping[str, Any]] | None = None, texts: Sequence[str] = ()) -> None:
    """Run a pipeline that takes no question: one video after the other, or as a batch job where `--out` is given.

    Args:
        job: options of a job, as the command line gave them.
        stages: options of stages that have options of the command of their own; `--set` wins over them.
        texts: suffixes of `--save` beside JSON and pictures.

    Raises:
        InvalidInput: an option of the other way to run.
    """
    changes = overrides(set_)
    for stage, given in (stages or {}).items():
        changes[stage] = {**given, **changes.get(stage, {})}
    if out is None:
        jobs.refuse_without_out(context)
        _describe_clips(context.info_name or "", recipe, videos, model, device, changes, fps, timeout, save, json,
                        texts=texts)
        return
    if fps is not None or save is not None:
        raise InvalidInput("--fps and --save are for single videos; a job (--out) writes rows and sidecars.")
    jobs.batch(recipe, videos, out, model, device, changes, json, prompt=prompt,
               **values_of({**job, "timeout_seconds": timeout}))


def _describe_clips(verb: str, recipe: str, videos: list[str], model: str | None, device: str | None,
                    changes: dict[str, dict[str, Any]], fps: float | None, timeout: float | None, save: Path | None,
                    json: bool, *, texts: Sequence[str] = ()) -> None:
    """Run a pipeline that takes no question on every video.

    Args:
        changes: stage -> options.
        texts: suffixes of `--save` beside JSON and pictures.
    """
    _check(recipe, model, save, None, {}, timeout, texts)
    with understood(videos, fps, job=f"run {recipe}") as clips:
        run = _Runner(clips, recipe, model, device, changes, timeout)
        each(clips, lambda clip, place: [run(clip, place)], json=json, save=save,
             command=lambda clip, outside: _command(verb, clip, fps, []))


class _Runner:
    """A pipeline for clips, loaded unless it is known that none of them can be read."""

    def __init__(self, clips: Sequence[Clip], recipe: str, model: str | None, device: str | None,
                 changes: dict[str, Any], timeout: float | None):
        self._total, self._timeout = len(clips), timeout
        self._pipe: Any = None
        if any(clip.error is None for clip in clips):
            from mmvideo.pipeline import Pipeline

            self._pipe = Pipeline(recipe, model, device, **changes)

    def __call__(self, clip: Clip, place: int, *questions: Any, **generation: Any) -> Any:
        from mmvideo.hooks import Progress

        hook = Progress(clip.name, place, self._total)
        return self._pipe(clip.path, *questions, hook=hook, timeout_seconds=self._timeout, **clip.options, **generation)

    def streamed(self, clip: Clip, question: str, generation: dict[str, Any], title: str) -> Any:
        """Print a reply piece by piece; return the answer."""
        if title:
            say(title)
        pieces = self._pipe(clip.path, question, stream=True, timeout_seconds=self._timeout, **clip.options,
                            **generation)
        for piece in pieces:
            say(piece, end="")
        say()
        say(pieces.result.body.removeprefix(f"{pieces.result.headline}\n"))
        return pieces.result


def _check(recipe: str, model: str | None, save: Path | None, questions: list[str] | None,
           generation: dict[str, Any], timeout: float | None, texts: Sequence[str] = ()) -> None:
    """Refuse what can be known to fail before a model is loaded.

    Raises:
        InvalidInput: a question or an option that the model does not take, a file that cannot be written, or a time
            limit that is none.
        UnknownName: no such recipe or model.
    """
    from mmvideo.pipeline import recipe_for
    from mmvideo.results import PICTURES
    from mmvideo.session import check_generation, check_text

    check_file(save, (".json", *dict.fromkeys((*texts, *SUFFIXES)), *PICTURES))
    checked(timeout)
    found = recipe_for(recipe, model)
    check_text(found, questions)
    check_generation(found, generation)
    GenerationOptions.of(generation)


def _schema(path: Path) -> Any:
    """Read a JSON schema.

    Raises:
        MediaNotFound: no such file.
        InvalidInput: it holds no JSON object.
        MissingExtra: llguidance, which holds replies to a schema, is not installed.
    """
    if not path.is_file():
        raise MediaNotFound(f"--schema {path}: no such file.")
    if find_spec("llguidance") is None:
        raise MissingExtra("llguidance", "hub", "--schema")
    try:
        found = json_format.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"--schema {path} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"--schema {path} must hold a JSON object, as in {{\"type\": \"object\"}}.")
    return found


def _command(verb: str, clip: Clip, fps: float | None, questions: list[str]) -> str:
    from mmvideo.stages.suggestion import shell_line

    return shell_line(verb, [clip.argument, *questions, *(["--fps", f"{fps:g}"] if fps is not None else [])])


__all__ = ["Fps", "JobVideos", "Videos", "add_ask_commands", "describe_or_batch", "examples"]
