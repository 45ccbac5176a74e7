"""Answers about what is done, by the things of the picture: which sport, what is played, what flies there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmvideo.everyday.questions.answer_people import answer_age, answer_gender
from mmvideo.everyday.questions.answer_things import doing_by_words, who_by_tracks
from mmvideo.everyday.questions.nouns import NOUNS, a_noun
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import SURE, SpanFacts
from mmvideo.everyday.questions.telling_things import likely_animals, likely_deeds, likely_sports
from mmvideo.everyday.questions.told import Told, proven
from mmvideo.everyday.questions.verbs import base_form, ing_form

if TYPE_CHECKING:
    from mmvideo.objects.tracks import ObjectTrack

_CLEAR_DEED, _CLEAR_ANIMAL, _LEAST_SPORT = 0.45, 0.35, 0.25
_FLIERS = ("airplane", "bird", "kite")
_AIRCRAFT = frozenset(("airliner", "warplane", "wing", "airship"))
"""Classes of ImageNet."""
_COCO_ANIMALS = frozenset(("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"))


def _whole(seen: SpanFacts, text: str, sure: float, query: Query, why: str) -> Told:
    return Told(text, sure, proven((), [(seen.start, seen.end)], why), query.family, why)


def answer_doing(query: Query, seen: SpanFacts) -> Told | None:
    """What is he doing? Which sport is it? What does she play?"""
    told = doing_by_words(query, seen)
    if told is not None or query.yes_no or len(query.choices) > 1:
        return told
    sport, share = next(iter(likely_sports(seen).items()), ("", 0.0))
    if query.attribute == "sport":
        return _whole(seen, sport, min(0.9, 0.3 + share), query, "words and gear") if share >= _LEAST_SPORT else None
    deed, sure = next(iter(likely_deeds(seen).items()), ("", 0.0))
    of_others = query.subject is not None and not query.subject.person and "instrument" not in query.text.lower()
    if sure < _CLEAR_DEED or query.attribute or of_others:
        return None
    why = "the things of the picture suggest it"
    if not query.verb:
        return _whole(seen, deed, min(0.85, 0.3 + sure / 2), query, why)
    verb, _, what = deed.partition(" ")
    if what and (base_form(verb) == query.verb or verb == ing_form(query.verb)):
        return _whole(seen, what, min(0.85, 0.3 + sure / 2), query, why)
    return None


def answer_who(query: Query, seen: SpanFacts) -> Told | None:
    """Who is there? Is it a man or a woman, a child or an adult? An animal where nobody else is."""
    if query.attribute.startswith("gender"):
        return answer_gender(query, seen)
    if query.attribute.startswith("age"):
        return answer_age(query, seen)
    if query.attribute != "speech" and not query.yes_no and not seen.tracks(NOUNS["person"], SURE):
        animal, share = next(iter(likely_animals(seen).items()), ("", 0.0))
        if share >= _CLEAR_ANIMAL:
            return _whole(seen, a_noun(animal), min(0.9, share), query, f"the picture looks like {a_noun(animal)}")
    return who_by_tracks(query, seen)


def answer_doer(query: Query, seen: SpanFacts) -> Told | None:
    """What flies there? Which animal is running?"""
    verb = base_form(next(iter(re.findall(r"\b\w+(?:ing|s)\b", query.text.lower())), "")) or query.verb
    wanted = query.subject if query.subject is not None and query.subject.labels else None
    tracks = [track for track in seen.tracks(wanted, SURE if wanted is None else 0.35) if track.label != "person"]
    if query.verb == "fly" or verb == "fly":
        fliers = [track for track in tracks if track.label in _FLIERS]
        if fliers:
            return _first_of(fliers, seen, query, 0.8)
        looks = max((thing.confidence for shot in seen.shots for thing in shot.things if thing.name in _AIRCRAFT),
                    default=0.0)
        return _whole(seen, "an airplane", looks, query, "the picture looks like it") if looks >= 0.3 else None
    animal, share = next(iter(likely_animals(seen).items()), ("", 0.0))
    if share >= _CLEAR_ANIMAL and (wanted is None or wanted.text in {"animal", "creature", "pet"}):
        return _whole(seen, a_noun(animal), min(0.9, share), query, f"the picture looks like {a_noun(animal)}")
    beasts = [track for track in tracks if track.label in _COCO_ANIMALS or wanted is not None]
    return _first_of(beasts, seen, query, 0.7) if beasts else None


def _first_of(tracks: list[ObjectTrack], seen: SpanFacts, query: Query, weight: float) -> Told:
    """Name the first of some tracks; up to three of them are the evidence."""
    return Told(a_noun(tracks[0].label), weight * seen.sureness(tracks[0]), proven(tracks[:3], (), "seen"),
                query.family, "it is seen")


__all__ = ["answer_doer", "answer_doing", "answer_who"]
