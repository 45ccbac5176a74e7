"""Reads a request's body within limits on bytes, seconds, depth and number of values."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn

from starlette.requests import Request

from mmvideo.serving.problems import Refused
from mmvideo.serving.slots import Slot

PATIENCE_SECONDS, LEAST_RATE = 15.0, 64 << 10
"""A body may take so long, and a second more for so many bytes that have come."""
_MOST_VALUES, _DEEPEST = 100_000, 64


def check_head(request: Request, largest: int) -> None:
    """Refuse by its headers a body that would not be read.

    Raises:
        Refused: not JSON, compressed, or too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(f"The body must be JSON, with the header 'Content-Type: application/json', not {kind[:100]!r}.",
                      status=415, code="unsupported_media_type")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refused("The body must not be compressed.", status=415, code="unsupported_media_type")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and (len(length) > 15 or int(length) > largest):
        raise _too_large(f"{length[:30]} bytes", largest)


def _too_large(size: str, largest: int) -> Refused:
    return Refused(f"The request is {size}, over the limit of {largest}.", status=413, code="too_large")


async def read_body(request: Request, slot: Slot, largest: int) -> bytearray:
    """Read a body whose head was checked.

    Raises:
        Refused: it is larger or slower than allowed, or there is no memory for it now.
        ClientDisconnect: the caller has gone.
    """
    length = request.headers.get("content-length", "0")
    slot.grow(int(length) if length.isdecimal() else 0)
    content, clock = bytearray(), asyncio.get_running_loop()
    began = clock.time()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS) as limit:
            async for chunk in request.stream():
                if len(content) + len(chunk) > largest:
                    raise _too_large("longer than announced" if length != "0" else "too long", largest)
                slot.grow(len(content) + len(chunk))
                content += chunk
                limit.reschedule(began + PATIENCE_SECONDS + len(content) / LEAST_RATE)
    except TimeoutError as error:
        said = f"The body did not come in time: {PATIENCE_SECONDS:g} s, and a second more for {LEAST_RATE >> 10} KiB."
        raise Refused(said, status=408, code="timeout", headers={"Connection": "close"}) from error
    return content


def parse(content: bytearray) -> Any:
    """Return the JSON value of a body, which is emptied.

    Raises:
        Refused: not JSON, too deep, too many values, or text that is not Unicode.
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise Refused(f"The body holds more than {_MOST_VALUES} values.", code="too_large")
    try:
        text = content.decode()
        content.clear()
        value = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise Refused(f"The body is nested deeper than {_DEEPEST} levels.") from error
    except ValueError as error:
        raise Refused(f"The body is not JSON: {str(error)[:200]}.") from error
    _check(value)
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _check(value: Any) -> None:
    """Refuse what lies too deep, and halves of surrogate pairs, which no tokenizer or file system takes."""
    left = [(value, 1)]
    while left:
        item, depth = left.pop()
        if isinstance(item, str):
            if not item.isascii():
                try:
                    item.encode()
                except UnicodeEncodeError as error:
                    raise Refused("The body holds half of a surrogate pair, which is not Unicode.") from error
        elif isinstance(item, dict | list):
            if depth > _DEEPEST:
                raise Refused(f"The body is nested deeper than {_DEEPEST} levels.")
            inner = [*item, *item.values()] if isinstance(item, dict) else item
            left += [(one, depth + 1) for one in inner]


__all__ = ["check_head", "parse", "read_body"]
