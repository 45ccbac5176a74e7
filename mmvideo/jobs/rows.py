"""A result as a row of JSON, the same bytes however it was batched; timings are kept apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmvideo.errors import contained
from mmvideo.jobs.artifacts import SavedResult
from mmvideo.jobs.failures import Origin, UnusableResult
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.schema import FLAGS, VERSION
from mmvideo.localization.action_result import ActionTracks
from mmvideo.localization.result import Localization
from mmvideo.objects.result import Tracks
from mmvideo.redaction import clean
from mmvideo.results import Answer, Caption, Classification, Embedding, Generation, Result
from mmvideo.speech.result import Transcript
from mmvideo.types import Segment

DIGITS = 4
"""Decimals of a confidence: what matrix products of another library or machine agree on."""
VECTOR_DIGITS = 5
"""Decimals of the values of a vector of length 1."""


@dataclass(frozen=True)
class Outcome:
    """What came of an item, ready for the ledger: a row, a row that is there already (neither set), or an error."""

    num: int
    key: str = ""
    content: str = ""
    stamp: str = ""
    row: dict[str, Any] | None = None
    timings: dict[str, float] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    """Class and message."""
    quarantined: bool = False
    origin: Origin = Origin.CLIP
    """Whose fault the error is."""
    thumbnail: bytes | None = field(default=None, repr=False)
    frames: int = 0
    words: int = 0


def make_row(item: Item, result: Any, about: Mapping[str, Any], job: Mapping[str, Any],
             notes: Sequence[str] = ()) -> dict[str, Any]:
    """Lay a result out as plain values.

    Args:
        result: what the pipeline gives: a Result, or several answers.
        about: what the worker found out about the clip.
        job: model, weights, configuration and versions, the same for every row.
        notes: what had to be done differently, such as a halved batch.

    Raises:
        UnusableResult: a number that is none (NaN), or a value that JSON does not know.
    """
    answers = list(result) if isinstance(result, list | tuple) else None
    one: Result = answers[0] if answers else result
    row: dict[str, Any] = {"schema_version": VERSION, "text": _text(one, answers), "flags": flags_of(answers or [one])}
    if answers is not None:
        row["answers"] = [{"question": a.question, "text": a.text, "confidence": _round(a.confidence),
                           "in_domain": a.in_domain.inside, "finish_reason": a.finish_reason} for a in answers]
    if isinstance(one, Caption):
        row |= {"title": one.title, "summary": one.summary, "chapters": _plain_spans(one.chapters)}
    if isinstance(one, Generation) and one.citations:
        row["citations"] = [vars(citation) for citation in one.citations]
    if isinstance(one, Classification):
        row["labels"] = [{"name": label.name, "confidence": _round(label.confidence)} for label in one.labels]
    if isinstance(one, Tracks):
        row |= {name: value for name, value in one.to_dict().items() if name in ("tracks", "counts", "at_once")}
    if isinstance(one, ActionTracks):
        row |= {name: value for name, value in one.to_dict().items() if name in ("tracks", "counts")}
    if isinstance(one, Localization):
        row["located"] = [{"start_seconds": round(s.start_seconds, 6), "end_seconds": round(s.end_seconds, 6),
                           "label": s.label, "score": _round(s.score), "kind": s.kind} for s in one.located]
    if isinstance(one, Embedding):
        row["embedding"] = [round(value, VECTOR_DIGITS) for value in one.vector]
    if isinstance(one, Transcript):
        row |= {name: value for name, value in one.to_dict().items() if name in ("words", "language", "origin")}
    if isinstance(one, SavedResult):
        row["files"] = list(one.files)
    row |= {
        "spans": _plain_spans(one.segments) if answers is None else [],
        "confidence": _round(one.confidence), "in_domain": one.in_domain.inside,
        "domain_reason": one.in_domain.reason, "prompt": item.prompt, "questions": list(item.text),
        "start_seconds": item.start_seconds, "end_seconds": item.end_seconds,
        "duration_seconds": about.get("duration_seconds"),
        "frame_times": [round(seconds, 6) for seconds in one.seconds_looked_at], "rule": one.rule,
        "finish_reason": _finish_reason(answers or [one]), "usage": _usage(answers or [one]),
        "warnings": [clean(words) for words in dict.fromkeys([*(w for r in answers or [one] for w in r.warnings),
                                                                  *about.get("warnings", ())])],
        "notes": [clean(words) for words in [*about.get("notes", ()), *notes]], **job}
    with contained(lambda error: UnusableResult(f"The result cannot be written as JSON: {error}.")):
        json.dumps(row, allow_nan=False)
    return row


def _plain_spans(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    return [{"start_seconds": round(s.start_seconds, 6), "end_seconds": round(s.end_seconds, 6), "text": s.text,
             "confidence": _round(s.confidence)} for s in segments]


def _text(one: Result, answers: Sequence[Answer] | None) -> str:
    if answers is not None:
        return answers[0].text if len(answers) == 1 else "\n".join(f"{a.question} {a.text}" for a in answers)
    return one.text


def _finish_reason(results: Sequence[Result]) -> str | None:
    """Return "length" if any text was cut at max_new_tokens, else "stop"; None where nothing was generated."""
    reasons = {result.finish_reason for result in results if isinstance(result, Generation)}
    return None if not reasons else "length" if "length" in reasons else "stop"


def flags_of(results: Sequence[Result]) -> list[str]:
    """Return which of `schema.FLAGS` hold for the results of a clip."""
    found = {"cut": any(isinstance(one, Generation) and not one.finished for one in results),
             "repeated": any(isinstance(one, Generation) and one.looped for one in results),
             "empty": any(isinstance(one, Generation) and not one.text.strip() for one in results),
             "outside": any(one.in_domain.outside for one in results)}
    return [flag for flag in FLAGS if found[flag]]


def _usage(results: Sequence[Result]) -> dict[str, int] | None:
    """Return the tokens that a language model read and wrote for a row; None where nothing was generated."""
    used = [result.usage for result in results if isinstance(result, Generation)]
    return None if not used else {"prompt_tokens": sum(one.prompt_tokens for one in used),
                                  "completion_tokens": sum(one.completion_tokens for one in used)}


def _round(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)


def comparable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without its times and its job: what two runs of one job must agree on to the byte."""
    return {key: value for key, value in row.items() if key not in ("timings", "created_at", "job_id")}


def num_words(row: Mapping[str, Any]) -> int:
    """Count the words that were written for a row."""
    parts = [span["text"] for span in row["spans"]] or [a["text"] for a in row.get("answers", ())] or [row["text"]]
    return sum(len(part.split()) for part in parts)


__all__ = ["DIGITS", "Outcome", "comparable", "flags_of", "make_row", "num_words"]
