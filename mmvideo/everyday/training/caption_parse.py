"""Reading a caption of a photograph: noun phrases, who does what, where, what is worn. Word lists and order only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.training import caption_words as words

_TOKEN = re.compile(r"[a-z0-9][a-z0-9'-]*|[,.;]")
_NOUNS = {**words.PEOPLE, **words.ANIMALS, **words.CLOTHES, **words.THINGS, **words.PLACES,
          **dict.fromkeys(words.PARTS | words.PEOPLE_GROUPS, "")}
_MODIFIERS = word_set("""
soccer football basketball tennis baseball hockey volleyball softball golf rugby cricket life tank bathing water
snow beach skate skateboard surf ski bike dirt swimming rock ice race police polo picnic park city street mountain
tree fire safety wedding sports swim toy cowboy santa ball birthday baby teddy camera shopping grocery train bus
living climbing hiking bull diving fishing flower wood track stuffed kiddie wading lacrosse field dance jean denim
tennis roller inline chain handicap cell dog puppy hula soap flag obstacle balance swing monkey family boxing
wrestling motocross christmas mountain-bike running winter summer rope oak palm pine sand parking football-player
""")
"""Nouns that stand before another noun, as in "tennis ball"."""
_BREAKS = word_set("while whilst as who which that when where because but so then and or")


@dataclass(frozen=True)
class Phrase:
    """A noun phrase of a caption: tokens [start, end)."""

    start: int
    end: int
    head: str
    """Singular noun."""
    plural: bool
    number: int | None
    """How many, where the words say it; 1 for a singular with "a", "an" or "one"."""
    colours: tuple[str, ...]
    text: str
    """As written, "the" made "a" or left out."""

    @property
    def person(self) -> bool:
        """Whether it names people."""
        return self.head in words.PEOPLE or self.head in words.PEOPLE_GROUPS

    @property
    def animal(self) -> bool:
        """Whether it names an animal."""
        return self.head in words.ANIMALS


@dataclass(frozen=True)
class NamedPlace:
    """A prepositional phrase with a place, and whose it is."""

    preposition: str
    phrase: Phrase
    text: str


@dataclass
class CaptionClause:
    """Who does what in a caption."""

    subjects: tuple[Phrase, ...]
    verb: str = ""
    """Base form, as "run"; empty where none was read."""
    deed: str = ""
    """The whole, as "running through the snow"."""
    particle: str = ""
    """What stands between the verb and its object, as "on" in "sitting on a bench"."""
    target: Phrase | None = None
    """What the verb is done to, as the bike of "riding a bike"."""
    places: list[NamedPlace] = field(default_factory=list)
    worn: list[Phrase] = field(default_factory=list)


@dataclass(frozen=True)
class ReadCaption:
    """A caption as far as it was understood."""

    tokens: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    clause: CaptionClause | None


def noun_singular(noun: str) -> tuple[str, bool]:
    """Return a noun's singular and whether it was a plural; unknown words come back as they are."""
    if noun in words.IRREGULAR:
        return words.IRREGULAR[noun], noun not in {"sheep", "fish", "deer", "glasses", "leaves", "teeth"}
    if noun in words.PAIRS:
        return noun, True
    for ending, stem in (("ies", "y"), ("es", ""), ("s", "")):
        if noun.endswith(ending) and noun[:-len(ending)] + stem in _NOUNS:
            return noun[:-len(ending)] + stem, True
    return noun, False


def _is_noun(word: str) -> bool:
    return noun_singular(word)[0] in _NOUNS


def _leads_to_noun(tokens: tuple[str, ...], at: int) -> bool:
    while at < len(tokens) and tokens[at] in _MODIFIERS and not _is_noun(tokens[at]):
        at += 1
    return at < len(tokens) and _is_noun(tokens[at])


def with_article(text: str) -> str:
    """Put "a" or "an" before words that need it."""
    return f"{'an' if text[:1] in 'aeio' or text.startswith('umb') else 'a'} {text}"


def _colours_at(tokens: tuple[str, ...], at: int) -> tuple[list[str], int]:
    """Read "black", "black and white", "brown , black and tan"; return the colours and where they end."""
    found: list[str] = []
    while at < len(tokens) and tokens[at] in words.COLOURS:
        found.append(words.COLOURS[tokens[at]])
        at += 1
        ahead = at
        while ahead < len(tokens) and tokens[ahead] in {",", "and"}:
            ahead += 1
        if ahead > at and ahead < len(tokens) and tokens[ahead] in words.COLOURS:
            at = ahead
    return found, at


def phrase_at(tokens: tuple[str, ...], start: int) -> Phrase | None:
    """Read the noun phrase that begins at a token, or None."""
    at, number, colours = start, None, []
    first = tokens[at] if at < len(tokens) else ""
    if first in words.DETERMINERS:
        number = 1 if first in {"a", "an", "another"} else None
        at += 1
    if at < len(tokens) and tokens[at] in words.NUMBERS:
        number = words.NUMBERS[tokens[at]]
        at += 1
    begun = at > start
    while at < len(tokens):
        word = tokens[at]
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        if word in words.COLOURS:
            found, after = _colours_at(tokens, at)
            if after < len(tokens) and (tokens[after] in {"haired", "skinned", "eyed", "colored", "clad"}):
                at = after + 1
                continue
            colours += found
            at = after
        elif word in {"group", "crowd", "bunch", "couple", "pair", "lot", "team", "number", "herd", "pack"} \
                and following == "of":
            number = 2 if word in {"couple", "pair"} else None
            inner = phrase_at(tokens, at + 2)
            if inner is None or not inner.plural:
                return None
            return Phrase(start, inner.end, inner.head, True, inner.number or number, inner.colours,
                          " ".join(tokens[start:inner.end]))
        elif word in words.ADJECTIVES or (word in _MODIFIERS and _leads_to_noun(tokens, at + 1)):
            at += 1
        else:
            break
        begun = True
    if at >= len(tokens) or not _is_noun(tokens[at]):
        return None
    if not begun and tokens[at] in words.THIRD and noun_singular(tokens[at])[0] not in words.PEOPLE:
        return None
    head = tokens[at]
    at += 1
    while at < len(tokens) and _is_noun(tokens[at]) and not (
            tokens[at] in words.THIRD or tokens[at] in words.VERBS or tokens[at] in words.COLOURS):
        head = tokens[at]
        at += 1
    if tokens[at:at + 1] in {("covered",), ("filled",)} and tokens[at + 1:at + 2] not in {("in",), ("with",), ("by",)}:
        return None
    one, plural = noun_singular(head)
    if head == "lot" and tokens[at - 2] != "parking":
        return None
    if plural and number == 1:
        number = None
    kept = [word for index, word in enumerate(tokens[start:at]) if not (index == 0 and word in {"the", "this", "that"})]
    text = " ".join(kept)
    if kept and len(kept) < at - start and not plural and one not in {"water", "snow", "grass", "sand", "mud", "ice",
                                                                    "ocean", "air", "sky", "ground", "woods", "floor",
                                                                    "background", "sun", "dirt", "beach"}:
        text = with_article(text)
    if len(kept) == at - start and not plural and (one in words.PEOPLE or one in words.ANIMALS) and not (
            tokens[start] in words.DETERMINERS or tokens[start] in words.NUMBERS):
        text = with_article(text)
    return Phrase(start, at, one, plural, number, tuple(colours), text)


def _phrases(tokens: tuple[str, ...]) -> tuple[Phrase, ...]:
    found, at = [], 0
    while at < len(tokens):
        phrase = phrase_at(tokens, at)
        if phrase is None:
            at += 1
        else:
            found.append(phrase)
            at = phrase.end
    return tuple(found)


def _and_phrase(tokens: tuple[str, ...], at: int) -> Phrase | None:
    """Read ", and a woman" after a phrase, unless that woman does something of her own."""
    while at < len(tokens) and tokens[at] in {",", "and"}:
        at += 1
    return phrase_at(tokens, at)


def _verb_at(tokens: tuple[str, ...], at: int, plural: bool) -> tuple[str, int] | None:
    """Read "is running", "running", "runs" or, after a plural, "run": the base form and where the tail begins."""
    if at < len(tokens) and tokens[at] in {"is", "are"}:
        at += 1
        if at < len(tokens) and tokens[at] in {"now", "both", "all", "being"}:
            return None
        if at < len(tokens) and tokens[at] in words.GERUNDS:
            return words.GERUNDS[tokens[at]], at + 1
        return None
    if at < len(tokens):
        word = tokens[at]
        if word in words.GERUNDS:
            return words.GERUNDS[word], at + 1
        if word in words.THIRD and not plural:
            return words.THIRD[word], at + 1
        if word in words.VERBS and plural:
            return word, at + 1
    return None


def _read_tail(clause: CaptionClause, tokens: tuple[str, ...], at: int) -> None:
    """Read what follows the verb: particles, an object, prepositional phrases."""
    pieces = [words.gerund(clause.verb)]
    particles: list[str] = []
    while at < len(tokens) and tokens[at] not in _BREAKS:
        word = tokens[at]
        phrase = phrase_at(tokens, at)
        if phrase is not None:
            prepositions = particles
            text = " ".join([*particles, " ".join(tokens[phrase.start:phrase.end])])
            after = tokens[phrase.end] if phrase.end < len(tokens) else ""
            if after in {"is", "are"} or (after in words.THIRD and not phrase.plural and phrase.head in words.PEOPLE):
                return
            if len(" ".join([*pieces, text]).split()) > 9:
                break
            if clause.target is None and len(pieces) == 1:
                clause.target, clause.particle = phrase, " ".join(particles)
            if prepositions and prepositions[-1] in words.PLACE_PREPOSITIONS and phrase.head in words.PLACES \
                    and phrase.head not in words.NOT_A_PLACE_ANSWER:
                clause.places.append(NamedPlace(prepositions[-1], phrase, text))
            pieces.append(text)
            particles, at = [], phrase.end
        elif word == "front" and particles[-1:] == ["in"] and tokens[at + 1:at + 2] == ("of",):
            particles, at = [*particles, "front", "of"], at + 2
        elif word == "next" and tokens[at + 1:at + 2] == ("to",):
            particles, at = [*particles, "next", "to"], at + 2
        elif word in words.PREPOSITIONS or word in words.PARTICLES:
            particles, at = [*particles, word], at + 1
        else:
            break
    if at >= len(tokens) and particles and all(p in words.PARTICLES for p in particles):
        pieces.append(" ".join(particles))
    clause.deed = " ".join(pieces)


def _clause(tokens: tuple[str, ...]) -> CaptionClause | None:
    at = 0
    if tokens[:2] in {("there", "is"), ("there", "are")}:
        at = 2
    subject = phrase_at(tokens, at)
    if subject is None or not (subject.person or subject.animal):
        return None
    subjects, at = [subject], subject.end
    while at < len(tokens) and tokens[at] in {"and", ","}:
        other = _and_phrase(tokens, at)
        if other is None or not (other.person or other.animal):
            break
        subjects.append(other)
        at = other.end
    clause = CaptionClause(tuple(subjects))
    plural = len(subjects) > 1 or subject.plural or subject.head in words.PEOPLE_GROUPS
    for _ in range(4):  # what stands between subject and verb: "in a red shirt", "with a stick", "on the beach"
        verb = _verb_at(tokens, at, plural)
        if verb is not None:
            clause.verb = verb[0]
            _read_tail(clause, tokens, verb[1])
            return clause
        word = tokens[at] if at < len(tokens) else ""
        wears = word in {"wearing", "wears", "wear", "in"} or (word == "dressed" and tokens[at + 1:at + 2] == ("in",))
        ahead = at + (2 if word == "dressed" else 1)
        if word in {"is", "are"} and tokens[at + 1:at + 2] == ("wearing",):
            wears, ahead = True, at + 2
        phrase = phrase_at(tokens, ahead) if wears or word in words.PREPOSITIONS else None
        if phrase is None:
            return clause
        while phrase is not None:
            if wears and phrase.head in words.CLOTHES:
                clause.worn.append(phrase)
            elif word in words.PLACE_PREPOSITIONS and phrase.head in words.PLACES \
                    and phrase.head not in words.NOT_A_PLACE_ANSWER:
                clause.places.append(NamedPlace(word, phrase, f"{word} {' '.join(tokens[phrase.start:phrase.end])}"))
            at = phrase.end
            phrase = _and_phrase(tokens, at) if at < len(tokens) and tokens[at] in {"and", ","} else None
        if at < len(tokens) and tokens[at] == ",":
            at += 1
    return clause


def read_caption(caption: str) -> ReadCaption:
    """Read one caption."""
    text = caption.lower().replace("t - shirt", "t-shirt").replace(" 's", "'s").replace("tee shirt", "t-shirt")
    tokens = tuple(token for token in _TOKEN.findall(text) if token != ".")
    return ReadCaption(tokens, _phrases(tokens), _clause(tokens))


__all__ = [
    "CaptionClause",
    "NamedPlace",
    "Phrase",
    "ReadCaption",
    "noun_singular",
    "phrase_at",
    "read_caption",
    "with_article",
]
