"""Time limits of downloads, and waiting that ends when the result is no longer needed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from mmvideo.deadline import check
from mmvideo.errors import DownloadRefused, MmvideoError
from mmvideo.media.limits import MediaLimits

T = TypeVar("T")
_SLICE_SECONDS = 0.2
"""A wait is cut into pieces of this length, after each of which it is asked whether to go on."""


class TransferDeadline:
    """The moment at which one download must be done.

    Args:
        url: how messages call the download.
        limits: `max_seconds` from now on, and `stop`.
    """

    def __init__(self, url: str, limits: MediaLimits):
        self.url, self._stop, self._seconds = url, limits.stop, limits.max_seconds
        self._end = time.monotonic() + limits.max_seconds

    def wait_seconds(self) -> float:
        """Return how long to wait at a time before this is asked again.

        Raises:
            DownloadRefused: it is too late, or the caller has gone.
            TimeLimitExceeded: the time limit of the work that needs the download is over.
        """
        check()
        left = self._end - time.monotonic()
        if left <= 0:
            raise DownloadRefused(f"{self.url} took longer than {self._seconds:g} s (max_seconds).")
        if self._stop is not None and self._stop():
            raise DownloadRefused(f"{self.url}: the download was stopped before its end.")
        return max(1e-3, min(left, _SLICE_SECONDS))

    def run(self, work: Callable[[], T]) -> T:
        """Call a function that cannot be interrupted, in a thread that is left behind when it is too late.

        Raises:
            DownloadRefused: it is too late, or the caller has gone.
        """
        outcome: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

        def call() -> None:
            try:
                outcome.put((work(), None))
            except (MmvideoError, OSError, ValueError) as error:  # anything else is a bug, and printed by the thread
                outcome.put((None, error))

        thread = threading.Thread(target=call, name="mmvideo-download", daemon=True)
        thread.start()
        while True:
            try:
                result, error = outcome.get(timeout=self.wait_seconds())
            except queue.Empty:
                assert thread.is_alive() or not outcome.empty(), "the thread ended without a result"
                continue
            if error is not None:
                raise error
            return result


__all__ = ["TransferDeadline"]
