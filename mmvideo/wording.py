"""Text for people and files: numbers with their nouns, and names of files that are no characters."""

from __future__ import annotations

import json
import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plural(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun, as in "1 clip", "2 clips", "5 classes".

    Args:
        one: the noun for one thing.
        many: for several, where that is not `one` with an s, or with es after a hissing sound.
    """
    noun = one if count == 1 else many or one + ("es" if one.endswith(("s", "x", "ch", "sh")) else "s")
    return f"{count} {noun}"


def printable(text: str, encoding: str = "utf-8") -> str:
    """Return text that can be written: what the encoding does not have is escaped, as in caf\\udce9.mp4.

    A file name need not be text. Python holds bytes that are no characters as lone surrogates, which no stream, file or
    font takes; control characters but line breaks and tabs would steer a terminal. Inside JSON the escapes are those of
    JSON, so that whoever reads it gets the same name back.
    """
    text = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(character if _has(encoding, character) else json.dumps(character)[1:-1] for character in text)
    return text


def _has(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


__all__ = ["plural", "printable"]
