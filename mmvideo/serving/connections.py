"""Limits on connections that uvicorn has no option for, and a log that cannot be flooded."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from mmvideo.errors import InvalidInput

BACKLOG = 32
"""Connections that the system holds until they are taken; so many may be taken at once before one can be closed."""
_OTHER_FILES = 48
"""Descriptors left for videos, weights and downloads."""
_AT_LEAST = 4
_ARE_TOLD = 64
"""Connections over the limit that get uvicorn's status 503 before further ones are just closed."""


class Connection(H11Protocol):
    """A connection that ends when the head of a request does not come in time, or when there are too many.

    uvicorn bounds how long a connection may be idle after a response, but not before the first request, nor while a
    head (or what is left of the body of a refused request) trickles in.
    """

    most = 256
    head_seconds = 10.0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came; the clock stands while a request is answered."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        super().connection_lost(exc)
        self._stop()

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._late is None:
            self._late = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def limited_connection(most: int, open_files: int, allowed_files: int) -> type[Connection]:
    """Return the class of connections of which so many may be open, fewer where the system allows fewer files.

    Args:
        open_files: descriptors in use.
        allowed_files: descriptors that the process may have.

    Raises:
        InvalidInput: there are too few for any connection.
    """
    left = allowed_files - open_files - BACKLOG - _OTHER_FILES
    if left < _AT_LEAST:
        raise InvalidInput(f"This process may open {allowed_files} files and has {open_files} open: too few to serve. "
                           "Raise the limit, as in `ulimit -n 1024`.")
    return type("LimitedConnection", (Connection,), {"most": min(most + _ARE_TOLD, left)})


def files() -> tuple[int, int]:
    """Return how many descriptors are open and how many may be, after raising the limit where that is allowed."""
    try:
        import resource
    except ImportError:  # Windows
        return 0, 8192
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096 and (hard == resource.RLIM_INFINITY or hard > soft):
        soft = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    return len(os.listdir(folder)), soft


class RateLimitFilter(logging.Filter):
    """Lets one record of a kind through each so many seconds, and counts the others.

    A kind is a logger and the beginning of a message.
    """

    def __init__(self, seconds: float = 10.0):
        super().__init__()
        self.seconds = seconds
        self._last: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is written."""
        kind, now = (record.name, str(record.msg)[:40]), time.monotonic()
        since, left_out = self._last.get(kind, (-self.seconds, 0))
        if now - since < self.seconds:
            self._last[kind] = since, left_out + 1
            return False
        if len(self._last) > 200:
            self._last.clear()
        self._last[kind] = now, 0
        if left_out:
            record.msg = f"{record.msg} ({left_out} more in {now - since:.0f} s)"
        return True


__all__ = ["BACKLOG", "Connection", "RateLimitFilter", "files", "limited_connection"]
