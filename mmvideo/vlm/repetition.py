"""Find out whether generated text ended in a loop: the same n-gram of tokens again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FEWEST_TOKENS = 6
"""A shorter repetition is no loop: "no, no, no"."""
LONG_NGRAM = 16
"""An n-gram of this many tokens is a loop when it stands twice; a shorter one when it stands three times."""
_LONGEST_PHRASE = 60


def repeated_ngram(ids: Sequence[int]) -> int:
    """Return the length of the shortest n-gram that the sequence ends by repeating; 0 where it ends in no loop."""
    for length in range(1, len(ids) // 2 + 1):
        times = 2 if length >= LONG_NGRAM else 3
        tail = max(times * length, FEWEST_TOKENS)
        if len(ids) >= tail and all(ids[-i] == ids[-i - length] for i in range(1, tail - length + 1)):
            return length
    return 0


def repeated_text(ids: Sequence[int], tokenizer: Any) -> str:
    """Return the words that the sequence ends by repeating; an empty text where it ends in no loop."""
    length = repeated_ngram(ids)
    if not length:
        return ""
    text = tokenizer.decode(list(ids[-length:]), skip_special_tokens=True).strip() or "special tokens"
    return text if len(text) <= _LONGEST_PHRASE else f"{text[:_LONGEST_PHRASE - 1]}…"


__all__ = ["repeated_ngram", "repeated_text"]
