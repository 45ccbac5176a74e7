"""Questions about something that a causal model has read once: replies in one piece or in many, or among choices."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput, shown, translated
from mmvideo.types import GenerationOptions
from mmvideo.vlm import generate
from mmvideo.vlm.context import check_room
from mmvideo.vlm.language_model import Generated
from mmvideo.vlm.repetition import repeated_text


class Conversation:
    """Base of conversations: subclasses say how a question becomes tokens and how the model goes on from its prefix."""

    tokenizer: Any
    ends: tuple[int, ...]
    """Token IDs that end a reply."""
    context: int | None = None
    """Most tokens that the model can read and write together; None where nothing says."""
    num_read: int
    """Tokens that were read before any question, those of the video among them."""

    def question(self, text: str, history: tuple[tuple[str, str], ...]) -> Tensor:
        """Return the token IDs (1, L) that follow what was read."""
        raise NotImplementedError

    def step(self) -> generate.Step:
        """Return a reader that stands just after what was read."""
        raise NotImplementedError

    def logits(self, question: str, history: tuple[tuple[str, str], ...] = ()) -> Tensor:
        """Return the logits of the first token of the reply, float32 (V,)."""
        return self.step()(self.question(question, history))[0, -1].float()

    def check_room(self, question: str, generation: GenerationOptions) -> Tensor:
        """Return the token IDs of a question that fits into the context, with its reply.

        Raises:
            ContextExceeded: it does not.
        """
        ids = self.question(question, generation.history)
        longest = generation.max_new_tokens or generate.LONGEST_WITHOUT_LIMIT
        if generation.choices:
            longest = max(len(tokens_of_choice(choice, self.tokenizer)) + 1 for choice in generation.choices)
        check_room(self.context, self.num_read + ids.shape[1], longest)
        return ids

    def write(self, question: str, generation: GenerationOptions) -> Iterator[Generated]:
        """Yield the reply so far, after every token.

        Raises:
            InvalidInput: choices or a schema that cannot be used.
            ContextExceeded: question and reply do not fit into the context.
            OutOfMemory: the reply does not fit into memory.
        """
        if generation.choices:
            yield self.choose(question, generation)[0]
            return
        ids = self.check_room(question, generation)
        held = False
        for written in generate.write(self.step(), ids, generation, tokenizer=self.tokenizer, ends=self.ends):
            text = self.tokenizer.decode(written.ids, skip_special_tokens=True)
            said, stopped = generate.until(text, generation.stop)
            cut = written.cut and not stopped
            reply = Generated(said.strip(), written.confidence, num_read=self.num_read + ids.shape[1],
                              num_written=len(written.log_probabilities), finished=written.finished or stopped,
                              repeats=repeated_text(written.ids, self.tokenizer) if cut else "")
            held = not stopped and said != text
            yield reply
            if stopped:
                return
        if held:  # what could have begun a stop text did not
            yield replace(reply, text=text.strip())

    def reply(self, question: str, generation: GenerationOptions | None = None) -> Generated:
        """Return the whole reply."""
        return deque(self.write(question, generation or GenerationOptions()), maxlen=1).pop()

    def choose(self, question: str, generation: GenerationOptions) -> list[Generated]:
        """Score every choice by its likelihood as the reply; likeliest first, confidences sum to 1.

        Raises:
            InvalidInput: a choice that the tokenizer makes nothing of.
        """
        ids = self.check_room(question, generation)
        scores, lengths = [], []
        for choice in generation.choices:
            reply = tokens_of_choice(choice, self.tokenizer)
            told = [*reply, *self.ends[:1]]
            lengths.append(len(told))
            scores.append(generate.log_likelihood(self.step(), ids, told))
        shares = torch.tensor(scores).softmax(0).tolist()
        ranked = sorted(zip(generation.choices, shares, lengths, strict=True), key=lambda item: -item[1])
        return [Generated(text, share, num_read=self.num_read + ids.shape[1], num_written=length)
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


def check_constraints(generation: GenerationOptions, tokenizer: Any, ends: Sequence[int]) -> None:
    """Refuse choices and a schema to which no reply can be held.

    Raises:
        InvalidInput: a choice of no tokens, or a schema that llguidance does not take.
        MissingExtra: a schema was given and llguidance is absent.
    """
    for choice in generation.choices:
        tokens_of_choice(choice, tokenizer)
    if generation.schema is not None:
        generate.Grammar(generation.schema, tokenizer, ends)


__all__ = ["Conversation", "check_constraints", "tokens_of_choice"]
