"""Answers about things in the picture: whether they are there, how many, which, what colour, where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.nouns import NOUNS, Noun, a_noun, noun_of, plural_of
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import (
    ALIKE,
    HAZY,
    NUMBER_NAMES,
    SURE,
    SpanFacts,
    area,
    centre,
    counted,
    join_with_and,
    noun_for,
)
from mmvideo.everyday.questions.told import Told, cannot_tell, proven

if TYPE_CHECKING:
    from mmvideo.objects.tracks import ObjectTrack

_UNSURE = (0.38, 0.55)
"""Between these probabilities neither yes nor no is said from facts alone."""

def yes_no(query: Query, probability: float, tracks: list[ObjectTrack] | tuple[ObjectTrack, ...], why: str,
    seen: SpanFacts,
           cap: float = .97) -> Told:
    """Return yes or no for a probability that what is asked holds; the other way round for negated questions."""
    holds = probability >= .5
    confidence = min(cap, probability if holds else 1 - probability)
    proof = proven(tracks[:4] if holds else (), [] if holds and tracks else [(seen.start, seen.end)], why, seen.window)
    return Told("yes" if holds != query.negated else "no", confidence, proof, query.family, why)


def answer_exist(query: Query, seen: SpanFacts) -> Told | None:
    """Is there a dog? Is it a dog or a cat?"""
    if len(query.choices) > 1 and not query.yes_no:
        return _choose(query, seen)
    if query.subject is None:
        return None
    noun = query.subject
    found = seen.chance(noun.with_(colour="", side=""))
    if found is None:
        return None
    probability, tracks = found.probability, list(found.tracks)
    if (noun.colour or noun.side) and probability >= HAZY:
        if not noun.labels or (noun.colour and not any(track.colours for track in tracks)):
            return None
        fitting = seen.tracks(noun)
        probability = max((seen.sureness(track) for track in fitting), default=0.15) * (.85 if noun.colour else 1)
        tracks = fitting
    if noun.number is not None and noun.number > 1:
        return answer_count(query.with_(number=noun.number, comparison="exactly"), seen)
    if _UNSURE[0] < probability < _UNSURE[1] and not noun.labels:
        return None
    return yes_no(query, probability, tracks, found.why, seen)


def _choose(query: Query, seen: SpanFacts) -> Told | None:
    """Choose between the things that a question names."""
    scored = []
    for words in query.choices:
        noun = next((n for n in (noun_of(word) for word in (words, *reversed(words.split()))) if n is not None), None)
        found = seen.chance(noun) if noun else None
        if noun is None or found is None:
            return None
        scored.append((found.probability, a_noun(noun.text) if not noun.plural
            and not noun.mass else plural_of(noun.text)
                       if noun.plural else noun.text, found))
    scored.sort(key=lambda one: -one[0])
    (best, text, found), (second, *_) = scored[0], scored[1]
    if best < HAZY or best - second < .15:
        return None
    return Told(text, best / (best + second), proven(found.tracks[:4], (), found.why, seen.window), query.family,
        found.why)


_THERE = word_set("stand appear see show be count") | {""}
"""Verbs that say no more than that a thing is there."""


def answer_count(query: Query, seen: SpanFacts) -> Told | None:
    """How many people are there? Are there more than two?"""
    noun = query.subject
    if noun is not None and noun.text in {"face", "head"}:
        noun = NOUNS["person"].with_(side=noun.side)
        query = query.with_(subject=noun)
    if query.attribute == "compare" and noun is not None and query.other is not None:
        return _compare(query, noun, query.other, seen)
    if noun is None or not noun.labels or (query.verb and query.yes_no and query.verb not in _THERE):
        return _absent_count(query, seen)
    if noun.finer and not _all_of_a_kind(noun, seen):
        return _absent_count(query, seen)
    if noun.person and not noun.finer and noun.text != "person":
        return _absent_count(query, seen)
    number, tracks, sure = seen.persons_at_once(noun)
    if number == 0:
        found = seen.chance(noun)
        if found is not None and found.probability > .4:
            return None  # something suggests that there is one, which was not followed
        sure = min(sure, 1 - found.probability if found else .7)
    why = f"{_how_many(number, noun)} seen at the same time"
    sure *= (0.75 if noun.finer else 1) * (1 if query.verb in _THERE else 0.7)
    if number == 0 and query.verb not in _THERE:
        return _absent_count(query, seen)
    if query.number is None and not query.yes_no:
        text = "none" if number == 0 else str(number) if number < 12 else f"about {number}"
        proof = proven(tracks, [] if tracks else [(seen.start, seen.end)], why, seen.window)
        return Told(text, sure, proof, query.family, why)
    wanted = query.number or 1
    holds = {"more": number > wanted, "less": number < wanted, "at least": number >= wanted,
             "at most": number <= wanted}.get(query.comparison, number == wanted)
    confidence = max(.5, sure if abs(number - wanted) <= 1 else .5 + sure / 2)
    return yes_no(query, confidence if holds else 1 - confidence, tracks, why, seen)


def _all_of_a_kind(noun: Noun, seen: SpanFacts) -> bool:
    """Whether the people who are seen are likely all men, or whatever a word for people says."""
    said = seen.word({*ALIKE[noun.finer], *noun.words})
    rivals = seen.word({word for kind, words in ALIKE.items() if kind != noun.finer for word in words}
                       - {*ALIKE[noun.finer], *noun.words})
    return said >= .15 and said > 1.5 * rivals


def _how_many(number: int, noun: Noun) -> str:
    name = NUMBER_NAMES[number] if number < len(NUMBER_NAMES) else str(number)
    return f"{name} {noun.text if number == 1 else plural_of(noun.text)}"


def _absent_count(query: Query, seen: SpanFacts) -> Told | None:
    """Say none where the thing is not there at all; what else is asked only the picture shows."""
    found = seen.chance(query.subject.with_(side="")) if query.subject is not None else None
    if found is None or found.probability > .12 or query.verb not in {"", "appear", "see", "show", "be", "count"}:
        return None
    if query.yes_no:
        return yes_no(query, .1, (), found.why, seen)
    proof = proven((), [(seen.start, seen.end)], found.why)
    return Told("none", 1 - found.probability, proof, query.family, found.why)


def _compare(query: Query, one: Noun, two: Noun, seen: SpanFacts) -> Told | None:
    if not one.labels or not two.labels or one.finer or two.finer:
        return None
    (first, tracks, sure), (second, others, surely) = seen.persons_at_once(one), seen.persons_at_once(two)
    holds = {"more": first > second, "less": first < second, "equal": first == second}[query.comparison]
    why = f"{_how_many(first, one)} and {_how_many(second, two)} seen at the same time"
    confidence = max(.5, sure * surely)
    return yes_no(query, confidence if holds else 1 - confidence, [*tracks, *others], why, seen)


_ANYTHING = frozenset({"thing", "object", "item"})


def answer_what(query: Query, seen: SpanFacts) -> Told | None:
    """What is there? Which animals?"""
    noun = query.subject if query.subject is not None and query.subject.labels else None
    if noun is not None and noun.text in _ANYTHING:
        noun = noun.with_(labels=noun.labels | {"person"})
    tracks = seen.tracks(noun, SURE)
    if not tracks:
        return _none_of(query, noun, seen)
    names = []
    for label in list(dict.fromkeys(track.label for track in tracks))[:5]:
        number, *_ = seen.persons_at_once(noun_for(label).with_(side=noun.side if noun else ""))
        names.append(counted(label, max(1, number)))
    sure = sum(seen.sureness(track) for track in tracks) / len(tracks)
    proof = proven(tracks[:8], (), join_with_and(names), seen.window)
    return Told(join_with_and(names), .9 * sure, proof, query.family, "objects seen")


def _none_of(query: Query, noun: Noun | None, seen: SpanFacts) -> Told | None:
    """Say "no animals" where the detector knows all that the word means, and sees none."""
    if noun is None or noun.side or not noun.kind or noun.text in _ANYTHING | {"food", "drink", "toy", "device"}:
        return None
    found = seen.chance(noun)
    if found is None or found.probability > .2:
        return None
    proof = proven((), [(seen.start, seen.end)], found.why)
    text = f"no {noun.text if noun.mass else plural_of(noun.text)}"
    return Told(text, 1 - found.probability, proof, query.family, found.why)


def answer_holding(query: Query, seen: SpanFacts) -> Told | None:
    """Is he holding a phone? What he holds only the picture shows."""
    thing = query.other
    if not query.yes_no or thing is None or not thing.labels or query.subject is None or not query.subject.person:
        return _nobody(query, seen)
    tracks = seen.tracks(thing, .3)
    if not tracks:
        found = seen.chance(thing)
        return yes_no(query, .2, (), f"no {thing.text} is "
            "seen", seen) if found is not None and found.probability < .15 else None
    holders = seen.tracks(NOUNS["person"], .3)
    score, one = max(((_inside(track, holder, seen), track) for track in tracks for holder in holders),
        key=lambda found: found[0],
                     default=(0.0, tracks[0]))
    where = "with" if score > .5 else "apart from"
    return yes_no(query, .3 + .4 * score, [one], f"{a_noun(thing.text)} is seen {where} a person", seen)


def _inside(thing: ObjectTrack, holder: ObjectTrack, seen: SpanFacts) -> float:
    boxes = {holder.seconds[k]: holder.boxes[k] for k in seen.clip(holder)}
    inside = [boxes[thing.seconds[k]] for k in seen.clip(thing) if thing.seconds[k] in boxes]
    points = [centre(thing.boxes[k]) for k in seen.clip(thing) if thing.seconds[k] in boxes]
    hits = [left <= x <= right and top <= y <= bottom and area(seen.box(thing)) < .5 * area(seen.box(holder))
            for (left, top, right, bottom), (x, y) in zip(inside, points, strict=True)]
    return sum(hits) / len(hits) if hits else 0.0


def _nobody(query: Query, seen: SpanFacts) -> Told | None:
    """Say so where what a question presumes is not there; None where it is."""
    noun = query.subject
    found = seen.chance(noun.with_(colour="", side="")) if noun is not None and noun.known else None
    if noun is None or found is None or found.probability > .1 or not noun.labels:
        return None
    if query.yes_no:
        return yes_no(query, .12, (), found.why, seen)
    if noun.person:
        return None  # who asks what a man does has seen one, and the detector misses people who are far away
    return Told(f"I see no {noun.text}", .6, proven((), [(seen.start, seen.end)], found.why), query.family, found.why)


def answer_wearing(query: Query, seen: SpanFacts) -> Told | None:
    """Is she wearing a hat? What she wears only the picture shows."""
    thing = query.other if query.other is not None else None
    if query.yes_no and thing is not None and thing.labels and not thing.person and (worn := seen.tracks(thing, .35)):
        return yes_no(query, .5 + .4 * seen.sureness(worn[0]), worn, f"{a_noun(thing.text)} is seen", seen)
    if query.yes_no and thing is not None and not thing.colour:
        said = seen.word(thing.words)
        if said >= .45:
            return yes_no(query, seen_chance(said), (), f"the picture suggests {thing.text}", seen)
    if not query.yes_no and not query.choices and (clothes := _clothes(seen)):
        why = f"the picture looks like {join_with_and(clothes)}"
        return Told(join_with_and(clothes), .55, proven((), [(seen.start, seen.end)], why), query.family, why)
    return _nobody(query, seen)


_CLOTHING = {"suit": "a suit", "windsor tie": "a tie", "bow tie": "a bow tie", "jersey": "a T-shirt",
             "sweatshirt": "a sweatshirt", "cardigan": "a cardigan", "lab coat": "a lab coat", "bikini": "a bikini",
             "jean": "jeans", "gown": "a dress", "sunglasses": "sunglasses", "cowboy hat": "a cowboy hat",
             "crash helmet": "a helmet", "football helmet": "a helmet", "swimming trunks": "swimming trunks",
             "kimono": "a kimono", "military uniform": "a uniform", "academic gown": "a gown", "trench coat": "a coat",
             "fur coat": "a fur coat", "poncho": "a poncho", "apron": "an apron", "sombrero": "a sombrero"}
"""Classes of the whole picture that are worn, and what they are called."""


def _clothes(seen: SpanFacts) -> list[str]:
    """Return the clothes that the picture as a whole looks like, and a tie that is seen."""
    shares: dict[str, float] = {}
    for thing in (thing for shot in seen.shots for thing in shot.things if thing.name.lower() in _CLOTHING):
        name = _CLOTHING[thing.name.lower()]
        shares[name] = shares.get(name, 0.0) + thing.confidence / len(seen.shots)
    found = [name for name in sorted(shares, key=lambda name: -shares[name]) if shares[name] >= .1]
    if seen.tracks(NOUNS["tie"], SURE) and "a tie" not in found:
        found.append("a tie")
    return found


def seen_chance(said: float) -> float:
    """Return the probability for a word of clothing: it is named less often than worn."""
    return min(.95, 1 - (1 - said) ** 1.5)


def who_by_tracks(query: Query, seen: SpanFacts) -> Told | None:
    """Who is there? That only the picture shows; facts say that nobody is, and whether a speaker can be told."""
    if query.attribute == "speech":
        people, tracks, _ = seen.persons_at_once(NOUNS["person"])
        if not seen.facts.speech:
            return Told("nobody speaks", .7, proven((), [(seen.start, seen.end)], "no speech is heard"), query.family,
                "no speech is heard")
        if people == 1:
            return Told("the only person who is seen, if it is not a narrator", .5, proven(tracks, [(s.start_seconds,
                s.end_seconds) for s in
                        seen.facts.speech], "speech", seen.window), query.family,
                            "speech is heard while one person is seen")
        return cannot_tell(query.family, "speech is heard, but not from whom")
    found = seen.chance(NOUNS["person"])
    if found is not None and found.probability < .1:
        return Told("nobody", 1 - found.probability, proven((), [(seen.start, seen.end)], "nobody is seen"),
            query.family, "nobody is seen")
    return None


def doing_by_words(query: Query, seen: SpanFacts) -> Told | None:
    """Is she running? What somebody does only the picture shows."""
    missing = _nobody(query, seen)
    if missing is not None:
        return missing
    if not query.yes_no and not query.verb and not query.attribute and not query.choices:
        return _talks(query, seen)
    if query.yes_no and query.verb:
        said = seen.word({query.verb})
        rival = max((p for shot in seen.shots for word, p in shot.words.items()
            if word in _RIVALS and word != query.verb), default=0.0)
        if said >= .5:
            return yes_no(query, min(.95, .3 + said * .7), seen.tracks(query.subject)[:2],
                f"the picture suggests {query.verb}", seen)
        if query.verb in _RIVALS and said < .03 and rival >= .5:
            return yes_no(query, .22, (), "another action is far likelier", seen)
    return None


_CLOSE = 0.5
"""Share of the picture that the box of a person has from whom speech is taken to come."""


def _talks(query: Query, seen: SpanFacts) -> Told | None:
    """Say that the one person who is seen close by talks while speech is heard most of the time."""
    people = [track for track in seen.tracks(NOUNS["person"], SURE) if len(seen.clip(track)) > 1]
    spoken = sum(max(0.0, min(part.end_seconds, seen.end) - max(part.start_seconds, seen.start))
                 for part in seen.facts.speech)
    if len(people) != 1 or area(seen.box(people[0])) < _CLOSE or spoken < .5 * (seen.end - seen.start):
        return None
    why = "speech is heard while one person is seen close by"
    return Told("talking", .6, proven(people, (), why, seen.window), query.family, why)


_RIVALS = word_set("run jump swim sit stand lie sleep climb walk ride surf ski dance eat read play")

__all__ = [
    "answer_count",
    "answer_exist",
    "answer_holding",
    "answer_wearing",
    "answer_what",
    "doing_by_words",
    "who_by_tracks",
    "yes_no",
]
