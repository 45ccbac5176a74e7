"""A recipe made to run: `Pipeline("video-qa")(video, "what happens next?")`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mmvideo import recipes, weights
from mmvideo.errors import InvalidInput, MmvideoError
from mmvideo.hooks import Hook
from mmvideo.hub.composed import is_composed
from mmvideo.hub.find import is_hub_name
from mmvideo.recipes import Recipe
from mmvideo.registry import find
from mmvideo.results import Answer, Evidence, Result
from mmvideo.stages.base import LISTENER, Stage
from mmvideo.stages.build import build, routed
from mmvideo.stages.read import Given
from mmvideo.stages.remedy import with_clip
from mmvideo.types import Asking, Timings

ASKING = tuple(f.name for f in dataclasses.fields(Asking))
"""Options of a question that a model with `asking` takes."""


class Pipeline:
    """Run a recipe on one video or on many.

    Args:
        recipe: the name of a recipe (`mmvideo list pipelines`), the path of a .yaml file, or a Recipe.
        model: an embedded model (`mmvideo list models`), a model of the Hugging Face hub ("owner/name") or a folder in
            its format, a folder that `mmvideo train` wrote, or one that an encoder's `save_pretrained` wrote, if the
            recipe is for that; None for the recipe's.
        device: "cpu", "cuda", "cuda:1", "mps"; None takes the first GPU, else the CPU.
        stage_overrides: stage name -> options, as in `sample={"num_frames": 32}`; an option that only one stage has may
            be given by itself, as in `num_frames=32` or `quantize="int8"`.

    Raises:
        UnknownName: no such recipe, model or stage; guesses the one that was meant.
        RecipeError: the stages do not fit together; found before any weight is read.
        WeightsError: weights that are missing, damaged or do not fit.
        ModelUnavailable: a model of the hub that cannot be fetched.
        UnsupportedModel: a model of the hub that cannot do this.
        OutOfMemory: a model that does not fit into memory.
    """

    def __init__(self, recipe: str | Path | Recipe = "video-qa", model: str | Path | None = None,
                 device: str | torch.device | None = None, **stage_overrides: Any):
        found = recipes.load(recipe)
        if model is not None:
            found = _with_model(_for_model(found, model), model)
        self.recipe = found.with_options(routed(found, stage_overrides))
        self.stages = build(self.recipe)
        self.device = choose_device(device)
        self.model = " + ".join(dict.fromkeys(_short(s.options["weights"]) for s in self.recipe.stages
                                              if s.options.get("weights")))
        for _, stage in self.stages:
            stage.load(self.device)

    def __call__(self, video: Any, text: str | Sequence[str] | None = None, *, hook: Hook | None = None,
                 **options: Any) -> Any:
        """Run every stage on one video.

        Args:
            video: a path, URL, bytes, open file, folder of images, or frames (with `fps=` or `pts_seconds=`).
            text: one question, or several about the same video; only where the recipe takes text.
            hook: watches the stages, see `mmvideo.hooks`.
            options: of `mmvideo.media.open_source` for this video, and, where the model takes them, of
                `mmvideo.types.Asking` for its replies (`choices=`, `stream=True`, `max_new_tokens=` ...).

        Returns:
            One result; a list of results, in order, if `text` is a list; an iterator over pieces of text, with the
            result in its `result` at the end, for `stream=True`.

        Raises:
            InvalidInput: a question is missing, or given where none is asked.
            MediaError: the video cannot be read.
        """
        self._check_text(text)
        asking = {name: options.pop(name) for name in list(options) if name in ASKING}
        self._check_asking(asking)
        with contextlib.ExitStack() as open_until_read:
            session = open_until_read.enter_context(self.open(video, hook=hook, **options))
            found = session.finish(text, Asking.of(asking))
            if isinstance(found, Stream):
                found.closing = open_until_read.pop_all()
            return found

    def _check_asking(self, asking: dict[str, Any]) -> None:
        """Refuse options of replies where the recipe's model takes none."""
        if asking and "asking" not in self.recipe.takes:
            raise InvalidInput(f"{self.recipe.name} with this model takes no {', '.join(asking)}; a chat model does: "
                               "Pipeline('video-qa', model='HuggingFaceTB/SmolVLM2-500M-Video-Instruct').")

    def open(self, video: Any, *, hook: Hook | None = None, **media_options: Any) -> Session:
        """Read and encode a video once, to ask it many questions.

        Use it in a `with` block, or call `close()`.

        Raises:
            MediaError: the video cannot be read.
        """
        return Session(self, video, hook or Hook(), media_options)

    def map(self, videos: Iterable[Any], text: str | Sequence[str] | None = None, *, progress: bool = False,
            hook: Hook | None = None, out: str | Path | None = None, **media_options: Any) -> Any:
        """Run on many videos; one that cannot be read does not stop the rest.

        Args:
            videos: anything that a call takes; with `out`, also a folder, glob, list or manifest.
            out: the folder of a batch job (`mmvideo.jobs`): rows are written to it as they come, and what is there
                already is not done again. Further options are those of `mmvideo.jobs.JobOptions`.
            text: one question for all of the videos, or one question a video.
            progress: show a counter on stderr.

        Returns:
            For each video, in order, its result or the `MmvideoError` that it caused; with `out` a
            `mmvideo.jobs.JobSummary`.

        Raises:
            InvalidInput: the question is missing, or there are more or fewer questions than videos.
        """
        if out is not None:
            return _batch_job(self, videos, text, out, progress, media_options)
        videos = list(videos)
        self._check_text(text)
        texts = [text] * len(videos) if text is None or isinstance(text, str) else list(text)
        if len(texts) != len(videos):
            raise InvalidInput(f"{len(videos)} videos but {len(texts)} questions; give one question, or one a video.")
        results: list[Any] = []
        for video, question in zip(videos, texts, strict=True):
            try:
                results.append(self(video, question, hook=hook, **media_options))
            except MmvideoError as error:
                results.append(error)
            if progress:
                failed = sum(isinstance(item, MmvideoError) for item in results)
                sys.stderr.write(f"\r{len(results)}/{len(videos)} videos, {failed} failed")
                sys.stderr.flush()
        if progress:
            sys.stderr.write("\n")
        return results

    def _check_text(self, text: Any) -> None:
        asks = "text" in self.recipe.takes
        if not asks and text is not None:
            raise InvalidInput(f"{self.recipe.name} takes no question, but was given {text!r}; use 'video-qa' to ask.")
        if asks:
            questions = [text] if isinstance(text, str) else text
            if not isinstance(questions, list | tuple) or not questions or not all(
                    isinstance(q, str) and q.strip() for q in questions):
                raise InvalidInput(f"{self.recipe.name} needs a question, as in pipe(video, \"what happens next?\"); "
                                   f"given {text!r}.")

    def num_params(self) -> dict[str, int]:
        """Count the parameters of each loaded network, by "stage.part"."""
        return {f"{name}.{part}": sum(p.numel() for p in module.parameters())
                for name, stage in self.stages for part, module in stage.modules().items()}

    def __repr__(self) -> str:
        return f"Pipeline({self.recipe.name!r}, model={self.model!r}, device={str(self.device)!r})"


def _batch_job(pipeline: Pipeline, videos: Any, text: Any, out: str | Path, progress: bool,
               options: dict[str, Any]) -> Any:
    """Hand over to the layer above, which is found by name as every part is."""
    questions = () if text is None else (text,) if isinstance(text, str) else tuple(text)
    return find("runners", "job").over(pipeline, videos, out, questions=questions, progress=progress, **options)


class Session:
    """One video, read and encoded once; made by `Pipeline.open`."""

    def __init__(self, pipeline: Pipeline, video: Any, hook: Hook, media_options: dict[str, Any]):
        self.pipeline = pipeline
        self._hook = hook
        self._given = Given(video, media_options)
        self._fields: dict[str, Any] = {"video": self._given}
        self._seconds: list[tuple[str, float]] = []
        self.turns: list[tuple[str, str]] = []
        """What was asked and answered so far."""
        self._stack = contextlib.ExitStack()
        self._stack.callback(hook.end)
        late = _stages_after_text(pipeline.stages)
        self._late = [(name, stage) for name, stage in pipeline.stages if name in late]
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            early = [(name, stage) for name, stage in pipeline.stages if name not in late]
            self._run(early, self._fields, self._seconds)
            undo.pop_all()

    def ask(self, text: str | Sequence[str], **asking: Any) -> Any:
        """Answer one question (one result), or several (a list of results, in order).

        Args:
            text: the question or questions.
            asking: of `mmvideo.types.Asking`; `history=True` goes on with the conversation of this session, where each
                question is otherwise asked by itself.

        Raises:
            InvalidInput: no question, or a pipeline that takes none.
        """
        if not self._late:
            raise InvalidInput(f"{self.pipeline.recipe.name} takes no question; use 'video-qa' to ask.")
        self.pipeline._check_text(text)
        self.pipeline._check_asking(asking)
        if isinstance(asking.get("history"), bool):
            asking["history"] = self.turns if asking["history"] else None
        return self.finish(text, Asking.of(asking))

    def finish(self, text: str | Sequence[str] | None = None, asking: Asking | None = None) -> Any:
        """Run the stages that depend on the question, if any, and return the result or results."""
        fields, seconds = dict(self._fields), list(self._seconds)
        if text is not None:
            fields["text"] = (text,) if isinstance(text, str) else tuple(text)
        fields["asking"] = asking or Asking()
        self._run(self._late, fields, seconds)
        given = fields[self.pipeline.recipe.gives]
        if isinstance(given, Iterator):
            return Stream(given, lambda result: self._kept(self._dress(result, fields, seconds)))
        if not isinstance(given, tuple):
            return self._dress(given, fields, seconds)
        results = [self._kept(self._dress(item, fields, seconds)) for item in given]
        return results[0] if isinstance(text, str) else results

    def _kept(self, result: Any) -> Any:
        """Remember an answer for later turns."""
        if isinstance(result, Answer):
            self.turns.append((result.question, result.text))
        return result

    def _run(self, stages: list[tuple[str, Stage]], fields: dict[str, Any], seconds: list[tuple[str, float]]) -> None:
        """Run stages in order; add what they give to `fields` and how long they took to `seconds`."""
        with torch.inference_mode():
            for name, stage in stages:
                self._hook.before(name)
                start = time.perf_counter()
                token = LISTENER.set(partial(self._hook.progress, name))
                try:
                    given = stage(**{need: fields[need] for need in stage.needs})
                finally:
                    LISTENER.reset(token)
                seconds.append((name, time.perf_counter() - start))
                assert set(given) == set(stage.gives), f"stage {name} declares {stage.gives} but gave {sorted(given)}"
                for value in given.values():
                    if isinstance(value, contextlib.AbstractContextManager):
                        self._stack.enter_context(value)
                fields.update(given)
                self._hook.after(name, given, seconds[-1][1])

    def _dress(self, result: Any, fields: dict[str, Any], seconds: list[tuple[str, float]]) -> Any:
        """Add to a result what only the pipeline knows."""
        if not isinstance(result, Result):
            return result
        media = fields.get("media")
        domain = result.in_domain
        if domain.remedy and isinstance(self._given.source, str | os.PathLike):
            domain = dataclasses.replace(domain, remedy=with_clip(domain.remedy, str(self._given.source)))
        extra: dict[str, Any] = {
            "in_domain": domain, "timings": Timings(tuple(seconds)), "model": self.pipeline.model or result.model,
            "evidence": _evidence(self._given, fields),
        }
        if media is not None:
            extra |= {"source": _source_name(self._given.source), "duration_seconds": media.info.duration_seconds,
                      "warnings": tuple(dict.fromkeys([*result.warnings, *media.warnings]))}
        return dataclasses.replace(result, **extra)

    def close(self) -> None:
        """Close the video; the session answers no more about parts that were not yet read."""
        self._stack.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stream:
    """Pieces of a reply as they are made; `result` is the whole of it once all have been read."""

    def __init__(self, pieces: Iterator[Any], dress: Callable[[Any], Any]):
        self._pieces, self._dress = pieces, dress
        self.result: Any = None
        self.closing: contextlib.ExitStack | None = None
        """Closed when the last piece has been read."""

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> str:
        try:
            piece = next(self._pieces)
        except StopIteration:
            self.close()
            raise
        if isinstance(piece, str):
            return piece
        self.result = self._dress(piece)
        return next(self)

    def close(self) -> None:
        """Stop here; what was not read is not made."""
        self._pieces.close()
        if self.closing is not None:
            self.closing.close()


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


def _for_model(recipe: Recipe, model: str | Path) -> Recipe:
    """Return the recipe that a model is for: the recipe itself, or the one that it names for the hub or encoders."""
    home = Path(model).expanduser()
    if recipe.for_composed and is_composed(home):
        return recipes.load(recipe.for_composed)
    if recipe.for_hub and str(model) not in weights.names() and is_hub_name(model):
        return recipes.load(recipe.for_hub)
    if recipe.for_encoders and home.is_dir() and weights.is_encoder(home):
        return recipes.load(recipe.for_encoders)
    return recipe


def _with_model(recipe: Recipe, model: str | Path) -> Recipe:
    """Put one model into every stage that has weights.

    Raises:
        UnknownName: neither an embedded model, nor a folder, nor a name of the hub.
    """
    if str(model) in weights.names() or not is_hub_name(model):
        weights.folder(model)
    with_weights = {s.name: {"weights": str(model)} for s in recipe.stages if "weights" in s.options}
    if not with_weights:
        raise InvalidInput(f"{recipe.name} has no stage with weights, so model={str(model)!r} has no place in it.")
    return recipe.with_options(with_weights)


def _stages_after_text(stages: list[tuple[str, Stage]]) -> set[str]:
    """Name the stages that need the question, or anything made from it."""
    touched, late = {"text"}, set()
    for name, stage in stages:
        if touched & set(stage.needs):
            late.add(name)
            touched |= set(stage.gives)
    return late


def _evidence(given: Given, fields: dict[str, Any]) -> Evidence:
    """Keep the least from which a picture can be drawn later."""
    again = isinstance(given.source, str | os.PathLike | bytes) or hasattr(given.source, "shape")
    if again:
        return Evidence(source=given.source, options=dict(given.options))
    return Evidence(clips=fields.get("clips"))


def _source_name(source: Any) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else "<memory>"


def _short(name: str) -> str:
    return name if name in weights.names() else Path(name).name


__all__ = ["ASKING", "Pipeline", "Session", "Stream", "choose_device"]
