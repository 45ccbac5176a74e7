"""The client of a server: requests with retries, optional fields that a server may not know, and plain errors."""

from __future__ import annotations

import contextlib
import email.utils
import json
import math
import os
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmvideo import deadline
from mmvideo.errors import ModelUnavailable, RequestRefused, ServerUnavailable, UnknownName
from mmvideo.redaction import MASK, clean
from mmvideo.remote.address import ServerAddress
from mmvideo.remote.concurrency import MOST, Concurrency, Pace

KEYS = ("MMVIDEO_SERVER_KEY", "OPENAI_API_KEY")
"""Environment variables with the key; the second is sent by https and to this machine only."""
RETRIED = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
_OVERLOADED = frozenset((429, 503, 529))
ATTEMPTS = 6
FIRST_SECONDS, LONGEST_SECONDS = 0.5, 30.0
"""Wait after the first failure, doubled with each further one up to the second; a random part of it is waited."""
LONGEST_RETRY_AFTER = 300.0
REQUEST_SECONDS = 600.0
"""Longest time of one request where no time limit is set."""
_MOST_BYTES = 8 << 20
_THOUGHT = re.compile(r"^\s*<think>.*?</think>\s*", re.DOTALL)


@dataclass(frozen=True)
class Reply:
    """What a server wrote."""

    text: str
    finished: bool
    """False where it was cut at the longest length."""
    confidence: float | None
    """Geometric mean of the tokens' probabilities; None where the server tells none."""
    prompt_tokens: int
    completion_tokens: int
    without: tuple[str, ...] = ()
    """Optional parts of the request that the server does not take, and that were left out."""


class _Refused(Exception):
    """A status that another try would not change."""

    def __init__(self, status: int, words: str):
        super().__init__(words)
        self.status, self.words = status, words


class Client:
    """Asks one model of one server. May be used from any thread.

    Args:
        address: of the model.
        concurrency: is told how long answers take; the sender of requests looks at its limit.
        pace: when requests may begin.
        transport: an httpx transport, for tests.
    """

    def __init__(self, address: ServerAddress, *, concurrency: Concurrency | None = None, pace: Pace | None = None,
                 transport: Any = None):
        import httpx

        self.address = address
        self.concurrency, self.pace = concurrency or Concurrency(), pace or Pace()
        self._errors: tuple[type[Exception], ...] = (httpx.TransportError, httpx.DecodingError, httpx.InvalidURL)
        self._slow: type[Exception] = httpx.TimeoutException
        self._key = _key(address)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = httpx.Client(headers=headers, transport=transport, follow_redirects=False,
                                  limits=httpx.Limits(max_connections=2 * MOST, max_keepalive_connections=MOST))
        self._lacks: set[str] = set()
        """Optional parts that the server has refused."""
        self._lock = threading.Lock()

    def check(self) -> None:
        """See that the server answers and knows the model.

        Raises:
            ModelUnavailable: it does not answer, or wants another key.
            UnknownName: it lists other models.
        """
        try:
            found = self._tried("GET", "/models", None, attempts=3)
        except ServerUnavailable as error:
            raise ModelUnavailable(f"{error} Is the server of --model running there?") from error
        except _Refused as error:
            if error.status in (401, 403):
                raise ModelUnavailable(self._denied(error)) from error
            return  # a server without a list
        rows = found.get("data") if isinstance(found, Mapping) else None
        names = [str(row["id"]) for row in rows if isinstance(row, Mapping) and "id" in row] \
            if isinstance(rows, list) else []
        if names and self.address.name not in names and f"{self.address.name}:latest" not in names:
            raise UnknownName(f"model of {self.address.url}", self.address.name, names)

    def chat(self, body: Mapping[str, Any], optional: Mapping[str, Mapping[str, Any]]) -> Reply:
        """Ask for one reply.

        Args:
            body: of the request, but for the model.
            optional: name of a part that not every server takes -> the fields of the body with it. Where the server
                refuses a request, it is sent without the part that the refusal names, else without the first, and so
                on; later requests leave out what was refused.

        Raises:
            ServerUnavailable: no usable answer in `ATTEMPTS` tries.
            RequestRefused: the server does not take the request, or would not answer it.
            ModelUnavailable: the key is wrong, or the model has gone.
            TimeLimitExceeded: the time limit around the call is over.
        """
        parts = {name: fields for name, fields in optional.items() if name not in self._lacks}
        dropped: list[str] = []
        while True:
            whole = {"model": self.address.name, **body}
            for fields in parts.values():
                whole.update(fields)
            try:
                reply = self._tried("POST", "/chat/completions", whole, read=_reply)
            except _Refused as error:
                if error.status in (401, 403):
                    raise ModelUnavailable(self._denied(error)) from error
                if error.status == 404:
                    raise ModelUnavailable(f"{self.address.url} has no model {self.address.name!r} (any more): "
                                           f"{error.words}") from error
                if not parts or error.status not in (400, 415, 422, 501):
                    raise RequestRefused(f"{self.address.url} refuses the request (status {error.status}): "
                                         f"{error.words}") from error
                named = next((name for name in parts if name in error.words.lower()), next(iter(parts)))
                del parts[named]
                dropped.append(named)
                continue
            with self._lock:
                self._lacks.update(dropped)
            left_out = tuple(name for name in optional if name not in parts)
            return Reply(**{**vars(reply), "without": left_out})

    # --- one request --------------------------------------------------------------------------------------------

    def _tried(self, method: str, path: str, body: Any, *, attempts: int | None = None,
               read: Any = lambda value: value) -> Any:
        """Send a request until it is answered."""
        trouble, attempts = "", attempts or ATTEMPTS
        for attempt in range(attempts):
            if attempt:
                self.pace.rest(self._delay(attempt))
            self.pace.wait()
            began = self.pace.clock()
            try:
                status, headers, content = self._send(method, path, body)
            except self._errors as error:
                deadline.check()
                trouble = f"it does not answer in {self._seconds():g} s" if isinstance(error, self._slow) else \
                    self._clean(str(error)) or type(error).__name__
                continue
            if status == 200:
                try:
                    value = read(json.loads(content))
                except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                    trouble = f"its answer is no chat completion: {self._clean(content[:200])}"
                    continue
                self.concurrency.answered(self.pace.clock() - began)
                return value
            trouble = f"status {status}: {self._words(content)}"
            if status not in RETRIED:
                raise _Refused(status, self._words(content))
            if status in _OVERLOADED:
                self.concurrency.overloaded()
            if (seconds := retry_after(headers)) is not None:
                self.pace.pause(seconds)
        raise ServerUnavailable(f"{self.address.url} gave no usable answer in {attempts} tries; the last time "
                                f"{trouble}.")

    def _send(self, method: str, path: str, body: Any) -> tuple[int, Mapping[str, str], str]:
        data = None if body is None else json.dumps(body).encode()
        with self._http.stream(method, f"{self.address.url}{path}", content=data, timeout=self._seconds(),
                               headers={"Content-Type": "application/json"} if data else {}) as response:
            content = bytearray()
            for piece in response.iter_bytes():
                deadline.check()
                content += piece
                if len(content) > _MOST_BYTES:
                    break
            return response.status_code, response.headers, bytes(content).decode(errors="replace")

    @staticmethod
    def _seconds() -> float:
        limit = deadline.current()
        return REQUEST_SECONDS if limit is None else max(0.001, min(REQUEST_SECONDS, limit.left))

    @staticmethod
    def _delay(attempt: int) -> float:
        """Return a random part (full jitter), so that requests that failed together do not come back together."""
        return random.uniform(0.0, min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (attempt - 1)))

    def _words(self, content: str) -> str:
        """Return what a server says of a failure."""
        words = content
        with contextlib.suppress(ValueError, RecursionError):
            words = next(_messages(json.loads(content)), content)
        return self._clean(words.strip())[:500] or "no words"

    def _clean(self, text: str) -> str:
        return clean(text.replace(self._key, MASK) if self._key else text)

    def _denied(self, error: _Refused) -> str:
        told = "is not accepted" if self._key else "is missing"
        return (f"{self.address.url} denies access (status {error.status}): {error.words} The key {told}; set "
                f"{KEYS[0]} in the environment" + ("" if self.address.is_private else f" ({KEYS[1]} is sent by https "
                                                   "and to this machine only)") + ".")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _key(address: ServerAddress) -> str:
    names = KEYS if address.is_private else KEYS[:1]
    return next(filter(None, (os.environ.get(name, "").strip() for name in names)), "")


def _messages(value: Any) -> Iterator[str]:
    """Yield the texts of an error as servers lay it out: {"error": {"message": ...}}, {"detail": ...} ..."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name in ("error", "message", "detail"):
            yield from _messages(value.get(name))


def _reply(value: Any) -> Reply:
    """Read a chat completion.

    Raises:
        RequestRefused: the server would not answer.
        ValueError, LookupError, TypeError: it is none.
    """
    choice = value["choices"][0]
    message, ended = choice["message"], choice.get("finish_reason")
    text, usage = message.get("content"), value.get("usage") or {}
    if message.get("refusal") or ended == "content_filter":
        raise RequestRefused(f"The model would not answer: {message.get('refusal') or 'its filter held it back'}.")
    if text is not None and not isinstance(text, str):
        raise ValueError("content is no text")
    own = value.get("mmvideo")  # of this package's own server
    confidence = own.get("confidence") if isinstance(own, Mapping) else _confidence(choice)
    return Reply(_THOUGHT.sub("", text or "").strip(), ended != "length", confidence,
                 int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))


def _confidence(choice: Mapping[str, Any]) -> float | None:
    told = (choice.get("logprobs") or {}).get("content")
    logs = [float(one["logprob"]) for one in told or ()]
    return min(1.0, math.exp(sum(logs) / len(logs))) if logs else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a Retry-After asks to wait, `LONGEST_RETRY_AFTER` at most; None where there is none."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return min(LONGEST_RETRY_AFTER, max(0.0, seconds)) if math.isfinite(seconds) else None


__all__ = ["ATTEMPTS", "KEYS", "RETRIED", "Client", "Reply", "retry_after"]
