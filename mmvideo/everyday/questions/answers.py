"""Answers to questions from facts alone, with their confidence and proof; None where a picture must be looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mmvideo.everyday.questions import answer_moves, answer_things, answer_whole
from mmvideo.everyday.questions.normalise import REASONS
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import SpanFacts
from mmvideo.everyday.questions.told import Told, cannot_tell

if TYPE_CHECKING:
    from mmvideo.everyday.facts import Facts

_ANSWERS: dict[str, Callable[[Query, SpanFacts], Told | None]] = {
    "exist": answer_things.exist, "count": answer_things.count, "what": answer_things.what,
    "colour": answer_things.colour,
    "where": answer_things.where, "relation": answer_things.relation, "holding": answer_things.holding,
    "wearing": answer_things.wearing, "who": answer_things.who, "doing": answer_things.doing,
    "direction": answer_moves.direction, "approach": answer_moves.approach, "moves": answer_moves.moves,
    "when": answer_moves.when, "order": answer_moves.order, "duration": answer_moves.duration,
    "repeats": answer_moves.repeats, "next": answer_moves.future,
    "camera": answer_whole.camera, "cuts": answer_whole.cuts, "sound": answer_whole.sound,
    "speech": answer_whole.speech,
    "indoors": answer_whole.indoors, "scene": answer_whole.scene, "daytime": answer_whole.daytime,
    "weather": answer_whole.weather,
}
_REFUSALS = {
    "empty": "Please ask a question about the video.", "language": "I understand questions in English only.",
    "long": f"I cannot read this question: {REASONS['long']}.", "unsafe": "I do not answer this question: it may "
    "harm people.",
}
_EVENT_FAMILIES = frozenset({"count", "exist", "where", "direction", "colour", "what", "moves", "approach", "relation",
    "order"})
"""Families whose answer depends on when an event is, which facts do not tell."""


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
    answer = _ANSWERS.get(query.family)
    if answer is None:
        return None
    told = answer(query, SpanFacts(facts, query.time))
    if told is not None and query.time is not None and query.time.kind == "event" and query.family in _EVENT_FAMILIES:
        return Told(told.text, min(told.confidence, .5), told.proof, told.family,
            f"{told.reason}; the moment is not found, "
                    "so that the whole video was looked at")
    return told


__all__ = ["answer_from_facts"]
