"""Is what a yes-or-no question names in the picture? By the words that people would use of it.

The language model's own yes and no hardly depend on the picture, so that it counts less; fitted by logistic regression
on questions made from the captions of Flickr8k's validation photographs.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import SURE, SpanFacts

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
_EXISTS = (3.45, 0.18, 0.66, 0.64, 0.05)
_EXISTS_UNKNOWN = (6.82, 0.0, 1.1, 0.53, 0.35)
"""Weights of `exists_features` for things of the detector's classes, and for others
(`benchmarks/everyday_existence.py` fits them)."""
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


@dataclass(frozen=True)
class Signs:
    """What speaks for a thing, apart from the language model."""

    detected: float
    """How sure the detector is of the surest track; 0 where there is none."""
    mentioned: float
    """Probability that people would name it."""
    looks: float
    """Probability of ImageNet classes of that name."""


def signs_of(query: Query, facts: Facts, vocabulary: Collection[str]) -> Signs | None:
    """Return what speaks for the thing of "is there a dog?", where no detection settles it.

    Args:
        query: any question.
        facts: of the video.
        vocabulary: words of which the shots would tell the probability.

    Returns:
        None for questions of another kind, for people (the detector finds them, and words tell them apart, better than
        such a sum), for words that nobody judged, where colour, side or number matter, and where the detector is sure.
    """
    noun = query.subject
    if query.family != "exist" or not query.yes_no or noun is None or noun.person or noun.finer or noun.kind:
        return None
    if noun.colour or noun.side or (noun.number or 1) > 1 or (query.time and query.time.kind == "event"):
        return None
    seen = SpanFacts(facts, query.time)
    if not seen.has_words() or not any(word in vocabulary for word in noun.words):
        return None
    detected = max((seen.sureness(track) for track in seen.tracks(noun)), default=0.0) if noun.labels else 0.0
    return None if detected >= SURE else Signs(detected, seen.word(noun.words), seen.thing(noun.words))


def exists(signs: Signs, said: float, *, known: bool) -> float:
    """Return the probability that a thing is there.

    Args:
        signs: what speaks for it.
        said: probability of yes that the language model gives.
        known: whether the detector has a class for it.
    """
    weights = _EXISTS if known else _EXISTS_UNKNOWN
    return 1 / (1 + math.exp(-sum(w * x for w, x in zip(weights, exists_features(signs, said), strict=True))))


def exists_features(signs: Signs, said: float) -> list[float]:
    """Return what `exists` weighs: 1, and the logits of detector, words, language model and ImageNet's classes."""
    return [1.0, _logit(signs.detected, 0.02), _logit(signs.mentioned), _logit(said), _logit(signs.looks)]


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


def _logit(share: float, least: float = 0.001) -> float:
    share = min(max(share, least), 0.99)
    return math.log(share / (1 - share))


__all__ = ["UNKNOWN", "Signs", "exists", "exists_features", "judged", "named_probability", "signs_of"]
