"""Word lists are written as texts."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


__all__ = ["word_set"]
