"""A video that was read and encoded once, to be asked many questions; and a reply that comes piece by piece."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Generic, Literal, Self, overload

import torch

from mmvideo import deadline
from mmvideo.errors import ContextExceeded, InvalidInput, shown
from mmvideo.hooks import Hook
from mmvideo.notebook import Results
from mmvideo.recipes import Recipe
from mmvideo.redaction import clean
from mmvideo.results import Answer, Caption, Evidence, Result, ResultT_co
from mmvideo.stages.base import LISTENER, Stage, expected
from mmvideo.stages.read import Read, VideoRequest
from mmvideo.stages.suggestion import with_clip
from mmvideo.types import GenerationOptions, Segment, Timings, is_text


class Session(Generic[ResultT_co]):
    """One video, read and encoded once; made by `Pipeline.open`.

    Args:
        recipe: what is run.
        stages: of the recipe, loaded.
        model: what results name as their model; empty where a result knows better.
        texts: questions that will be asked, and `generation` how, where that is known: room is left for them.
    """

    def __init__(self, recipe: Recipe, stages: list[tuple[str, Stage]], model: str, video: Any, hook: Hook,
                 media_options: dict[str, Any], texts: Sequence[str] = (), generation: GenerationOptions | None = None):
        self.recipe, self._model, self._hook = recipe, model, hook
        self._given = VideoRequest(video, media_options)
        wanted = expected(stages, texts, generation or GenerationOptions())
        self._fields: dict[str, Any] = {"video": self._given, "expected": wanted}
        self._seconds: list[tuple[str, float]] = []
        self.turns: list[tuple[str, str]] = []
        """What was asked and answered so far."""
        self._stack = contextlib.ExitStack()
        self._stack.callback(hook.end)
        late = _stages_after_text(stages)
        self._stages = stages
        self._late = [(name, stage) for name, stage in stages if name in late]
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._early = [(name, stage) for name, stage in stages if name not in late]
            self._run(self._early, self._fields, self._seconds)
            undo.pop_all()

    @overload
    def ask(self, text: str, *, stream: Literal[True], timeout_seconds: float | None = None, **generation: Any
            ) -> Stream[ResultT_co]: ...

    @overload
    def ask(self, text: str, *, stream: Literal[False] = False, timeout_seconds: float | None = None,
            **generation: Any) -> ResultT_co: ...

    @overload
    def ask(self, text: list[str] | tuple[str, ...], *, timeout_seconds: float | None = None, **generation: Any
            ) -> Results[ResultT_co]: ...

    @overload
    def ask(self, text: str | Sequence[str], *, timeout_seconds: float | None = None, **generation: Any) -> Any: ...

    def ask(self, text: str | Sequence[str], *, timeout_seconds: float | None = None, **generation: Any) -> Any:
        """Answer one question (one result), or several (a list of results, in order).

        Args:
            text: the question or questions.
            timeout_seconds: longest time for the reply or replies, a stream included; None sets no limit.
            generation: of `mmvideo.types.GenerationOptions`; `history=True` continues the conversation of this
                session, where each question is otherwise independent.

        Raises:
            InvalidInput: no question, or a pipeline that takes none.
            TimeLimitExceeded: the time is over; the session can be asked again.
        """
        limit = None if timeout_seconds is None else deadline.Deadline(timeout_seconds)
        if not self._late:
            raise InvalidInput(f"{self.recipe.name} takes no question; use 'video-qa' to ask.")
        if isinstance(generation.get("history"), bool):
            generation["history"] = self.turns if generation["history"] else None
        check_text(self.recipe, text)
        with deadline.within(limit):
            return self.finish(text, checked_generation(self.recipe, self._stages, several(text), generation))

    def finish(self, text: str | Sequence[str] | None = None, generation: GenerationOptions | None = None) -> Any:
        """Run the stages that depend on the question, if any, and return the result or results."""
        generation, texts = generation or GenerationOptions(), several(text)
        more = {"generation": generation} | ({"text": texts} if texts else {})
        try:
            fields, seconds = {**self._fields, **more}, list(self._seconds)
            self._run(self._late, fields, seconds)
        except ContextExceeded:
            if not self._look_again(texts, generation):
                raise
            fields, seconds = {**self._fields, **more}, list(self._seconds)
            self._run(self._late, fields, seconds)
        given = fields[self.recipe.gives]
        if isinstance(given, Iterator):
            return Stream(given, lambda result: self._kept(self._dress(result, fields, seconds)),
                          stage=self._late[-1][0])
        if not isinstance(given, tuple):
            return self._dress(given, fields, seconds)
        results = [self._kept(self._dress(item, fields, seconds)) for item in given]
        return results[0] if isinstance(text, str) else Results(results)

    def _look_again(self, texts: Sequence[str], generation: GenerationOptions) -> bool:
        """Read the video with room for a question that did not fit; return False where that was tried, or nobody can.

        Raises:
            ContextExceeded: no frame at all fits beside it.
        """
        wanted = expected(self._stages, texts, generation)
        readers = [(name, stage) for name, stage in self._early if "expected" in stage.optional]
        if not readers or self._fields["expected"] == wanted:
            return False
        fields = {**self._fields, "expected": wanted}
        seconds: list[tuple[str, float]] = []
        self._run(readers, fields, seconds)
        self._fields, self._seconds = fields, [*self._seconds, *seconds]
        return True

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
                    with deadline.stage(name):
                        given = stage(**stage.inputs(fields))
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
        if domain.suggestion and isinstance(self._given.source, str | os.PathLike):
            domain = dataclasses.replace(domain, suggestion=with_clip(domain.suggestion, clean(self._given.source)))
        if isinstance(result, Caption) and media is not None and not result.segments and media.info.main_video:
            span = Segment(media.start_seconds, max(media.end_seconds, media.start_seconds + 0.001), result.text,
                           result.confidence)
            result = dataclasses.replace(result, segments=(span,))
        proof = result.evidence.proof if result.evidence else None
        extra: dict[str, Any] = {
            "in_domain": domain, "timings": Timings(tuple(seconds)), "model": self._model or result.model,
            "evidence": dataclasses.replace(self._evidence(fields), proof=proof, model=self._weights()),
        }
        if media is not None:
            extra |= {"source": _source_name(self._given.source), "duration_seconds": media.info.duration_seconds,
                      "warnings": tuple(dict.fromkeys([*result.warnings, *media.warnings]))}
        return dataclasses.replace(result, **extra)

    def _weights(self) -> str:
        """Return the name or folder of the only model of the recipe."""
        named = {str(stage.options["weights"]) for stage in self.recipe.stages if stage.options.get("weights")}
        return named.pop() if len(named) == 1 else ""

    def _evidence(self, fields: dict[str, Any]) -> Evidence:
        reader = next((stage for _, stage in self._stages if isinstance(stage, Read)), None)
        return _evidence(self._given, reader.options(self._given) if reader else self._given.options, fields)

    def close(self) -> None:
        """Close the video; the session answers no more about parts that were not yet read."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stream(Generic[ResultT_co]):
    """Pieces of a reply as they are made; `result` is the whole of it once all have been read.

    The time limit under which it was begun holds until the last piece, the time between two pieces included; after a
    `TimeLimitExceeded` or any other error there are no more.

    Args:
        stage: that makes the pieces; named by that error.
    """

    def __init__(self, pieces: Iterator[Any], dress: Callable[[Any], Any], *, stage: str = ""):
        self._pieces, self._dress, self._stage, self._limit = pieces, dress, stage, deadline.current()
        self._closed = False
        self.result: ResultT_co | Any = None
        self.closing: contextlib.ExitStack | None = None
        """Closed when the last piece has been read."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if self._closed:
            raise StopIteration
        try:
            with deadline.within(self._limit), deadline.stage(self._stage):
                piece = next(self._pieces)
        except BaseException:
            self.close()
            raise
        if isinstance(piece, str):
            return piece
        self.result = self._dress(piece)
        return next(self)

    def close(self) -> None:
        """Stop here; what was not read is not made."""
        self._closed = True
        if isinstance(self._pieces, Generator):
            self._pieces.close()
        if self.closing is not None:
            self.closing.close()


def checked_generation(recipe: Recipe, stages: list[tuple[str, Stage]], texts: Sequence[str],
                       options: Mapping[str, Any]) -> GenerationOptions:
    """Check the options of replies, with the questions that are known, before any work is done.

    Args:
        texts: questions that `check_text` has let pass; may be empty.
        options: of `mmvideo.types.GenerationOptions`.

    Raises:
        InvalidInput: the recipe or its model does not take them.
        UnknownName: an option that no question has.
        MissingExtra: an option needs a package that is absent.
    """
    check_generation(recipe, options)
    generation = GenerationOptions.of(options)
    for _, stage in stages:
        stage.check(texts, generation)
    return generation


def several(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return no, one or more questions as a tuple."""
    return () if text is None else (text,) if isinstance(text, str) else tuple(text)


def check_text(recipe: Recipe, text: Any) -> None:
    """Refuse a question where the recipe takes none, and the lack of one where it does.

    Raises:
        InvalidInput: it is so.
    """
    if "text" not in recipe.takes:
        if text is not None:
            raise InvalidInput(f"{recipe.name} takes no question, but was given {text!r}; use 'video-qa' to ask.")
        return
    questions = [text] if isinstance(text, str) else text
    if not isinstance(questions, list | tuple) or not questions or not all(
            isinstance(q, str) and q.strip() for q in questions):
        raise InvalidInput(f"{recipe.name} needs a question, as in pipe(video, \"what happens next?\"); "
                           f"given {shown(text)}.")
    if wrong := [question for question in questions if not is_text(question)]:
        raise InvalidInput(f"A question must be text; {shown(wrong[0])} holds half a surrogate pair, which is no "
                           "character.")


def check_generation(recipe: Recipe, generation: Mapping[str, Any]) -> None:
    """Refuse options of replies where the recipe's model takes none.

    Raises:
        InvalidInput: it is so.
    """
    if generation and "generation" not in recipe.takes:
        raise InvalidInput(f"{recipe.name} with this model takes no {', '.join(generation)}; questions to a chat model "
                           "do: Pipeline('video-qa', model='HuggingFaceTB/SmolVLM2-500M-Video-Instruct').")


def _stages_after_text(stages: list[tuple[str, Stage]]) -> set[str]:
    """Name the stages that need the question, or anything made from it."""
    touched, late = {"text"}, set()
    for name, stage in stages:
        if touched & set(stage.needs):
            late.add(name)
            touched |= set(stage.gives)
    return late


def _evidence(given: VideoRequest, options: Mapping[str, Any], fields: dict[str, Any]) -> Evidence:
    """Keep the least from which a picture can be drawn later."""
    again = isinstance(given.source, str | os.PathLike | bytes) or hasattr(given.source, "shape")
    if again:
        return Evidence(source=given.source, options=dict(options))
    return Evidence(clips=fields.get("clips"))


def _source_name(source: Any) -> str:
    return clean(source) if isinstance(source, str | os.PathLike) else "<memory>"


__all__ = ["Session", "Stream", "check_generation", "check_text", "checked_generation", "several"]
