"""Admission: how many requests may be in the server, and how many bytes of large ones."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque

from mmvideo.serving.problems import Busy, Stopping

SMALL = 1 << 20
"""Bodies up to this many bytes are not counted: the number of slots bounds them."""
PATIENCE_SECONDS = 2.0
"""How long a request is held for a slot before it is refused."""


class Slots:
    """As many requests as may run or wait.

    Where all are taken, as many more are held for a moment, their bodies unread, and get the next slots in turn: else
    callers that ask again as soon as they have an answer would always be before those that were refused.

    Args:
        max_queue: requests that may wait, besides the one that runs.
        max_bytes: of the bodies of all large requests together.
    """

    def __init__(self, max_queue: int, max_bytes: int):
        self.max_queue, self.max_bytes, self.open = max_queue, max_bytes, True
        self._taken = self._bytes = 0
        self._lock = threading.Lock()
        self._held: deque[_Held] = deque()

    @property
    def waiting(self) -> int:
        """Requests that are there, without the one that runs."""
        return max(0, self._taken - 1)

    def take(self) -> Slot:
        """Return a slot, to be released.

        Raises:
            Busy: all are taken.
            Stopping: the server ends.
        """
        with self._lock:
            if not self._free():
                raise self._busy()
            self._taken += 1
        return Slot(self)

    async def take_in_turn(self) -> Slot:
        """Return a slot as `take` does; where all are taken, be held for one behind those that are held already.

        Raises:
            Busy: none was free for `PATIENCE_SECONDS`, or as many are held as may wait.
            Stopping: the server ends.
        """
        with self._lock:
            if self._free():
                self._taken += 1
                return Slot(self)
            if len(self._held) >= self.max_queue:
                raise self._busy()
            held = _Held(asyncio.get_running_loop())
            self._held.append(held)
        try:
            await asyncio.wait_for(held.given.wait(), PATIENCE_SECONDS)
        except TimeoutError:
            if self._left(held):
                raise self._busy() from None
        except asyncio.CancelledError:
            if not self._left(held):
                self._count(-1, 0)
            raise
        return Slot(self)

    def _free(self) -> bool:
        """Say whether there is a slot for which no request is held.

        Raises:
            Stopping: the server ends.
        """
        if not self.open:
            raise Stopping()
        return self._taken <= self.max_queue and not self._held

    def _busy(self) -> Busy:
        return Busy(f"{self.max_queue} requests are waiting already; try again in a few seconds.")

    def _left(self, held: _Held) -> bool:
        """Hold a request no longer; say whether it was without a slot."""
        with self._lock:
            if held in self._held:
                self._held.remove(held)
                return True
        return False

    def _count(self, requests: int, size: int) -> None:
        with self._lock:
            if size > 0 and self._bytes + size > self.max_bytes:
                raise Busy("Other large requests are being read; try again in a few seconds.")
            self._bytes += size
            if requests < 0 and self._held and self.open:  # the slot goes on to the first that is held
                self._held.popleft().give()
            else:
                self._taken += requests


class _Held:
    """A request that is held for a slot."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self.loop, self.given = loop, asyncio.Event()

    def give(self) -> None:
        """Tell it, from any thread, that it has a slot."""
        with contextlib.suppress(RuntimeError):  # the server has ended
            self.loop.call_soon_threadsafe(self.given.set)


class Slot:
    """One request's part of what is bounded."""

    def __init__(self, slots: Slots):
        self._slots, self._size, self._held = slots, 0, True

    def grow(self, size: int) -> None:
        """Let the body be of so many bytes.

        Raises:
            Busy: there is no memory for it beside the others.
        """
        if size > max(SMALL, self._size):
            self._slots._count(0, size - self._size)
            self._size = size

    def release(self) -> None:
        """Give it back; may be called again."""
        if self._held:
            self._held = False
            self._slots._count(-1, -self._size)


__all__ = ["PATIENCE_SECONDS", "Slot", "Slots"]
