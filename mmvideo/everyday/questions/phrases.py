"""Noun phrases of a question: "the two men", "a red car", "the woman on the left"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.nouns import Noun, noun_of, unknown_noun
from mmvideo.everyday.questions.verbs import base_form

COLOURS = word_set("black white grey red orange yellow green blue purple pink brown golden blond blonde silver beige "
                   "tan")
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
           "single": 1, "zero": 0}
DETERMINERS = word_set("a an the any some this that these those another each every no his her its their my your many "
                       "several all both most few more")
ADJECTIVES = word_set("""
big small large little tiny huge tall short long young old older younger elderly other same different main first
second last third next only visible moving parked wooden metal plastic dark light bright blond blonde fat thin bald
bearded whole little beautiful pretty cute nice wild white-haired real right left own live open closed new adult
female male black-haired single just dead wet dry dirty clean empty full striped plain electric second human more
fewer less coloured colourful running walking sitting standing exact exactly total approximate single upper lower
top bottom middle
""")
_SIDES = {"left": "left", "right": "right", "middle": "middle", "top": "top", "bottom": "bottom",
    "background": "background",
          "foreground": "foreground", "front": "foreground", "back": "background"}
_POINTED = re.compile(r"\b(?:(?:standing|sitting|located|shown|seen|placed) )?(?:on|in|at|to) the (?:far |very |"
                      r"upper |lower )?(left|right|middle|top|bottom|background|foreground|back|"
                      r"front)(?: (?:hand )?(?:side|corner|half|part))?\b(?! of the (?!picture|video|screen|frame|"
                      r"scene|shot))(?: of the (?:picture|video|screen|frame|scene|shot))?")
FUNCTION_WORDS = word_set("""
a an the any some this that these those another each every no his her its their my your many several all both most
few more what who whom whose which where when why how is are was were be been being am do does did has have had can
could will would should may might must not or and but if whether than then of in on at by for from to with without
into onto over under above below behind front between among through across along around near next beside against
about during before after while as until since up down out off away back forward forwards backward backwards towards
there here it they them he she him we us you i me one ones yes he's very too again else ever much often long far
first last kind type sort way direction time times colour number name side left right middle top bottom corner
indoors outdoors inside outside closer farther happen happens happening going visible begin start end beginning only
just same different together alone part parts side sides half piece now still yet already least exactly roughly
approximately
""")


NO_THINGS = word_set("video picture scene number amount count colour kind type sort part side way direction "
                     "position place location order beginning end moment time order total sum content gist plot "
                     "story activity action event second minute")
"""Nouns of questions that name no thing in the picture."""


@dataclass(frozen=True)
class NounAt:
    """A noun of a question and where it stands: tokens [start, end)."""

    noun: Noun
    start: int
    end: int


def _noun_at(tokens: list[str], at: int) -> tuple[Noun, int] | None:
    """Read the longest noun that the lexicon has, from one token on."""
    for length in (3, 2, 1):
        words = tokens[at:at + length]
        if len(words) == length:
            found = noun_of(" ".join(words))
            if found is not None:
                return found, at + length
    return None


def noun_phrase(tokens: list[str], start: int) -> NounAt | None:
    """Read the noun phrase that begins at a token; None where there is none."""
    at, number, colour, side = start, None, "", ""
    determined = False
    while at < len(tokens):
        word = tokens[at]
        if word in NUMBERS and (determined or at == start or tokens[at - 1] in ADJECTIVES):
            number, determined = NUMBERS[word], True
        elif word.isdigit() and len(word) < 4:
            number, determined = int(word), True
        elif word in COLOURS and at + 1 < len(tokens) and (tokens[at + 1]
            not in FUNCTION_WORDS or tokens[at + 1] == "and"):
            colour = word
            if tokens[at + 1] == "and" and tokens[at + 2:at + 3] and tokens[at + 2] in COLOURS:
                at += 1
        elif word in {"left", "right"} and determined and at + 1 < len(tokens) and _noun_at(tokens, at + 1):
            side = word
        elif word in DETERMINERS:
            determined = True
        elif word in ADJECTIVES and at + 1 < len(tokens) and word not in {"left", "right"}:
            pass
        else:
            break
        at += 1
    found = _noun_at(tokens, at)
    if found is None:
        found = _guessed(tokens, at) if determined else None
    if found is None:
        return None
    noun, end = found
    while end < len(tokens):  # compounds: the last word is what it is, as in "ice cream van"
        further = _noun_at(tokens, end)
        if further is None or (base_form(tokens[end]) and not further[0].labels) or noun.plural:
            break
        noun, end = further
    if number is not None:
        noun = noun.with_(number=number)
    if colour:
        noun = noun.with_(colour=colour)
    if side:
        noun = noun.with_(side=side)
    return NounAt(noun, start, end)


def _guessed(tokens: list[str], at: int) -> tuple[Noun, int] | None:
    """Take a word that no list has for a noun, because of where it stands."""
    if at >= len(tokens) or tokens[at] in FUNCTION_WORDS or (not tokens[at].isalpha() and "-" not in tokens[at]):
        return None
    if base_form(tokens[at]) and at and tokens[at - 1] in NUMBERS:
        return None  # "does one kick the other"
    end = at + 1
    while end < len(tokens) and not (tokens[end] in FUNCTION_WORDS or base_form(tokens[end]) or tokens[end] == "'s"):
        found = _noun_at(tokens, end)
        if found is not None:
            return found[0].with_(text=" ".join([*tokens[at:end], found[0].text]), labels=found[0].labels), found[1]
        end += 1
    return unknown_noun(" ".join(tokens[at:end])), end


def take_sides(line: str) -> tuple[str, list[tuple[str, int]]]:
    """Take "on the left" out of a line; return what remains, and each side with the number of words before it."""
    sides: list[tuple[str, int]] = []
    while True:
        found = _POINTED.search(line)
        if found is None:
            return line, sides
        sides.append((_SIDES[found[1]], len(line[:found.start()].split())))
        line = " ".join(f"{line[:found.start()]} {line[found.end():]}".split())


def noun_phrases(tokens: list[str]) -> list[NounAt]:
    """Return every noun phrase of a question, in order."""
    found: list[NounAt] = []
    at = 0
    while at < len(tokens):
        word = tokens[at]
        if (word in FUNCTION_WORDS - DETERMINERS and word not in NUMBERS) or (word == "'s"):
            at += 1
            continue
        verb = base_form(word)
        if verb and (word.endswith(("ing", "ed", "s")) or word in {"hold", "wear", "play", "show", "see", "ride",
            "look", "watch"}) \
                and not (noun_of(word) and at and tokens[at - 1] in DETERMINERS):
            at += 1
            continue
        phrase = noun_phrase(tokens, at)
        if phrase is None:
            at += 1
        elif phrase.noun.text in NO_THINGS:
            at = phrase.end
        else:
            found.append(phrase)
            at = phrase.end
    return found


__all__ = ["ADJECTIVES", "COLOURS", "DETERMINERS", "FUNCTION_WORDS", "NO_THINGS", "NUMBERS", "NounAt", "noun_phrase",
    "noun_phrases",
           "take_sides"]
