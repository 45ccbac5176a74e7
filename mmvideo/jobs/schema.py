"""The schema of a job's rows: its version, and a JSON schema that is written beside them."""

from __future__ import annotations

from typing import Any

NAME = "schema.json"
VERSION = 2
"""Grows when a field is taken away or means something else; new fields alone do not change it."""
FLAGS = ("cut", "repeated", "empty", "outside")
"""Why a row deserves a look: cut at the longest length, the same words again and again, no words, outside the model's
domain."""


def _of(*kinds: str, **rest: Any) -> dict[str, Any]:
    return {"type": list(kinds) if len(kinds) > 1 else kinds[0], **rest}


_TEXT, _NUMBER = _of("string"), _of("number")
_TEXT_OR_NONE, _NUMBER_OR_NONE = _of("string", "null"), _of("number", "null")
_TEXTS = _of("array", items=_TEXT)
_SPAN = _of("object", properties={"start_seconds": _NUMBER, "end_seconds": _NUMBER, "text": _TEXT,
                                  "confidence": _NUMBER_OR_NONE})
_ANSWER = _of("object", properties={"question": _TEXT, "text": _TEXT, "confidence": _NUMBER_OR_NONE,
                                    "in_domain": _of("boolean", "null"), "finish_reason": _TEXT_OR_NONE})
_CITATION = _of("object", properties={"seconds": _NUMBER, "words": _TEXT, "holds": _of("boolean"), "reason": _TEXT})
_LABEL = _of("object", properties={"name": _TEXT, "confidence": _NUMBER_OR_NONE})
FIELDS: dict[str, dict[str, Any]] = {
    "schema_version": _of("integer", description="version of this schema"),
    "job_id": _of("string", "null", description="the job, however often it was run; run.json holds its configuration"),
    "created_at": _of("string", "null", description="when the row was made, UTC, ISO 8601"),
    "id": _of("string", description="unique in the job"),
    "source": _of("string", description="path or address, without secrets"),
    "content_sha256": _TEXT, "text": _TEXT, "answers": _of("array", items=_ANSWER),
    "labels": _of("array", items=_LABEL), "spans": _of("array", items=_SPAN),
    "title": _of("string", description="of a caption: of the whole film"),
    "summary": _of("string", description="of a caption: what happens in the whole film"),
    "chapters": _of("array", items=_SPAN, description="of a caption: neighbouring spans that belong together"),
    "citations": _of("array", items=_CITATION, description="times that the model says"), "confidence": _NUMBER_OR_NONE,
    "in_domain": _of("boolean", "null", description="null where the model does not judge it"),
    "domain_reason": _TEXT_OR_NONE, "flags": _of("array", items=_of("string", enum=list(FLAGS))),
    "prompt": _TEXT_OR_NONE, "questions": _TEXTS, "start_seconds": _NUMBER_OR_NONE, "end_seconds": _NUMBER_OR_NONE,
    "duration_seconds": _NUMBER_OR_NONE, "frame_times": _of("array", items=_NUMBER, description="seconds"),
    "rule": _TEXT_OR_NONE, "finish_reason": _TEXT_OR_NONE,
    "usage": _of("object", "null", properties={"prompt_tokens": _of("integer"), "completion_tokens": _of("integer")}),
    "warnings": _TEXTS, "notes": _TEXTS, "files": _TEXTS, "pipeline": _TEXT, "model": _TEXT_OR_NONE,
    "weights_sha256": _TEXT, "config": _of("string", description="SHA-256 of the configuration in run.json"),
    "versions": _of("object"), "columns": _of("object", description="other columns of the manifest"),
    "timings": _of("object", description="seconds of each stage")}
"""Field of a row -> its JSON schema. A pipeline may add fields of its own, as object-tracking does."""


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a row of results.jsonl."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "a row of an mmvideo job",
            "version": VERSION, "type": "object", "properties": FIELDS,
            "required": ["schema_version", "id", "source", "text", "flags", "config"]}


__all__ = ["FIELDS", "FLAGS", "NAME", "VERSION", "json_schema"]
