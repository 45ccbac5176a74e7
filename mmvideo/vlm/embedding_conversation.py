"""A causal model behind visual tokens of any encoder: the video is read once as a prefix, questions follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.types import GenerationOptions
from mmvideo.vlm.context import check_room, longest_context
from mmvideo.vlm.conversation import Conversation
from mmvideo.vlm.generate import LONGEST_WITHOUT_LIMIT, Generated, generate_whole
from mmvideo.vlm.kv_cache import Step, cache_of, copied, keep_cached, last_logits_only, with_cache
from mmvideo.vlm.prompt import CAPTION_REQUEST, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class EmbeddingConversation(Conversation):
    """Visual tokens in front of a language model: one row for a whole video, or one for each of its windows.

    Args:
        model: a causal model of transformers.
        prompt: how it is asked; its tokenizer is the model's.
        embeddings: (B, N, D of the language model); `reply` and `choose` are for one row, `replies` for any number.
        max_new_tokens: the longest reply, where nothing else is said.
        short: whether a larger limit has no effect.
    """

    caption_request = CAPTION_REQUEST

    def __init__(self, model: PreTrainedModel, prompt: Prompt, embeddings: Tensor, *,
                 max_new_tokens: int = LONGEST_WITHOUT_LIMIT, short: bool = False):
        self.short = short
        self.model, self.prompt, self.tokenizer, self.max_new_tokens = model, prompt, prompt.tokenizer, max_new_tokens
        self.ends = ends_of(model, self.tokenizer)
        before, _ = prompt.around("?")
        words = model.get_input_embeddings()
        device, dtype = words.weight.device, words.weight.dtype
        whole = embeddings.to(device, dtype)
        if before:
            lead = words(torch.tensor([before], dtype=torch.long, device=device))  # (1, L, D)
            whole = torch.cat((lead.expand(len(whole), -1, -1), whole), 1)
        self._before, (self.num_rows, self.num_read) = before, whole.shape[:2]
        self.context = longest_context(model.config, self.tokenizer)
        check_room(self.context, self.num_read, 1)
        with torch.inference_mode():
            out = model(inputs_embeds=whole, use_cache=True, **last_logits_only(model))
        self._cache = cache_of(out)

    def question(self, text: str, history: tuple[tuple[str, str], ...]) -> Tensor:
        """Return the token IDs (1, L) after the video."""
        before, after = self.prompt.around(text, history)
        assert before == self._before, "what stands before the video must not depend on the question"
        return torch.tensor([after], device=self.model.get_input_embeddings().weight.device)

    def step(self) -> Step:
        """Return a reader that stands just after the visual tokens."""
        return self._step(copied(self._cache))

    def read_question(self, ids: Tensor) -> tuple[Tensor, Callable[[], Step]]:
        """Read a question once; see `Conversation.read_question`."""
        cache = copied(self._cache)
        logits = self._step(cache, **last_logits_only(self.model))(ids)[0, -1].float()
        return logits, lambda: self._step(copied(cache))

    def _step(self, cache: Any, **more: Any) -> Step:
        """Return a reader that adds what it reads to a cache; `more` goes to the model, too."""
        given = {**with_cache(self.model, cache), **more}

        def go_on(ids: Tensor) -> Tensor:
            with torch.inference_mode():
                return self.model(input_ids=ids, use_cache=True, **given).logits

        return Step(go_on, partial(keep_cached, cache))

    def replies(self, questions: Sequence[str], options: GenerationOptions | None = None, *,
                num_tokens: int | None = None, bias: Tensor | None = None, num_best: int = 1) -> list[Generated]:
        """Reply to the questions of all rows in one batch.

        Args:
            questions: B * R, R for each row in turn.
            options: of the replies; without choices, a history or stop texts.
            num_tokens: length to which the questions are padded; None for that of the longest.
            bias: float (B * R, V), added to the logits of every token of the replies.
            num_best: replies to each question, best first; at most `options.num_beams`.

        Returns:
            B * R * num_best replies in the order of the questions.

        Raises:
            ContextExceeded: a question and its reply do not fit into the model's context.
        """
        if not questions:
            return []
        assert len(questions) % self.num_rows == 0, "questions must be a multiple of the rows"
        options = options or GenerationOptions(max_new_tokens=self.max_new_tokens)
        device = self.model.get_input_embeddings().weight.device
        tokens = [self.prompt.around(text)[1] for text in questions]
        lengths = [len(one) for one in tokens]
        check_room(self.context, self.num_read + max(lengths), options.max_new_tokens or self.max_new_tokens)
        width = num_tokens or max(lengths)
        padding = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[padding] * (width - len(one)) + one for one in tokens], device=device)  # (B * R, L)
        seen = torch.tensor([[1] * self.num_read + [0] * (width - one) + [1] * one for one in lengths], device=device)
        step = self._padded_step(seen, len(questions) // self.num_rows)
        found = generate_whole(step, ids, options, tokenizer=self.tokenizer, ends=self.ends,
                               num_read=[self.num_read + one for one in lengths],
                               bias=None if bias is None else bias.to(device), num_best=num_best)
        asked = [question for question in questions for _ in range(num_best)]
        return [self.postprocessed(reply, question) for reply, question in zip(found, asked, strict=True)]

    def _padded_step(self, mask: Tensor, repeats: int) -> Step:
        """Return a reader of rows padded on the left that stands just after the visual tokens.

        Args:
            mask: int64 (B * R, N + L), 0 for padding.
            repeats: R, questions for each row of visual tokens.
        """
        cache = copied(self._cache)
        if repeats > 1:
            cache.batch_repeat_interleave(repeats)
        given = {**with_cache(self.model, cache), **last_logits_only(self.model)}

        def go_on(ids: Tensor) -> Tensor:
            nonlocal mask
            places = (mask.cumsum(1) - 1)[:, -ids.shape[1]:]
            with torch.inference_mode():
                out = self.model(input_ids=ids, attention_mask=mask, position_ids=places, use_cache=True, **given)
            mask = torch.cat((mask, torch.ones_like(mask[:, :1])), 1)
            return out.logits

        def keep(rows: Tensor) -> None:
            nonlocal mask
            keep_cached(cache, rows)
            mask = mask[rows]

        return Step(go_on, keep)

    def row(self, number: int) -> EmbeddingConversation:
        """Return the conversation about one row alone."""
        one = copy(self)
        one.num_rows, one._cache = 1, copied(self._cache)
        one._cache.batch_select_indices(torch.tensor([number], device=self.model.device))
        return one

    def blind(self) -> EmbeddingConversation:
        """Return the conversation without visual tokens."""
        nothing = torch.zeros(1, 0, self.model.get_input_embeddings().embedding_dim)
        if not self._before:
            raise InvalidInput("without_prior needs a chat template that begins before the video; this model's does "
                               "not.")
        return EmbeddingConversation(self.model, self.prompt, nothing, max_new_tokens=self.max_new_tokens)

    def postprocessed(self, reply: Generated, question: str) -> Generated:
        """Return a reply in tidy text, with the words of the question that the vocabulary lacks."""
        return replace(reply, text=self.prompt.tidy(reply.text), unknown_words=self.prompt.unknown_words(question))


def ends_of(model: PreTrainedModel, tokenizer: Any) -> tuple[int, ...]:
    """Return the token IDs that end a reply of a causal model."""
    given = getattr(model.generation_config, "eos_token_id", None) or tokenizer.eos_token_id
    return tuple(given) if isinstance(given, list | tuple) else (int(given),)


__all__ = ["EmbeddingConversation", "ends_of"]
