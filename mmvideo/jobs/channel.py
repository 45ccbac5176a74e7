"""Signed messages between processes that share a key, bounded in length and in time.

Both sides prove that they know the key without sending it (HMAC-SHA256 over random numbers of both). Each message then
carries an HMAC of its number and bytes under a key of this connection and direction, so that none can be made up,
changed, left out or sent twice. Nothing is encrypted: machines that work together share a network that they trust to
be read, but not to be written to.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import socket
import struct
import time
from typing import Any

from mmvideo.errors import MmvideoError

HANDSHAKE_SECONDS = 10.0
"""So long may both sides take to prove that they know the key, all together."""
MESSAGE_SECONDS = 120.0
"""So long may a message take, once it has begun."""
MOST_BYTES = 64 * 1024 * 1024
"""Longest message."""
_NONCE, _TAG, _LENGTH = 32, 32, struct.Struct("!I")


class ChannelError(MmvideoError, ConnectionError):
    """The other side does not know the key, breaks the rules of the channel, or has gone."""


class Channel:
    """One end of a connection.

    Args:
        connection: a connected TCP socket.
        key: what both sides share.
        server: whether this is the side that was called.

    Raises:
        ChannelError: the other side does not prove in time that it knows the key.
    """

    def __init__(self, connection: socket.socket, key: bytes, *, server: bool):
        self._socket = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a machine that has gone is noticed
        self._sent = self._received = 0
        mine = secrets.token_bytes(_NONCE)
        deadline = time.monotonic() + HANDSHAKE_SECONDS
        self._write(mine, deadline)
        theirs = self._read(_NONCE, deadline)
        both = theirs + mine if server else mine + theirs  # the caller's comes first
        self._keys = [hmac.digest(key, side + both, hashlib.sha256) for side in (b"caller", b"called")]
        me, other = (1, 0) if server else (0, 1)
        self._mine, self._theirs = self._keys[me], self._keys[other]
        self._write(hmac.digest(self._mine, b"hello", hashlib.sha256), deadline)
        if not hmac.compare_digest(self._read(_TAG, deadline), hmac.digest(self._theirs, b"hello", hashlib.sha256)):
            raise ChannelError("The other side does not know the key of this job.")

    def send(self, value: Any) -> None:
        """Send a value of JSON.

        Raises:
            ChannelError: the other side has gone, or the message is too long.
        """
        data = json.dumps(value).encode()
        if len(data) > MOST_BYTES:
            raise ChannelError(f"A message of {len(data)} bytes is over the limit of {MOST_BYTES}.")
        deadline = time.monotonic() + MESSAGE_SECONDS
        self._write(_LENGTH.pack(len(data)) + data + self._tag(self._mine, self._sent, data), deadline)
        self._sent += 1

    def receive(self, wait_seconds: float | None = None) -> Any:
        """Wait for a value and return it.

        Args:
            wait_seconds: until it begins; None waits as long as the other side is there.

        Raises:
            ChannelError: the other side has gone, or sends what is no message of it.
        """
        first = self._read(1, None if wait_seconds is None else time.monotonic() + wait_seconds)
        deadline = time.monotonic() + MESSAGE_SECONDS
        length, = _LENGTH.unpack(first + self._read(_LENGTH.size - 1, deadline))
        if length > MOST_BYTES:
            raise ChannelError(f"The other side announces a message of {length} bytes, over the limit of {MOST_BYTES}.")
        data = self._read(length, deadline)
        if not hmac.compare_digest(self._read(_TAG, deadline), self._tag(self._theirs, self._received, data)):
            raise ChannelError("A message is not as the other side has signed it.")
        self._received += 1
        return json.loads(data)

    @staticmethod
    def _tag(key: bytes, number: int, data: bytes) -> bytes:
        return hmac.digest(key, struct.pack("!Q", number) + data, hashlib.sha256)

    def _write(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            self._until(deadline)
            try:
                left = left[self._socket.send(left):]
            except OSError as error:
                raise ChannelError(f"The other side has gone ({error}).") from error

    def _read(self, count: int, deadline: float | None) -> bytes:
        data = bytearray()
        while len(data) < count:
            self._until(deadline)
            try:
                piece = self._socket.recv(min(count - len(data), 1 << 20))
            except OSError as error:
                raise ChannelError(f"The other side has gone ({error}).") from error
            if not piece:
                raise ChannelError("The other side has gone.")
            data += piece
        return bytes(data)

    def _until(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise ChannelError("The other side does not answer in time.")
        self._socket.settimeout(left)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


__all__ = ["HANDSHAKE_SECONDS", "MESSAGE_SECONDS", "MOST_BYTES", "Channel", "ChannelError"]
