"""How near captions come to what people wrote: BLEU (Papineni et al. 2002) and CIDEr-D (Vedantam et al. 2015).

Both follow the definitions of the COCO caption evaluation (https://github.com/tylin/coco-caption), so that figures can
be laid beside published ones. Words are compared in lower case without marks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NGRAMS = 4
SIGMA = 6.0
"""Width of CIDEr-D's penalty on a length that differs."""
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|'s")
_Ngram = tuple[str, ...]


def words_of(text: str) -> list[str]:
    """Return the words of a caption as they are compared."""
    return _WORD.findall(text.lower())


def ngrams(words: Sequence[str]) -> Counter[_Ngram]:
    """Count the n-grams of 1 to 4 words."""
    return Counter(tuple(words[i:i + n]) for n in range(1, NGRAMS + 1) for i in range(len(words) - n + 1))


def bleu(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, float, float, float]:
    """Return BLEU-1 to BLEU-4 over a whole corpus, with the length of the closest reference.

    Args:
        candidates: one caption a video.
        references: what people wrote of each, one or more.
    """
    matched, made = [0] * NGRAMS, [0] * NGRAMS
    length = wanted = 0
    for candidate, told in zip(candidates, references, strict=True):
        words = words_of(candidate)
        refs = [words_of(one) for one in told]
        length += len(words)
        wanted += min((abs(len(one) - len(words)), len(one)) for one in refs)[1]
        most: Counter[_Ngram] = Counter()
        for one in refs:
            most |= ngrams(one)
        for gram, count in ngrams(words).items():
            made[len(gram) - 1] += count
            matched[len(gram) - 1] += min(count, most[gram])
    brevity = 1.0 if length >= wanted else math.exp(1 - wanted / max(length, 1))
    found, product = [], 1.0
    for n in range(NGRAMS):
        product *= matched[n] / made[n] if made[n] else 0.0
        found.append(brevity * product ** (1 / (n + 1)))
    return found[0], found[1], found[2], found[3]


@dataclass(frozen=True)
class _Vector:
    weights: tuple[dict[_Ngram, float], ...]
    norms: tuple[float, ...]
    length: int


class Cider:
    """CIDEr-D against fixed references: how rare the n-grams are is counted over all of them.

    Args:
        references: name -> what people wrote.
    """

    def __init__(self, references: Mapping[str, Sequence[str]]):
        counted = {name: [ngrams(words_of(one)) for one in told] for name, told in references.items()}
        self._seen: Counter[_Ngram] = Counter()
        for told in counted.values():
            self._seen.update({gram for one in told for gram in one})
        self._log_count = math.log(len(counted)) if counted else 0.0
        self._references = {name: [self._vector(one) for one in told] for name, told in counted.items()}

    def _vector(self, counts: Counter[_Ngram]) -> _Vector:
        weights: tuple[dict[_Ngram, float], ...] = tuple({} for _ in range(NGRAMS))
        norms, length = [0.0] * NGRAMS, 0
        for gram, count in counts.items():
            n = len(gram) - 1
            weight = count * (self._log_count - math.log(max(1.0, self._seen.get(gram, 0))))
            weights[n][gram] = weight
            norms[n] += weight * weight
            length += count if n == 1 else 0
        return _Vector(weights, tuple(math.sqrt(one) for one in norms), length)

    def score(self, name: str, candidate: str) -> float:
        """Return CIDEr-D of one caption: 0 to 10."""
        made, total = self._vector(ngrams(words_of(candidate))), 0.0
        told = self._references[name]
        for one in told:
            near = math.exp(-(made.length - one.length) ** 2 / (2 * SIGMA ** 2))
            for n in range(NGRAMS):
                if made.norms[n] and one.norms[n]:
                    known = one.weights[n]
                    shared = sum(min(weight, known[gram]) * known[gram] for gram, weight in made.weights[n].items()
                                 if gram in known)
                    total += near * shared / (made.norms[n] * one.norms[n])
        return 10 * total / (NGRAMS * len(told))

    def mean(self, candidates: Mapping[str, str]) -> float:
        """Return the mean over captions by name."""
        return sum(self.score(name, text) for name, text in candidates.items()) / max(1, len(candidates))


__all__ = ["NGRAMS", "Cider", "bleu", "ngrams", "words_of"]
