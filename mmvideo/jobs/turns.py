"""Decoding and computing by turns, where together they would want more threads than there are cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets the networks compute while no clip is decoded, and clips be decoded while no network computes.

    The networks of a chat model are given every core, since decoding is a twentieth of the work. The thread that
    decodes gives no task while `computing` is wanted, and tells how many clips are being decoded; the thread that
    computes waits for them.

    Args:
        needed: False lets both run beside each other.
    """

    def __init__(self, *, needed: bool):
        self.needed = needed
        self.at_work = 0
        """Clips that are being decoded, without those of remote addresses, which are waited for rather than decoded."""
        self._wanted = False
        self._changed = threading.Condition()

    @contextmanager
    def giving(self) -> Iterator[bool]:
        """Say whether tasks may be given; what is given is told by `decoding` before the block ends."""
        with self._changed:
            yield not self._wanted

    def decoding(self, count: int) -> None:
        """Tell how many clips are being decoded now."""
        with self._changed:
            self.at_work = count
            self._changed.notify_all()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute inside, after the clips that are being decoded."""
        if not self.needed:
            yield
            return
        with self._changed:
            self._wanted = True
            self._changed.wait_for(lambda: not self.at_work)
        try:
            yield
        finally:
            with self._changed:
                self._wanted = False


__all__ = ["Turns"]
