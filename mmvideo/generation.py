"""How a question is to be answered: the options of a reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mmvideo import checks
from mmvideo.errors import InvalidInput, UnknownName


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidInput(message)


def is_text(value: Any) -> bool:
    """Say whether a value is a text of characters: half a surrogate pair is none, and no tokenizer takes it."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True, kw_only=True)
class GenerationOptions:
    """How a question is to be answered; what is None is left to the pipeline."""

    max_new_tokens: int | None = field(default=None, metadata={"min": 1})
    """Longest reply, in tokens."""
    temperature: float = field(default=0.0, metadata={"min": 0})
    """0 takes the likeliest token; above, tokens are drawn, the more freely the higher."""
    top_p: float = 1.0
    """Tokens are drawn from the likeliest ones that together reach this probability (nucleus sampling)."""
    seed: int | None = None
    """Makes drawn replies repeatable."""
    num_beams: int = field(default=1, metadata={"min": 1})
    """Replies that are tried side by side; above 1 the one whose tokens are likeliest together is given, at the cost of
    as many replies (beam search)."""
    stop: tuple[str, ...] = ()
    """Texts that end a reply; it is cut before the first of them."""
    choices: tuple[str, ...] = ()
    """The only replies allowed, two or more: each is scored by its likelihood, and the likeliest is given."""
    schema: Mapping[str, Any] | None = None
    """A JSON schema that the reply must follow."""
    history: tuple[tuple[str, str], ...] = ()
    """Earlier (question, reply) pairs of the conversation."""
    stream: bool = False
    """Give the reply in pieces, as it is made."""

    def __post_init__(self) -> None:
        if self.max_new_tokens is not None:
            object.__setattr__(self, "max_new_tokens", checks.whole("max_new_tokens", self.max_new_tokens, low=1))
        object.__setattr__(self, "temperature", checks.number("temperature", self.temperature, low=0))
        _require(0 <= checks.number("top_p", self.top_p) <= 1, f"top_p must be between 0 and 1, not {self.top_p}.")
        if self.seed is not None:
            _require(-1 << 63 <= checks.whole("seed", self.seed, low=-1 << 80, high=1 << 80) < 1 << 64,
                   f"seed must fit into 64 bits, not {self.seed}.")
        checks.flag("stream", self.stream)
        self._check_beams()
        for name in ("stop", "choices"):
            texts = getattr(self, name)
            _require(all(is_text(text) and text for text in texts),
                   f"{name} must hold texts, none of them empty, not {checks.described(texts)}.")
        _require(all(isinstance(turn, tuple) and len(turn) == 2 and all(map(is_text, turn)) for turn in self.history),
               "history must hold pairs of texts: (question, reply).")
        _require(not (self.choices and self.stop), "Give choices or stop, not both: a choice is never cut.")
        _require(not (self.choices and self.schema), "Give choices or a schema, not both.")
        _require(len(self.choices) != 1, "choices needs two or more replies to choose from.")

    def _check_beams(self) -> None:
        if checks.whole("num_beams", self.num_beams, low=1, high=64) == 1:
            return
        for name, value in (("temperature", self.temperature), ("stop", self.stop), ("choices", self.choices),
                            ("schema", self.schema), ("stream", self.stream)):
            _require(not value, f"Give num_beams or {name}, not both: beams are compared when they have ended.")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> GenerationOptions:
        """Build it from keyword arguments; lists become tuples, and None means not given.

        Raises:
            UnknownName: an option that it does not have.
            InvalidInput: a value out of range.
        """
        known = [f.name for f in fields(cls)]
        for name in options:
            if name not in known:
                raise UnknownName("option of a question", name, known)
        given = {name: value for name, value in options.items() if value is not None}
        if isinstance(given.get("stop"), str):
            given["stop"] = [given["stop"]]
        for name in ("choices", "history", "stop"):
            items = given.pop(name, None) or ()
            _require(isinstance(items, list | tuple), f"{name} must be a list, not {checks.described(items)}.")
            given[name] = tuple(tuple(item) if isinstance(item, list) else item for item in items)
        return cls(**given)


__all__ = ["GenerationOptions", "is_text"]
