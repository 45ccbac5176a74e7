"""A question between its words and its meaning: form, nouns and where they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.nouns import Noun, noun_of
from mmvideo.everyday.questions.phrases import NounAt
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.verbs import base_form

PRONOUNS = word_set("he she it they him her them")


@dataclass(frozen=True)
class Parsed:
    """A question, cut up."""

    line: str
    """Normalised words without time phrases and without "in the video"."""
    whole: str
    """The same with "in the video"."""
    tokens: tuple[str, ...]
    form: str
    nouns: tuple[Noun, ...]
    phrases: tuple[NounAt, ...]
    sides: tuple[tuple[str, int], ...]
    """Sides that the question points to, as "on the left", and after which word."""
    choices: tuple[str, ...]

    @property
    def yes_no(self) -> bool:
        """Whether yes or no is an answer."""
        return self.form == "yes_no" and len(self.choices) < 2

    @property
    def subject(self) -> Noun | None:
        """The first noun."""
        return self.nouns[0] if self.nouns else None

    @property
    def other(self) -> Noun | None:
        """The second noun."""
        return self.nouns[1] if len(self.nouns) > 1 else None

    @property
    def verb(self) -> str:
        """The last verb that is no helper, in its base form; empty where there is none."""
        inside = {k for phrase in self.phrases for k in range(phrase.start, phrase.end)}
        found = [base_form(word) for k, word in enumerate(self.tokens) if (k not in inside or word.endswith("ing"))
                 and not (word == "left" and self.tokens[k - 1] not in {"has", "have", "had", "who", "that"})]
        found += [word[:-3] for word in self.tokens if not found and len(word) > 5 and word.endswith("ing")
                  and not base_form(word) and noun_of(word) is None and word not in {"during", "according", "morning"}]
        found = [verb for verb in found if verb and verb not in {"be", "do", "have", "see", "show"}]
        return found[0] if found else ""

    def has(self, pattern: str) -> bool:
        """Whether a pattern of words is in the question."""
        return re.search(rf"\b(?:{pattern})\b", self.line) is not None

    def query(self, family: str, **more: object) -> Query:
        """Return a query of a family about the first noun, with the form that the question has."""
        fields: dict[str, object] = {"subject": self.subject, "other": self.other, "yes_no": self.yes_no,
                                     "verb": self.verb, **more}
        return Query(family, **fields)  # type: ignore[arg-type]


__all__ = ["PRONOUNS", "Parsed"]
