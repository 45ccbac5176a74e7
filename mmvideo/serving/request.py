"""Parse and check a chat completion request: videos, questions and history, before anything is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmvideo.serving.address import Place, Rules
from mmvideo.serving.fields import check_fields, flag_field, mapping_field, number_field, texts_field
from mmvideo.serving.pictures import Picture, time_in
from mmvideo.serving.playlist import playlist
from mmvideo.serving.problems import Refused
from mmvideo.types import GenerationOptions

_MOST_STOPS, _MOST_CHOICES, _MOST_FRAMES = 4, 100, 4096
_LONGEST_SCHEMA = 64 << 10
"""Characters of a JSON schema."""
_IN_MESSAGES = {"role", "content", "name"}
_OF_PARTS = {"text": {"type", "text"}, "video_url": {"type", "video_url"}, "image_url": {"type", "image_url"}}


@dataclass(frozen=True)
class Wanted:
    """What a request asks."""

    place: Place
    """Of the video, or of all that is shown."""
    question: str
    generation: GenerationOptions
    model: str
    tells_usage: bool = False
    """Whether a stream ends with the numbers of tokens."""
    view: tuple[tuple[str, Any], ...] = ()
    """Options of `encode_video` for this request: which frames are looked at."""

    @property
    def key(self) -> str:
        """Same for the same video looked at in the same way."""
        return self.place.key + (repr(self.view) if self.view else "")


def read_request(body: Any, rules: Rules) -> Wanted:
    """Check a request's body and take out of it what the pipeline needs.

    Raises:
        InvalidInput: it is not of the form, or asks for what is not allowed or not supported.
    """
    if not isinstance(body, Mapping):
        raise Refused("The body must be a JSON object with 'messages'.", code="invalid_type")
    check_fields(body)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("'messages' must be a list with at least one message.", "messages")
    turns, seen = _turns(messages, rules)
    if not seen:
        raise Refused("A conversation is about one or more videos, each given as a part {'type': 'video_url', "
                      "'video_url': {'url': ...}} of a user's message, or about pictures ('image_url', each behind its "
                      "time where they are frames); here are none.", "messages")
    model = body.get("model")
    if not isinstance(model, str | None):
        raise Refused("'model' must be a text.", "model", code="invalid_type")
    generation = _generation(body, turns, rules)
    return Wanted(playlist(seen, rules), turns[-1], generation, model or "", _usage_wanted(body), _view(body))


def _view(body: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return which frames are looked at: `num_frames` and `fps`, also as vLLM has them in `mm_processor_kwargs`."""
    inner = mapping_field(body, "mm_processor_kwargs", "{'fps': 2}")
    for name in inner:
        if name not in ("num_frames", "fps"):
            raise Refused(f"mm_processor_kwargs holds {name[:50]!r}; there are 'num_frames' and 'fps'.",
                          "mm_processor_kwargs", code="unsupported_parameter")
    given = {**body, **{name: value for name, value in inner.items() if value is not None}}
    found = {"num_frames": number_field(given, "num_frames", 1, _MOST_FRAMES, whole=True),
             "fps": number_field(given, "fps", 0.001, 1000)}
    return tuple((name, value) for name, value in found.items() if value is not None)


def _turns(messages: Sequence[Any], rules: Rules) -> tuple[list[str], list[str | Picture]]:
    """Return what was said in turn (user, assistant, ..., user), and addresses of videos and pictures in order."""
    turns: list[str] = []
    shown: list[str | Picture] = []
    system = ""
    for number_, message in enumerate(messages):
        here = f"messages[{number_}]"
        if not isinstance(message, Mapping):
            raise Refused(f"{here} must be an object with 'role' and 'content'.", here)
        _only(message, _IN_MESSAGES, here)
        role, (said, seen) = message.get("role"), _content(message, here)
        shown += seen
        if role in ("system", "developer"):
            system = f"{system}\n{said}".strip()
        elif role == ("user", "assistant")[len(turns) % 2]:
            turns.append(said)
        else:
            raise Refused(f"{here} is from {str(role)[:50]!r}: after the system's, messages alternate between user "
                          "and assistant, and begin and end with the user.", here)
    if len(turns) % 2 == 0 or not turns[-1]:
        raise Refused("The last message must be a question of the user, in words.", "messages")
    long = len(system) + sum(map(len, turns))
    if long > rules.max_characters:
        raise Refused(f"The messages have {long} characters together; they can have {rules.max_characters}.",
                      "messages", code="string_above_max_length")
    if system:
        turns[0] = f"{system}\n{turns[0]}"
    return turns, shown


def _content(message: Mapping[str, Any], here: str) -> tuple[str, list[str | Picture]]:
    """Return the words of a message, and the addresses of videos and the pictures in it, in order."""
    content = message.get("content")
    words: list[str] = []
    shown: list[str | Picture] = []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list):
        raise Refused(f"{here}.content must be text or a list of parts.", here, code="invalid_type")
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        from_user = message.get("role") == "user"
        if not isinstance(kind, str) or kind not in _OF_PARTS or (kind != "text" and not from_user):
            raise Refused(f"{here} holds a part of type {str(kind)[:50]!r}; there are 'text' and, from the user, "
                          "'video_url' and 'image_url'.", here)
        _only(part, _OF_PARTS[kind], here)
        value = part.get(kind)
        if kind != "text" and isinstance(value, Mapping):
            _only(value, {"url"}, here)
            value = value.get("url")
        if not isinstance(value, str):
            raise Refused(f"{here}: a part of type {kind!r} must hold a text.", here, code="invalid_type")
        if kind == "image_url":
            seconds = time_in(words[-1]) if words else None
            if seconds is not None:
                words.pop()
            shown.append(Picture(value, seconds))
        elif kind == "video_url":
            shown.append(value)
        else:
            words.append(value)
    return "\n".join(w for w in words if w.strip()).strip(), shown


def _only(given: Mapping[str, Any], known: set[str], here: str) -> None:
    """Refuse what would have to be ignored."""
    for name, value in given.items():
        if name not in known and value not in (None, [], {}):
            raise Refused(f"{here} holds {name[:50]!r}, which is not supported here.", here,
                          code="unsupported_parameter")


def _generation(body: Mapping[str, Any], turns: list[str], rules: Rules) -> GenerationOptions:
    """Return how the question is to be answered."""
    choices, schema = texts_field(body, "choices", most=_MOST_CHOICES), _schema(body)
    if choices and isinstance(body["choices"], str):
        raise Refused("'choices' must be a list.", "choices", code="invalid_type")
    options = {"max_new_tokens": _length(body, rules),
               "seed": number_field(body, "seed", -1 << 63, (1 << 63) - 1, whole=True),
               "temperature": number_field(body, "temperature", 0, 2), "top_p": number_field(body, "top_p", 0, 1),
               "stop": texts_field(body, "stop", most=_MOST_STOPS), "choices": choices, "schema": schema,
               "stream": flag_field(body, "stream"), "history": list(zip(turns[:-1:2], turns[1::2], strict=True))}
    for name in ("temperature", "stop"):
        if choices and options[name]:
            raise Refused(f"'choices' are scored by their likelihood, so '{name}' has no effect on them: leave one "
                          "of the two out.", name)
    return GenerationOptions.of(options)


def _length(body: Mapping[str, Any], rules: Rules) -> int | None:
    """Return the longest reply; OpenAI has an old name and a new one for it."""
    found = {}
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if isinstance(value, int) and value > rules.max_new_tokens:
            raise Refused(f"{name} can be {rules.max_new_tokens} at most here.", name)
        found[name] = number_field(body, name, 1, rules.max_new_tokens, whole=True)
    given = {value for value in found.values() if value is not None}
    if len(given) > 1:
        raise Refused("'max_tokens' and 'max_completion_tokens' differ; give one of them.", "max_tokens")
    return given.pop() if given else None


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the JSON schema that the reply must follow."""
    wanted = mapping_field(body, "response_format", "{'type': 'json_schema', 'json_schema': {...}}")
    kind, found, field = wanted.get("type"), body.get("schema"), "schema"
    if kind == "json_object":
        found = {"type": "object"}
    elif kind == "json_schema":
        field = "response_format"
        form = mapping_field({field: wanted.get("json_schema")}, field, "{'schema': {...}}")
        found = form.get("schema")
        if found is None:
            raise Refused("response_format.json_schema must hold a 'schema'.", field)
    elif kind not in (None, "text"):
        raise Refused("response_format.type can be 'text', 'json_object' or 'json_schema'.", "response_format")
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise Refused(f"{field}: a JSON schema must be an object.", field, code="invalid_type")
    if len(json.dumps(found)) > _LONGEST_SCHEMA:
        raise Refused(f"{field}: the JSON schema is longer than {_LONGEST_SCHEMA} characters.", field)
    return found


def _usage_wanted(body: Mapping[str, Any]) -> bool:
    streaming = mapping_field(body, "stream_options", "{'include_usage': true}")
    for name in streaming:
        if name not in ("include_usage", "include_obfuscation"):
            raise Refused(f"stream_options holds {name[:50]!r}; there is 'include_usage'.", "stream_options",
                          code="unsupported_parameter")
    if flag_field(streaming, "include_obfuscation", "stream_options.include_obfuscation"):
        raise Refused("'stream_options.include_obfuscation' is not supported here.", "stream_options",
                      code="unsupported_value")
    usage = flag_field(streaming, "include_usage", "stream_options.include_usage")
    if streaming and not body.get("stream"):
        raise Refused("'stream_options' goes with 'stream': true.", "stream_options")
    return usage


__all__ = ["Rules", "Wanted", "read_request"]
