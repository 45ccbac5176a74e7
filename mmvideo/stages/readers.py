"""What shows a video to a model: choose its frames, prepare them, and let the model read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput
from mmvideo.hub.relevance import TextImageRelevance
from mmvideo.sampling.budget import DEFAULT_FPS, DEFAULT_MOST, Budget
from mmvideo.sampling.fps import at_fps
from mmvideo.sampling.gather import TimeSpan, span_of
from mmvideo.sampling.uniform import uniform
from mmvideo.sampling.windows import spans_of, windows
from mmvideo.stages.chosen_frames import check_choosing, chosen_frames
from mmvideo.types import Clips, Domain, Expected, GenerationOptions
from mmvideo.vlm.batch import Prepared, UnreadChat, UnreadWindows
from mmvideo.vlm.chat import ChatModel, VideoInput
from mmvideo.vlm.composed import ClipSpec, Composed
from mmvideo.vlm.conversation import Conversation, check_constraints
from mmvideo.vlm.embedding_conversation import EmbeddingConversation, ends_of
from mmvideo.vlm.token_pruning import check_pruning
from mmvideo.wording import plural

_ROWS = 16
"""Windows at a time where they are read one by one."""


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """What a model is shown of a video; each kind of model takes some of them."""

    start_seconds: float | None = None
    end_seconds: float | None = None
    size: int | tuple[int, int] | None = None
    num_frames: int | None = None
    fps: float | None = None
    max_frames: int | None = None
    max_tokens: int | None = None
    sound: bool = True
    sampler: str | None = None
    relevance_model: str | None = None
    max_windows: int | None = None
    batch_size: int | None = None
    drop_below: float | None = None
    merge_to: float = 1.0
    halvings: int = 0
    """How many times the number of frames is halved for lack of memory."""


@dataclass(frozen=True)
class Taken:
    """What of a video is shown."""

    clips: Clips
    spans: tuple[TimeSpan, ...] = ()
    """What each window stands for, where each is asked by itself."""
    prepared: Any = None
    """What else was prepared: a `Prepared` for a chat model, what an observer keeps for one with facts."""


@dataclass(frozen=True)
class Reading:
    """A video that a model has read, or will read together with others."""

    conversation: Any
    """A `Conversation`, or what becomes one."""
    domains: tuple[Domain, ...] = ()
    """Of each window, where the model has a measure of what it knows."""


class Reader:
    """Base of readers."""

    takes: frozenset[str]
    """Fields of `ViewOptions` that have an effect."""
    view: ViewOptions

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        raise NotImplementedError

    def check(self, questions: Sequence[str], options: GenerationOptions) -> None:
        """Refuse questions, or options of their replies, that the model cannot serve.

        Raises:
            InvalidInput: with what can be asked.
            MissingExtra: an option needs a package that is absent.
        """
        raise NotImplementedError

    def take(self, media: Any, expected: Expected) -> Taken:
        """Choose what is shown of a video; needs no network.

        Raises:
            InvalidInput: limits that allow not even one frame, or a span that holds nothing.
            ContextExceeded: one frame does not fit into the model's context beside what will be asked.
        """
        raise NotImplementedError

    def read(self, taken: Taken) -> Reading:
        """Let the model read it, for any number of questions."""
        raise NotImplementedError

    def read_later(self, taken: Sequence[Taken], size: int) -> list[Reading]:
        """Leave the reading of several videos to those who ask: they know which go through together."""
        return [self.read(one) for one in taken]

    def look(self, media: Any, expected: Expected) -> tuple[Taken, Reading]:
        """Take and read in one.

        Raises:
            InvalidInput, ContextExceeded: as `take`.
        """
        taken = self.take(media, expected)
        return taken, self.read(taken)


class ChatReader(Reader):
    """Shows a chat model one clip of frames with their times, and the sound if it hears.

    Args:
        chat: the model; one without weights can only `take`.
    """

    takes = frozenset(("start_seconds", "end_seconds", "size", "num_frames", "fps", "max_frames", "max_tokens",
                       "sound", "drop_below", "merge_to", "sampler", "relevance_model"))

    def __init__(self, chat: ChatModel, view: ViewOptions):
        self.chat, self.view = chat, view
        if view.sampler is not None:
            check_choosing(view.sampler)
        self._relevance = None if view.relevance_model is None else TextImageRelevance(view.relevance_model)

    def modules(self) -> dict[str, nn.Module]:
        """Return the model."""
        return {"model": self.chat.model} if isinstance(self.chat.model, nn.Module) else {}

    def check(self, questions: Sequence[str], options: GenerationOptions) -> None:
        """Refuse a question that holds a placeholder, and choices or a schema that the tokenizer cannot hold to."""
        for question in questions:
            self.chat.check(question)
        check_constraints(options, self.chat.tokenizer, self.chat.ends)

    def take(self, media: Any, expected: Expected) -> Taken:
        """Choose frames within every limit, as many as fit into the context, and let the processor prepare them."""
        budget = budget_of(self.view, self.chat.video_processor)
        span = span_of(media, self.view.start_seconds, self.view.end_seconds)
        count = max(1, budget.frames(span.seconds) >> self.view.halvings)
        most = 0
        while True:
            check()
            clips, seen = self._look(media, budget, count, span.seconds, " ".join(expected.texts))
            first = self.chat.prompt("?", seen)
            fewer = budget.fewer(len(seen.frames), first.num_seen_tokens)
            if fewer is None:
                fewer = self.chat.fewer_frames(seen, first, expected)
                most = max(most, len(seen.frames))
            if fewer is None:
                if len(seen.frames) < most:
                    clips = _noted(clips, len(seen.frames), most, "frame", self.chat.context)
                if check_pruning(self.view.drop_below, self.view.merge_to):
                    first = self.chat.pruned(first, seen, self.view.drop_below, self.view.merge_to)
                return Taken(clips, prepared=Prepared(seen, first))
            count = fewer

    def read(self, taken: Taken) -> Reading:
        """Let the model read the video."""
        return Reading(self._unread(taken).conversation())

    def read_later(self, taken: Sequence[Taken], size: int) -> list[Reading]:
        """Leave the reading to those who ask."""
        return [Reading(self._unread(one)) for one in taken]

    def _unread(self, taken: Taken) -> UnreadChat:
        assert taken.prepared is not None, "a chat model reads what `take` has prepared"
        return UnreadChat(self.chat, taken.prepared)

    def _look(self, media: Any, budget: Budget, count: int, seconds: float, text: str) -> tuple[Clips, VideoInput]:
        """Take so many frames, without those that only repeat another, and the sound."""
        size = self._decoding_size(media, count)
        clips = self._take(media, budget, count, size, text)
        distinct = int(clips.valid.sum())
        if size is not None and distinct < count:  # fewer frames may be shown to the model in more pixels
            larger = self._decoding_size(media, distinct)
            if larger is None or larger[0] > size[0] or larger[1] > size[1]:
                size = larger
                clips = self._take(media, budget, count, size, text)
        if size is not None:
            height, width = _upright(media)
            clips = replace(clips, aspect=width / height)
        kept = clips.valid[0]
        heard = clips.audio[0] if clips.audio is not None and clips.has_audio else None
        return clips, VideoInput(clips.frames[0][kept], clips.pts_seconds[0][kept], seconds, heard, media.info.source)

    def _take(self, media: Any, budget: Budget, count: int, size: tuple[int, int] | None, text: str) -> Clips:
        rest: dict[str, Any] = {"size": self.view.size, "start_seconds": self.view.start_seconds,
                                "end_seconds": self.view.end_seconds,
                                "sample_rate": self.chat.sample_rate if self.view.sound else None}
        if size is not None:
            rest |= {"size": size, "fit": "squash"}
        if self.view.sampler is not None:
            if self.view.sampler == "question":
                rest |= {"text": text, "relevance": self._relevance}
            return chosen_frames(media, self.view.sampler, count, **rest)
        if budget.fps is not None:
            return at_fps(media, fps=budget.fps, max_frames=count, **rest)
        return uniform(media, num_frames=count, **rest)

    def _decoding_size(self, media: Any, count: int) -> tuple[int, int] | None:
        """Return the size at which frames are decoded; None for their own, or where the caller chose one."""
        height, width = _upright(media)
        return None if self.view.size is not None or min(height, width) < 1 else (
            self.chat.decoding_size(count, height, width, media.info.source))


def budget_of(view: ViewOptions, habits: Any = None) -> Budget:
    """Return the limits: the caller's, and the model's habit where the caller says neither number nor rate.

    Args:
        habits: the model's video processor.

    Raises:
        InvalidInput: an option out of range.
    """
    num_frames, fps, most = view.num_frames, view.fps, view.max_frames
    if num_frames is None and fps is None:
        fps, num_frames = getattr(habits, "fps", None), getattr(habits, "num_frames", None)
        if fps is None and num_frames is None:
            fps, num_frames = DEFAULT_FPS, DEFAULT_MOST
        limits = [v for v in (most, getattr(habits, "max_frames", None)) if isinstance(v, int)]
        most = min(limits, default=None)
        if num_frames is None and most is None:
            most = DEFAULT_MOST
    return Budget(num_frames=num_frames, fps=fps, max_frames=most, max_tokens=view.max_tokens)


class WindowReader(Reader):
    """Shows a composed model windows over the whole video.

    Args:
        model: the model; None can only `take`.
        look: what it looks at.
        separate: whether each window is asked by itself; else all of them are one conversation.
    """

    takes = frozenset(("start_seconds", "end_seconds", "max_windows", "batch_size", "drop_below", "merge_to"))

    def __init__(self, model: Composed | None, look: ClipSpec, view: ViewOptions, *, separate: bool):
        self.model, self.spec, self.view, self.separate = model, look, view, separate
        for name in ("max_windows", "batch_size"):
            value = getattr(view, name)
            if value is not None and value < 1:
                raise InvalidInput(f"{name} must be 1 or more, not {value}.")

    def modules(self) -> dict[str, nn.Module]:
        """Return the parts."""
        return dict(self.model.parts.items()) if self.model is not None else {}

    def check(self, questions: Sequence[str], options: GenerationOptions) -> None:
        """Refuse choices or a schema that the tokenizer cannot hold to, and a history where windows are separate."""
        if self.separate and options.history:
            raise InvalidInput("This model is asked about each window by itself and takes no history; a chat model "
                               "does: Pipeline('video-qa', model='HuggingFaceTB/SmolVLM2-500M-Video-Instruct').")
        assert self.model is not None
        check_constraints(options, self.model.tokenizer, ends_of(self.model.language, self.model.tokenizer))

    def take(self, media: Any, expected: Expected) -> Taken:
        """Take windows over the whole span."""
        return self._windows(media, self.view.max_windows or self.spec.max_windows)

    def _windows(self, media: Any, max_windows: int) -> Taken:
        look, frames = self.spec, max(1, self.spec.num_frames >> self.view.halvings)
        clips = windows(media, window_seconds=look.window_seconds, num_frames=frames, max_windows=max_windows,
                        size=(look.height, look.width), sample_rate=look.sample_rate,
                        start_seconds=self.view.start_seconds, end_seconds=self.view.end_seconds)
        span = span_of(media, self.view.start_seconds, self.view.end_seconds)
        return Taken(clips, spans_of(clips, span.start_seconds, span.end_seconds) if self.separate else ())

    def read(self, taken: Taken) -> Reading:
        """Let the language model read every window of a model that asks them one by one."""
        return self._readings([taken], None)[0]

    def read_later(self, taken: Sequence[Taken], size: int) -> list[Reading]:
        """Encode the windows of several videos in passes of `size` rows, and leave the reading to those who ask."""
        return self._readings(taken, size)

    def _readings(self, taken: Sequence[Taken], size: int | None) -> list[Reading]:
        assert self.model is not None
        found = self.model.tokens_of_windows([one.clips for one in taken], size=size,
                                             batch_size=self.view.batch_size or _ROWS, drop_below=self.view.drop_below,
                                             merge_to=self.view.merge_to)
        unread = [UnreadWindows(self.model.language, self.model.prompt, one.tokens, self.model.max_new_tokens)
                  for one in found]
        domains = [() if one.domains is None else tuple(self.model.domain_of(*each) for each in one.domains)
                   for one in found]
        return [Reading(one if size else one.conversation(), known) for one, known in zip(unread, domains, strict=True)]

    def look(self, media: Any, expected: Expected) -> tuple[Taken, Reading]:
        """Take and read in one; joined windows are as many as fit into the context."""
        if self.separate:
            return super().look(media, expected)
        model, count, most = self.model, self.view.max_windows or self.spec.max_windows, 0
        assert model is not None
        while True:
            check()
            taken = self._windows(media, count)
            tokens = model.visual_tokens(taken.clips, batch_size=self.view.batch_size or 8,
                                         drop_below=self.view.drop_below, merge_to=self.view.merge_to)
            shown = len(taken.clips.frames)
            most = max(most, shown)
            fewer = model.fewer_windows(shown, tokens.shape[1], expected)
            if fewer is None:
                break
            count = fewer
        if shown < most:
            taken = replace(taken, clips=_noted(taken.clips, shown, most, "window", model.context))
        return taken, Reading(EmbeddingConversation(model.language, model.prompt, tokens,
                                                    max_new_tokens=model.max_new_tokens))


class ObservedReader(Reader):
    """Shows a video to a composed model that finds facts in it.

    Args:
        model: the model; None can only `take`.
        observer: its part that finds facts, or the class of it.
    """

    takes = frozenset(("start_seconds", "end_seconds"))

    def __init__(self, model: Composed | None, observer: Any, view: ViewOptions):
        self.model, self.observer, self.view = model, observer, view

    def modules(self) -> dict[str, nn.Module]:
        """Return the parts, and the networks that find facts."""
        if self.model is None:
            return {}
        parts = {name: part for name, part in self.model.parts.items() if name != "observer"}
        return {**parts, **self.observer.networks()}

    def check(self, questions: Sequence[str], options: GenerationOptions) -> None:
        """Refuse a history, a schema, and choices that the tokenizer cannot hold to."""
        if options.history:
            raise InvalidInput("This model answers each question by itself and takes no history; a chat model does: "
                               "Pipeline('video-qa', model='HuggingFaceTB/SmolVLM2-500M-Video-Instruct').")
        if options.schema is not None:
            raise InvalidInput("This model answers from facts and takes no schema=; give choices=, or name a chat "
                               "model: Pipeline('video-qa', model='HuggingFaceTB/SmolVLM2-500M-Video-Instruct').")
        assert self.model is not None
        check_constraints(options, self.model.tokenizer, ends_of(self.model.language, self.model.tokenizer))

    def take(self, media: Any, expected: Expected) -> Taken:
        """Keep frames and sound of the whole span."""
        looked = self.observer.look(media, start_seconds=self.view.start_seconds, end_seconds=self.view.end_seconds,
                                    halvings=self.view.halvings)
        return Taken(looked.clips, prepared=looked)

    def read(self, taken: Taken) -> Reading:
        """Find the facts."""
        return self.read_later([taken], 1)[0]

    def read_later(self, taken: Sequence[Taken], size: int) -> list[Reading]:
        """Find the facts of several videos, to be captioned together."""
        assert self.model is not None
        looked = [one.prepared for one in taken]
        return [Reading(one) for one in self.observer.conversations(self.model, looked, size)]


def _noted(clips: Clips, count: int, most: int, what: str, context: int | None) -> Clips:
    note = f"{count} of {plural(most, what)}: more do not fit into the model's context of {context} tokens"
    return replace(clips, notes=(*clips.notes, note))


def without_pictures(prepared: Prepared) -> Prepared:
    """Leave out the pictures, which are on their way to another process, where no further question needs them."""
    seen = prepared.seen
    return prepared if prepared.first.replacements is None else replace(
        prepared, seen=replace(seen, frames=seen.frames[:, :, :1, :1]))


def _upright(media: Any) -> tuple[int, int]:
    """Return height and width of the frames as they are shown, in pixels."""
    main = media.info.main_video
    return (main.width, main.height) if main.rotation % 180 else (main.height, main.width)


def open_conversation(conversation: Any) -> Conversation:
    """Return a conversation, which reads the video now if that was left for later."""
    return conversation if isinstance(conversation, Conversation) else conversation.conversation()


__all__ = ["ChatReader", "ObservedReader", "Reader", "Reading", "Taken", "ViewOptions", "WindowReader", "budget_of",
           "open_conversation", "without_pictures"]
