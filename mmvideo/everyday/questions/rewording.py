"""A question in the words that the language model learned: many ways to ask what somebody does are one."""

from __future__ import annotations

import re

from mmvideo.everyday.questions.nouns import Noun, plural_of
from mmvideo.everyday.questions.query import Query

_WHAT = {"doing": "what {is_} {x} doing?", "wearing": "what {is_} {x} wearing?", "holding": "what {is_} {x} holding?"}
_PRONOUNS = {"he": "the man", "she": "the woman", "they": "the people", "him": "the man", "her": "the woman",
             "them": "the people"}


def reworded(question: str, query: Query) -> str:
    """Return an open question about what is done, worn or held in its usual wording; others as they are.

    Args:
        question: as it was put.
        query: the same, understood.
    """
    wording = _WHAT.get(query.family)
    if wording is None or query.yes_no or query.choices or (
            query.family == "doing" and (query.verb not in ("", "happen") or query.attribute)):
        return question
    who = _who(query.text.lower() or question.lower(), query.subject)
    if not who:
        return question
    return wording.format(x=who[0], is_="are" if who[1] else "is")


def _who(text: str, noun: Noun | None) -> tuple[str, bool] | None:
    """Return whom a question is about, and whether that is several; None where nobody is named."""
    if noun is not None and noun.text != "person" and (noun.person or noun.labels):
        several = noun.plural or (noun.number or 1) > 1
        return f"the {plural_of(noun.text) if several else noun.text}", several
    found = re.search(rf"\b({'|'.join(_PRONOUNS)})\b", text)
    if found:
        return _PRONOUNS[found[1]], found[1] in ("they", "them")
    if noun is not None and noun.text == "person":
        return ("the people", True) if noun.plural or (noun.number or 1) > 1 else ("the person", False)
    return None


__all__ = ["reworded"]
