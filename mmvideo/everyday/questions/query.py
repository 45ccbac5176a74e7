"""What a question asks, once it is understood."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mmvideo.everyday.questions.nouns import Noun

if TYPE_CHECKING:
    from mmvideo.everyday.facts import Facts

FAMILIES = ("exist", "count", "repeats", "what", "who", "doer", "doing", "colour", "wearing", "holding", "where",
    "relation", "when",
            "order", "direction", "approach", "moves", "camera", "cuts", "sound", "speech", "indoors", "scene",
            "daytime",
            "weather", "duration", "next", "describe", "unanswerable", "other", "language", "empty", "long", "unsafe")
"""What can be asked. The last four are questions that are not answered."""


@dataclass(frozen=True)
class NamedTime:
    """A stretch of the video that a question names."""

    kind: str
    """share (of the length), seconds (from the start; negative from the end), shot (by its number from 0), or event."""
    start: float = 0.0
    end: float = 1.0
    text: str = ""
    """As the question says it; for events the words after "when", "after", "before" or "while"."""
    relation: str = ""
    """after, before or when, for events."""

    def of(self, facts: Facts) -> tuple[float, float]:
        """Return start and end on the clock of a video; a shot that it does not have is the whole video."""
        if self.kind != "shot":
            return self.within(facts.start_seconds, facts.end_seconds)
        number = int(self.start)
        if number >= len(facts.shots):
            return facts.start_seconds, facts.end_seconds
        return facts.shots[number].start_seconds, facts.shots[number].end_seconds

    def within(self, start_seconds: float, end_seconds: float) -> tuple[float, float]:
        """Return start and end on the clock of a video that lasts from start to end; events are the whole video."""
        length = end_seconds - start_seconds
        if self.kind == "share":
            span = (self.start * length, self.end * length)
        elif self.kind == "seconds":
            span = tuple(length + at if at < 0 else at for at in (self.start, self.end))  # type: ignore[assignment]
        else:
            return start_seconds, end_seconds
        low, high = (min(max(0.0, at), length) for at in span)
        return start_seconds + low, start_seconds + max(low, high)


@dataclass(frozen=True)
class Query:
    """A question, understood."""

    family: str
    """One of FAMILIES."""
    text: str = ""
    """The question as it was put."""
    subject: Noun | None = None
    other: Noun | None = None
    """The second thing of a relation, an order, a comparison."""
    nouns: tuple[Noun, ...] = ()
    """Every noun, in order."""
    attribute: str = ""
    """What is asked of the subject: a colour, a side, a direction, a movement of the camera, a sound, ..."""
    choices: tuple[str, ...] = ()
    """The answers that the question offers, as "dog" and "cat"."""
    yes_no: bool = False
    negated: bool = False
    """Whether yes and no are turned round: "is there no dog?"."""
    time: NamedTime | None = None
    """The stretch of the video that is named."""
    number: int | None = None
    comparison: str = ""
    """exactly, more, less, at least or at most the number."""
    verb: str = ""
    """Base form of what is done: run."""
    reason: str = ""
    """Why it cannot be answered, for unanswerable ones."""
    corrected: tuple[tuple[str, str], ...] = field(default=())
    """Words that were taken for misspelt, with what they were read as."""

    def span(self, facts: Facts) -> tuple[float, float] | None:
        """Return start and end of the time that is named, on the source's clock; None for none and for an event."""
        if self.time is None or self.time.kind == "event":
            return None
        return self.time.of(facts)

    def with_(self, **changes: object) -> Query:
        """Return it with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


__all__ = ["FAMILIES", "NamedTime", "Query"]
