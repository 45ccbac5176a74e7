"""HTTP connections of which every step ends in time, and which lead to the address that was checked.

`http.client` gives each wait a limit of its own: a peer that sends a byte now and then is waited for without end. Here
the socket below it waits until one moment for everything: look-up, connection, TLS handshake, request, headers and
body. A name is looked up once; the numeric addresses are checked and connected to, while the header `Host` and TLS keep
the name.
"""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from mmvideo.errors import DownloadRefused
from mmvideo.media.addresses import is_public
from mmvideo.media.deadline import TransferDeadline
from mmvideo.media.limits import MediaLimits

_QUIET_SECONDS = 30.0
"""A peer that says nothing, or cannot be connected to, for so long is given up."""
_OVERHEAD_BYTES = 1024 * 1024
"""What headers, chunk sizes and TLS may add to `max_bytes`."""


class _Stream:
    """The part of a socket that `http.client` uses; every wait ends at the deadline."""

    def __init__(self, peer: socket.socket, deadline: TransferDeadline, max_bytes: int):
        self.peer, self.deadline = peer, deadline
        self._left = max_bytes + _OVERHEAD_BYTES
        self._users, self._closed = 0, False

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._patiently(self.peer.send, rest):]

    def receive_into(self, buffer: memoryview) -> int:
        count = self._patiently(self.peer.recv_into, buffer)
        self._left -= count
        if self._left < 0:
            raise DownloadRefused(f"{self.deadline.url} sends more than the limit on bytes (max_bytes).")
        return count

    def handshake(self, context: ssl.SSLContext, name: str) -> None:
        """Go on in TLS, with a peer that proves to be `name`."""
        self.peer = context.wrap_socket(self.peer, server_hostname=name, do_handshake_on_connect=False)
        self._patiently(self.peer.do_handshake)

    def _patiently(self, step: Any, *args: Any) -> Any:
        quiet = time.monotonic() + _QUIET_SECONDS
        while True:
            self.peer.settimeout(self.deadline.wait_seconds())
            try:
                return step(*args)
            except TimeoutError:
                if time.monotonic() > quiet:
                    raise

    def makefile(self, mode: str) -> io.BufferedReader:
        self._users += 1
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close the socket once the response is closed too, as a socket does."""
        self._closed = True
        self._close_unused()

    def release(self) -> None:
        self._users -= 1
        self._close_unused()

    def _close_unused(self) -> None:
        if self._closed and self._users <= 0:
            self.peer.close()


class _Reader(io.RawIOBase):
    """What the response of a stream is read from."""

    def __init__(self, stream: _Stream):
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._stream.receive_into(memoryview(buffer))

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._stream.release()


def _connected(host: str, port: int, deadline: TransferDeadline, limits: MediaLimits) -> socket.socket:
    """Look a name up, check its addresses, and connect to the first that answers."""
    found = deadline.run(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    if not limits.private_addresses and not all(is_public(str(address[0])) for _, address in addresses):
        raise DownloadRefused(f"{host} is no host of the public internet, and others are not allowed here "
                              "(private_addresses).")
    failure: OSError = OSError(f"{host} has no address")
    for family, address in addresses:
        try:
            return _connected_to(family, address, deadline)
        except OSError as error:
            failure = error
    raise failure


def _connected_to(family: int, address: Any, deadline: TransferDeadline) -> socket.socket:
    peer = socket.socket(family, socket.SOCK_STREAM)
    try:
        peer.setblocking(False)
        quiet = time.monotonic() + _QUIET_SECONDS
        peer.connect_ex(address)
        while not select.select([], [peer], [peer], deadline.wait_seconds())[1]:
            if time.monotonic() > quiet:
                raise TimeoutError(f"{address[0]} does not answer")
        if error := peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer
    except BaseException:
        peer.close()
        raise


class _Connection(http.client.HTTPConnection):
    """A connection whose socket obeys a deadline."""

    _tunnel_host: str | None
    _tunnel: Callable[[], None]
    """Of the base class, for proxies."""

    def __init__(self, host: str, *, deadline: TransferDeadline, limits: MediaLimits, **options: Any):
        super().__init__(host, **options)
        self._deadline, self._limits = deadline, limits

    def connect(self) -> None:
        peer = _connected(self.host, self.port, self._deadline, self._limits)
        self.sock = _Stream(peer, self._deadline, self._limits.max_bytes)
        if self._tunnel_host:
            self._tunnel()


class _SecureConnection(_Connection):
    """The same with TLS."""

    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        super().connect()
        cast("_Stream", self.sock).handshake(ssl.create_default_context(), self._tunnel_host or self.host)


class WebHandler(urllib.request.AbstractHTTPHandler):
    """Opens http and https addresses for `urllib`, within a deadline and to checked addresses."""

    def __init__(self, deadline: TransferDeadline, limits: MediaLimits):
        super().__init__()
        self._deadline, self._limits = deadline, limits

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Connection, deadline=self._deadline, limits=self._limits), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_SecureConnection, deadline=self._deadline, limits=self._limits), request)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


__all__ = ["WebHandler"]
