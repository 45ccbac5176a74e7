"""Questions with answers made from the captions of a photograph, for training and for tests.

What is asked rests on what captions say: in training on one, in tests (`strict`) on at least three of five that agree.
Each yes has a no: what no caption names and would, as often as it is there elsewhere (caption_negatives).
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmvideo import wording
from mmvideo.errors import InvalidInput
from mmvideo.everyday.training import caption_negatives as negatives
from mmvideo.everyday.training import caption_words as words
from mmvideo.everyday.training.caption_parse import (
    CaptionClause,
    Phrase,
    ReadCaption,
    noun_singular,
    read_caption,
    with_article,
)
from mmvideo.everyday.training.caption_wordings import worded

Pair = tuple[str, str, str]
"""Family, question, answer."""
_MANY = {"person": "people", "man": "men", "woman": "women", "child": "children", "sheep": "sheep", "fish": "fish",
         "skis": "skis", "baby": "babies", "bus": "buses", "bench": "benches", "couch": "couches"}
_CONCEPT = {**words.PLACES, **words.THINGS, **words.CLOTHES, **words.ANIMALS, **words.PEOPLE}
_SCENE_ANSWERS = {"beach": "a beach", "ocean": "the ocean", "street": "a street", "park": "a park", "pool": "a pool",
                  "forest": "a forest", "grass field": "a grassy field", "lake": "a lake", "river": "a river",
                  "room": "a room", "stage": "a stage", "sports ground": "a sports ground", "desert": "a desert",
                  "restaurant": "a restaurant", "store": "a store"}


def many(noun: str) -> str:
    """Return a noun's plural."""
    return _MANY.get(noun) or (noun if noun in words.PAIRS else wording.plural(2, noun).partition(" ")[2])


class _Photograph:
    """The captions of one photograph, read, and what they say together."""

    def __init__(self, captions: Sequence[str], strict: bool) -> None:
        self.read: list[ReadCaption] = [read_caption(caption) for caption in captions]
        self.strict = strict
        self.agree = min(3, len(captions)) if strict else 1
        self.said = [frozenset(_CONCEPT[phrase.head] for phrase in read.phrases if phrase.head in _CONCEPT)
                     for read in self.read]
        self.counts = Counter(concept for said in self.said for concept in said)
        parts = {part for read in self.read for token in read.tokens for part in (token, *token.split("-"))}
        self.words = frozenset(parts | {noun_singular(part)[0] for part in parts}
                               | {words.GERUNDS.get(part) or words.THIRD.get(part, part) for part in parts})
        self.plurals = Counter(_kind(phrase.head) for read in self.read for phrase in read.phrases
                               if phrase.plural or (phrase.number or 1) > 1)

    def one(self, kind: str) -> bool:
        """Whether at most one of a kind is about in every caption, so that "the dog" means it."""
        if self.plurals[kind]:
            return False
        return all(sum(_kind(phrase.head) == kind for phrase in read.phrases) <= 1 for read in self.read)

    def _only_person(self) -> bool:
        """Whether every caption speaks of at most one person, whatever it calls him or her."""
        return all(sum(phrase.person for phrase in read.phrases) <= 1 for read in self.read) and not any(
            phrase.person and (phrase.plural or phrase.head in words.PEOPLE_GROUPS)
            for read in self.read for phrase in read.phrases)

    def subjects(self) -> dict[tuple[str, bool], list[CaptionClause]]:
        """Return clauses by kind of their subject and whether it is a plural; one person is one, whatever the word."""
        found: dict[tuple[str, bool], list[CaptionClause]] = {}
        alone = self._only_person()
        for read in self.read:
            clause = read.clause
            if clause is None or len(clause.subjects) > 1:
                continue
            subject = clause.subjects[0]
            kind = "person" if alone and subject.person else _kind(subject.head)
            if subject.plural:
                if not [p for p in read.phrases if _kind(p.head) == kind and p is not subject]:
                    found.setdefault((kind, True), []).append(clause)
            elif subject.head not in words.PEOPLE_GROUPS and ((kind == "person" and alone) or self.one(kind)):
                found.setdefault((kind, False), []).append(clause)
        return found


def _kind(head: str) -> str:
    if head in words.PEOPLE_GROUPS:
        return "person"
    tables = (words.PEOPLE, words.ANIMALS, words.CLOTHES, words.THINGS)
    return next((table[head] for table in tables if head in table), head)


def _be(plural: bool) -> dict[str, str]:
    return {"is": "are" if plural else "is", "does": "do" if plural else "does", "has": "have" if plural else "has"}


def _existence(photo: _Photograph, rng: random.Random) -> Iterable[Pair]:
    """Is there a dog? Each yes with a no."""
    there = [name for name in negatives.CONCEPTS if photo.counts[name] >= photo.agree
             and rng.random() < negatives.KEPT.get(name, 1)]
    rng.shuffle(there)
    asked: set[str] = set()
    for name in there[:3]:
        other = negatives.draw_absent(photo.words, rng, but=asked)
        if other is None:
            continue
        asked.add(other)
        for concept, answer in ((name, "yes"), (other, "no")):
            mass = concept in negatives.MASS or concept in words.PAIRS
            one = concept if mass else with_article(concept)
            filled = dict(a=one, many=many(concept), any=f"any {concept}")
            yield "exist", worded("exist_mass" if mass else "exist", rng, **filled), answer
        if rng.random() < .5 and concept not in negatives.MASS and name not in negatives.MASS:
            a, b = with_article(name), with_article(other)
            pair = (a, b) if rng.random() < .5 else (b, a)
            yield "choice", worded("choice", rng, a=pair[0], b=pair[1]), a
    people = sum(bool({"person", "man", "woman", "boy", "girl", "child", "baby"} & said) for said in photo.said)
    if people >= max(photo.agree, 2) and rng.random() < .14:  # rare, as photographs without people are
        yield "exist", worded("people_check", rng), "yes"
    elif photo.counts and not photo.words & negatives.PEOPLE_WORDS and not any(
            word.endswith(("ers", "er's")) for word in photo.words):
        yield "exist", worded("people_check", rng), "no"


def _number(read: ReadCaption, kind: str, people: bool) -> int | None:
    """Return how many of a kind a caption speaks of; 0 where of none, None where it leaves that open."""
    total = 0
    for phrase in read.phrases:
        if phrase.person if people else _kind(phrase.head) == kind:
            if phrase.head in words.PEOPLE_GROUPS or (phrase.number is None and phrase.plural):
                return None
            total += phrase.number or 1
    return total


def _counting(photo: _Photograph, rng: random.Random) -> Iterable[Pair]:
    """How many dogs are there?"""
    kinds = sorted(kind for kind in photo.counts if kind in words.ANIMALS.values()
                   or kind in {"man", "woman", "boy", "girl", "bike"})
    for kind in ["person", *kinds]:
        told = [_number(read, kind, kind == "person") for read in photo.read]
        votes = Counter(number for number in told if number)
        if not votes:
            continue
        number, agree = votes.most_common(1)[0]
        need = 3 if photo.strict else 2
        if agree < need or len(told) - told.count(0) - agree > (1
            if photo.strict else 2) or number not in words.NUMBER_WORDS:
            continue
        if kind != "person" and kind in words.PEOPLE and told.count(0) + told.count(None) > 0:
            continue  # others call him a person, or a child
        if number == 1 and rng.random() < .6:  # one is by far the most frequent
            continue
        yield "count", worded("count", rng, many=many(kind)), words.NUMBER_WORDS[number]
        near = [other for other in (number - 1, number + 1, number + 2) if 1 <= other <= 6]
        for said, answer in ((number, "yes"), (rng.choice(near), "no")):
            family = "count_check_one" if said == 1 else "count_check"
            yield "count_check", worded(family, rng, n=words.NUMBER_WORDS[said], many=many(kind), one=kind), answer


def _colours(photo: _Photograph, rng: random.Random) -> Iterable[Pair]:
    """What colour is the dog?"""
    votes: dict[str, Counter[tuple[str, ...]]] = {}
    heads: dict[str, Counter[str]] = {}
    for read in photo.read:
        seen = Counter(_kind(phrase.head) for phrase in read.phrases)
        for phrase in read.phrases:
            kind = _kind(phrase.head)
            if phrase.colours and not phrase.person and phrase.head in _CONCEPT and seen[kind] == 1 \
                    and phrase.head not in {"water", "gear", "area", "tennis", "golden", "top"}:
                votes.setdefault(kind, Counter())[tuple(dict.fromkeys(phrase.colours))] += 1
                heads.setdefault(kind, Counter())[phrase.head] += 1
    for kind, colours in votes.items():
        said = {colour for each in colours for colour in each}
        best, agree = colours.most_common(1)[0]
        plural = kind in words.PAIRS or photo.plurals[kind] > 0
        if plural and kind not in words.PAIRS:
            continue
        disputed = len(colours) > 1 and (photo.strict or len(said) > 3)
        if agree < photo.agree or disputed or not (photo.one(kind) or plural):
            continue
        if not photo.strict:
            best = rng.choice(list(colours.elements()))
        head = rng.choice(list(heads[kind].elements()))
        answer = " and ".join((", ".join(best[:-1]), best[-1])) if len(best) > 1 else best[0]
        where = dict(x=f"the {head}", bare=head, **_be(plural))
        yield "colour", worded("colour", rng, **where), answer
        other = negatives.draw_other_colour(said, rng)
        if other is None:
            continue
        true = rng.choice(best)
        for colour, reply in ((answer if rng.random() < .5 else true, "yes"), (other, "no")):
            a_c = colour if plural else with_article(colour)
            yield "colour_check", worded("colour_check", rng, c=colour, a_c=a_c, **where), reply
        pair = [answer, other]
        rng.shuffle(pair)
        yield "colour_choice", worded("colour_choice", rng, c=pair[0], d=pair[1], **where), answer


def _pick(options: list[tuple[str, str]], photo: _Photograph, rng: random.Random) -> str | None:
    """Choose one answer of (key, answer): in tests one whose key enough captions share, and its shortest wording."""
    if not options:
        return None
    if not photo.strict:
        return rng.choice(options)[1]
    key, agree = Counter(key for key, _ in options).most_common(1)[0]
    return min((answer for k, answer in options if k == key), key=len) if agree >= photo.agree else None


def _deeds(photo: _Photograph, rng: random.Random) -> Iterable[Pair]:
    """What is the dog doing? Who does it? Where?"""
    for (kind, plural), clauses in photo.subjects().items():
        kind = Counter(_kind(clause.subjects[0].head) for clause in clauses).most_common(1)[0][0]
        about = dict(x=f"the {many(kind) if plural else kind}", **_be(plural))
        told = [(c.verb, _short(c, rng, photo.strict)) for c in clauses if _told(c)]
        deed = _pick(told, photo, rng)
        if deed is not None:
            yield "doing", worded("doing", rng, **about), deed
            verb = next(verb for verb, text in told if text == deed)
            other = negatives.draw_other_deed(verb, photo.words, kind in words.ANIMALS.values(), rng)
            if other is not None:
                yield "doing_check", worded("doing_check", rng, v=words.gerund(verb), **about), "yes"
                yield "doing_check", worded("doing_check", rng, v=words.gerund(other), **about), "no"
        places = [(_CONCEPT[p.phrase.head], p.text, c.verb) for c in clauses for p in c.places]
        place = _pick([(key, text) for key, text, _ in places], photo, rng)
        if place is not None:
            verb = next(verb for _, text, verb in places if text == place)
            yield "where", worded("where", rng, v=words.gerund(verb) if verb else "", **about).replace(" ?", "?"), place
        yield from _worn(photo, clauses, kind, about, rng)
        yield from _targets(photo, clauses, kind, about, rng)


def _told(clause: CaptionClause) -> bool:
    return bool(clause.deed) and not (clause.verb in words.NEEDS_OBJECT and clause.target is None)


def _short(clause: CaptionClause, rng: random.Random, strict: bool) -> str:
    """Return what is done in at most six words."""
    pieces = clause.deed.split()
    if (strict and clause.target is None) or len(pieces) > 7:
        return words.gerund(clause.verb) if clause.verb not in words.NEEDS_OBJECT else clause.deed
    return clause.deed


def _worn(photo: _Photograph, clauses: list[CaptionClause], kind: str, about: dict[str, str],
          rng: random.Random) -> Iterable[Pair]:
    """What is he wearing?"""
    worn = [(words.CLOTHES[c.worn[0].head], " and ".join(p.text for p in c.worn[:2])) for c in clauses if c.worn]
    answer = _pick(worn, photo, rng)
    if answer is not None and kind not in words.ANIMALS.values():
        yield "wearing", worded("wearing", rng, **about), answer
        items = Counter(words.CLOTHES[p.head] for c in clauses for p in c.worn)
        item = rng.choice([name for name, seen in items.items() if seen >= photo.agree] or [""])
        blocked = {"helmet": "rider biker player baseball football hockey ski skier motorcyclist motorcycle "
            "skateboarder bike "
                   "snowboarder cyclist gear uniform climber hat cap racing skater kayaker skateboard",
                   "wetsuit": "surfer suit surfing "
                   "swim swimming gear diver water", "dress": "gown skirt woman girl costume lady outfit bride "
                   "people women"
                   " girls", "suit": "tuxedo tie formal bathing jacket swimsuit costume wetsuit uniform jumpsuit "
                   "dressed snowsuit outfit",
                   "costume": "outfit dressed uniform suit parade traditional", "apron": "cook chef",
                   "mask": "costume face goggles"}
        options = [name for name, stop in blocked.items() if not photo.words & {name, *stop.split()}]
        if item and options and len(worn) >= 2:
            for name, reply in ((item, "yes"), (rng.choice(options), "no")):
                a = name if name in words.PAIRS else with_article(name)
                yield "wearing_check", worded("wearing_check", rng, a=a, **about), reply


def _targets(photo: _Photograph, clauses: list[CaptionClause], kind: str, about: dict[str, str],
             rng: random.Random) -> Iterable[Pair]:
    """What is she holding, riding, throwing? Who is it that does?"""
    done = [(c, f"{c.verb} {c.particle}".strip(), c.target) for c in clauses
            if c.target is not None and c.target.head in _CONCEPT and c.target.head not in words.PEOPLE_GROUPS
            and c.particle in {"", "at", "with", "over", "on"} and c.verb not in {"run", "walk", "swim", "perform"}]
    done = [(c, v, t) for c, v, t in done if not (c.particle in {"on", "over", "with"} and t.head in words.PLACES)]
    target = _pick([(f"{v} {_kind(t.head)}", f"{v}|{t.text}") for _, v, t in done], photo, rng)
    if target is not None:
        deed, answer = target.split("|")
        verb, _, particle = deed.partition(" ")
        animal = kind in words.ANIMALS.values()
        if verb in {"hold", "carry"} and not particle:
            mouth = " in its mouth" if animal else " in " + ("their hands" if about["is"] == "are" else "the hand")
            of = " in the mouth of" if animal else " in the hands of"
            yield "holding", worded("holding", rng, mouth=mouth, mouth_of=of, **about), answer
        else:
            yield "object", worded("object", rng, v=f"{words.gerund(verb)} {particle}".strip(), **about), answer
    votes = [(f"{kind} {c.verb} {_kind(c.target.head)}", f"{_doing_what(c)}|{c.subjects[0].text}") for c in clauses
             if c.target is not None and c.target.head in _CONCEPT and _told(c)]
    who = _pick(votes, photo, rng)
    if who is not None and about["is"] == "is":
        deed, subject = who.split("|")
        yield "who", worded("who", rng, v=deed), with_article(kind) if photo.strict else subject


def _doing_what(clause: CaptionClause) -> str:
    assert clause.target is not None
    return " ".join(part for part in (words.gerund(clause.verb), clause.particle, clause.target.text) if part)


def _whole(photo: _Photograph, rng: random.Random) -> Iterable[Pair]:
    """Indoors or outdoors, what kind of place, which sport, which animal, what there is."""
    inside = sum(bool(words.INDOOR & set(read.tokens)) for read in photo.read)
    outside = sum(bool(words.OUTDOOR & set(read.tokens)) for read in photo.read)
    need = 3 if photo.strict else min(2, len(photo.read))
    if (inside >= need) != (outside >= need) and min(inside, outside) == 0:
        side, other = ("indoors", "outdoors") if inside else ("outdoors", "indoors")
        if inside or rng.random() < .3:
            yield "inout", worded("inout", rng), side
            names = {"indoors": ("indoors", "inside"), "outdoors": ("outdoors", "outside")}
            yield "inout_check", worded("inout_check", rng, side=rng.choice(names[side])), "yes"
            yield "inout_check", worded("inout_check", rng, side=rng.choice(names[other])), "no"
    scenes = Counter(name for read in photo.read for name, cue in words.SCENES.items() if cue & set(read.tokens))
    ranked = scenes.most_common(2)
    if ranked and ranked[0][1] >= need and (len(ranked) == 1 or ranked[1][1] < ranked[0][1] - 1):
        name = ranked[0][0]
        yield "scene", worded("scene", rng), _SCENE_ANSWERS.get(name, name)
    sports = Counter(sport for read in photo.read for sport in {words.SPORTS[t]
        for t in read.tokens if t in words.SPORTS})
    if len(sports) == 1 and sports.most_common(1)[0][1] >= need:
        yield "sport", worded("sport", rng), next(iter(sports))
    animals = [name for name in photo.counts if name in words.ANIMALS.values()]
    if len(animals) == 1 and photo.counts[animals[0]] >= photo.agree:
        yield "animal", worded("animal", rng), with_article(animals[0])
    answer = _inventory(photo, rng)
    if answer:
        yield "what", worded("what", rng), answer


def _inventory(photo: _Photograph, rng: random.Random) -> str:
    """List the people, animals and things of one caption; in tests what enough captions name."""
    if photo.strict:
        shared = [name for name, seen in photo.counts.most_common()
            if seen >= photo.agree and name in negatives.CONCEPTS]
        return _listed([with_article(name) if name not in negatives.MASS and not photo.plurals[name] else many(name)
                        if name not in negatives.MASS else name for name in shared[:3]])
    read = rng.choice(photo.read)
    return _listed([phrase.text for phrase in read.phrases if _nameable(phrase)][:3])


def _nameable(phrase: Phrase) -> bool:
    return phrase.person or phrase.animal or (phrase.head in words.THINGS and phrase.head not in words.PARTS)


def _listed(names: Sequence[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def caption_pairs(captions: list[str], rng: random.Random, *, strict: bool = False) -> list[Pair]:
    """Make questions with answers from the captions of one photograph.

    Args:
        captions: what people wrote of it, usually five.
        rng: draws wordings, counterparts, and which caption is believed.
        strict: ask only what at least three captions agree on, as tests need; answers are then the shared part.

    Returns:
        (family, question, answer) in lower case; in families that end in "_check" and in "exist" every yes has a no.
    """
    if not captions:
        return []
    photo = _Photograph(captions, strict)
    return [pair for make in (_existence, _counting, _colours, _deeds, _whole) for pair in make(photo, rng)]


def read_caption_file(path: Path) -> dict[str, list[str]]:
    """Read file stem and caption by line, tab between; return the captions of each photograph in order.

    Raises:
        InvalidInput: a line is not of that form.
    """
    found: dict[str, list[str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        stem, tab, caption = line.partition("\t")
        if not tab:
            raise InvalidInput(f"{path}, line {number}: no tab between the photograph and its caption.")
        found.setdefault(stem, []).append(caption.strip())
    return found


def test_set(path: Path) -> list[tuple[str, str, str, str]]:
    """Return the test questions about the photographs of a caption file: stem, family, question, answer.

    The same every time: each photograph draws from a seed that its name gives.
    """
    return [(stem, *pair) for stem, captions in read_caption_file(path).items()
            for pair in caption_pairs(captions, random.Random(zlib.crc32(stem.encode())), strict=True)]


__all__ = ["Pair", "caption_pairs", "many", "read_caption_file", "test_set"]
