"""One video in front of a chat model: what was seen is read once, and its keys and values serve every question."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mmvideo.hub.load import memory_for
from mmvideo.vlm.chat import ChatModel, ProcessedPrompt, VideoInput
from mmvideo.vlm.context import check_room
from mmvideo.vlm.conversation import Conversation
from mmvideo.vlm.kv_cache import Step, cache_of, copied, keep_cached, last_logits_only, with_cache
from mmvideo.vlm.mrope import Places
from mmvideo.vlm.token_pruning import pruning

PER_TOKEN = frozenset(("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "moe_mm_token_type_ids",
                       "position_ids"))
"""Inputs with one entry a token."""


class ChatConversation(Conversation):
    """Ask a chat model any number of questions about one video.

    Args:
        chat: the model.
        seen: frames, times and sound.
        first: the prompt of any question about it, if it has been prepared.
    """

    def __init__(self, chat: ChatModel, seen: VideoInput, first: ProcessedPrompt | None = None):
        self.chat, self.seen = chat, seen
        self.tokenizer, self.ends, self.context = chat.tokenizer, chat.ends, chat.context
        self.first = first or chat.prompt("?", seen)
        self._places = Places(chat.model)
        self.prefix = self.first.tensors["input_ids"][:, :self.first.prefix_length]
        self.num_read = self.prefix.shape[1]
        check_room(self.context, self.num_read, 1)
        with memory_for(f"{chat.name} reads {self.num_read} tokens"):
            self._cache = self._read()

    @torch.inference_mode()
    def _read(self) -> Any:
        length, model = self.prefix.shape[1], self.chat.model
        inputs = {}
        for name, value in self.first.tensors.items():
            value = value[:, :length] if name in PER_TOKEN else value
            inputs[name] = placed(value, self.chat.device, model.dtype)
        plan = self.first.pruning
        if plan is None:
            with self._places.watching():
                return cache_of(model(**inputs, use_cache=True, logits_to_keep=1))
        with self._places.watching(), pruning(model, plan, length) as read:
            out = model(**inputs, use_cache=True, logits_to_keep=1)
        self.num_read = read[0]
        return cache_of(out)

    def question(self, text: str, history: tuple[tuple[str, str], ...]) -> Tensor:
        """Return the token IDs (1, L) that follow the prefix."""
        self.chat.check(text)
        ids = self.chat.ids(text, self.seen, history, self.first)
        length = self.prefix.shape[1]
        assert torch.equal(ids[:, :length], self.prefix), "the words after a video changed how it is read"
        return ids[:, length:].to(self.chat.device)

    def step(self) -> Step:
        """Return a reader that stands just after the prefix; the first tokens that it is given are the question."""
        return self._step(copied(self._cache), {})

    def read_question(self, ids: Tensor) -> tuple[Tensor, Callable[[], Step]]:
        """Read a question once; see `Conversation.read_question`."""
        cache = copied(self._cache)
        state: dict[str, Any] = {}
        logits = self._step(cache, state, **last_logits_only(self.chat.model))(ids)[0, -1].float()
        return logits, lambda: self._step(copied(cache), dict(state))

    def _step(self, cache: Any, state: dict[str, Any], **others: Any) -> Step:
        """Return a reader that adds what it reads to a cache.

        Args:
            cache: keys and values of what stands before.
            state: what is known of the positions once the question was read; empty before. It is changed.
            others: further arguments of the model.
        """
        model = self.chat.model
        given = {**with_cache(model, cache), **others}
        if self.first.pruning is not None:
            return Step(self._reader_after_pruning(given, state), partial(keep_cached, cache))

        def go_on(ids: Tensor) -> Tensor:
            with torch.inference_mode(), memory_for(f"{self.chat.name} answers"):
                more: dict[str, Any] = {}
                if not state:
                    found = self._places.of(torch.cat((self.prefix.to(ids), ids), 1))
                    state["shift"] = None
                    if found is not None:
                        more["position_ids"], state["shift"] = found[0][..., -ids.shape[1]:], found[1]
                if state["shift"] is not None:
                    self._places.shift(state["shift"])
                return model(input_ids=ids, use_cache=True, **given, **more).logits

        return Step(go_on, partial(keep_cached, cache))

    def _reader_after_pruning(self, given: dict[str, Any], state: dict[str, Any]) -> Callable[[Tensor], Tensor]:
        """Return a reader that is told where each token stands: fewer were read than stand before it."""
        model = self.chat.model

        def go_on(ids: Tensor) -> Tensor:
            with torch.inference_mode(), memory_for(f"{self.chat.name} answers"):
                if state:
                    steps = torch.arange(1, ids.shape[1] + 1, device=ids.device)
                    at = state["last"] + steps
                elif (found := self._places.of(torch.cat((self.prefix.to(ids), ids), 1))) is not None:
                    at = found[0][..., -ids.shape[1]:]
                else:
                    at = self.prefix.shape[1] + torch.arange(ids.shape[1], device=ids.device)[None]
                at = at.expand(*at.shape[:-2], len(ids), ids.shape[1])
                state["last"] = at[..., -1:]
                return model(input_ids=ids, use_cache=True, position_ids=at, **given).logits

        return go_on


def placed(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Bring an input to the model's device, and numbers with a point to its precision."""
    if not isinstance(value, Tensor):
        return value
    return value.to(device, dtype) if value.is_floating_point() else value.to(device)


__all__ = ["PER_TOKEN", "ChatConversation", "placed"]
