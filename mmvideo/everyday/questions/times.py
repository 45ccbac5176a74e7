"""Time phrases of a question: "at the beginning", "after 5 seconds", "between 0:10 and 0:20", "when the dog barks"."""

from __future__ import annotations

import re

from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.query import NamedTime
from mmvideo.everyday.questions.verbs import base_form

_NUMBER_WORDS: dict[str, float] = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10,
    "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
    "a": 1, "an": 1, "half": .5}
_VIDEO = r"(?: of (?:the |this |it)?(?:whole )?(?:video|clip|film|footage|movie|scene|recording|gif|it))?"
_N = r"(\d+(?:[.:]\d+)?|" + "|".join(_NUMBER_WORDS) + r")"
_UNIT = r" ?(seconds?|secs?|s|minutes?|mins?|m)\b"
_SHARES: tuple[tuple[str, float, float], ...] = (
    (r"(?:in |during |for |throughout )?(?:the )?(?:first|1st) half" + _VIDEO, 0, .5),
    (r"(?:in |during |for |throughout )?(?:the )?(?:second|last|2nd|latter|other) half" + _VIDEO, .5, 1),
    (r"(?:in |during )?the (?:first|1st) third" + _VIDEO, 0, 1 / 3),
    (r"(?:in |during )?the (?:last|final|third) third" + _VIDEO, 2 / 3, 1),
    (r"(?:in |during )?the (?:first|1st) quarter" + _VIDEO, 0, .25),
    (r"(?:in |during )?the last quarter" + _VIDEO, .75, 1),
    (r"(?:just |(?<!the )(?<!or )(?<!left )right )?(?:at|in|during|near|from|towards?) the (?:very )?(?:beginning|"
        r"start|opening|outset|"
     r"first frame)" + _VIDEO,
     0, .2),
    (r"as the (?:video|clip) (?:starts|begins)|when (?:the|this) (?:video|clip) (?:starts|begins|opens)|"
     r"in the (?:opening|first) (?:frame|moments?)|initially", 0, .2),
    (r"(?:just |(?<!the )(?<!or )(?<!left )right )?(?:at|in|during|near|by|towards?) the (?:very )?(?:end|ending|"
        r"close|finish|"
     r"last frame)\b(?! of the (?!video|clip|film|footage|movie|scene|recording|gif))" + _VIDEO, .8, 1),
    (r"as the (?:video|clip) ends|when (?:the|this) (?:video|clip) (?:ends|finishes|stops)|in the (?:closing|last|"
     r"final) (?:scene|shot|frame|moments?)|in the end", .8, 1),
    (r"(?:halfway|midway|half way) through" + _VIDEO.replace(" of", "(?: of)?"), .4, .6),
    (r"(?:in|at|around|during|near) the (?:middle|midpoint) of (?:the |this )?(?:video|clip|film|footage|movie|"
     r"recording|gif)", .35, .65),
)
_ORDINALS = {"first": 0, "opening": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "last": -1,
             "final": -1, "closing": -1}
_SHOT = re.compile(r"\b(?:in|during|within|of) the (" + "|".join(_ORDINALS) + r") (?:shot|scene|take)\b")
_EVENT = re.compile(r"\b(?:right |just |shortly |immediately )?(after|before|when|while|as|once|until) ((?:the|a|an|"
                    r"he|she|it|they|his|her|someone|somebody|people|being|[a-z]+ing)\b.*?)(?= (?:what|who|where|how|"
                    r"is|are|does|do|did|which|was)\b(?! \w+ing\b)|$)")
_HELPERS = word_set("what who where how which is are does do did was were can has have why whose")


def _seconds(number: str, unit: str) -> float:
    """Read "5", "five", "0:12" with a unit; minutes become seconds."""
    if ":" in number:
        minutes, seconds = number.split(":")
        return int(minutes) * 60 + float(seconds)
    value = float(_NUMBER_WORDS.get(number, -1)) if number in _NUMBER_WORDS else float(number)
    return value * (60 if unit.startswith("m") else 1)


def _numeric(text: str) -> tuple[NamedTime, tuple[int, int]] | None:
    """Find a phrase with a number of seconds; return it and where it stands."""
    unit = r"(?:" + _UNIT + r")?"
    found = re.search(rf"\b(?:between|from) (?:second |minute )?{_N}{unit} (?:and|to|until|till) (?:second "
        rf")?{_N}{unit}", text)
    if found and (found[2] or found[4] or ":" in found[0] or "second " in found[0]):
        last = found[4] or found[2] or "s"
        span = NamedTime("seconds", _seconds(found[1], found[2] or last), _seconds(found[3], last), found[0])
        return span, found.span()
    found = re.search(rf"\b(?:in|during|within|for|over) (?:the )?(?:very )?(first|last|final) (?:{_N})?{_UNIT}", text)
    if found:
        length = _seconds(found[2] or "one", found[3])
        span = NamedTime("seconds", 0, length, found[0]) if found[1] == "first" else NamedTime("seconds", -length, 1e9,
            found[0])
        return span, found.span()
    found = re.search(rf"\b(after|before|past|until|since) (?:the )?(?:first |second )?{_N}{unit}(?: mark)?(?= |$)",
        text)
    if found and (found[3] or ":" in found[2] or " second " in found[0]):
        at = _seconds(found[2], found[3] or "s")
        early = found[1] in {"before", "until"}
        return NamedTime("seconds", 0 if early else at, at if early else 1e9, found[0]), found.span()
    found = re.search(rf"\b(?:at|around|about) (?:the )?(?:time |second |minute )?{_N}{unit}(?: mark| into the video| "
        rf"in)?(?= |$)", text)
    if found and (found[2] or ":" in found[1] or "second " in found[0] or "minute " in found[0]):
        at = _seconds(found[1], found[2] or ("m" if "minute " in found[0] else "s"))
        return NamedTime("seconds", max(0, at - .5), at + .5, found[0]), found.span()
    found = re.search(rf"\b{_N}{_UNIT} (?:into|in to|from the (?:start|beginning) of)(?: the)?(?: video| clip)?", text)
    if found:
        at = _seconds(found[1], found[2])
        return NamedTime("seconds", max(0, at - .5), at + .5, found[0]), found.span()
    return None


def take_time(text: str) -> tuple[str, NamedTime | None]:
    """Take the time phrase out of a question.

    Args:
        text: words in lower case with single spaces.

    Returns:
        What remains, and the span; None where no time is named.
    """
    numeric = _numeric(text)
    if numeric is not None:
        span, (start, end) = numeric
        return _without(text, start, end), span
    found = _SHOT.search(text)
    if found:
        number = _ORDINALS.get(found[1], -1)
        return _without(text, *found.span()), NamedTime("shot", number, number, found[0])
    for pattern, low, high in _SHARES:
        found = re.search(rf"\b(?:{pattern})\b", text)
        if found:
            return _without(text, *found.span()), NamedTime("share", low, high, found[0])
    return text, None


def take_event(text: str) -> tuple[str, NamedTime | None]:
    """Take a clause with "after", "before", "when" or "while" out of a question that asks about something else."""
    for found in _EVENT.finditer(text):
        rest = _without(text, *found.span())
        said = rest.split()
        if found[1] in {"when"} and (found.start() == 0 and not said):
            continue
        words = found[2].split()
        if not any(base_form(word) for word in words):
            continue
        if text[:found.start()].split()[-1:] in (["moment"], ["time"], ["point"], ["second"]):
            continue
        enough = (len(said) >= 3 or said == ["what", "happens"]) and (len(words) >= 2 or words[0].endswith("ing"))
        if enough and set(said) & _HELPERS and words[0] not in _HELPERS:
            relation = {"as": "when", "while": "when", "once": "after", "until": "before"}.get(found[1], found[1])
            return rest, NamedTime("event", text=found[2], relation=relation)
    return text, None


def _without(text: str, start: int, end: int) -> str:
    return " ".join(f"{text[:start]} {text[end:]}".split())


__all__ = ["take_event", "take_time"]
