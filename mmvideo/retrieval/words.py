"""Search in words: BM25 over stems, with kinds of things ("man" also finds "person")."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from mmvideo.everyday.questions.nouns import noun_of

K1, B = 1.2, 0.5
"""Of BM25 (Robertson & Zaragoza 2009): saturation of repeated words, and how much long texts are marked down."""
KIND = 0.5
"""Weight of a word that is a kind of what was asked for, or of which it is a kind."""
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
_STOP = frozenset((
    "a", "an", "the", "of", "in", "on", "at", "to", "and", "or", "with", "by", "for", "from", "is", "are", "was",
    "were", "be", "being", "been", "it", "its", "this", "that", "these", "those", "there", "who", "what", "which",
    "someone", "something", "some", "any", "one", "his", "her", "their", "he", "she", "they", "as", "into", "onto"))


def stem(word: str) -> str:
    """Return a word without its English endings (kicks, kicking, kicked -> kick)."""
    for ending, shortest in (("ing", 3), ("ed", 3), ("es", 3), ("s", 3)):
        if word.endswith(ending) and len(word) - len(ending) >= shortest and not word.endswith("ss"):
            cut = word[:-len(ending)]
            if ending in ("ing", "ed") and len(cut) > 3 and cut[-1] == cut[-2] and cut[-1] not in "ls":
                return cut[:-1]  # running -> run
            return cut.removesuffix("e")
    return word.removesuffix("e") if len(word) > 3 else word


def terms(text: str) -> list[str]:
    """Return the stems of a text, in their order, without words that say nothing."""
    return [stem(word) for word in _WORD.findall(text.casefold()) if word not in _STOP]


def asked_terms(text: str) -> dict[str, float]:
    """Return the stems that a search looks for, with their weights."""
    found: dict[str, float] = {}
    for word in _WORD.findall(text.casefold()):
        if word in _STOP:
            continue
        noun = noun_of(word)
        for kind in noun.labels if noun is not None else ():
            for part in terms(kind):
                found.setdefault(part, KIND)
        found[stem(word)] = 1.0
    return found


class WordIndex:
    """Texts, to be ranked by the words of a search.

    Args:
        texts: one a clip; may be empty.
    """

    def __init__(self, texts: Sequence[str]):
        self._counts = [Counter(terms(text)) for text in texts]
        self._lengths = np.array([sum(counts.values()) for counts in self._counts], dtype=np.float64)
        self._having = Counter(term for counts in self._counts for term in counts)

    def scores(self, text: str) -> np.ndarray:
        """Return a score of every text, float64 (N,); 0 where it has none of the words."""
        total, mean = len(self._counts), max(float(self._lengths.mean()) if len(self._lengths) else 0.0, 1e-9)
        found = np.zeros(total)
        for term, weight in asked_terms(text).items():
            having = self._having.get(term, 0)
            if not having:
                continue
            rarity = math.log(1 + (total - having + 0.5) / (having + 0.5))
            count = np.array([counts.get(term, 0) for counts in self._counts], dtype=np.float64)
            found += weight * rarity * count * (K1 + 1) / (count + K1 * (1 - B + B * self._lengths / mean))
        return found


__all__ = ["WordIndex", "asked_terms", "stem", "terms"]
