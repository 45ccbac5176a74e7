"""Refuse a body that is too large by its announced length, before any of it is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_AROUND = 1 << 20
"""Bytes that a form may have beside its file, and that a request may have that uploads nothing."""


class SizeLimit:
    """ASGI middleware: refuses and closes the connection, as servers else read a refused request to its end.

    Uploads that announce no length are left to the application, which counts; other requests of that kind are refused.

    Args:
        app: what is behind it.
        limit: bytes that a file may have.
        uploads: the folder that files are kept in.
        least_room: free bytes below which nothing is taken into that folder.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], limit: int, uploads: Path, least_room: int = 0):
        self.app, self.limit, self.uploads, self.least_room = app, limit, uploads, least_room

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, or refuse it."""
        status, words = self._problem(scope) if scope["type"] == "http" else (0, "")
        if not status:
            await self.app(scope, receive, send)
            return
        body = json.dumps({"detail": words}).encode()
        await send({"type": "http.response.start", "status": status, "headers": [
            (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
            (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": body})

    def _problem(self, scope: dict[str, Any]) -> tuple[int, str]:
        """Return the status and the words of a refusal; 0 if there is none."""
        headers, is_upload = dict(scope.get("headers", ())), scope["path"].rstrip("/").endswith("/upload")
        length = headers.get(b"content-length", b"")
        size = int(length) if length.isdigit() and len(length) < 16 else 0 if not length else 1 << 60
        if is_upload and size > self.limit + _AROUND:
            return 413, (f"The file has {size >> 20} MB, more than the maximum allowed size of {self.limit >> 20} MB; "
                         "cut it or make its picture smaller.")
        if not is_upload and (size > _AROUND or b"transfer-encoding" in headers):
            return 413, f"This request can have {_AROUND >> 20} MB, and must announce its length."
        if is_upload and self._room() - size < self.least_room:
            return 507, "There is no room for more files now; try again in half an hour."
        return 0, ""

    def _room(self) -> int:
        folder = self.uploads
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).free


__all__ = ["SizeLimit"]
