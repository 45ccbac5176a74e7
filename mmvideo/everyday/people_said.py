"""How many people a caption speaks of, held against how many are seen close by.

Photographs have taught the language model that people come in pairs: before one face that fills the picture it says "a
man and a woman are posing". Where everybody who is seen is close by, others would be seen as well, and the count holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmvideo.everyday.questions.nouns import PLURALS, noun_of
from mmvideo.everyday.questions.seen import counted
from mmvideo.objects.tracks import ObjectTrack

TALL = 0.4
"""Share of the picture's height from which a person is close by."""
_SURE = 0.6
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "several": 3, "many": 3, "some": 2, "both": 2}
_BEFORE = frozenset({*_NUMBERS, "a", "an", "the", "one", "another", "his", "her", "their"})
_AFTER = frozenset({
    "in", "on", "at", "with", "and", "near", "by", "over", "through", "under", "behind", "beside", "along", "next",
    "to", "from", "into", "of", "for", "who", "that", "while", "is", "are", "wearing", "holding", "looking"})
"""Words after a person; before another noun it only says what kind: "a clown suit"."""
_MANY = frozenset({"group", "crowd", "team"})
_SOMEBODY = r"(?:an?|the|another|his|her|their|two|other)(?: \w+)?? (\w+)\b"
_PLACE = r"with|in front of|next to|beside|behind|by|to|at|near|over|towards?|on top of|from"


def people_seen(tracks: Sequence[ObjectTrack], start: float, end: float) -> int | None:
    """Return how many people are seen at once between two times, or None where others may be missed.

    Args:
        tracks: of the whole video, with boxes in shares of the picture.
        start: first second.
        end: second after the last.
    """
    people = [t for t in tracks if t.label == "person" and any(start <= at < end for at in t.seconds)]
    boxes = [box for t in people for at, box in zip(t.seconds, t.boxes, strict=True) if start <= at < end]
    close = bool(boxes) and min(box[3] - box[1] for box in boxes) >= TALL
    if not close or max(t.confidence for t in people) < _SURE:
        return None
    return most_at_once(people, start, end)


def most_at_once(tracks: Sequence[ObjectTrack], start: float, end: float) -> int:
    """Return how many people were found at once between two times; arguments as of `people_seen`."""
    people = [t for t in tracks if t.label == "person"]
    times = {at for t in people for at in t.seconds if start <= at < end}
    return max((sum(at in t.seconds for t in people) for at in times), default=0)


def people_named(caption: str) -> int:
    """Return how many people a caption speaks of at least."""
    words, total = caption.lower().split(), 0
    for place, word in enumerate(words):
        noun = noun_of(word)
        if noun is None or not noun.person or word in _MANY:
            continue
        after = words[place + 1] if place + 1 < len(words) else ""
        if after and after not in _AFTER and not after.endswith(("ing", "ed")):
            continue  # "a clown suit", "a boy scout"
        lead = words[max(0, place - 3):place]
        if noun.plural:
            said = [_NUMBERS[one] for one in lead if one in _NUMBERS]
            total += said[-1] if said else 3 if _MANY & set(lead) else 2
        elif _BEFORE & set(lead):
            total += 1
    return total


def with_fewer_people(caption: str, most: int) -> str:
    """Return a caption of no more than so many people, in words of the given one; empty where none is found.

    Args:
        caption: of a shot.
        most: people who are seen, at least 1.
    """
    for made in (_without_company(caption), _counted_anew(caption, most), _first_of_two(caption)):
        if made and 0 < people_named(made) <= most:
            return made
    alone = _without_company(caption)
    for made in (_counted_anew(alone, most), _first_of_two(alone)):
        if made and 0 < people_named(made) <= most:
            return made
    return ""


def _without_company(caption: str) -> str:
    """Cut a caption before the people beside whom somebody does something."""
    found = re.match(rf"^(.*?\w(?:ing|ed|s)) (?:{_PLACE}) {_SOMEBODY}", caption)
    if not found:
        return ""
    noun = noun_of(found[2])
    return found[1] if noun is not None and noun.person else ""


def _first_of_two(caption: str) -> str:
    """Speak of the first of two people who do something together."""
    found = re.match(r"^((?:an?|the|one) (?:\w+ )??(\w+)) and (?:an?|the|another|one) (?:\w+ )??(\w+) are (.+)$",
                     caption)
    if not found or not all((noun := noun_of(word)) is not None and noun.person for word in found.group(2, 3)):
        return ""
    return f"{found[1]} is {found[4]}"


def _counted_anew(caption: str, most: int) -> str:
    """Say the number that is seen where more are said at the beginning: "two men are" as "a man is"."""
    for place, word in enumerate(caption.split()[:6]):
        noun = noun_of(word)
        if noun is None or not noun.plural or not noun.person:
            continue
        words = caption.split()
        looks = [one for one in words[:place] if one not in _NUMBERS and one not in {
            "a", "the", "couple", "of", *_MANY}]
        one = PLURALS.get(word, word[:-1])
        if most > 1:
            number = next(name for name, count in _NUMBERS.items() if count == min(most, 6))
            return " ".join([number, *looks, *words[place:]])
        rest = ["is" if said == "are" else said for said in words[place + 1:]]
        return " ".join([counted(" ".join([*looks, one]), 1), *rest])
    return ""


__all__ = ["TALL", "most_at_once", "people_named", "people_seen", "with_fewer_people"]
