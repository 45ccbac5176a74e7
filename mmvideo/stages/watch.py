"""Stages `watch`, `reply` and `narrate`: a chat model of the hub sees a video and answers in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput
from mmvideo.results import Answer, Caption
from mmvideo.sampling.budget import DEFAULT_FPS, DEFAULT_MOST, Budget
from mmvideo.sampling.fps import at_fps
from mmvideo.sampling.gather import span_of
from mmvideo.sampling.uniform import uniform
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.stages.checkpoint import CheckpointStage
from mmvideo.stages.speak import looked_at, written
from mmvideo.types import NOT_JUDGED, Clips, Expected, GenerationOptions
from mmvideo.vlm.batch import Unread, reply_together
from mmvideo.vlm.chat import ChatModel, Prompt, Seen
from mmvideo.vlm.chat_conversation import ChatConversation
from mmvideo.vlm.conversation import Conversation, check_constraints
from mmvideo.wording import plural


@dataclass(kw_only=True)
class Watch(CheckpointStage):
    """Choose frames within every given limit, and let the model read them once."""

    needs: ClassVar = ("media",)
    gives: ClassVar = ("clips", "conversation")
    hints: ClassVar = ("expected",)
    imports: ClassVar = ("mmvideo.stages.watch_apart", "transformers.models.auto", "transformers.modeling_utils",
                         "transformers.generation", "transformers.processing_utils",
                         "transformers.video_processing_utils", "transformers.image_processing_backends")

    num_frames: int | None = None
    """Alone: so many frames, spread evenly. With fps: no more than so many."""
    fps: float | None = None
    """A frame every 1 / fps seconds. Without num_frames and fps, the model's own habit."""
    max_frames: int | None = None
    max_tokens: int | None = None
    """Most tokens that the frames may take up; fewer frames are taken until they fit."""
    sound: bool = True
    """Whether a model that can hear is given the sound."""
    chat: ChatModel = set_by_load()
    halvings: int = field(default=0, repr=False, init=False)
    """How many times the number of frames was halved for lack of memory."""

    def load(self, device: torch.device) -> None:
        """Load the model and its processor.

        Raises:
            InvalidInput: no model was named, or an option out of range.
            ModelUnavailable: it cannot be fetched.
            UnsupportedModel: it cannot do this.
            WeightsError: its weights do not fit.
            OutOfMemory: it does not fit into memory.
        """
        self._budget()
        self.chat = ChatModel.from_pretrained(self.found("model"), device, self.load_options())

    def check(self, texts: Sequence[str], generation: GenerationOptions) -> None:
        """Refuse a question that holds a placeholder, and choices or a schema that the tokenizer cannot hold to."""
        for text in texts:
            self.chat.check(text)
        check_constraints(generation, self.chat.tokenizer, self.chat.ends)

    def halves(self) -> tuple[Stage, Stage] | None:
        """Return the half that prepares the video without the model, and the half that reads it."""
        from mmvideo.stages.watch_apart import halves

        return None if self.trust_remote_code else halves(self)

    def with_fewer_frames(self, halvings: int) -> tuple[Stage, str] | None:
        """Return a copy, with the same model, that takes fewer frames than the limits allow."""
        fewer = copy(self)
        fewer.halvings = halvings
        return fewer, f"out of memory: 1/{1 << halvings} of the frames"

    def modules(self) -> dict[str, nn.Module]:
        """Return the model."""
        return {"model": self.chat.model} if self.chat is not None else {}

    def _budget(self) -> Budget:
        """Return the limits: the caller's, and the model's habit where the caller says neither number nor rate."""
        num_frames, fps, most = self.num_frames, self.fps, self.max_frames
        if num_frames is None and fps is None:
            habits = getattr(self.chat, "video_processor", None)
            fps, num_frames = getattr(habits, "fps", None), getattr(habits, "num_frames", None)
            if fps is None and num_frames is None:
                fps, num_frames = DEFAULT_FPS, DEFAULT_MOST
            limits = [v for v in (most, getattr(habits, "max_frames", None)) if isinstance(v, int)]
            most = min(limits, default=None)
            if num_frames is None and most is None:
                most = DEFAULT_MOST
        return Budget(num_frames=num_frames, fps=fps, max_frames=most, max_tokens=self.max_tokens)

    def __call__(self, *, media: Any, expected: Expected | None = None) -> dict[str, Any]:
        """Return the one clip that was looked at, and the model's conversation about it.

        Raises:
            InvalidInput: limits that allow not even one frame, or a span that holds nothing.
            ContextExceeded: one frame does not fit into the model's context beside what will be asked.
        """
        clips, seen, first = self.prepared(media, expected or Expected())
        return {"clips": clips, "conversation": self._read(seen, first)}

    def prepared(self, media: Any, expected: Expected) -> tuple[Clips, Seen, Prompt]:
        """Return the clip that is looked at, what the model is shown of it, and how its processor prepares that.

        Raises:
            InvalidInput: limits that allow not even one frame, or a span that holds nothing.
            ContextExceeded: one frame does not fit into the model's context beside what will be asked.
        """
        budget, span = self._budget(), span_of(media, self.start_seconds, self.end_seconds)
        count = max(1, budget.frames(span.seconds) >> self.halvings)
        most = 0
        while True:
            check()
            clips, seen = self._look(media, budget, count, span.seconds)
            first = self.chat.prompt("?", seen)
            fewer = budget.fewer(len(seen.frames), first.num_seen_tokens)
            if fewer is None:
                fewer = self.chat.fewer_frames(seen, first, expected)
                most = max(most, len(seen.frames))
            if fewer is None:
                if len(seen.frames) < most:
                    note = (f"{len(seen.frames)} of {plural(most, 'frame')}: more do not fit into the model's context "
                            f"of {self.chat.context} tokens")
                    clips = replace(clips, notes=(*clips.notes, note))
                return clips, seen, first
            count = fewer

    def _read(self, seen: Seen, first: Prompt) -> ChatConversation:
        return ChatConversation(self.chat, seen, first)

    def _look(self, media: Any, budget: Budget, count: int, seconds: float) -> tuple[Clips, Seen]:
        """Take so many frames, without those that only repeat another, and the sound."""
        size = self._decoding_size(media, count)
        clips = self._take(media, budget, count, size)
        distinct = int(clips.valid.sum())
        if size is not None and distinct < count:  # fewer frames may be shown to the model in more pixels
            larger = self._decoding_size(media, distinct)
            if larger is None or larger[0] > size[0] or larger[1] > size[1]:
                size = larger
                clips = self._take(media, budget, count, size)
        if size is not None:
            height, width = _upright(media)
            clips = replace(clips, aspect=width / height)
        kept = clips.valid[0]
        heard = clips.audio[0] if clips.audio is not None and clips.has_audio else None
        return clips, Seen(clips.frames[0][kept], clips.pts_seconds[0][kept], seconds, heard, media.info.source)

    def _take(self, media: Any, budget: Budget, count: int, size: tuple[int, int] | None) -> Clips:
        rest = {**self.asked_view(), "sample_rate": self.chat.sample_rate if self.sound else None}
        if size is not None:
            rest |= {"size": size, "fit": "squash"}
        if budget.fps is not None:
            return at_fps(media, fps=budget.fps, max_frames=count, **rest)
        return uniform(media, num_frames=count, **rest)

    def _decoding_size(self, media: Any, count: int) -> tuple[int, int] | None:
        """Return the size at which frames are decoded; None for their own, or where the caller chose one."""
        height, width = _upright(media)
        return None if self.size is not None or min(height, width) < 1 else (
            self.chat.decoding_size(count, height, width, media.info.source))


def _upright(media: Any) -> tuple[int, int]:
    """Return height and width of the frames as they are shown, in pixels."""
    main = media.info.main_video
    return (main.width, main.height) if main.rotation % 180 else (main.height, main.width)


@dataclass(kw_only=True)
class Reply(Stage):
    """Answer every question about the video."""

    needs: ClassVar = ("conversation", "clips", "text", "generation")
    gives: ClassVar = ("answers",)

    max_new_tokens: int = 256
    """The longest reply, where the caller sets none."""

    def check(self, texts: Sequence[str], generation: GenerationOptions) -> None:
        """Refuse several questions at once in a stream."""
        if generation.stream and len(texts) > 1:
            raise InvalidInput("stream=True takes one question at a time.")

    def __call__(self, *, conversation: Conversation, clips: Clips, text: tuple[str, ...],
                 generation: GenerationOptions) -> dict[str, Any]:
        """Return one Answer a question; for `stream`, an iterator that gives the pieces and then the Answer.

        Raises:
            OutOfMemory: the reply does not fit into memory.
        """
        generation = limited(generation, self.max_new_tokens)
        if generation.stream:
            conversation.check_room(text[0], generation)
            return {"answers": _pieces(conversation, clips, text[0], generation)}
        return {"answers": tuple(_answer(conversation, clips, question, generation) for question in text)}

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Ask videos with one question each together; one with several is read by itself, once for all of them."""
        plain = GenerationOptions(max_new_tokens=self.max_new_tokens)
        single = [f for f in items if _together(f["conversation"]) and len(f["text"]) == 1
                  and limited(f["generation"], self.max_new_tokens) == replace(plain, seed=f["generation"].seed)]
        said = iter(reply_together([f["conversation"] for f in single], [f["text"][0] for f in single], size=size,
                                   max_new_tokens=self.max_new_tokens))
        return [{"answers": (_said(next(said), f["clips"], f["text"][0], ""),)} if any(f is one for one in single)
                else self(**{**f, "conversation": _read_now(f["conversation"])}) for f in items]


def limited(generation: GenerationOptions, longest: int) -> GenerationOptions:
    """Set the longest reply where the caller has not."""
    return generation if generation.max_new_tokens else replace(generation, max_new_tokens=longest)


def _answer(conversation: Conversation, clips: Clips, question: str, generation: GenerationOptions) -> Answer:
    if not generation.choices:
        return _said(conversation.reply(question, generation), clips, question, "")
    ranked = conversation.choose(question, generation)
    others = "; choices by likelihood: " + ", ".join(f"{r.text} {r.confidence:.0%}" for r in ranked)
    return _said(ranked[0], clips, question, others)


def _said(reply: Any, clips: Clips, question: str, rule: str) -> Answer:
    return Answer(question=question, text=reply.text, confidence=reply.confidence, seconds_looked_at=looked_at(clips),
                  in_domain=NOT_JUDGED, rule=f"{clips.rule}; one reading of all frames{rule}",
                  **written([reply], notes=clips.notes), finished=reply.finished, looped=bool(reply.repeats))


def _pieces(conversation: Conversation, clips: Clips, question: str,
            generation: GenerationOptions) -> Iterator[str | Answer]:
    """Yield what each token adds, whole characters only, and last the Answer."""
    if generation.choices:
        answer = _answer(conversation, clips, question, generation)
        yield answer.text
        yield answer
        return
    told, reply = "", None
    for reply in conversation.write(question, generation):
        if reply.text.startswith(told) and len(reply.text) > len(told) and not reply.text.endswith("�"):
            yield reply.text[len(told):]
            told = reply.text
    if reply is not None and reply.text != told and reply.text.startswith(told):
        yield reply.text[len(told):]
    yield _said(reply, clips, question, "")


@dataclass(kw_only=True)
class Narrate(Stage):
    """Describe the video in words."""

    needs: ClassVar = ("conversation", "clips")
    gives: ClassVar = ("caption",)

    request: str = "Describe what happens in this video."
    max_new_tokens: int = 256

    def __call__(self, *, conversation: Conversation, clips: Clips) -> dict[str, Any]:
        """Return one Caption of the whole video."""
        said = conversation.reply(self.request, GenerationOptions(max_new_tokens=self.max_new_tokens))
        return {"caption": self._caption(said, clips)}

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Describe several videos together; `request` among the fields of one takes the place of the usual one."""
        single = [f for f in items if _together(f["conversation"])]
        said = iter(reply_together([f["conversation"] for f in single],
                                   [f.get("request") or self.request for f in single], size=size,
                                   max_new_tokens=self.max_new_tokens))
        return [{"caption": self._caption(next(said), f["clips"])} if any(f is one for one in single)
                else replace(self, request=f.get("request") or self.request)(
                    conversation=_read_now(f["conversation"]), clips=f["clips"]) for f in items]

    @staticmethod
    def _caption(said: Any, clips: Clips) -> Caption:
        return Caption(text=said.text, confidence=said.confidence, seconds_looked_at=looked_at(clips),
                       in_domain=NOT_JUDGED, rule=f"{clips.rule}; one reading of all frames",
                       **written([said], notes=clips.notes), finished=said.finished, looped=bool(said.repeats))


def _together(conversation: Any) -> bool:
    return isinstance(conversation, Unread) and conversation.prepared.bucket is not None


def _read_now(conversation: Any) -> Conversation:
    return conversation.conversation() if isinstance(conversation, Unread) else conversation


__all__ = ["Narrate", "Reply", "Watch", "limited"]
