"""Answers about people: man or woman, young or old, by the words that people would use of the picture."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmvideo.everyday.questions.answer_things import yes_no
from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.nouns import NOUNS
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import HAZY, SURE, SpanFacts
from mmvideo.everyday.questions.told import Told, cannot_tell, proven

_MALE = word_set("man guy boy male he")
_FEMALE = word_set("woman lady girl female she")
_YOUNG = word_set("boy girl child kid toddler baby teenager teenage")
_OLD = word_set("older elderly old")
_GROWN = word_set("man woman guy lady adult")
_FEW = 0.02
"""Sum of the probabilities below which words tell nothing of a person."""


def _mean(seen: SpanFacts, words: Iterable[str]) -> float:
    """Return the sum of the probabilities of some words, as a mean over the shots."""
    listed = list(words)
    return sum(shot.words.get(word, 0.0) for shot in seen.shots for word in listed) / max(1, len(seen.shots))


def answer_gender(query: Query, seen: SpanFacts) -> Told | None:
    """Is it a man or a woman? Is the person male?"""
    male, female = _mean(seen, _MALE), _mean(seen, _FEMALE)
    if male + female < _FEW:
        return cannot_tell(query.family, "nobody is seen well enough")
    share = male / (male + female)
    why = "the picture suggests a man" if share >= 0.5 else "the picture suggests a woman"
    if query.yes_no:
        return yes_no(query, share if query.attribute.endswith(" male") else 1 - share, (), why, seen, 0.9)
    words = query.text.lower()
    text = "male" if share >= 0.5 else "female"
    if "man" in words.split() or "a man" in words or "woman" in words:
        text = "a man" if share >= 0.5 else "a woman"
    elif "boy" in words:
        text = "a boy" if share >= 0.5 else "a girl"
    return Told(text, min(0.9, max(share, 1 - share)), proven((), [(seen.start, seen.end)], why), query.family, why)


def answer_age(query: Query, seen: SpanFacts) -> Told | None:
    """Is he young? Is it a child or an adult?"""
    young, grown, old = _mean(seen, _YOUNG), _mean(seen, _GROWN), _mean(seen, _OLD)
    if young + grown < HAZY:
        return None
    child = young / (young + grown)
    aged = min(1.0, 3 * old / (young + grown))
    why = "by the words that people would use of the picture"
    asked = query.attribute.removeprefix("age ")
    if query.yes_no:
        probability = {"old": aged * (1 - child), "child": child, "adult": 1 - child}.get(asked, 1 - aged)
        return yes_no(query, probability, (), why, seen, 0.75)
    text = "a child" if child >= 0.6 else "old" if aged >= 0.5 else "an adult"
    if "young" in query.text.lower():
        text = "old" if aged >= 0.5 else "young"
    return Told(text, 0.55, proven((), [(seen.start, seen.end)], why), query.family, why)


_WORN_ON = re.compile(r"\b(?:on|around|round|over) (?:his|her|their|its|the \w+(?:'s)?|\w+'s) "
                      r"(heads?|necks?|feet|foot|eyes|face|hands?)\b")
_WORN = {"head": {"a hat": "hat", "a cap": "cap", "a helmet": "helmet"},
         "neck": {"a scarf": "scarf", "a collar": "collar"}, "eyes": {"glasses": "glasses", "sunglasses": "sunglasses"},
         "feet": {"shoes": "shoe", "boots": "boot", "skis": "ski", "skates": "skating"}, "hand": {"gloves": "glove"}}
"""What is worn on a part of the body, and the word that people would use of it; the first where none is likely."""
_PART_NAMES = {"heads": "head", "necks": "neck", "foot": "feet", "face": "eyes", "hands": "hand"}


def answer_worn_on(query: Query, seen: SpanFacts) -> Told | None:
    """What does she wear on her head? What is around his neck?"""
    found = _WORN_ON.search(query.text.lower())
    if found is None or query.yes_no or not re.search(r"\b(?:wear\w*|is|are|has|have|hangs?)\b", query.text.lower()):
        return None
    part = _PART_NAMES.get(found[1], found[1])
    if part == "hand" and "wear" not in query.text.lower():
        return None
    if part == "neck":
        tie = max((thing.confidence for shot in seen.shots for thing in shot.things
                   if thing.name in {"windsor tie", "bow tie", "suit"}), default=0.0)
        ties = seen.tracks(NOUNS["tie"], SURE)
        if ties or tie >= .1:
            return Told("a tie", .6, proven(ties[:1], () if ties else [(seen.start, seen.end)], "a tie is seen"),
                        query.family, "a tie is seen")
    worn = _WORN[part]
    best = max(worn, key=lambda name: seen.word((worn[name],)))
    sure = min(.7, .3 + seen.word((worn[best],)))
    return Told(best, sure, proven((), [(seen.start, seen.end)], f"the picture suggests {best}"), query.family,
                f"the picture suggests {best}")


__all__ = ["answer_age", "answer_gender", "answer_worn_on"]
