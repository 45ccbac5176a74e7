"""Several videos read and asked in one batch, so that no reply depends on who its neighbours are.

Matrix products of another shape round differently, and a job that is interrupted and resumed groups clips in another
way. So every forward pass has exactly `size` rows, filled up by repeating the first where there are fewer, and
questions are padded to a length that follows from themselves alone. With several threads the last bits still differ
(1e-8 of a confidence was seen); rows of a job are rounded far above that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmvideo.deadline import check
from mmvideo.hub.load import memory_for
from mmvideo.types import GenerationOptions
from mmvideo.vlm.chat import ChatModel, ProcessedPrompt, VideoInput
from mmvideo.vlm.chat_conversation import PER_TOKEN, ChatConversation, placed
from mmvideo.vlm.context import check_room
from mmvideo.vlm.conversation import Conversation
from mmvideo.vlm.embedding_conversation import EmbeddingConversation
from mmvideo.vlm.generate import Generated, generate_whole
from mmvideo.vlm.kv_cache import Step, cache_of, keep_cached, last_logits_only, with_cache
from mmvideo.vlm.mrope import Places
from mmvideo.vlm.prompt import Prompt as TextPrompt

_QUESTION_STEP, _PROMPT_STEP = 8, 16
"""Questions, and whole prompts of chat models, are padded to a multiple of so many tokens."""
_PLACES = frozenset(("position_ids", "video_token_pooling", "image_token_pooling"))
"""Inputs that hold places in others, which change where videos are joined."""


@dataclass(frozen=True)
class UnreadWindows:
    """Visual tokens of one video's windows that wait to be read together with those of others."""

    model: nn.Module
    prompt: TextPrompt
    embeddings: Tensor
    """float (B, N, D)."""
    max_new_tokens: int
    """The longest reply, where nothing else is said."""
    short: ClassVar = True
    caption_request: ClassVar = EmbeddingConversation.caption_request

    def conversation(self) -> EmbeddingConversation:
        """Read the windows of this video alone."""
        return EmbeddingConversation(self.model, self.prompt, self.embeddings, max_new_tokens=self.max_new_tokens,
                                     short=True)

    def batches_with(self, questions: Sequence[str]) -> Any:
        """Return what must be equal for two videos to go through together."""
        longest = max(len(self.prompt.around(question)[1]) for question in questions)
        return "windows", len(questions), -(-longest // _QUESTION_STEP) * _QUESTION_STEP, self.embeddings.shape[1]


@dataclass(frozen=True)
class Prepared:
    """A video as the model's processor prepares it, not yet read by the model."""

    seen: VideoInput
    """Without the pictures, where the processor tells how a question is put without them."""
    first: ProcessedPrompt

    @property
    def bucket(self) -> tuple[Any, ...] | None:
        """What must be equal for two videos to be read together; None where this one is read by itself."""
        if self.seen.audio is not None or _PLACES & self.first.tensors.keys():
            return None
        return tuple((name, _shape(value)) for name, value in sorted(self.first.tensors.items())
                     if name not in PER_TOKEN)


def _shape(value: Any) -> Any:
    return tuple(value.shape) if isinstance(value, Tensor) else len(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class UnreadChat:
    """A prepared video in front of a chat model."""

    chat: ChatModel
    prepared: Prepared
    max_new_tokens: ClassVar = ChatConversation.max_new_tokens
    short: ClassVar = False
    caption_request: ClassVar = ChatConversation.caption_request

    def conversation(self) -> Conversation:
        """Read this video alone, for any number of questions."""
        return ChatConversation(self.chat, self.prepared.seen, self.prepared.first)

    def batches_with(self, questions: Sequence[str]) -> Any:
        """Return what must be equal for two videos to go through together; None where this one is read alone.

        One with several questions is: it is then read once for all of them.
        """
        if self.prepared.bucket is None or len(questions) != 1 or self.prepared.first.pruning is not None:
            return None
        length = self.chat.ids(questions[0], self.prepared.seen, (), self.prepared.first).shape[1]
        return "chat", -(-length // _PROMPT_STEP) * _PROMPT_STEP, self.prepared.bucket

    def tensors(self, question: str, max_new_tokens: int) -> dict[str, Any]:
        """Return the inputs for one question, padded on the left.

        Raises:
            ContextExceeded: it does not fit into the context, with a reply of so many tokens.
        """
        self.chat.check(question)
        seen, first = self.prepared.seen, self.prepared.first
        ids = self.chat.ids(question, seen, (), first)
        length = ids.shape[1]
        check_room(self.chat.context, length, max_new_tokens)
        missing = -length % _PROMPT_STEP
        tokenizer = self.chat.tokenizer
        pad = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)
        found = {**first.tensors, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        for name in PER_TOKEN & found.keys():
            value = found[name]
            if value.shape[1] != length:  # what stands after the video are words
                value = value[:, :first.prefix_length]
                value = torch.cat((value, value.new_zeros(1, length - value.shape[1])), 1)
            fill = pad if name == "input_ids" else 0
            found[name] = torch.cat((value.new_full((1, missing), fill), value), 1)
        return found


Unread = UnreadWindows | UnreadChat


def reply_batched(unread: Sequence[Unread], questions: Sequence[Sequence[str]], options: GenerationOptions, *,
                  size: int) -> list[list[Generated]]:
    """Ask every video its questions, the rows of `size` windows or videos in one forward pass.

    Args:
        unread: one entry a video.
        questions: for each video those that it is asked.
        options: of the replies; without choices, a history or stop texts.
        size: rows in one forward pass.

    Returns:
        For each video its replies: one a question, or B_i * R_i, window by window, where each is asked by itself.

    Raises:
        ContextExceeded: a question does not fit into the context, with a reply of so many tokens.
        OutOfMemory: a batch does not fit into memory.
    """
    found: dict[int, list[Generated]] = {}
    groups: dict[Any, list[int]] = {}
    for number, (video, asked) in enumerate(zip(unread, questions, strict=True)):
        key = video.batches_with(asked)
        if key is None:
            conversation = video.conversation()
            found[number] = [conversation.reply(question, options) for question in asked]
        else:
            groups.setdefault(key, []).append(number)
    for (kind, *rest), numbers in groups.items():
        some: list[Any] = [unread[n] for n in numbers]
        texts = [questions[n] for n in numbers]
        replies = _windows(some, texts, options, size, rest[1]) if kind == "windows" else (
            _videos(some, texts, options, size))
        found.update(zip(numbers, replies, strict=True))
    return [found[number] for number in range(len(unread))]


def _filled(rows: list[Any], size: int) -> Iterator[tuple[int, list[Any]]]:
    """Cut rows into batches of exactly `size`, the last filled up with its first; yield how many count."""
    for some in (rows[start:start + size] for start in range(0, len(rows), size)):
        check()
        yield len(some), [*some, *some[:1] * (size - len(some))]


def _windows(videos: Sequence[UnreadWindows], questions: Sequence[Sequence[str]], options: GenerationOptions,
             size: int, num_tokens: int) -> list[list[Generated]]:
    """Ask the windows of videos with equally many questions of about one length."""
    replies: list[list[Generated]] = [[] for _ in videos]
    rows = [(video, row) for video, one in enumerate(videos) for row in range(len(one.embeddings))]
    for count, chosen in _filled(rows, size):
        first = videos[chosen[0][0]]
        conversation = EmbeddingConversation(first.model, first.prompt, torch.stack(
            [videos[video].embeddings[row] for video, row in chosen]))
        said = iter(conversation.replies([text for video, _ in chosen for text in questions[video]], options,
                                         num_tokens=num_tokens))
        for video, _ in chosen[:count]:
            replies[video] += [next(said) for _ in questions[video]]
    return replies


def _videos(videos: Sequence[UnreadChat], questions: Sequence[Sequence[str]], options: GenerationOptions,
            size: int) -> list[list[Generated]]:
    """Ask videos of one bucket one question each."""
    longest = options.max_new_tokens or 0
    rows = [video.tensors(asked[0], longest) for video, asked in zip(videos, questions, strict=True)]
    replies = []
    for count, chosen in _filled(rows, size):
        replies += [[reply] for reply in _generated(videos[0].chat, chosen, options)[:count]]
    return replies


@torch.inference_mode()
def _generated(chat: ChatModel, rows: Sequence[Mapping[str, Any]], options: GenerationOptions) -> list[Generated]:
    inputs = {name: placed(_joined([row[name] for row in rows]), chat.device, chat.model.dtype) for name in rows[0]}
    ids = inputs.pop("input_ids")
    with memory_for(f"{chat.name} reads {len(rows)} x {ids.shape[1]} tokens"):
        return generate_whole(_padded_step(chat, inputs), ids, options, tokenizer=chat.tokenizer, ends=chat.ends,
                     num_read=inputs["attention_mask"].sum(1).tolist())


def _padded_step(chat: ChatModel, inputs: Mapping[str, Any]) -> Step:
    """Return a reader that is first given whole prompts, padded on the left, and then the replies token by token.

    Args:
        inputs: what the model takes beside the token IDs; `attention_mask` is 0 for padding.
    """
    places, more = Places(chat.model), last_logits_only(chat.model)
    mask: Tensor = inputs["attention_mask"]
    given: dict[str, Any] | None = None
    last: Tensor | None = None

    def go_on(ids: Tensor) -> Tensor:
        nonlocal mask, given, last
        if given is None:
            first = dict(inputs)
            if places.module is None and "position_ids" in chat.takes:
                first["position_ids"] = (mask.cumsum(1) - 1).clamp_min(0)
            with places.watching():
                out = chat.model(input_ids=ids, **first, use_cache=True, **more)
            given = with_cache(chat.model, cache_of(out))
            last = mask.sum(1, keepdim=True) - 1 if places.last is None else places.last  # (B, 1) or (3, B, 1)
            return out.logits
        assert last is not None
        mask, last = torch.cat((mask, torch.ones_like(mask[:, :1])), 1), last + 1
        at = {"position_ids": last} if "position_ids" in chat.takes else {}
        return chat.model(input_ids=ids, attention_mask=mask, use_cache=True, **given, **at, **more).logits

    def keep(rows: Tensor) -> None:
        nonlocal mask, last
        assert given is not None
        assert last is not None
        for cache in given.values():
            keep_cached(cache, rows)
        mask, last = mask[rows], last.index_select(-2, rows)

    return Step(go_on, keep)


def _joined(values: list[Any]) -> Any:
    if isinstance(values[0], Tensor):
        return torch.cat(values)
    return [one for value in values for one in value] if isinstance(values[0], list) else values[0]


__all__ = ["Prepared", "Unread", "UnreadChat", "UnreadWindows", "reply_batched"]
