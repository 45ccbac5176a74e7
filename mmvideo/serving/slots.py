"""Admission: how many requests may be in the server, and how many bytes of large ones."""

from __future__ import annotations

import threading

from mmvideo.serving.problems import Busy, Stopping

SMALL = 1 << 20
"""Bodies up to this many bytes are not counted: the number of slots bounds them."""


class Slots:
    """As many requests as may run or wait.

    Args:
        max_queue: requests that may wait, besides the one that runs.
        max_bytes: of the bodies of all large requests together.
    """

    def __init__(self, max_queue: int, max_bytes: int):
        self.max_queue, self.max_bytes, self.open = max_queue, max_bytes, True
        self._taken = self._bytes = 0
        self._lock = threading.Lock()

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
            if not self.open:
                raise Stopping()
            if self._taken > self.max_queue:
                raise Busy(f"{self.max_queue} requests are waiting already; try again in a few seconds.")
            self._taken += 1
        return Slot(self)

    def _count(self, requests: int, size: int) -> None:
        with self._lock:
            if size > 0 and self._bytes + size > self.max_bytes:
                raise Busy("Other large requests are being read; try again in a few seconds.")
            self._taken += requests
            self._bytes += size


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


__all__ = ["Slot", "Slots"]
