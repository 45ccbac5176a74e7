"""Answers to questions from facts alone, with their confidence and proof; None where a picture must be looked at."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mmvideo.everyday.questions import (
    answer_actions,
    answer_colours,
    answer_moves,
    answer_next,
    answer_people,
    answer_places,
    answer_surroundings,
    answer_things,
    answer_whole,
)
from mmvideo.everyday.questions.normalise import REASONS
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import SpanFacts
from mmvideo.everyday.questions.told import Told, cannot_tell

if TYPE_CHECKING:
    from mmvideo.everyday.facts import Facts
    from mmvideo.types import Proof

_ANSWERS: dict[str, Callable[[Query, SpanFacts], Told | None]] = {
    "exist": answer_things.answer_exist, "count": answer_things.answer_count, "what": answer_things.answer_what,
    "colour": answer_colours.answer_colour,
    "where": answer_places.answer_where, "relation": answer_places.answer_relation,
    "holding": answer_things.answer_holding,
    "wearing": answer_things.answer_wearing, "who": answer_actions.answer_who, "doing": answer_actions.answer_doing,
    "doer": answer_actions.answer_doer,
    "direction": answer_moves.answer_direction, "approach": answer_moves.answer_approach,
    "moves": answer_moves.answer_moves,
    "when": answer_moves.answer_when, "order": answer_moves.answer_order, "duration": answer_moves.answer_duration,
    "repeats": answer_moves.answer_repeats, "next": answer_next.answer_future,
    "camera": answer_whole.answer_camera, "cuts": answer_whole.answer_cuts, "sound": answer_whole.answer_sound,
    "speech": answer_whole.answer_speech,
    "indoors": answer_whole.answer_indoors, "scene": answer_whole.answer_scene, "daytime": answer_whole.answer_daytime,
    "weather": answer_surroundings.answer_weather,
}
_REFUSALS = {
    "empty": "Please ask a question about the video.", "language": "I understand questions in English only.",
    "long": f"I cannot read this question: {REASONS['long']}.", "unsafe": "I do not answer this question: it may "
    "harm people.",
}
_BACKGROUND = re.compile(r"^what (?:is|was|can be seen|do you see|kind of place is|can you see) (?:in |on )?(?:the |"
                         r"this |its )?background\b|\bwhat (?:kind of place )?(?:is|are|grows|stands|can be seen) "
                         r"behind (?:him|her|them)\b|\bwhat is the background\b")
_ON_BODY = frozenset({"wearing", "doer", "doing", "other", "relation"})
"""Families as which it may be understood what somebody has on a part of the body."""
_EVENT_FAMILIES = frozenset({"count", "exist", "where", "direction", "colour", "what", "moves", "approach", "relation",
    "order"})
"""Families whose answer depends on when an event is, which facts do not tell."""


def _nothing(query: Query, seen: SpanFacts) -> Told | None:
    """Answer families that only the picture tells."""
    return None


def answer_from_facts(query: Query, facts: Facts) -> Told | None:
    """Answer a question from what is known of a video.

    Args:
        query: a question, understood.
        facts: what is known.

    Returns:
        The answer with its confidence, proof and reason; None where only the picture tells, so that a model which sees
        it must be asked. A question that no such model can answer is told so, with the reason.
    """
    if query.family in _REFUSALS:
        return Told(_REFUSALS[query.family], 0.0, None, query.family, query.reason)
    if query.family == "unanswerable":
        return cannot_tell(query.family, query.reason)
    answer = _ANSWERS.get(query.family, _nothing)
    seen = SpanFacts(facts, query.time)
    told = answer_moves.answer_afterwards(query, seen) if query.family in {"doing", "next", "other"} else None
    if told is None and not query.yes_no and _BACKGROUND.search(query.text.lower()):
        told = answer_surroundings.answer_background(query, seen)
    told = told or (answer_people.answer_worn_on(query, seen) if query.family in _ON_BODY else None)
    told = told or answer(query, seen)
    if told is not None and query.time is not None and query.time.kind == "event" and query.family in _EVENT_FAMILIES:
        return Told(told.text, min(told.confidence, .5), within_film(told.proof, facts), told.family,
            f"{told.reason}; the moment is not found, "
                    "so that the whole video was looked at")
    return told if told is None else replace(told, proof=within_film(told.proof, facts))


def within_film(proof: Proof | None, facts: Facts) -> Proof | None:
    """Return a proof whose intervals lie within the film."""
    if proof is None:
        return None
    low, high = facts.start_seconds, facts.end_seconds
    return replace(proof, intervals=tuple((min(max(start, low), high), min(max(end, low), high))
                                          for start, end in proof.intervals))


__all__ = ["answer_from_facts", "within_film"]
