"""Access control: the API key, the name under which the server is called, and the web pages that may call it."""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from mmvideo.serving.address import is_number
from mmvideo.serving.problems import Refused, error_response

OPEN = "/health"
"""Answers without the key, as what watches over services has none."""


class Guard:
    """ASGI middleware that refuses a request by its headers.

    A browser on the server's machine could be made to call it by any web page: by a name that its owner lets point to
    this machine (DNS rebinding; the Host header tells), or straight (the Origin header tells).

    Args:
        app: what is behind it.
        api_key: that a request must bear; empty for none.
        hosts: names under which the server may be called, besides its address as a number, localhost and its own name.
        origins: of web pages that may call it, such as "https://example.com", in lower case without a slash at the end.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], *, api_key: str = "", hosts: Iterable[str] = (),
                 origins: Iterable[str] = ()):
        self.app, self.origins = app, set(origins)
        self.hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in hosts)}
        self._key = _digest(api_key.encode()) if api_key else None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            try:
                self._check(headers)
                scope["mmvideo.known"] = self._knows(headers)
                if not scope["mmvideo.known"] and scope["path"] != OPEN:
                    raise Refused("A valid API key is needed, as in the header 'Authorization: Bearer KEY'.",
                                  status=401, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
            except Refused as error:
                await error_response(error, unread=headers)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _check(self, headers: Headers) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_own(host):
            raise Refused(f"This server is not called {host[:100]!r}; start it with --allow-host NAME to let it be.",
                          status=403, code="host_not_allowed")
        if origin is not None and origin.lower() not in self.origins and _host_of(origin) != host.lower():
            raise Refused(f"Pages of {origin[:100]!r} may not call this server; start it with --allow-origin ORIGIN to "
                          "let them.", status=403, code="origin_not_allowed")

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self.hosts or is_number(name)

    def _knows(self, headers: Headers) -> bool:
        if self._key is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return hmac.compare_digest(_digest(given.strip().encode("latin-1")), self._key) and scheme.lower() == "bearer"


def _host_of(origin: str) -> str:
    """Return "host:port" of an origin; empty for one that has none ("null") or is malformed."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _digest(key: bytes) -> bytes:
    """Return a hash, so that comparing tells nothing of the key's length."""
    return hashlib.sha256(key).digest()


__all__ = ["Guard"]
