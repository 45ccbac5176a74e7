"""The generate loop: replies of one or more rows, token by token, from the logits of a causal model."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, MissingExtra
from mmvideo.types import Domain, GenerationOptions, Proof, Segment
from mmvideo.vlm.beams import Beams, Row
from mmvideo.vlm.kv_cache import Step
from mmvideo.vlm.repetition import repeated_text

LONGEST_WITHOUT_LIMIT = 256
COLDEST = 1e-5
"""Temperatures below count as 0: float32 logits divided by less overflow."""


@dataclass(frozen=True)
class Generated:
    """One reply."""

    text: str
    confidence: float
    """Geometric mean of the probabilities of the reply's tokens, in [0, 1]; None where a server tells none."""
    unknown_words: tuple[str, ...] = ()
    """Words of the question that the model has never seen."""
    num_read: int = 0
    """Tokens that the reply follows: what was seen, the question and what stands around them."""
    num_written: int = 0
    """Tokens of the reply, with the one that ends it."""
    finished: bool = True
    """Whether the model ended the reply; False where it was cut at the longest length."""
    repeats: str = ""
    """The words that the reply repeated again and again when it was cut; empty where it did not."""
    proof: Proof | None = None
    """What the reply rests on, where the model tells."""
    domain: Domain | None = None
    """Whether video and question are known to the model, where it judged that for this reply."""
    segments: tuple[Segment, ...] = ()
    """What was said about parts of the video, where the reply is about all of it."""
    rule: str = ""
    """How the reply came about, in words."""


def generate(step: Step, ids: Tensor, options: GenerationOptions, *, tokenizer: Any, ends: Sequence[int],
             longest: int = LONGEST_WITHOUT_LIMIT, bias: Tensor | None = None, num_best: int = 1
             ) -> Iterator[list[Row]]:
    """Generate replies to the questions of B rows, yielding all of them after each token.

    A row that has ended gets padding until the last one has.

    Args:
        step: reads tokens and returns the logits of the next.
        ids: the questions, int64 (B, L); rows of different length are padded on the left, which `step` knows of.
        options: length, temperature, top_p, seed, schema, num_beams.
        tokenizer: of the model; used for a schema.
        ends: token IDs that end a reply.
        longest: the limit where `options` sets none.
        bias: float (B, V), added to the logits of every token.
        num_best: replies that are given to each question, best first; at most `num_beams`.

    Raises:
        MissingExtra: a schema was given and llguidance is absent.
        InvalidInput: a schema that it does not take.
        TimeLimitExceeded: the time is over (`mmvideo.deadline`).
    """
    rows, device = [Row() for _ in ids], ids.device
    grammars = [] if options.schema is None else [Grammar(options.schema, tokenizer, ends) for _ in rows]
    generator = torch.Generator(device=device)
    if options.seed is None:
        generator.seed()
    else:
        generator.manual_seed(options.seed)
    padding = ends[0] if ends else 0
    beams = Beams(len(rows), options.num_beams, ends) if options.num_beams > 1 else None
    for left in reversed(range(options.max_new_tokens or longest)):
        check()
        logits = step(ids)[:, -1].float()  # (B, V)
        if bias is not None:
            logits = logits + bias.repeat_interleave(len(logits) // len(bias), 0)
        if grammars:
            logits = torch.stack([one if row.finished else grammar.masked(one)
                                  for one, row, grammar in zip(logits, rows, grammars, strict=True)])
        log_p = logits.log_softmax(-1)
        if beams is not None:
            parents, tokens = beams.grow(log_p, last=left == 0)
            yield beams.best(num_best)
            if all(beams.done):
                return
            step.keep(parents)
            ids = tokens[:, None]
            continue
        if options.temperature < COLDEST:
            taken, tokens = log_p.max(-1)
        else:
            tokens = torch.stack([_drawn(one, options, generator) for one in logits])
            taken = log_p.gather(1, tokens[:, None])[:, 0]
        for number, (row, token, probability) in enumerate(zip(rows, tokens.tolist(), taken.tolist(), strict=True)):
            if row.finished:
                continue
            row.log_probabilities.append(probability)
            if token in ends:
                row.finished = True
                continue
            row.ids.append(token)
            row.finished = bool(grammars) and grammars[number].took(token)
            row.cut = not row.finished and left == 0
        yield rows
        if all(row.finished for row in rows):
            return
        over = torch.tensor([row.finished for row in rows], device=device)
        ids = torch.where(over, padding, tokens)[:, None]


def generate_whole(step: Step, ids: Tensor, options: GenerationOptions, *, tokenizer: Any, ends: Sequence[int],
          num_read: Sequence[int], bias: Tensor | None = None, num_best: int = 1) -> list[Generated]:
    """Generate replies to the end; arguments as of `generate`.

    Args:
        num_read: tokens that each row follows.
    """
    rows = deque(generate(step, ids, options, tokenizer=tokenizer, ends=ends, bias=bias, num_best=num_best),
                 maxlen=1).pop()
    num_read = [read for read in num_read for _ in range(num_best)]
    return [finished_reply(row, sure, read, tokenizer, options.stop)
            for row, sure, read in zip(rows, confidences(rows), num_read, strict=True)]


def finished_reply(row: Row, confidence: float, num_read: int, tokenizer: Any, stop: Sequence[str] = ()) -> Generated:
    """Return the reply that a row holds so far."""
    said, stopped = until(tokenizer.decode(row.ids, skip_special_tokens=True), stop)
    return Generated(said.strip(), confidence, num_read=num_read, num_written=len(row.log_probabilities),
                     finished=row.finished or stopped,
                     repeats=repeated_text(row.ids, tokenizer) if row.cut and not stopped else "")


def confidences(rows: Sequence[Row]) -> list[float]:
    """Return the geometric mean of the probabilities of each row's tokens, in [0, 1]."""
    steps = pad_sequence([torch.tensor(row.log_probabilities) for row in rows], batch_first=True,
                         padding_value=torch.nan)  # (B, T)
    return steps.nanmean(1).exp().nan_to_num(0.0).tolist()


def until(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Return the text before the first of the stop texts, and whether one is in it.

    Where none is, what the text ends with is left out while a stop text may begin with it.
    """
    found = [at for one in stop if (at := text.find(one)) >= 0]
    if found:
        return text[:min(found)], True
    held = max((n for one in stop for n in range(1, len(one)) if text.endswith(one[:n])), default=0)
    return text[:len(text) - held], False


def _drawn(logits: Tensor, options: GenerationOptions, generator: torch.Generator) -> Tensor:
    """Draw a token from logits (V,) by temperature and top_p."""
    shares = (logits / options.temperature).softmax(-1)
    if options.top_p >= 1:
        return torch.multinomial(shares, 1, generator=generator)[0]
    ranked, order = shares.sort(descending=True, stable=True)
    ranked[1:][ranked.cumsum(-1)[:-1] >= options.top_p] = 0  # the likeliest token always stays
    return order[torch.multinomial(ranked, 1, generator=generator)][0]


def log_likelihood(first: Tensor, step: Step, reply: Sequence[int]) -> float:
    """Return the log-probability of a reply after a question.

    Args:
        first: logits of the first token after the question, float32 (V,).
        step: as in `generate`; it must stand just after the question.
        reply: its token IDs, with the one that ends it.
    """
    check()
    told = torch.tensor([list(reply)], device=first.device)
    logits = first[None]
    if len(reply) > 1:
        logits = torch.cat((logits, step(told[:, :-1])[0].float()))
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
        try:
            whole = llguidance.hf.from_tokenizer(tokenizer, n_vocab=size, eos_token=ends[0])
        except ValueError as error:
            raise InvalidInput(f"The vocabulary of this model cannot be held to a JSON schema ({error}); give choices= "
                               "instead, or name a chat model.") from error
        try:
            grammar = llguidance.LLMatcher.grammar_from_json_schema(
                schema, overrides={"whitespace_flexible": False})  # else an unsure model writes spaces for ever
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


__all__ = ["Generated", "Grammar", "confidences", "finished_reply", "generate", "generate_whole",
           "log_likelihood", "until"]
