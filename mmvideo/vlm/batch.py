"""Several videos read and asked in one batch of a chat model, so that no reply depends on who its neighbours are.

Prompts are padded on the left to a length that follows from themselves, and a batch is filled up to its size: matrix
products of another shape round differently, and a job that goes on after a break groups clips in another way. With
several threads the last bits still differ (1e-8 of a confidence was seen); rows of a job are rounded far above that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.hub.load import memory_for
from mmvideo.vlm.chat import ChatModel, Prompt, Seen
from mmvideo.vlm.chat_conversation import PER_TOKEN, ChatConversation, placed
from mmvideo.vlm.context import check_room
from mmvideo.vlm.language_model import Generated
from mmvideo.vlm.repetition import repeated_text

_STEP = 16
"""Prompts are padded to a multiple of this many tokens."""
_PLACES = frozenset(("position_ids", "video_token_pooling", "image_token_pooling"))
"""Inputs that hold places in others, which change where videos are joined."""


@dataclass(frozen=True)
class Prepared:
    """A video as the model's processor prepares it, not yet read by the model."""

    seen: Seen
    """Without the pictures, where the processor tells how a question is put without them."""
    first: Prompt

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
class Unread:
    """A prepared video in front of the model."""

    chat: ChatModel
    prepared: Prepared

    def conversation(self) -> ChatConversation:
        """Read the video by itself, for any number of questions."""
        return ChatConversation(self.chat, self.prepared.seen, self.prepared.first)

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
        missing = -length % _STEP
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


def reply_together(clips: Sequence[Unread], questions: Sequence[str], *, size: int,
                   max_new_tokens: int) -> list[Generated]:
    """Ask each video its one question, `size` videos at a time.

    Args:
        clips: videos with a bucket.
        questions: one a video.
        size: videos in one batch.
        max_new_tokens: the longest reply.

    Raises:
        OutOfMemory: a batch does not fit into memory.
    """
    given = [clip.tensors(question, max_new_tokens) for clip, question in zip(clips, questions, strict=True)]
    groups: dict[Any, list[int]] = {}
    for number, (clip, tensors) in enumerate(zip(clips, given, strict=True)):
        groups.setdefault((tensors["input_ids"].shape[1], clip.prepared.bucket), []).append(number)
    replies: dict[int, Generated] = {}
    for numbers in groups.values():
        for start in range(0, len(numbers), size):
            check()
            chosen = numbers[start:start + size]
            filled = chosen + [chosen[0]] * (size - len(chosen))
            said = _generate(clips[chosen[0]].chat, [given[number] for number in filled], max_new_tokens)
            replies.update(zip(chosen, said[:len(chosen)], strict=True))
    return [replies[number] for number in range(len(clips))]


@torch.inference_mode()
def _generate(chat: ChatModel, rows: Sequence[dict[str, Any]], max_new_tokens: int) -> list[Generated]:
    from transformers import GenerationConfig, LogitsProcessorList

    inputs = {name: placed(_joined([row[name] for row in rows]), chat.device, chat.model.dtype) for name in rows[0]}
    ends = list(chat.ends)
    pad = ends[0] if ends else 0
    settings = GenerationConfig(max_new_tokens=max_new_tokens, do_sample=False, num_beams=1, repetition_penalty=1.0,
                                no_repeat_ngram_size=0, eos_token_id=ends or None, pad_token_id=pad)
    sure = _Sureness()
    length = inputs["input_ids"].shape[1]
    with memory_for(f"{chat.name} reads {len(rows)} x {length} tokens"):
        out = chat.model.generate(**inputs, generation_config=settings, logits_processor=LogitsProcessorList([sure]))
    said, shares = out[:, length:].tolist(), torch.stack(sure.steps, 1)
    num_read = inputs["attention_mask"].sum(1).tolist()
    return [_reply(chat, ids, shares[row], ends, num_read[row]) for row, ids in enumerate(said)]


def _reply(chat: ChatModel, ids: list[int], shares: Tensor, ends: list[int], num_read: int) -> Generated:
    """Cut a row where the model ended it; its sureness counts the token that ends it."""
    count = next((number for number, token in enumerate(ids) if token in ends), len(ids))
    text = chat.tokenizer.decode(ids[:count], skip_special_tokens=True).strip()
    finished = count < len(ids)
    return Generated(text, float(shares[:count + 1].mean().exp()), num_read=num_read, num_written=count + finished,
                     finished=finished, repeats="" if finished else repeated_text(ids, chat.tokenizer))


class _Sureness:
    """Keeps the log-probability of the likeliest token at every step, and stops `generate` when the time is over."""

    def __init__(self) -> None:
        self.steps: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        check()
        self.steps.append(scores.float().log_softmax(-1).amax(-1).cpu())
        return scores


def _joined(values: list[Any]) -> Any:
    if isinstance(values[0], Tensor):
        return torch.cat(values)
    return [one for value in values for one in value] if isinstance(values[0], list) else values[0]


__all__ = ["Prepared", "Unread", "reply_together"]
