"""From free text to a Query: which form a question has, what it is about, and what is asked of that.

Form (yes or no, how many, where, ...) and topic (camera, colour, position, ...) are found apart and put together, so
that an unseen wording is understood where its parts are known.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mmvideo.everyday.questions import normalise, topics
from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.nouns import NOUNS, PLURALS, Noun, noun_of
from mmvideo.everyday.questions.parsed import Parsed
from mmvideo.everyday.questions.phrases import (
    ADJECTIVES,
    COLOURS,
    FUNCTION_WORDS,
    NO_THINGS,
    NUMBERS,
    noun_phrases,
    take_sides,
)
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.real_words import REAL_WORDS
from mmvideo.everyday.questions.times import take_event, take_time
from mmvideo.everyday.questions.verbs import VERBS, base_form

_AUXILIARIES = word_set("is are was were do does did has have had can could will would should may might am")
_COMMANDS = word_set("describe count summarise caption list name give identify find explain tell show mention point "
    "write "
                      "transcribe translate read detect locate")
_EXTRA_WORDS = word_set("""
indoors outdoors inside outside camera moving standing sitting walking running playing wearing holding happens
happening video picture scene scenes shots colour colours direction beginning second seconds minute minutes people
describe left right middle behind front between speaking talking sound sounds music noise hear heard silent loud
speech voice next many often long times repeated closer towards away night daytime weather raining snowing sunny
place location where which there visible appear appears kind sort type happen visible someone anyone anybody
everybody nobody something anything cloudy number
""")


@lru_cache(maxsize=1)
def question_vocabulary() -> frozenset[str]:
    """Return every word that a typing error may be mended to."""
    single = {word for noun in NOUNS for word in noun.split()} | set(PLURALS) | {noun + "s" for noun in NOUNS
        if " " not in noun}
    return frozenset(single | VERBS | COLOURS | ADJECTIVES | FUNCTION_WORDS | NO_THINGS | set(NUMBERS) | _EXTRA_WORDS)


def _known(word: str) -> bool:
    return bool(word in question_vocabulary() or base_form(word) or noun_of(word) or word in _COMMANDS or len(word) < 4
                or word in topics.WORDS or word in REAL_WORDS or word.endswith("ly") or "-" in word)


def mended(line: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Mend typing errors; return the line and what was changed."""
    words, changed = [], []
    for word in line.split():
        better = None if _known(word) else normalise.near_word(word, question_vocabulary())
        words.append(better or word)
        if better:
            changed.append((word, better))
    return " ".join(words), tuple(changed)


def _form(tokens: list[str]) -> str:
    """Name the form: yes_no, command, bare, how_many, how_often, how_long, or the question word."""
    line = " ".join(tokens)
    if re.match(r"(?:if|whether)\b", line):
        return "yes_no"
    if tokens[0] in {"describe", "summarise", "caption", "count", "list", "name"}:
        return "how_many" if tokens[0] == "count" else "command"
    if tokens[0] in _AUXILIARIES and not re.match(r"(?:is|are|was|were|does|do|did|can|could|will|would|should) "
        r"(?:what|who|where|when|how)\b", line):
        return "yes_no"
    if re.search(r"\bhow (?:many times|often|frequently)\b|\bnumber of (?:times|repetitions|reps)\b", line):
        return "how_often"
    if re.search(r"\bhow (?:many|much)\b|\b(?:what|which)(?: is)?(?: the)?(?: total| exact| approximate)? number of\b|"
        r"^(?:the )?(?:total )?number of\b|"
                 r"^count\b|\bamount of\b|\bcount of\b|^(?:what is )?the count\b", line):
        return "how_many"
    if re.search(r"\bhow long\b|\b(?:what is |what 's )?the (?:length|duration|runtime)\b|\bwhat length\b", line):
        return "how_long"
    if re.search(r"\b(?:moment|time|point|second) (?:when|at which|that)\b", line):
        return "when"
    wh = next((word for word in tokens[:8] if word in {"what", "who", "whom", "whose", "where", "when", "why", "how",
        "which"}), "")
    if not wh and tokens[-1] in {"what", "where", "who", "when", "which"}:
        wh = tokens[-1]
    if wh == "whom":
        wh = "who"
    if wh:
        return wh
    if tokens[0] in _COMMANDS:
        return "command"
    if re.search(r"\b(?:right|correct|is not it|are not they|does not it|do not they|yes or no|true or false|is there|"
        r"are there)$", line):
        return "yes_no"
    return "bare"


_ONE_OF_THEM = re.compile(
    r"(?:is|are|was|were|does|do|did|has|have|can)\b.*\b(?:wearing|wear|holding|there|carrying) "
    r"(?:an? |any )?(?:\w+ ){1,3}or (?!an?\b|the\b|not\b|\w+ing\b)\w+$"
)


def _choices(line: str) -> tuple[str, ...]:
    """Return what a question offers with "or": the words on both sides, without what both share.

    "Is he wearing a jacket or suit?" offers nothing: it asks whether he wears one of them.
    """
    if _ONE_OF_THEM.match(line):
        return ()
    if " or " not in line or re.search(r"\bor (?:not|no|n't)\b|\byes or no\b|\btrue or false\b", line):
        return ()
    before, _, after = line.rpartition(" or ")
    right = re.sub(r"^(?:is|are|does|do|was|were) (?:it|there|he|she|they|the \w+) ", "", after).strip()
    right = re.split(r" (?:that|which|who|in|on|at|is|are|does) ", right)[0].strip()
    head = re.split(r"[:]", before)[-1]
    listed = re.split(r" or ", head)
    size = len(right.split())
    lefts = []
    for part in listed[:-1]:
        lefts.append(" ".join(part.split()[-size:]))
    words = listed[-1].split()
    take = words[-size:] if size <= len(words) else words
    if size >= 2 and right.split()[0] in {"a", "an", "the", "to", "in", "on", "at"}:
        starts = [k for k, word in enumerate(words) if word in {right.split()[0], "a", "an", "the", "to", "in", "on",
            "at"}]
        if starts:
            take = words[starts[-1]:]
    left = " ".join(take)
    return tuple(part for part in (*lefts, left, right) if part)


def understand(text: str) -> Query:
    """Understand a question about a video.

    Args:
        text: what somebody asks, in any wording.

    Returns:
        What is asked. `family` is empty, long, language or unsafe for what is no question to answer, and "other" for a
        question whose wording was not understood.
    """
    refused = normalise.guard(text)
    if refused:
        return Query(refused, text, reason=normalise.REASONS[refused])
    line, corrected = mended(normalise.plain_words(text))
    line = re.sub(r"^(?:if|whether) ", "whether ", line)
    line, span = take_time(line)
    whole = line
    line = normalise.without_frame(line) or line
    if span is None:
        line, span = take_event(line)
    tokens = line.split()
    if not tokens:
        return Query("describe" if span is not None else "other", text, time=span, corrected=corrected)
    negated = _negated(line)
    pointed, sides = take_sides(line)
    phrases = noun_phrases(pointed.split())
    nouns = []
    for phrase in phrases:
        noun = phrase.noun
        for side, after in sides:
            if after == phrase.end or (after > phrase.end and all(p.start <= phrase.start or p.start >= after
                for p in phrases)):
                noun = noun if noun.side else noun.with_(side=side)
        nouns.append(_dressed(noun, pointed.split()[phrase.end:phrase.end + 5]))
    form = _form(tokens)
    if form == "yes_no" and re.match(r"(?:is|are) (?:it|this|that|they) (?:what|who|where)\b", line):
        form = "what"
    parsed = Parsed(line, whole, tuple(tokens), form, tuple(nouns), tuple(phrases), tuple(sides), _choices(line))
    found = topics.find_topic(parsed)
    return found.with_(text=text, time=found.time or span, corrected=corrected, negated=found.negated or negated,
                       nouns=tuple(nouns), choices=found.choices or parsed.choices)


_NOT_UPPER = word_set("hair beard hat cap helmet pants trousers jeans shorts skirt shoes boots glasses sunglasses tie "
    "bag socks gloves")
"""What is worn elsewhere than on the upper body, of which the colours of a track are."""


def _dressed(noun: Noun, following: list[str]) -> Noun:
    """Read "in the red shirt" after a person: the colour by which he or she is told from others."""
    if not noun.person or noun.colour or following[:1] not in (["in"], ["with"], ["wearing"]):
        return noun
    colour = next((word for word in following[1:] if word in COLOURS), "")
    between = following[1:following.index(colour)] if colour else []
    plain = all(word in {"a", "an", "the"} or word in ADJECTIVES for word in between)
    return noun.with_(colour=colour) if colour and plain and not _NOT_UPPER & set(following) else noun


def _negated(line: str) -> bool:
    """Whether the question denies what it asks: "are there no dogs?"; "isn't it" asks the same as "is it"."""
    if re.match(r"(?:is|are|was|were|do|does|did|has|have|can|could|will) not\b", line):
        return False
    return bool(re.search(r"\b(?:not|never|no|nobody|nothing|none|without|no one)\b", line)) and not re.search(
        r"\bor not\b|\b(?:yes or no|or no)\b", line)


__all__ = ["mended", "question_vocabulary", "understand"]
