"""Questions about something that a causal model has read once: replies whole or in pieces, or among choices."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput, shown, translated
from mmvideo.types import GenerationOptions
from mmvideo.vlm.context import check_room
from mmvideo.vlm.generate import (
    LONGEST_WITHOUT_LIMIT,
    Generated,
    Grammar,
    confidences,
    finished_reply,
    generate,
    log_likelihood,
)
from mmvideo.vlm.kv_cache import Step


class Conversation:
    """Base of conversations: subclasses say how a question becomes tokens and how the model goes on from its prefix."""

    tokenizer: Any
    ends: tuple[int, ...]
    """Token IDs that end a reply."""
    context: int | None = None
    """Most tokens that the model can read and write together; None where nothing says."""
    num_read: int
    """Tokens that were read before any question, those of the video among them."""
    max_new_tokens: int = LONGEST_WITHOUT_LIMIT
    """The longest reply, where nothing else is said."""
    short: bool = False
    """Whether no reply is ever longer than `max_new_tokens`, so that a larger limit has no effect."""
    caption_request: str = "Describe what happens in this video."
    """What is asked for a caption, where nothing else is said."""

    def question(self, text: str, history: tuple[tuple[str, str], ...]) -> Tensor:
        """Return the token IDs (1, L) that follow what was read."""
        raise NotImplementedError

    def step(self) -> Step:
        """Return a reader that stands just after what was read."""
        raise NotImplementedError

    def read_question(self, ids: Tensor) -> tuple[Tensor, Callable[[], Step]]:
        """Read a question once, for any number of replies.

        Args:
            ids: the question, int64 (1, L).

        Returns:
            The logits of the first token after it, float32 (V,), and what gives readers that stand just after it.
        """
        raise NotImplementedError

    def postprocessed(self, reply: Generated, question: str) -> Generated:
        """Return a reply as it is told: subclasses clean its text, and say what of the question the model lacks."""
        return reply

    def logits(self, question: str, history: tuple[tuple[str, str], ...] = ()) -> Tensor:
        """Return the logits of the first token of the reply, float32 (V,)."""
        return self.step()(self.question(question, history))[0, -1].float()

    def check_room(self, question: str, options: GenerationOptions) -> Tensor:
        """Return the token IDs of a question that fits into the context, with its reply.

        Raises:
            ContextExceeded: it does not.
        """
        ids = self.question(question, options.history)
        longest = options.max_new_tokens or self.max_new_tokens
        if options.choices:
            longest = max(len(tokens_of_choice(choice, self.tokenizer)) + 1 for choice in options.choices)
        check_room(self.context, self.num_read + ids.shape[1], longest)
        return ids

    def write(self, question: str, options: GenerationOptions) -> Iterator[Generated]:
        """Yield the reply so far, after every token.

        Raises:
            InvalidInput: choices or a schema that cannot be used.
            ContextExceeded: question and reply do not fit into the context.
            OutOfMemory: the reply does not fit into memory.
        """
        if options.choices:
            yield self.choose(question, options)[0]
            return
        ids = self.check_room(question, options)
        reply, text = None, ""
        for rows in generate(self.step(), ids, options, tokenizer=self.tokenizer, ends=self.ends,
                             longest=self.max_new_tokens):
            reply = finished_reply(rows[0], confidences(rows)[0], self.num_read + ids.shape[1], self.tokenizer,
                                   options.stop)
            yield self.postprocessed(reply, question)
            if reply.finished and not rows[0].finished:  # a stop text was written
                return
            text = reply.text
            if options.stop:
                text = self.tokenizer.decode(rows[0].ids, skip_special_tokens=True).strip()
        if reply is not None and reply.text != text:  # what could have begun a stop text did not
            yield self.postprocessed(replace(reply, text=text), question)

    def reply(self, question: str, options: GenerationOptions | None = None) -> Generated:
        """Return the whole reply."""
        return deque(self.write(question, options or GenerationOptions()), maxlen=1).pop()

    def replies(self, questions: Sequence[str], options: GenerationOptions | None = None, *,
                num_tokens: int | None = None) -> list[Generated]:
        """Reply to the questions of all rows in one batch; only for a conversation that may have several rows."""
        raise NotImplementedError

    def row(self, number: int) -> Conversation:
        """Return the conversation about one row alone; only for one that may have several."""
        raise NotImplementedError

    def blind(self) -> Conversation:
        """Return the same conversation without the video.

        Raises:
            InvalidInput: the model cannot be asked without one.
        """
        raise InvalidInput("without_prior is for composed models; this one is not asked without a video.")

    def choose(self, question: str, options: GenerationOptions) -> list[Generated]:
        """Score every choice by its likelihood as the reply; likeliest first, confidences sum to 1.

        Raises:
            InvalidInput: a choice that the tokenizer makes nothing of.
        """
        ids = self.check_room(question, options)
        scores, lengths = [], []
        first, after = self.read_question(ids)
        for choice in options.choices:
            told = [*tokens_of_choice(choice, self.tokenizer), *self.ends[:1]]
            lengths.append(len(told))
            scores.append(log_likelihood(first, after(), told))
        shares = torch.tensor(scores).softmax(0).tolist()
        ranked = sorted(zip(options.choices, shares, lengths, strict=True), key=lambda item: -item[1])
        num_read = self.num_read + ids.shape[1]
        return [self.postprocessed(Generated(text, share, num_read=num_read, num_written=length), question)
                for text, share, length in ranked]


def tokens_of_choice(choice: str, tokenizer: Any) -> list[int]:
    """Return the token IDs of a choice.

    Raises:
        InvalidInput: the tokenizer makes nothing of it.
    """
    with translated("this model", "tokenizer", f"the choice {shown(choice)}", kind=InvalidInput):
        found = tokenizer(choice, add_special_tokens=False)["input_ids"]
    if not found:
        raise InvalidInput(f"The choice {shown(choice)} is empty.")
    return found


def check_constraints(options: GenerationOptions, tokenizer: Any, ends: Sequence[int]) -> None:
    """Refuse choices and a schema to which no reply can be held.

    Raises:
        InvalidInput: a choice of no tokens, or a schema that llguidance does not take.
        MissingExtra: a schema was given and llguidance is absent.
    """
    for choice in options.choices:
        tokens_of_choice(choice, tokenizer)
    if options.schema is not None:
        Grammar(options.schema, tokenizer, ends)


__all__ = ["Conversation", "check_constraints", "tokens_of_choice"]
