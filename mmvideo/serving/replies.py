"""Answers in OpenAI's form, whole or as the chunks of a stream."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from mmvideo.results import Answer
from mmvideo.serving.problems import json_bytes, with_known_names


def completion(model: str, answer: Answer, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a whole reply.

    Args:
        names: how files are called that the caller knows under another name.
    """
    choice = {"message": {"role": "assistant", "content": answer.text}, "finish_reason": answer.finish_reason}
    return _reply("chat.completion", model, new_name(), choice) | {
        "usage": usage(answer), "mmvideo": evidence(answer, names)}


def chunk(model: str, name: str, delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    """Return a piece of a reply."""
    return _reply("chat.completion.chunk", model, name, {"delta": delta, "finish_reason": finish_reason})


def _reply(kind: str, model: str, name: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "object": kind, "created": int(time.time()), "model": model,
            "choices": [{"index": 0, "logprobs": None, **choice}]}


def new_name() -> str:
    """Return a name for a reply."""
    return f"chatcmpl-{uuid.uuid4().hex}"


def event(value: dict[str, Any]) -> bytes:
    """Return a server-sent event."""
    return b"data: " + json_bytes(value) + b"\n\n"


def usage(answer: Answer) -> dict[str, int]:
    """Return the numbers of tokens."""
    return {"prompt_tokens": answer.usage.prompt_tokens, "completion_tokens": answer.usage.completion_tokens,
            "total_tokens": answer.usage.total_tokens}


def evidence(answer: Answer, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what OpenAI's form has no place for."""
    return {"confidence": answer.confidence, "seconds_looked_at": list(answer.seconds_looked_at),
            "in_domain": answer.in_domain.inside, "rule": answer.rule, "looped": answer.looped,
            "warnings": [with_known_names(warning, names) for warning in answer.warnings]}


__all__ = ["chunk", "completion", "event", "evidence", "new_name", "usage"]
