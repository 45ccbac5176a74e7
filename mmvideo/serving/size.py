"""Refuse what is too large by its announced length, before any of it is read."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

_AROUND = 1 << 20
"""Bytes that a form may have beside its file."""


class SizeLimit:
    """ASGI middleware: answers 413 and closes the connection, as servers else read a refused request to its end.

    Requests that announce no length are left to the application.

    Args:
        app: what is behind it.
        limit: bytes that a file may have.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], limit: int):
        self.app, self.limit = app, limit

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, or refuse it."""
        length = dict(scope.get("headers", ())).get(b"content-length", b"")
        if scope["type"] != "http" or not length.isdigit() or int(length) <= self.limit + _AROUND:
            await self.app(scope, receive, send)
            return
        words = (f"The file has {int(length) >> 20} MB, more than the maximum allowed size of {self.limit >> 20} MB; "
                 "cut it or make its picture smaller.")
        body = json.dumps({"detail": words}).encode()
        await send({"type": "http.response.start", "status": 413, "headers": [
            (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
            (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": body})


__all__ = ["SizeLimit"]
