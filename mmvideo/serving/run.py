"""Run the application; on a signal it ends within seconds and leaves no file behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from mmvideo.errors import InvalidInput
from mmvideo.serving.connections import BACKLOG, Connection, RateLimitFilter, files, limited_connection

GRACE_SECONDS = 3
"""What a running request is given to end."""
_LONGEST_HEAD = 32 << 10


def listen(host: str, port: int) -> socket.socket:
    """Return a socket at an address, not yet taking connections.

    Raises:
        InvalidInput: there is no such address here, or it is taken.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, kind, number)
    except (OSError, UnicodeError) as error:
        raise InvalidInput(f"--host {host}: {error}.") from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        raise InvalidInput(f"Nothing can listen at {host}, port {port}: {error.strerror}. Choose another --port, or 0 "
                           "for a free one.") from error
    return found


class _Server(uvicorn.Server):
    """uvicorn's, which tells when it takes connections, and tells the handlers when it begins to end."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]):
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app: Any = self.config.app
        handlers = app.state.server
        handlers.stop()
        asyncio.get_running_loop().call_later(GRACE_SECONDS, handlers.close)
        await super().shutdown(sockets)


def run_server(app: Any, listener: socket.socket, *, max_connections: int = 256,
               ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGINT or SIGTERM, which then ends the process.

    Args:
        app: what `make_app` gave.
        listener: of `listen`.
        max_connections: that may be open at once.
        ready: called once connections are taken; before, they are refused.

    Raises:
        InvalidInput: the process may open too few files.
    """
    config = uvicorn.Config(
        app, http=limited_connection(max_connections, *files()), ws="none", lifespan="on", log_level="warning",
        access_log=False,
        server_header=False, backlog=BACKLOG, limit_concurrency=max_connections + 1, timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE_SECONDS + 1, h11_max_incomplete_event_size=_LONGEST_HEAD)
    for name in ("uvicorn.error", "asyncio", "mmvideo.serving"):
        logging.getLogger(name).addFilter(RateLimitFilter())
    received: list[int] = []
    with _own_folder_of_temporary_files(), _signals(received):
        _Server(config, ready).run([listener])
    if received:
        _leave(received[0])


@contextlib.contextmanager
def _own_folder_of_temporary_files() -> Iterator[None]:
    """Keep downloads in one folder, which is removed at the end, also with one that is still being written."""
    before, own = tempfile.tempdir, tempfile.mkdtemp(prefix="mmvideo-serve-")
    tempfile.tempdir = own
    try:
        yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(own, ignore_errors=True)


@contextlib.contextmanager
def _signals(received: list[int]) -> Iterator[None]:
    """Note signals that uvicorn raises again when it has ended, so that there is time to tidy up."""
    before = {number: signal.signal(number, lambda got, _: received.append(got))
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int) -> None:
    """End the process by a signal, as a caller expects; threads that still download or compute are not waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


__all__ = ["Connection", "listen", "run_server"]
