"""A chat completion request -> which video, which question, what was said before; checked before anything is opened."""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mmvideo.errors import InvalidInput
from mmvideo.media.addresses import is_public
from mmvideo.types import Asking


@dataclass(frozen=True)
class Rules:
    """What a server allows."""

    folders: tuple[Path, ...] = ()
    """Local files may be named inside these only."""
    addresses: bool = True
    """Whether http(s) addresses are fetched."""
    private_addresses: bool = False
    """Whether these may be of this machine or its network."""
    max_bytes: int = 256 * 1024 * 1024
    """Largest request or download."""
    max_new_tokens: int = 1024
    """Longest reply that can be asked for."""


@dataclass(frozen=True)
class Wanted:
    """What a request asks."""

    source: str | bytes
    key: str
    """Same for the same video."""
    question: str
    asking: Asking
    model: str
    tells_usage: bool = False
    """Whether a stream ends with the numbers of tokens."""


def read(body: Any, rules: Rules) -> Wanted:
    """Check a request's body and take out of it what the pipeline needs.

    Raises:
        InvalidInput: it is not of the form, or asks for what is not allowed.
    """
    if not isinstance(body, Mapping):
        raise InvalidInput("The body must be a JSON object with 'messages'.")
    messages = body.get("messages")
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise InvalidInput("'messages' must be a list with at least one message.")
    turns, videos = _turns(messages)
    if len(set(videos)) != 1:
        raise InvalidInput(f"A conversation is about one video, given as a part {{'type': 'video_url', 'video_url': "
                           f"{{'url': ...}}}} of a user's message; here are {len(set(videos))}.")
    if body.get("n", 1) != 1:
        raise InvalidInput("'n' must be 1: ask again, with another seed, for another reply.")
    source, key = _source(videos[0], rules)
    streaming = body.get("stream_options") or {}
    if not isinstance(streaming, Mapping):
        raise InvalidInput("'stream_options' must be an object, such as {'include_usage': true}.")
    return Wanted(source, key, turns[-1], _asking(body, turns, rules), str(body.get("model", "")),
                  streaming.get("include_usage") is True)


def _turns(messages: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Return what was said in turn (user, assistant, ..., user), and the addresses of videos."""
    turns, videos, system = [], [], ""
    for number, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise InvalidInput(f"messages[{number}] must be an object with 'role' and 'content'.")
        role, content = message.get("role"), message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, Sequence):
            raise InvalidInput(f"messages[{number}].content must be text or a list of parts.")
        words = []
        for part in parts:
            kind = part.get("type") if isinstance(part, Mapping) else None
            if kind == "text":
                words.append(str(part.get("text", "")))
            elif kind == "video_url" and role == "user":
                given = part.get("video_url")
                videos.append(str(given.get("url") if isinstance(given, Mapping) else given))
            else:
                raise InvalidInput(f"messages[{number}] holds a part of type {kind!r}; there are 'text' and, from the "
                                   "user, 'video_url'.")
        said = "\n".join(w for w in words if w.strip()).strip()
        if role in ("system", "developer"):
            system = f"{system}\n{said}".strip()
        elif role == ("user", "assistant")[len(turns) % 2]:
            turns.append(said)
        else:
            raise InvalidInput(f"messages[{number}] is from {role!r}: after the system's, messages alternate between "
                               "user and assistant, and begin and end with the user.")
    if len(turns) % 2 == 0 or not turns[-1]:
        raise InvalidInput("The last message must be a question of the user, in words.")
    if system:
        turns[0] = f"{system}\n{turns[0]}"
    return turns, videos


def _asking(body: Mapping[str, Any], turns: list[str], rules: Rules) -> Asking:
    options: dict[str, Any] = {"history": list(zip(turns[:-1:2], turns[1::2], strict=True)),
                               "stream": bool(body.get("stream", False))}
    length = body.get("max_completion_tokens", body.get("max_tokens"))
    for name, value, kinds in (("max_new_tokens", length, int), ("seed", body.get("seed"), int),
                               ("temperature", body.get("temperature"), int | float),
                               ("choices", body.get("choices"), list), ("schema", body.get("schema"), dict)):
        if value is None:
            continue
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise InvalidInput(f"{name} is of the wrong type: {value!r}.")
        options[name] = value
    wanted = body.get("response_format")
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_schema":
        options["schema"] = (wanted.get("json_schema") or {}).get("schema")
    elif isinstance(wanted, Mapping) and wanted.get("type") not in (None, "text"):
        raise InvalidInput("response_format can be 'text' or 'json_schema'.")
    if options.get("max_new_tokens", 1) > rules.max_new_tokens:
        raise InvalidInput(f"max_tokens can be {rules.max_new_tokens} at most here.")
    return Asking.of(options)


def _source(url: str, rules: Rules) -> tuple[str | bytes, str]:
    """Return what the pipeline opens, and a name that is the same for the same video."""
    scheme = urlsplit(url).scheme.lower()
    if scheme == "data":
        head, comma, text = url.partition(",")
        if not comma or not head.endswith(";base64"):
            raise InvalidInput("A data address must read data:video/mp4;base64,...")
        try:
            content = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise InvalidInput(f"The data address is not base64: {error}.") from error
        return content, hashlib.sha256(content).hexdigest()
    if scheme in ("http", "https"):
        if not rules.addresses:
            raise InvalidInput("This server fetches no addresses; send the video as a data address.")
        if not rules.private_addresses:
            _check_public(urlsplit(url).hostname or "")
        return url, url
    if scheme not in ("file", ""):
        raise InvalidInput(f"A video can be at http, https, data or file addresses, not at {scheme!r}.")
    path = Path(unquote(urlsplit(url).path) if scheme else url).resolve()
    if not any(path.is_relative_to(folder.resolve()) for folder in rules.folders):
        raise InvalidInput("This server reads no local file there; start it with --allow FOLDER, or send the video as "
                           "a data address.")
    if not path.is_file():
        raise InvalidInput(f"There is no file {path.name} in an allowed folder.")
    return str(path), f"{path}:{path.stat().st_mtime_ns}"


def _check_public(host: str) -> None:
    """Refuse hosts of this machine and its network early; the download checks the address that it connects to."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise InvalidInput(f"{host} has no address: {error}.") from error
    if not all(map(is_public, found)):
        raise InvalidInput(f"{host} is on this server's own network, which is not allowed (--private-addresses).")


__all__ = ["Rules", "Wanted", "read"]
