"""Make text with a causal model whose prefix has been read: one token at a time, or the likeliest of given replies."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, MissingExtra
from mmvideo.types import GenerationOptions

Step = Callable[[Tensor], Tensor]
"""Token IDs (1, L) that follow what was read -> logits (1, L, V) of each; remembers them."""
LONGEST_WITHOUT_LIMIT = 256
COLDEST = 1e-5
"""Temperatures below count as 0: float32 logits divided by less overflow."""


@dataclass
class Written:
    """A reply while it is made."""

    ids: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)
    finished: bool = False
    """Whether the model ended it."""
    cut: bool = False
    """Whether it ended at max_new_tokens."""

    @property
    def confidence(self) -> float:
        """Geometric mean of the tokens' probabilities, in [0, 1]."""
        if not self.log_probabilities:
            return 0.0
        return float(torch.tensor(self.log_probabilities).mean().exp())


def write(step: Step, ids: Tensor, generation: GenerationOptions, *, tokenizer: Any, ends: Sequence[int],
          longest: int = LONGEST_WITHOUT_LIMIT) -> Iterator[Written]:
    """Make a reply token by token, yielding the whole of it after each.

    Args:
        step: reads tokens and gives the logits after each.
        ids: the question, int64 (1, L).
        generation: length, temperature, top_p, seed, schema.
        tokenizer: of the model; used for a schema.
        ends: token IDs that end a reply.
        longest: the limit where `generation` sets none.

    Raises:
        MissingExtra: a schema was given and llguidance is absent.
        InvalidInput: a schema that it does not take.
        TimeLimitExceeded: the time is over (`mmvideo.deadline`).
    """
    written, device = Written(), ids.device
    grammar = Grammar(generation.schema, tokenizer, ends) if generation.schema is not None else None
    generator = torch.Generator(device=device)
    if generation.seed is None:
        generator.seed()
    else:
        generator.manual_seed(generation.seed)
    for left in reversed(range(generation.max_new_tokens or longest)):
        check()
        logits = step(ids)[0, -1].float()
        if grammar is not None:
            logits = grammar.masked(logits)
        log_p = logits.log_softmax(-1)
        token = int(log_p.argmax()) if generation.temperature < COLDEST else _drawn(logits, generation, generator)
        written.log_probabilities.append(float(log_p[token]))
        if token in ends:
            written.finished = True
            yield written
            return
        written.ids.append(token)
        written.finished = grammar is not None and grammar.took(token)
        written.cut = not written.finished and left == 0
        yield written
        if written.finished:
            return
        ids = torch.tensor([[token]], device=device)


def until(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Return the text before the first of the stop texts, and whether one is in it.

    Where none is, what the text ends with is left out while a stop text may begin with it.
    """
    found = [at for one in stop if (at := text.find(one)) >= 0]
    if found:
        return text[:min(found)], True
    held = max((n for one in stop for n in range(1, len(one)) if text.endswith(one[:n])), default=0)
    return text[:len(text) - held], False


def _drawn(logits: Tensor, generation: GenerationOptions, generator: torch.Generator) -> int:
    """Draw a token from logits (V,) by temperature and top_p."""
    shares = (logits / generation.temperature).softmax(-1)
    if generation.top_p >= 1:
        return int(torch.multinomial(shares, 1, generator=generator))
    ranked, order = shares.sort(descending=True, stable=True)
    ranked[1:][ranked.cumsum(-1)[:-1] >= generation.top_p] = 0  # the likeliest token always stays
    return int(order[torch.multinomial(ranked, 1, generator=generator)])


def log_likelihood(step: Step, ids: Tensor, reply: Sequence[int]) -> float:
    """Return the log-probability of a reply after a question.

    Args:
        step: as in `write`; it must stand where the question begins.
        ids: the question, int64 (1, L).
        reply: its token IDs, with the one that ends it.
    """
    check()
    told = torch.tensor([list(reply)], device=ids.device)
    logits = step(torch.cat((ids, told[:, :-1]), 1))[0, -len(reply):].float()
    return float(logits.log_softmax(-1).gather(1, told[0, :, None]).sum())


class Grammar:
    """A JSON schema, held to by llguidance: after each token, which may follow."""

    def __init__(self, schema: Any, tokenizer: Any, ends: Sequence[int]):
        try:
            import llguidance
            import llguidance.hf
            import llguidance.torch
        except ImportError as error:
            raise MissingExtra("llguidance", "hub", "schema=") from error
        self._torch, size = llguidance.torch, len(tokenizer)
        whole = llguidance.hf.from_tokenizer(tokenizer, n_vocab=size, eos_token=ends[0])
        compact: Any = {"whitespace_flexible": False}  # else an unsure model writes spaces for ever
        try:
            grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=compact)
        except ValueError as error:
            raise InvalidInput(f"This JSON schema cannot be used: {error}.") from error
        self.matcher = llguidance.LLMatcher(whole, grammar)
        if problem := self.matcher.get_error():
            raise InvalidInput(f"This JSON schema cannot be used: {problem}")
        self.mask = llguidance.torch.allocate_token_bitmask(1, size)
        self.size = size
        self._torch.fill_next_token_bitmask(self.matcher, self.mask)
        if self.matcher.is_stopped():
            raise InvalidInput("This JSON schema cannot be used: it allows no value.")

    def masked(self, logits: Tensor) -> Tensor:
        """Forbid the tokens that may not follow; logits (V,).

        Raises:
            InvalidInput: the schema is too large to follow, or allows nothing here.
        """
        self._torch.fill_next_token_bitmask(self.matcher, self.mask)
        if not self.mask.any():
            problem = self.matcher.get_error().partition("\n")[0] or "nothing may follow here"
            raise InvalidInput(f"This JSON schema cannot be used: {problem}.")
        allowed = (self.mask[0, :, None] >> torch.arange(32)) & 1
        allowed = allowed.flatten()[:logits.shape[0]].bool().to(logits.device)
        out = torch.full_like(logits, -torch.inf)
        out[:allowed.shape[0]] = logits[:allowed.shape[0]].masked_fill(~allowed, -torch.inf)
        return out

    def took(self, token: int) -> bool:
        """Go on after a token; return whether the value is complete.

        Raises:
            InvalidInput: the schema is too large to follow.
        """
        self.matcher.consume_token(token)
        if self.matcher.is_error():
            problem = self.matcher.get_error().partition("\n")[0]
            raise InvalidInput(f"This JSON schema cannot be used: {problem}.")
        return self.matcher.is_stopped()


def copied(cache: Any) -> Any:
    """Return a cache that can be added to without changing the one given, sharing what is never changed in place."""
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    layers = getattr(cache, "layers", None)
    if layers is None:
        return copy.deepcopy(cache)
    fresh = copy.copy(cache)
    fresh.layers = [copy.copy(layer) if type(layer) in (DynamicLayer, DynamicSlidingWindowLayer)
                    else copy.deepcopy(layer) for layer in layers]
    return fresh


__all__ = ["Grammar", "Step", "Written", "copied", "log_likelihood", "until", "write"]
