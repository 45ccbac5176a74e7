"""Fields of a chat completion request: which are used, which change nothing, and which are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmvideo.serving.problems import Refused

OBEYED = frozenset({
    "messages", "model", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop",
    "response_format", "stream", "stream_options", "choices", "schema", "num_frames", "fps", "mm_processor_kwargs"})
"""`choices`, `schema`, `num_frames` and `fps` are this server's own, `mm_processor_kwargs` is vLLM's; the rest is
OpenAI's."""
WITHOUT_EFFECT = frozenset({
    "user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "parallel_tool_calls"})
"""Whatever they say, the reply would be the same."""
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,), "best_of": (1,), "frequency_penalty": (0,), "presence_penalty": (0,), "repetition_penalty": (1,),
    "length_penalty": (1,), "logit_bias": ({},), "logprobs": (False,), "top_logprobs": (0,), "top_k": (0, -1),
    "min_p": (0,), "min_tokens": (0,), "tools": ([],), "tool_choice": ("none", "auto"), "functions": ([],),
    "function_call": ("none", "auto"), "modalities": (["text"],), "store": (False,),
    "service_tier": ("auto", "default"), "reasoning_effort": ("none",), "verbosity": ("medium",),
    "ignore_eos": (False,), "skip_special_tokens": (True,)}
"""Values that ask for nothing beyond what is done; any other is refused."""
_NEXT_STEP = {
    "n": "ask again, with another seed, for another reply",
    "tools": "this server calls no tools", "functions": "this server calls no functions",
    "top_k": "use top_p", "min_p": "use top_p", "modalities": "replies are text",
    "logprobs": "the reply's mmvideo.confidence is the geometric mean of its tokens' probabilities",
}


def check_fields(body: Mapping[str, Any]) -> None:
    """Refuse a field that would have to be ignored; null counts as not given.

    Raises:
        Refused: there is one; names it.
    """
    for name, value in body.items():
        if value is None or name in OBEYED or name in WITHOUT_EFFECT:
            continue
        if name not in NEUTRAL:
            raise Refused(f"{_short(name)} is not supported here. Supported are "
                          f"{', '.join(sorted(OBEYED))}.", name[:100], code="unsupported_parameter")
        if not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in NEUTRAL[name]):
            allowed = " or ".join(repr(one) for one in NEUTRAL[name])
            hint = f": {_NEXT_STEP[name]}" if name in _NEXT_STEP else ", or left out: nothing else is supported here"
            raise Refused(f"'{name}' must be {allowed}{hint}.", name, code="unsupported_value")


def number_field(body: Mapping[str, Any], name: str, lowest: float, highest: float, *, whole: bool = False) -> Any:
    """Return a number of the request within limits (both allowed), or None.

    Raises:
        Refused: not a number, not a whole one where it must be, or out of range.
    """
    value = body.get(name)
    if value is None:
        return None
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise Refused(f"'{name}' must be {kind}, not {_short(value)}.", name, code="invalid_type")
    if not lowest <= value <= highest:
        raise Refused(f"'{name}' must be {kind} from {lowest} to {highest}, not {_short(value)}.", name)
    return value


def flag_field(body: Mapping[str, Any], name: str, field: str = "") -> bool:
    """Return whether something is switched on; not given is off.

    Raises:
        Refused: neither true nor false.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refused(f"'{field or name}' must be true or false, not {_short(value)}.", field or name,
                      code="invalid_type")
    return bool(value)


def texts_field(body: Mapping[str, Any], name: str, *, most: int) -> tuple[str, ...]:
    """Return a text or a list of texts of the request, none if not given.

    Raises:
        Refused: anything else, an empty text, or too many.
    """
    value = body.get(name)
    items = [value] if isinstance(value, str) else value if value is not None else []
    if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
        raise Refused(f"'{name}' must hold texts, none of them empty, not {_short(value)}.", name, code="invalid_type")
    if len(items) > most:
        raise Refused(f"'{name}' can hold {most} texts, not {len(items)}.", name)
    return tuple(items)


def mapping_field(body: Mapping[str, Any], name: str, like: str) -> Mapping[str, Any]:
    """Return an object of the request, an empty one if not given.

    Args:
        like: an example, for the error.

    Raises:
        Refused: not an object.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise Refused(f"'{name}' must be an object such as {like}, not {_short(value)}.", name, code="invalid_type")
    return value or {}


def _short(value: Any) -> str:
    said = repr(value) if not isinstance(value, list | dict) else f"a {type(value).__name__}"
    return said if len(said) < 100 else f"{said[:97]}..."


__all__ = ["NEUTRAL", "OBEYED", "WITHOUT_EFFECT", "check_fields", "flag_field", "mapping_field", "number_field",
           "texts_field"]
