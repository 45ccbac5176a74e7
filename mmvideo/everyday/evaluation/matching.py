"""Whether an answer in free words agrees with an answer written by hand (tests/everyday/questions.json)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mmvideo.errors import InvalidInput

_NUMBERS = {word: str(number) for number, word in enumerate(
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"])} | {
    "once": "1", "twice": "2", "single": "1", "both": "2", "couple": "2", "none": "0", "nobody": "0"}
_CANNOT_TELL = "i cannot tell"
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SECONDS = r"\s*(?:s|sec|secs|second|seconds)\b"
_TIME = re.compile(rf"(?:{_NUMBER.pattern}(?:{_SECONDS})?\s*(?:to|and|until|till)\s*)?{_NUMBER.pattern}{_SECONDS}")
_RANGE = re.compile(rf"({_NUMBER.pattern})(?:{_SECONDS})?\s*(?:to|and|until|till)\s*({_NUMBER.pattern})")


def normalised(text: str) -> str:
    """Return words in lower case with single spaces: no signs but the points within numbers, numbers as digits."""
    text = text.lower().replace("’", "'").replace("can't", "cannot").replace("can not", "cannot")
    text = re.sub(r"\bno one\b", "nobody", text)
    text = re.sub(r"(\d+):(\d\d)\b", lambda found: str(60 * int(found[1]) + int(found[2])), text)
    text = re.sub(r"(?<=\d)\s*[–-]\s*(?=\d)", " to ", text)
    text = re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w\s.]", " ", text)
    return " ".join(_NUMBERS.get(word, word) for word in text.split())


def _holds(text: str, words: str) -> bool:
    return f" {words} " in f" {text} "


def _count(text: str) -> str | None:
    """Return the first number that is no time, or 1 for "a man"; None where no number is said."""
    text = _TIME.sub(" ", text)
    if found := _NUMBER.search(text):
        return found[0]
    return "1" if re.match(r"(?:there is |i see )?an? ", text) else None


def _right_time(text: str, spans: list[list[float]], tolerance: float) -> bool:
    """Whether a stated second lies in a span or near it, and no stated range is much longer than the span."""
    for start, end in spans:
        longest = 2 * (end - start) + 2 * tolerance
        too_long = any(float(last) - float(first) > longest for first, last in _RANGE.findall(text))
        if not too_long and any(start - tolerance - 1e-6 <= float(second) <= end + tolerance + 1e-6
                                for second in _NUMBER.findall(text)):
            return True
    return False


def matches(answer: str, entry: Mapping[str, Any]) -> bool:
    """Return whether an answer is right.

    Words are compared in lower case without punctuation, numbers as digits. "yes" and "no" count only as the first
    word. For a count the first number that is no time decides. A time is right where a stated second lies within a
    span or `tolerance_seconds` (.5 where it is not given) outside it; a stated range more than twice as long as the
    span (with the tolerance) is wrong. Elsewhere an accepted answer must occur as whole words. "I cannot tell" is right
    where nobody can tell, and wrong elsewhere.

    Args:
        answer: What was answered, free text.
        entry: `answers`: accepted ones; `kind`; for times `spans` [[start, end], ...] and `tolerance_seconds`.

    Raises:
        InvalidInput: The entry has no accepted answers, or is about a time without spans.
    """
    kind, accepted = entry.get("kind", "open"), [normalised(text) for text in entry.get("answers", ())]
    if not accepted:
        raise InvalidInput(f"The entry has no accepted answers: {dict(entry)!r}.")
    text = normalised(answer)
    if text.startswith(_CANNOT_TELL) or kind == "unknowable":
        return kind == "unknowable" and any(text.startswith(words) for words in accepted)
    if kind == "time":
        if not entry.get("spans"):
            raise InvalidInput(f"A question about a time needs spans: {dict(entry)!r}.")
        return _right_time(text, entry["spans"], float(entry.get("tolerance_seconds", 0.5)))
    if kind == "count":
        return _count(text) in accepted
    first = text.split(" ", 1)[0]
    if kind == "yes/no":
        return first in accepted
    return any(first == words if words in ("yes", "no") else _holds(text, words) for words in accepted)


__all__ = ["matches", "normalised"]
