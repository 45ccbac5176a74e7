"""A question in the words that the language model learned: many ways to ask what somebody does are one."""

from __future__ import annotations

import re

from mmvideo.everyday.questions.nouns import Noun, plural_of
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.verbs import base_form, ing_form

_WHAT = {"doing": "what {is_} {x} doing?", "wearing": "what {is_} {x} wearing?", "holding": "what {is_} {x} holding?"}
_PRONOUNS = {"he": "the man", "she": "the woman", "they": "the people", "him": "the man", "her": "the woman",
             "them": "the people"}


_BEING = re.compile(r"\bwhat (?:\w+ )?(?:is|are|was|were) being (\w+)")
_PARTICLE = re.compile(r"\b(at|on|with|over|to|from)\s*\??$")
_ANYTHING = frozenset(("", "happen", "do", "perform"))


def reworded(question: str, query: Query) -> str:
    """Return an open question about what is done, worn or held in its usual wording; others as they are.

    Args:
        question: as it was put.
        query: the same, understood.
    """
    text = question.lower().strip()
    if query.yes_no or query.choices:
        return question
    if query.family == "who":
        return re.sub(r"^who are (?=\w+ing\b)", "who is ", text)
    if query.family == "doer" and query.verb:
        return f"who is {ing_form(query.verb)}?"
    if query.family == "doing" and query.attribute == "sport":
        return "what sport is this?"
    being = _BEING.match(text)
    if being and base_form(being[1]):
        return f"what is the person {ing_form(base_form(being[1]))}?"
    wording = _WHAT.get(query.family)
    if wording is None or query.attribute:
        return question
    who = _who(query.text.lower() or text, query.subject)
    if not who:
        return question
    if query.family == "doing" and query.verb not in _ANYTHING and not re.search(r"\b(?:does|do|did)\b.* do\b", text):
        if not re.match(r"what (?:does|do|did|is|are|was|were) ", text):
            return question
        particle = _PARTICLE.search(text)
        wording = f"what {{is_}} {{x}} {ing_form(query.verb)}{f' {particle[1]}' if particle else ''}?"
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
