"""Topics about people as such: man or woman, young or old; and which animal or thing it is that does something."""

from __future__ import annotations

import re

from mmvideo.everyday.questions.nouns import NOUNS, noun_of
from mmvideo.everyday.questions.parsed import Parsed
from mmvideo.everyday.questions.query import Query

_MALE, _FEMALE = r"(?:man|men|boy|guy|male|gentleman)", r"(?:woman|women|girl|lady|female)"
_EITHER = re.compile(rf"\b{_MALE}s? or (?:an? |the )?{_FEMALE}\b|\b{_FEMALE}s? or (?:an? |the )?{_MALE}\b")
_SEX = re.compile(
    r"\b(?:male|female)$|\bgender\b|\bwhat sex\b|\b(?:is|are) (?:he|she|it|this|that|the person|"
    rf"the people|they) (?:really )?(?:an? )?(?:{_MALE}|{_FEMALE})$"
)
_AGES = re.compile(
    r"\b(?:is|are|was) (?:the |he|she|it|they|this|that).*?\b(young|old|elderly|adults?|grown ?up|child|"
    r"kid|teenager|grown|middle aged)$"
)
_AGE_NAMES = {
    "elderly": "old",
    "adults": "adult",
    "grownup": "adult",
    "grown up": "adult",
    "grown": "adult",
    "kid": "child",
    "teenager": "child",
    "middle aged": "adult",
}


def about_gender(p: Parsed) -> Query | None:
    """Is it a man or a woman? Is the person male?"""
    either = _EITHER.search(p.line)
    if either and (p.form in {"yes_no", "who", "what", "which", "bare"}):
        return p.query("who", attribute="gender", yes_no=False, subject=NOUNS["person"])
    found = _SEX.search(p.line)
    if found is None:
        return None
    if p.form == "yes_no":
        female = re.search(_FEMALE + "$", found[0]) is not None
        return p.query(
            "who", attribute=f"gender {'female' if female else 'male'}", yes_no=True, subject=NOUNS["person"]
        )
    return p.query("who", attribute="gender", yes_no=False, subject=NOUNS["person"])


def about_age(p: Parsed) -> Query | None:
    """Is he young? Is it a child or an adult?"""
    if p.form != "yes_no":
        return None
    if re.search(
        r"\b(?:child|kid|young)\b.* or (?:an? )?(?:adult|grown ?up|old)\b|"
        r"\b(?:adult|grown ?up|old)\b.* or (?:an? )?(?:child|kid|young)\b",
        p.line,
    ):
        return p.query("who", attribute="age", yes_no=False, subject=NOUNS["person"])
    found = _AGES.search(p.line)
    someone = p.subject is None or p.subject.person or p.has("he|she|they")
    if found is None or not someone or len(p.choices) > 1:
        return None
    return p.query("who", attribute=f"age {_AGE_NAMES.get(found[1], found[1])}", yes_no=True)


_DOER = re.compile(
    r"^what (?:kind of |type of |sort of )?(animal|thing|object|vehicle|creature|bird|insect)?s? ?"
    r"(?:(?:is|are|was|were|can be seen) (?:that is |that are )?(?!being\b)(\w+ing)\b|"
    r"(flies|swims|runs|drives|moves|crawls|floats|hangs|jumps)\b)"
)


def about_doer(p: Parsed) -> Query | None:
    """What is flying in the sky? Which animal runs there?"""
    found = _DOER.search(p.line)
    if found is None or p.form != "what" or p.has("he|she|they|it|happening|going on|(?:going|happening)$"):
        return None
    if (found[2] or "") in {"going", "happening", "doing", "shown", "occurring", "using", "wearing", "holding"}:
        return None
    if re.search(r"^what (?:is|are|was|were) \w+ing (?:the|a|an) (?:man|woman|boy|girl|person)\b", p.line):
        return None
    subject = noun_of(found[1]) if found[1] else None
    return p.query("doer", subject=subject, yes_no=False)


__all__ = ["about_age", "about_doer", "about_gender"]
