"""Is what a yes-or-no question names in the picture? By the words that people would use of it.

The language model's own yes and no hardly depend on the picture, so that it counts less; fitted by logistic regression
on questions made from the captions of Flickr8k's validation photographs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import SpanFacts

if TYPE_CHECKING:
    from mmvideo.everyday.facts import Facts

_SAY_NOTHING = frozenset(("show", "see", "appear", "visible", "wear", "hold", "have", "be", "do", "film", "carry",
                          "look"))
_BODY = frozenset(("hand", "arm", "foot", "leg", "head", "face", "eye", "mouth", "nose", "ear", "finger", "body",
                   "knee", "shoulder", "back", "chest", "other"))
"""What everybody has, so that naming it tells nothing."""
_WORDS, _BIAS = 0.7, 2.85
_WORN, _BIAS_WORN = 1.17, 6.3
"""Weight of the logit of the words, and what is added: clothes are named far less often than worn."""
_MODEL = 1.0
"""Weight of the logit of the language model."""
UNKNOWN = 0.49
"""The most that is claimed where no word is known: the language model alone is right in half of such questions."""


def named_probability(query: Query, facts: Facts) -> float | None:
    """Return how likely all that a question names is said of the picture; None where no such word is known.

    Args:
        query: a yes-or-no question.
        facts: of the video; the words of each shot.
    """
    seen = SpanFacts(facts, query.time)
    nouns = [noun for noun in (query.subject, query.other) if noun is not None]
    named = [set(noun.words) | {noun.text} for noun in nouns if not noun.person and noun.text not in _BODY]
    if query.verb and query.verb not in _SAY_NOTHING:
        named.append({query.verb, *_gerunds(query.verb)})
    if not named:
        named = [set(noun.words) | {noun.text} for noun in nouns if noun.text not in {"person", *_BODY}]
    known = [words for words in named if any(word in shot.words for shot in seen.shots for word in words)]
    return min((seen.word(words) for words in known), default=None)


def _gerunds(verb: str) -> tuple[str, ...]:
    return f"{verb}ing", f"{verb[:-1]}ing", f"{verb}{verb[-1]}ing"


def judged(named: float, said: float, *, worn: bool = False) -> float:
    """Return the probability of yes.

    Args:
        named: of the words, as `named_probability` gives it.
        said: of the language model.
        worn: whether it is about clothes.
    """
    weight, bias = (_WORN, _BIAS_WORN) if worn else (_WORDS, _BIAS)
    return 1 / (1 + math.exp(-(weight * _logit(named) + _MODEL * _logit(said) + bias)))


def _logit(share: float) -> float:
    share = min(max(share, 0.001), 0.99)
    return math.log(share / (1 - share))


__all__ = ["UNKNOWN", "judged", "named_probability"]
