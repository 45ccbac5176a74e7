"""A recipe made to run: `Pipeline("video-qa")(video, "what happens next?")`."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

import torch

from mmvideo import deadline, licences, recipes, settings, weights
from mmvideo.errors import InvalidInput, MmvideoError, UnknownName, UnsupportedModel, WeightsError
from mmvideo.hooks import Hook, show_count
from mmvideo.hub.resolve import is_hub_name
from mmvideo.notebook import Results
from mmvideo.recipes import Recipe
from mmvideo.redaction import redacted
from mmvideo.registry import find
from mmvideo.remote.address import server_address
from mmvideo.results import Answer, Caption, Classification, Embedding, ResultT_co
from mmvideo.session import Session, Stream, check_text, checked_generation, several
from mmvideo.settings import DefaultModel
from mmvideo.stages.base import expected
from mmvideo.stages.build import build, routed
from mmvideo.stages.read import VideoRequest
from mmvideo.types import GenerationOptions
from mmvideo.wording import plural

if TYPE_CHECKING:
    from mmvideo.jobs.plan import JobPlan
    from mmvideo.jobs.summary import JobSummary
    from mmvideo.live import LiveStream
    from mmvideo.localization.action_result import ActionTracks
    from mmvideo.localization.result import Localization
    from mmvideo.objects.result import Tracks
    from mmvideo.separation.voices import SeparatedVoices
    from mmvideo.speech.result import Transcript

GENERATION_OPTIONS = tuple(f.name for f in dataclasses.fields(GenerationOptions))
"""Options of a question that a model with `generation` takes."""

# Recipes of the package by what they give, so that type checkers and editors know the result of a pipeline.
Answering = Literal["video-qa", "hub-qa", "composed-qa"]
Captioning = Literal["video-captioning", "hub-captioning", "composed-captioning"]
Classifying = Literal["video-classification", "audio-tagging", "hub-classification", "action-classification"]
Separating = Literal["source-separation"]
Tracking = Literal["object-tracking"]
Vectors = Literal["video-embedding"]
Locating = Literal["temporal-localization"]
Acting = Literal["action-detection"]
Transcribing = Literal["transcription", "speaker-transcription"]


class Pipeline(Generic[ResultT_co]):
    """Run a recipe on one video or on many.

    Args:
        recipe: the name of a recipe (`mmvideo list pipelines`), the path of a .yaml file, or a Recipe.
        model: an embedded model (`mmvideo list models`), a model of the Hugging Face hub ("owner/name") or a folder in
            its format, a folder that `mmvideo train` wrote, or one that an encoder's `save_pretrained` wrote; a model
            behind a server, as "openai://localhost:8000/NAME" (`mmvideo.remote`); None for the default: of the
            environment (MMVIDEO_MODEL_VIDEO_QA for video-qa), else the one chosen by `mmvideo models`, else the
            recipe's. The first two stand in for recipes that are given by name.
        device: "cpu", "cuda", "cuda:1", "mps"; None takes the first GPU, else the CPU.
        allow_licences: names of licences, as ["apache-2.0", "mit"]: a model is refused before its weights are read if
            its card states another, of the weights, the code or the data that trained it (of hub models, of the
            weights). None for those of MMVIDEO_ALLOW_LICENCES, without which none is refused.
        stage_overrides: stage name -> options, as in `encode_video={"end_seconds": 4.0}`; an option that only one
            stage has needs no stage name, as in `num_frames=32` or `quantize="int8"`.

    Raises:
        UnknownName: no such recipe, model or stage; guesses the one that was meant.
        RecipeError: the stages do not fit together; found before any weight is read.
        WeightsError: weights that are missing, damaged or do not fit.
        ModelUnavailable: a model of the hub that cannot be fetched.
        UnsupportedModel: a model of the hub that cannot do this.
        LicenceRefused: a model with a licence that is not allowed.
        OutOfMemory: a model that does not fit into memory.
    """

    @overload
    def __init__(self: Pipeline[Answer], recipe: Answering = "video-qa", model: str | Path | None = None,
                 device: str | torch.device | None = None, *,
                 allow_licences: str | Iterable[str] | None = None, **stage_overrides: Any) -> None: ...

    @overload
    def __init__(self: Pipeline[Caption], recipe: Captioning, model: str | Path | None = None,
                 device: str | torch.device | None = None, *,
                 allow_licences: str | Iterable[str] | None = None, **stage_overrides: Any) -> None: ...

    @overload
    def __init__(self: Pipeline[Classification], recipe: Classifying, model: str | Path | None = None,
                 device: str | torch.device | None = None, *,
                 allow_licences: str | Iterable[str] | None = None, **stage_overrides: Any) -> None: ...

    @overload
    def __init__(self: Pipeline[SeparatedVoices], recipe: Separating, model: str | Path | None = None,
                 device: str | torch.device | None = None, *,
                 allow_licences: str | Iterable[str] | None = None, **stage_overrides: Any) -> None: ...

    @overload
    def __init__(self: Pipeline[Tracks], recipe: Tracking, model: str | Path | None = None,
                 device: str | torch.device | None = None, **stage_overrides: Any) -> None: ...

    @overload
    def __init__(self: Pipeline[Localization], recipe: Locating, model: str | Path | None = None,
                 device: str | torch.device | None = None, **stage_overrides: Any) -> None: ...

    @overload
    def __init__(self: Pipeline[ActionTracks], recipe: Acting, model: str | Path | None = None,
                 device: str | torch.device | None = None, **stage_overrides: Any) -> None: ...

    @overload
    def __init__(self: Pipeline[Embedding], recipe: Vectors, model: str | Path | None = None,
                 device: str | torch.device | None = None, *,
                 allow_licences: str | Iterable[str] | None = None, **stage_overrides: Any) -> None: ...

    @overload
    def __init__(self: Pipeline[Transcript], recipe: Transcribing, model: str | Path | None = None,
                 device: str | torch.device | None = None, *,
                 allow_licences: str | Iterable[str] | None = None, **stage_overrides: Any) -> None: ...

    @overload
    def __init__(self: Pipeline[Any], recipe: str | Path | Recipe, model: str | Path | None = None,
                 device: str | torch.device | None = None, *,
                 allow_licences: str | Iterable[str] | None = None, **stage_overrides: Any) -> None: ...

    def __init__(self, recipe: str | Path | Recipe = "video-qa", model: str | Path | None = None,
                 device: str | torch.device | None = None, *,
                 allow_licences: str | Iterable[str] | None = None, **stage_overrides: Any):
        with licences.allowing(allow_licences):
            found = recipe_for(recipe, model)
            self.recipe = found.with_options(routed(found, stage_overrides))
            self.stages = build(self.recipe)
            self.device = choose_device(device)
            self.model = " + ".join(dict.fromkeys(_short(s.options["weights"]) for s in self.recipe.stages
                                                  if s.options.get("weights")))
            with _saying_whose_choice(recipe, model), _saying_its_use(self.recipe, model):
                for _, stage in self.stages:
                    stage.load(self.device)

    @overload
    def __call__(self, video: Any, text: str, *, stream: Literal[True], hook: Hook | None = None,
                 timeout_seconds: float | None = None, **options: Any) -> Stream[ResultT_co]: ...

    @overload
    def __call__(self, video: Any, text: str | None = None, *, stream: Literal[False] = False,
                 hook: Hook | None = None, timeout_seconds: float | None = None, **options: Any) -> ResultT_co: ...

    @overload
    def __call__(self, video: Any, text: list[str] | tuple[str, ...], *, hook: Hook | None = None,
                 timeout_seconds: float | None = None, **options: Any) -> Results[ResultT_co]: ...

    @overload
    def __call__(self, video: Any, text: str | Sequence[str] | None = None, *, hook: Hook | None = None,
                 timeout_seconds: float | None = None, **options: Any) -> Any: ...

    def __call__(self, video: Any, text: str | Sequence[str] | None = None, *, hook: Hook | None = None,
                 timeout_seconds: float | None = None, **options: Any) -> Any:
        """Run every stage on one video.

        Args:
            video: a path, URL, bytes, open file, folder of images, or frames (with `fps=` or `pts_seconds=`).
            text: one question, or several about the same video; only where the recipe takes text.
            hook: watches the stages, see `mmvideo.hooks`.
            timeout_seconds: longest time for everything: fetching, decoding, networks, all questions, and a stream
                until its last piece. It is looked at between steps (a batch of frames, a token), so a step that has
                begun is finished. None sets no limit.
            options: of `mmvideo.media.open_source` for this video, and, where the model takes them, of
                `mmvideo.types.GenerationOptions` for its replies (`choices=`, `stream=True`, `max_new_tokens=` ...).

        Returns:
            One result; a list of results, in order, if `text` is a list; an iterator over pieces of text, with the
            result in its `result` at the end, for `stream=True`.

        Raises:
            InvalidInput: a question is missing, or given where none is asked.
            MediaError: the video cannot be read.
            TimeLimitExceeded: `timeout_seconds` are over.
        """
        limit = None if timeout_seconds is None else deadline.Deadline(timeout_seconds)
        given = {name: options.pop(name) for name in list(options) if name in GENERATION_OPTIONS}
        check_text(self.recipe, text)
        generation = checked_generation(self.recipe, self.stages, several(text), given)
        with deadline.within(limit), contextlib.ExitStack() as open_until_read:
            session: Session[Any] = open_until_read.enter_context(Session(
                self.recipe, self.stages, self.model, video, hook or Hook(), options, several(text), generation))
            found = session.finish(text, generation)
            if isinstance(found, Stream):
                found.closing = open_until_read.pop_all()
            return found

    def open(self, video: Any, *, hook: Hook | None = None, timeout_seconds: float | None = None,
             **media_options: Any) -> Session[ResultT_co]:
        """Read and encode a video once, to ask it many questions.

        Use it in a `with` block, or call `close()`.

        Args:
            timeout_seconds: longest time for reading and encoding; `Session.ask` takes one for each reply.

        Raises:
            MediaError: the video cannot be read.
            TimeLimitExceeded: `timeout_seconds` are over.
        """
        with deadline.deadline(timeout_seconds):
            return Session(self.recipe, self.stages, self.model, video, hook or Hook(), media_options)

    @overload
    def map(self, videos: Iterable[Any], text: str | None = None, *, progress: bool = False,
            hook: Hook | None = None, out: None = None, per_video: bool = False, timeout_seconds: float | None = None,
            **media_options: Any) -> Results[ResultT_co | MmvideoError]: ...

    @overload
    def map(self, videos: Iterable[Any], text: list[str] | tuple[str, ...], *, per_video: Literal[True],
            progress: bool = False, hook: Hook | None = None, out: None = None, timeout_seconds: float | None = None,
            **media_options: Any) -> Results[ResultT_co | MmvideoError]: ...

    @overload
    def map(self, videos: Iterable[Any], text: list[str] | tuple[str, ...], *, per_video: Literal[False] = False,
            progress: bool = False, hook: Hook | None = None, out: None = None, timeout_seconds: float | None = None,
            **media_options: Any) -> Results[Results[ResultT_co] | MmvideoError]: ...

    @overload
    def map(self, videos: Any, text: str | Sequence[str] | None = None, *, out: str | Path, dry_run: Literal[True],
            progress: bool = False, timeout_seconds: float | None = None, **job_options: Any) -> JobPlan: ...

    @overload
    def map(self, videos: Any, text: str | Sequence[str] | None = None, *, out: str | Path,
            dry_run: Literal[False] = False, progress: bool = False, timeout_seconds: float | None = None,
            **job_options: Any) -> JobSummary: ...

    @overload
    def map(self, videos: Any, text: str | Sequence[str] | None = None, *, progress: bool = False,
            hook: Hook | None = None, out: str | Path | None = None, per_video: bool = False,
            timeout_seconds: float | None = None, **media_options: Any) -> Any: ...

    def map(self, videos: Any, text: str | Sequence[str] | None = None, *, progress: bool = False,
            hook: Hook | None = None, out: str | Path | None = None, per_video: bool = False,
            timeout_seconds: float | None = None, **media_options: Any) -> Any:
        """Run on many videos; one that cannot be read does not stop the rest.

        Args:
            videos: anything that a call takes, in a list, a generator or the like, or a folder of clips; with `out`,
                also a glob or manifest.
            out: the folder of a batch job (`mmvideo.jobs`): rows are written to it as they come, and what is there
                already is not done again. Further options are those of `mmvideo.jobs.JobOptions`.
            text: as in a call: one question, or a list of questions that are all asked of every video.
            per_video: `text` holds one question a video, in their order.
            progress: show a counter on stderr.
            timeout_seconds: longest time for one video, as in a call; None sets no limit, and with `out` that of
                `JobOptions`.

        Returns:
            For each video, in order, what a call gives (a result, or with a list of questions a list of results) or
            the `MmvideoError` that it caused; with `out` a `mmvideo.jobs.JobSummary`.

        Raises:
            InvalidInput: the question is missing, `per_video` with more or fewer questions than videos, or an option
                or input that only a job understands.
        """
        if out is not None:
            if hook is not None:
                raise InvalidInput("hook= watches single videos; a job (out=) works in other processes, and shows how "
                                   "far it is with progress=True.")
            if per_video:
                raise InvalidInput("per_video= is for calls without out=; a job takes a question a video from a "
                                   "manifest with the column 'question'.")
            given = {} if timeout_seconds is None else {"timeout_seconds": timeout_seconds}
            return _batch_job(self, videos, text, out, progress, media_options | given)
        deadline.checked(timeout_seconds)
        clips: list[Any] = find("runners", "job").videos(videos, media_options)
        check_text(self.recipe, text)
        texts = _questions(text, len(clips), per_video)
        generation = {name: value for name, value in media_options.items() if name in GENERATION_OPTIONS}
        if generation.get("stream"):
            raise InvalidInput("stream=True gives the reply to one question about one video; call the pipeline itself.")
        checked_generation(self.recipe, self.stages, (), generation)
        results: Results[Any] = Results()
        for video, question in zip(clips, texts, strict=True):
            try:
                results.append(self(video, question, hook=hook, timeout_seconds=timeout_seconds, **media_options))
            except MmvideoError as error:
                results.append(error)
            if progress:
                failed = sum(isinstance(item, MmvideoError) for item in results)
                show_count(len(results), len(clips), f"videos, {failed} failed")
        return results

    def request_fields(self, video: Any, texts: Sequence[str], generation: GenerationOptions,
                       media_options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that the first stage begins with, for a caller that runs the stages of several videos.

        Args:
            video: what a call takes.
            texts: the questions.
            media_options: of `mmvideo.media.open_source`.
        """
        return {"video": VideoRequest(video, media_options), "text": tuple(texts), "prompt": None,
                "generation": generation, "expected": expected(self.stages, tuple(texts), generation)}

    def stream(self, source: Any, text: str | Sequence[str] | None = None, **options: Any) -> LiveStream[ResultT_co]:
        """Look at a live source again and again: `with pipe.stream(0) as live: for found in live: ...`.

        The newest frame wins: a look begins with it, late frames are dropped and counted, and memory is constant. A
        causal classifier (MoViNet `-stream`, TSM `-online`) keeps its state and sees frame by frame; any other model
        sees the last `window_seconds` in at most `window_frames` frames.

        Args:
            source: the index of a camera; an address (rtsp, http, rtmp, udp, srt); a file, played in real time.
            text: one question, or several; only where the recipe takes text.
            options: of `mmvideo.live.options.LiveOptions` (`every_seconds=`, `window_seconds=`, `window_frames=`,
                `stall_seconds=`, `max_seconds=`), of `mmvideo.types.GenerationOptions` for replies, and of
                `mmvideo.media.open_source` for a file.

        Returns:
            A context manager and iterator of `mmvideo.live.LiveResult`; it ends where the source ends.

        Raises:
            InvalidInput: a question is missing, or given where none is asked; an option out of range.
            MediaError: the source cannot be opened; while iterating, it broke.
            StreamStalled: while iterating, no frame came for `stall_seconds`.
        """
        given = {name: options.pop(name) for name in list(options) if name in GENERATION_OPTIONS}
        return find("runners", "live")(self, source, text, generation=given, **options)

    def num_params(self) -> dict[str, int]:
        """Count the parameters of each loaded network, by "stage.part"."""
        return {f"{name}.{part}": sum(p.numel() for p in module.parameters())
                for name, stage in self.stages for part, module in stage.modules().items()}

    def __repr__(self) -> str:
        return f"Pipeline({self.recipe.name!r}, model={self.model!r}, device={str(self.device)!r})"


def _questions(text: str | Sequence[str] | None, videos: int, per_video: bool) -> list[Any]:
    """Return what each video is asked.

    Raises:
        InvalidInput: `per_video` without as many questions as there are videos.
    """
    if not per_video:
        return [text] * videos
    if text is None or isinstance(text, str) or len(text) != videos:
        given = "no list of questions" if text is None or isinstance(text, str) else plural(len(text), "question")
        raise InvalidInput(f"per_video=True takes one question a video: {plural(videos, 'video')} but {given}.")
    return list(text)


def _batch_job(pipeline: Pipeline, videos: Any, text: Any, out: str | Path, progress: bool,
               options: dict[str, Any]) -> Any:
    """Hand over to the layer above, which is found by name as every part is."""
    if generation := [name for name in options if name in GENERATION_OPTIONS]:
        raise InvalidInput(f"A job (out=) takes no {', '.join(generation)}; what decides its rows is an option of the "
                           "pipeline, as in Pipeline('video-qa', model=..., max_new_tokens=64).")
    questions = several(text)
    return find("runners", "job").over(pipeline, videos, out, questions=questions, progress=progress, **options)


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """Return the asked device, else the first CUDA GPU, else the CPU.

    Raises:
        InvalidInput: no such kind of device, or a GPU that is not there.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InvalidInput(f"Unknown device {device!r}; use 'cpu', 'cuda', 'cuda:0' or 'mps'.") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InvalidInput(f"Device {device!r}: torch finds no CUDA GPU here; use 'cpu', or see `mmvideo doctor`.")
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise InvalidInput(f"Device {device!r}: this machine has no Apple GPU; use 'cpu'.")
    return chosen


def recipe_for(recipe: str | Path | Recipe, model: str | Path | None = None) -> Recipe:
    """Return the recipe that a pipeline runs, with its model in it, before any weight is read.

    Raises:
        UnknownName: no such recipe or model.
        InvalidInput: a recipe in which no model has a place.
    """
    found = recipes.load_recipe(recipe)
    if model is None and (chosen := _chosen(recipe)) is not None:
        with _saying_whose_choice(recipe, model):
            return _with_model(found, chosen.name)
    return found if model is None else _with_model(found, model)


def _chosen(recipe: str | Path | Recipe) -> DefaultModel | None:
    """Return the user's default model of a recipe that was given by name."""
    return settings.default_model(recipe) if isinstance(recipe, str) and recipe in recipes.recipe_names() else None


@contextlib.contextmanager
def _saying_whose_choice(recipe: str | Path | Recipe, model: str | Path | None) -> Iterator[None]:
    """Add to errors about a model that nobody named in the call where its name comes from."""
    try:
        yield
    except (WeightsError, UnknownName) as error:
        if model is not None or (chosen := _chosen(recipe)) is None:
            raise
        error.args = (f"{error} {chosen.name} is the default model of {recipe} by {chosen.where}; `mmvideo models "
                      "default` shows and changes that.",)
        raise


@contextlib.contextmanager
def _saying_its_use(recipe: Recipe, model: str | Path | None) -> Iterator[None]:
    """Say what an embedded model is for where it was given to a pipeline that it does not belong to and failed there.

    Raises:
        InvalidInput: in place of an error about its files or its options.
    """
    try:
        yield
    except (WeightsError, InvalidInput) as error:
        if isinstance(error, UnsupportedModel) or str(model) not in weights.embedded_names():
            raise
        uses = {name: licences.front_matter(weights.card(weights.weights_root() / name)).get("pipelines") or ()
                for name in weights.embedded_names()}
        if recipe.name in uses[str(model)] or not uses[str(model)]:
            raise
        others = ", ".join(name for name, use in uses.items() if recipe.name in use)
        known = f" For {recipe.name} there are: {others}." if others else ""
        raise InvalidInput(f"{model} is a model for {', '.join(uses[str(model)])}, not for {recipe.name}.{known} "
                           "`mmvideo models` says what each is for.") from error


def _with_model(recipe: Recipe, model: str | Path) -> Recipe:
    """Put one model into every stage that has weights.

    Raises:
        UnknownName: neither an embedded model, nor a folder, nor a name of the hub.
    """
    if weights.is_server_name(model):
        server_address(str(model))
        if all(spec.name != "encode_video" for spec in recipe.stages):
            raise InvalidInput(f"{recipe.name} runs no model behind a server ({redacted(str(model))}): video-qa and "
                               "video-captioning do.")
    elif str(model) in weights.embedded_names() or not is_hub_name(model):
        weights.folder(model)
    with_weights = {s.name: {"weights": str(model)} for s in recipe.stages if "weights" in s.options}
    if not with_weights:
        raise InvalidInput(f"{recipe.name} has no stage with weights, so model={str(model)!r} has no place in it.")
    return recipe.with_options(with_weights)


def _short(name: str) -> str:
    known = name in weights.embedded_names() or weights.is_server_name(name)
    return name if known else Path(weights.name_of(name)).name


__all__ = ["GENERATION_OPTIONS", "Pipeline", "choose_device", "recipe_for"]
